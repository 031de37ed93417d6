import { Buffer } from 'node:buffer'
import { InvalidMessageError } from '../errors.ts'
import type { CompressorRegistry } from '../compression/index.ts'
import type { HeaderTable, MessageContent, MessageProperties } from '../message.ts'
import {
  encodeJsonMember,
  isoformat,
  isRawJson,
  JsonSerializer,
  jsonSerializer,
  parseIso,
  resolveRawJson,
  type JsonOptions,
  type RawJson,
} from '../serialization/index.ts'
import type { Serializer } from '../serializer.ts'
import { rememberParts, type BodyParts } from './body-parts.ts'
import type { ChainSource } from './chain-source.ts'
import { ChainText } from './chain-text.ts'
import { isPlainObject } from './plain-object.ts'
import { argsRepr, kwargsRepr } from './saferepr.ts'
import type { SignatureSource } from './signature-dict.ts'
import { checkTaskHeaders } from './read-task-message.ts'
import { emptyEmbedJson, emptyEmbedText, standardHeaders, type TaskEmbed } from './task-message.ts'

/** A moment: a `Date`, epoch milliseconds, or ISO text that is passed on as it is (a retry's `expires`). */
export type Moment = Date | number | string

export interface TaskMessageInput {
  readonly task: string
  readonly id: string
  /** `RawJson` of an array forwards the arguments of a received message. */
  readonly args?: readonly unknown[] | RawJson | null
  readonly kwargs?: Readonly<Record<string, unknown>> | RawJson | null
  /** Node that sends it, `gen<pid>@<host>`; a retry keeps the original. */
  readonly origin: string
  readonly shadow?: string | null
  readonly eta?: Moment | null
  readonly expires?: Moment | null
  readonly group?: string | null
  readonly groupIndex?: number | null
  readonly retries?: number
  /** Hard limit in seconds. */
  readonly timeLimit?: number | null
  /** Soft limit in seconds. */
  readonly softTimeLimit?: number | null
  /** Default: the own id. */
  readonly rootId?: string | null
  readonly parentId?: string | null
  /** Instead of the repr that is computed. */
  readonly argsrepr?: string | null
  readonly kwargsrepr?: string | null
  /** null leaves the decision to the executing task, as Python's send by name does (D57-17). */
  readonly ignoreResult?: boolean | null
  readonly replacedTaskNesting?: number
  /** Names of the stamps; `stamps` holds their values. */
  readonly stampedHeaders?: readonly string[] | null
  readonly stamps?: Readonly<Record<string, unknown>>
  /** The user's headers: merged at the top level, where they override standard ones of the same name. */
  readonly headers?: HeaderTable | null
  readonly callbacks?: readonly SignatureSource[] | null
  readonly errbacks?: readonly SignatureSource[] | null
  readonly chain?: ChainSource | null
  readonly chord?: SignatureSource | null
  /** Default: the id. */
  readonly correlationId?: string
  readonly replyTo?: string | null
  /** Default 0. */
  readonly priority?: number | null
  /** Default 2, persistent. */
  readonly deliveryMode?: 1 | 2
  /** Further message properties; on envelope transports they stay visible. */
  readonly properties?: HeaderTable
}

export interface TaskMessageOptions {
  /** Default JSON. */
  readonly serializer?: Serializer
  /** Name of the compression for the body, and who does it. */
  readonly compression?: { readonly name: string; readonly compressors: CompressorRegistry } | null
  /** `argsrepr_maxsize`, default 1024. */
  readonly reprMaxLength?: number
  /** Setting `task_repr_maxlevels`, default 3. */
  readonly reprMaxLevels?: number
  /** What goes into the header `lang`. Default `py`: some third-party readers look for it, and the message is Python's in form. */
  readonly lang?: string
  /** The clock for the `expiration` property, epoch ms. Default now. */
  readonly nowMs?: number
  /** Text of `eta` and `expires` that were given as instants, in the app's zone. Default `isoformat`: UTC. */
  readonly formatDate?: ((epochMs: number) => string) | undefined
}

/**
 * A protocol 2 task message (`as_task_v2` in celery/app/amqp.py 5.7): all standard headers in Python's order, the body
 * `[args, kwargs, embed]`, the properties Celery sets. What would kill a Python worker is refused.
 * Errors: `CT_INVALID_MESSAGE` with `details.reason`, `CT_ENCODE`, `CT_SERIALIZER`.
 */
export function buildTaskMessage(input: TaskMessageInput, options: TaskMessageOptions = {}): MessageContent {
  checkInput(input)
  const serializer = options.serializer ?? jsonSerializer
  const args = input.args ?? []
  const kwargs = input.kwargs ?? noKwargs
  const { formatDate = isoformat } = options
  const expires = momentText(input.expires, 'expires', formatDate)
  const encoded = encodeBody(args, kwargs, input, serializer)
  const compressed = options.compression
    ? options.compression.compressors.compress(encoded, options.compression.name)
    : null
  const headers: Record<string, unknown> = {
    lang: options.lang ?? 'py',
    task: input.task,
    id: input.id,
    shadow: input.shadow ?? null,
    eta: momentText(input.eta, 'eta', formatDate),
    expires,
    group: input.group ?? null,
    group_index: input.groupIndex ?? null,
    retries: input.retries ?? 0,
    timelimit: [input.timeLimit ?? null, input.softTimeLimit ?? null],
    root_id: input.rootId || input.id,
    parent_id: input.parentId ?? null,
    argsrepr: input.argsrepr ?? argsRepr(args, reprOptions(options)),
    kwargsrepr: input.kwargsrepr ?? kwargsRepr(kwargs, reprOptions(options)),
    origin: input.origin,
    ignore_result: input.ignoreResult ?? null,
    replaced_task_nesting: input.replacedTaskNesting ?? 0,
    stamped_headers: input.stampedHeaders ?? null,
    stamps: stampsOf(input),
  }
  if (input.headers) mergeHeaders(headers, input.headers)
  if (compressed !== null) headers['compression'] = compressed.compression
  const message: MessageContent = {
    body: compressed?.body ?? encoded,
    contentType: serializer.contentType,
    contentEncoding: serializer.contentEncoding,
    headers,
    properties: propertiesOf(input, expires, options.nowMs),
  }
  // A header of the user's may override a standard one, but not with what no worker survives.
  if (input.headers && Object.keys(input.headers).some((key) => standardHeaders.has(key)))
    checkTaskHeaders(message)
  return message
}

const noKwargs: Readonly<Record<string, unknown>> = Object.freeze({})

function reprOptions(options: TaskMessageOptions): { maxLength: number; maxLevels: number } {
  return { maxLength: options.reprMaxLength ?? 1024, maxLevels: options.reprMaxLevels ?? 3 }
}

function encodeBody(
  args: unknown,
  kwargs: unknown,
  input: TaskMessageInput,
  serializer: Serializer,
): Uint8Array {
  const { callbacks, errbacks, chain, chord } = input
  const embed = {
    callbacks: callbacks ?? null,
    errbacks: errbacks ?? null,
    chain: chain ?? null,
    chord: chord ?? null,
  }
  if (!(serializer instanceof JsonSerializer)) return serializer.encode(resolveRawJson([args, kwargs, embed]))
  const empty = !callbacks && !errbacks && !chain && !chord
  try {
    const { options } = serializer
    const head = `[${encodeJsonMember(args, options)}, ${encodeJsonMember(kwargs, options)}`
    if (empty) return Buffer.from(`${head}, ${emptyEmbedText}]`, 'latin1')
    if (isRawJson(chain)) return encodeLinked(head, embed, options)
  } catch {
    // Once more, for an error that says where it was.
  }
  return serializer.encode([args, kwargs, empty ? emptyEmbedJson : embed])
}

/** With the steps of a chain that were received as text: whoever is given these very bytes need not look for them. */
function encodeLinked(head: string, embed: TaskEmbed, options: JsonOptions): Uint8Array {
  const parts = Object.entries(embed).map(([name, member]): BodyParts['embed'][number] => {
    if (member instanceof ChainText && member.ascii) return [name, member]
    return [name, member === null ? 'null' : encodeJsonMember(member, options, 2)]
  })
  const pieces: string[] = []
  let text = head + ', {'
  for (const [at, [name, part]] of parts.entries()) {
    text += `${at === 0 ? '' : ', '}"${name}": `
    if (typeof part === 'string') text += part
    else {
      pieces.push(text, part.open)
      text = ']'
    }
  }
  const body = latin1Bytes(pieces, text + '}]')
  rememberParts(body, { head, embed: parts })
  return body
}

/** Piece by piece: put together as one text, the steps would be copied once more. */
function latin1Bytes(pieces: readonly string[], last: string): Uint8Array {
  if (pieces.length === 0) return Buffer.from(last, 'latin1')
  const body = Buffer.allocUnsafe(pieces.reduce((sum, { length }) => sum + length, last.length))
  let at = 0
  for (const piece of pieces) at += body.write(piece, at, 'latin1')
  body.write(last, at, 'latin1')
  return body
}

function stampsOf(input: TaskMessageInput): Record<string, unknown> {
  const { stampedHeaders, stamps } = input
  if (!stampedHeaders || stampedHeaders.length === 0) return {}
  return Object.fromEntries(
    stampedHeaders.map((name) => [
      name,
      stamps !== undefined && Object.hasOwn(stamps, name) ? stamps[name] : null,
    ]),
  )
}

function mergeHeaders(headers: Record<string, unknown>, custom: HeaderTable): void {
  for (const key of Object.keys(custom)) {
    if (custom[key] === undefined) continue
    Object.defineProperty(headers, key, {
      value: custom[key],
      writable: true,
      enumerable: true,
      configurable: true,
    })
  }
}

function propertiesOf(
  input: TaskMessageInput,
  expires: string | null,
  nowMs: number | undefined,
): MessageProperties {
  const properties: { -readonly [key in keyof MessageProperties]: MessageProperties[key] } = {
    correlationId: input.correlationId ?? input.id,
    replyTo: input.replyTo ?? '',
    deliveryMode: input.deliveryMode ?? 2,
    priority: input.priority ?? 0,
  }
  if (expires !== null) {
    // The broker may drop the message itself once it has expired.
    const left = Math.trunc(parseIso(expires).epochMs - (nowMs ?? Date.now()))
    properties.expiration = String(Math.max(0, left))
  }
  if (input.properties !== undefined) properties.extra = input.properties
  return properties
}

function momentText(
  moment: Moment | null | undefined,
  field: string,
  formatDate: (epochMs: number) => string,
): string | null {
  if (moment === null || moment === undefined) return null
  try {
    if (typeof moment !== 'string') return formatDate(typeof moment === 'number' ? moment : moment.getTime())
    parseIso(moment)
    return moment
  } catch (cause) {
    throw invalid(`${field} is no time that Celery can read`, field, cause)
  }
}

function checkInput(input: TaskMessageInput): void {
  if (typeof input.task !== 'string' || input.task === '')
    throw invalid('task must be the name of a task', 'task')
  if (typeof input.id !== 'string' || input.id === '')
    throw invalid('id must be a text that is not empty', 'id')
  const { args, kwargs } = input
  if (args !== null && args !== undefined && !Array.isArray(args) && !isRawOf(args, '[')) {
    throw invalid('args must be an array', 'args')
  }
  if (kwargs !== null && kwargs !== undefined && !isPlainObject(kwargs) && !isRawOf(kwargs, '{')) {
    throw invalid('kwargs must be an object', 'kwargs')
  }
  checkNumber(input.retries, 'retries')
  checkNumber(input.groupIndex, 'groupIndex')
  checkLimit(input.timeLimit, 'timeLimit')
  checkLimit(input.softTimeLimit, 'softTimeLimit')
}

function isRawOf(value: unknown, open: string): boolean {
  return isRawJson(value) && value.text.startsWith(open)
}

function checkNumber(value: unknown, field: string): void {
  if (value === undefined || value === null) return
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw invalid(`${field} must be a whole number from 0`, field)
}

function checkLimit(value: unknown, field: string): void {
  if (value === undefined || value === null) return
  if (typeof value !== 'number' || !(value >= 0) || value === Infinity)
    throw invalid(`${field} must be seconds`, field)
}

function invalid(problem: string, reason: string, cause?: unknown): InvalidMessageError {
  return new InvalidMessageError(`cannot build the task message: ${problem}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { reason },
  })
}
