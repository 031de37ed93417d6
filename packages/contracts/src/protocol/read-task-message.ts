import type { CompressorRegistry } from '../compression/index.ts'
import { InvalidMessageError } from '../errors.ts'
import type { HeaderTable, MessageContent, MessageProperties } from '../message.ts'
import { parseIso } from '../serialization/index.ts'
import type { AcceptedContent, SerializerRegistry } from '../serialization/index.ts'
import { isPlainObject } from './plain-object.ts'
import { decodePayload } from './read-task-body.ts'
import { argsRepr, kwargsRepr } from './saferepr.ts'
import { customHeaders } from './task-message.ts'

/** What a reader may open. One per consumer. */
export interface MessageCodecs {
  readonly serializers: SerializerRegistry
  readonly compressors: CompressorRegistry
  /** From `serializers.accept(acceptContent)`. */
  readonly accept: AcceptedContent
  /** Bound of a decompressed body. */
  readonly maxBytes: number
}

/** Bytes of a body with all that is needed to open it; also what travels to a pool's slot. */
export interface TaskPayload {
  readonly body: Uint8Array
  readonly contentType: string
  readonly contentEncoding: string
  /** Value of the `compression` header. */
  readonly compression: string | null
  /** The body, when finding out the protocol has taken decoding it already (protocol 1 and hybrids). */
  readonly decoded?: unknown
}

/** Deadlines, identity and options of a received task; the arguments are still in the encoded body. */
export interface TaskMessage extends TaskPayload {
  /** Protocol the message was written in: 2 also for hybrids. */
  readonly protocol: 1 | 2
  readonly task: string
  readonly id: string
  readonly shadow: string | null
  /** As it stood in the message: a retry passes it on. */
  readonly eta: string | null
  readonly etaMs: number | null
  readonly expires: string | null
  readonly expiresMs: number | null
  readonly group: string | null
  readonly groupIndex: number | null
  readonly retries: number
  /** Seconds. */
  readonly timeLimit: number | null
  /** Seconds. */
  readonly softTimeLimit: number | null
  readonly rootId: string | null
  readonly parentId: string | null
  readonly argsrepr: string
  readonly kwargsrepr: string
  readonly origin: string | null
  readonly lang: string | null
  /** null: the message does not say, the task's own setting decides. */
  readonly ignoreResult: boolean | null
  readonly replacedTaskNesting: number
  readonly stampedHeaders: readonly string[] | null
  readonly stamps: Readonly<Record<string, unknown>>
  readonly correlationId: string
  readonly replyTo: string | null
  readonly priority: number | null
  readonly properties: MessageProperties
  /** The whole table; protocol 1 fields are shown here under their protocol 2 names. */
  readonly headers: HeaderTable
  /** The user's headers (`request.headers`), null when there are none. Computed on first use. */
  readonly customHeaders: Readonly<Record<string, unknown>> | null
}

/**
 * First step of reading a task message: the headers, without decoding the arguments (except of protocol 1 and hybrid messages, which hide their headers in
 * the body). Accepts what Celery 5.7 accepts (celery/worker/strategy.py, request.py); what crashes or loops a Python worker is refused.
 * Errors: `CT_INVALID_MESSAGE` with `details.reason` naming the field, or `unknown-message`; `CT_DECODE`; `CT_CONTENT_DISALLOWED`. Nothing else is thrown.
 */
export function readTaskMessage(delivery: MessageContent, codecs: MessageCodecs): TaskMessage {
  const headers = delivery.headers
  if (!isPlainObject(headers)) throw invalid('the headers are not an object', 'headers')
  const payload: TaskPayload = {
    body: delivery.body,
    contentType: delivery.contentType,
    contentEncoding: delivery.contentEncoding,
    compression: compressionOf(headers),
  }
  const name = headers['task']
  if (name === undefined || name === null || name === '') return readProtocol1(delivery, payload, codecs)
  if (mayBeHybrid(payload, headers)) {
    const decoded = decodePayload(payload, codecs)
    if (isPlainObject(decoded) && Object.hasOwn(decoded, 'args'))
      return readHybrid(delivery, payload, decoded)
    return new TaskHead(delivery, { ...payload, decoded }, headers, 2)
  }
  return new TaskHead(delivery, payload, headers, 2)
}

function compressionOf(headers: HeaderTable): string | null {
  const compression = headers['compression']
  if (compression === undefined || compression === null) return null
  if (typeof compression !== 'string') throw invalid('the header compression is not a text', 'compression')
  return compression === '' ? null : compression
}

/** The fields a hybrid's body may bring; where the headers have them all, the body's do not matter. */
const hybridFields = [
  'lang',
  'task',
  'id',
  'root_id',
  'parent_id',
  'group',
  'meth',
  'shadow',
  'eta',
  'expires',
  'retries',
  'timelimit',
  'argsrepr',
  'kwargsrepr',
  'origin',
] as const

/** A JSON body tells by its first character that it is a protocol 2 array. Others have to be opened, unless the headers are complete anyway. */
function mayBeHybrid(payload: TaskPayload, headers: HeaderTable): boolean {
  if (payload.compression === null && payload.contentType === 'application/json') {
    for (let at = 0; at < payload.body.length; at += 1) {
      const byte = payload.body[at]!
      if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return byte !== 91
    }
    return false
  }
  return hybridFields.some((field) => field !== 'meth' && !Object.hasOwn(headers, field))
}

/** wire-messages §3.3: the fields of the body, overlaid with the real headers. */
function readHybrid(
  delivery: MessageContent,
  payload: TaskPayload,
  body: Record<string, unknown>,
): TaskMessage {
  const fields = hybridFields
    .filter((field) => Object.hasOwn(body, field))
    .map((field) => [field, body[field]])
  const headers: HeaderTable = { ...Object.fromEntries(fields), ...delivery.headers }
  return new TaskHead(delivery, { ...payload, decoded: body }, headers, 2)
}

/** wire-messages §3.2: the body is one object with everything; message headers become the user's headers. */
function readProtocol1(delivery: MessageContent, payload: TaskPayload, codecs: MessageCodecs): TaskMessage {
  const body = decodePayload(payload, codecs)
  if (!isPlainObject(body) || body['task'] === undefined || body['task'] === null) {
    throw invalid('it is no task message: neither the headers nor the body name a task', 'unknown-message')
  }
  const { args, kwargs, callbacks: _callbacks, errbacks: _errbacks, chord: _chord, ...fields } = body
  if (!isAbsent(kwargs) && !isPlainObject(kwargs)) throw invalid('kwargs is not an object', 'kwargs')
  const headers: Record<string, unknown> = {
    ...fields,
    // `taskset` is the older name and wins where it is present.
    group: Object.hasOwn(body, 'taskset') ? body['taskset'] : (body['group'] ?? null),
    argsrepr: argsRepr(args ?? []),
    kwargsrepr: kwargsRepr(kwargs ?? {}),
  }
  return new TaskHead(delivery, { ...payload, decoded: body }, headers, 1)
}

/** Refuses headers that {@link readTaskMessage} would refuse. Error: `CT_INVALID_MESSAGE`. */
export function checkTaskHeaders(message: MessageContent): void {
  void new TaskHead(message, { ...message, compression: compressionOf(message.headers) }, message.headers, 2)
}

/** Field by field as {@link TaskMessage} says. A class for one hidden shape, whatever the message left out. */
class TaskHead implements TaskMessage {
  readonly body: Uint8Array
  readonly contentType: string
  readonly contentEncoding: string
  readonly compression: string | null
  readonly decoded: unknown
  readonly protocol: 1 | 2
  readonly task: string
  readonly id: string
  readonly shadow: string | null
  readonly eta: string | null
  readonly etaMs: number | null
  readonly expires: string | null
  readonly expiresMs: number | null
  readonly group: string | null
  readonly groupIndex: number | null
  readonly retries: number
  readonly timeLimit: number | null
  readonly softTimeLimit: number | null
  readonly rootId: string | null
  readonly parentId: string | null
  readonly argsrepr: string
  readonly kwargsrepr: string
  readonly origin: string | null
  readonly lang: string | null
  readonly ignoreResult: boolean | null
  readonly replacedTaskNesting: number
  readonly stampedHeaders: readonly string[] | null
  readonly stamps: Readonly<Record<string, unknown>>
  readonly correlationId: string
  readonly replyTo: string | null
  readonly priority: number | null
  readonly properties: MessageProperties
  readonly headers: HeaderTable
  readonly #userHeaders: HeaderTable

  constructor(delivery: MessageContent, payload: TaskPayload, headers: HeaderTable, protocol: 1 | 2) {
    const h = headers
    this.body = payload.body
    this.contentType = payload.contentType
    this.contentEncoding = payload.contentEncoding
    this.compression = payload.compression
    this.decoded = payload.decoded
    this.protocol = protocol
    this.task = requiredText(h['task'], 'task')
    this.id = requiredText(h['id'], 'id')
    this.shadow = optionalText(h['shadow'], 'shadow')
    this.eta = optionalText(h['eta'], 'eta')
    this.etaMs = this.eta === null ? null : moment(this.eta, 'eta')
    this.expires = optionalText(h['expires'], 'expires')
    this.expiresMs = this.expires === null ? null : moment(this.expires, 'expires')
    this.group = optionalText(h['group'], 'group')
    this.groupIndex = optionalInteger(h['group_index'], 'group_index')
    this.retries = optionalInteger(h['retries'], 'retries') ?? 0
    const limits = h['timelimit']
    if (isAbsent(limits)) {
      this.timeLimit = null
      this.softTimeLimit = null
    } else {
      if (!Array.isArray(limits) || limits.length !== 2)
        throw invalid('timelimit is not an array of two', 'timelimit')
      this.timeLimit = optionalSeconds(limits[0])
      this.softTimeLimit = optionalSeconds(limits[1])
    }
    this.rootId = optionalText(h['root_id'], 'root_id')
    this.parentId = optionalText(h['parent_id'], 'parent_id')
    this.argsrepr = displayText(h['argsrepr'])
    this.kwargsrepr = displayText(h['kwargsrepr'])
    this.origin = displayText(h['origin']) || null
    this.lang = displayText(h['lang']) || null
    this.ignoreResult = optionalBoolean(h['ignore_result'])
    this.replacedTaskNesting = optionalInteger(h['replaced_task_nesting'], 'replaced_task_nesting') ?? 0
    this.stampedHeaders = stampNames(h['stamped_headers'])
    const stamps = h['stamps']
    if (!isAbsent(stamps) && !isPlainObject(stamps)) throw invalid('stamps is not an object', 'stamps')
    this.stamps = isAbsent(stamps) ? {} : stamps
    const properties = delivery.properties
    this.correlationId = properties.correlationId || this.id
    this.replyTo = properties.replyTo || null
    this.priority = properties.priority ?? null
    this.properties = properties
    this.headers = headers
    this.#userHeaders = protocol === 1 ? delivery.headers : headers
  }

  get customHeaders(): Readonly<Record<string, unknown>> | null {
    return customHeaders(this.#userHeaders)
  }
}

function isAbsent(value: unknown): value is null | undefined {
  return value === null || value === undefined
}

function requiredText(value: unknown, field: string): string {
  if (typeof value !== 'string' || value === '')
    throw invalid(`${field} is not a text that is not empty`, field)
  return value
}

function optionalText(value: unknown, field: string): string | null {
  if (value === null || value === undefined) return null
  if (typeof value !== 'string') throw invalid(`${field} is not a text`, field)
  return value
}

/** Shown to people only, so nothing is wrong enough to refuse a message for. */
function displayText(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function optionalInteger(value: unknown, field: string): number | null {
  if (value === null || value === undefined) return null
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw invalid(`${field} is not a whole number from 0`, field)
  return value as number
}

function optionalSeconds(value: unknown): number | null {
  if (value === null || value === undefined) return null
  if (typeof value !== 'number' || !(value >= 0) || value === Infinity)
    throw invalid('timelimit holds something else than seconds', 'timelimit')
  return value
}

/** Python would take any value for its truth; a text such as "false" is then true, hence only booleans and 0 or 1 pass. */
function optionalBoolean(value: unknown): boolean | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'boolean') return value
  if (value === 0 || value === 1) return value === 1
  throw invalid('ignore_result is not a boolean', 'ignore_result')
}

function stampNames(value: unknown): readonly string[] | null {
  if (value === null || value === undefined) return null
  if (!Array.isArray(value) || !value.every((name) => typeof name === 'string')) {
    throw invalid('stamped_headers is not an array of texts', 'stamped_headers')
  }
  return value
}

function moment(text: string, field: string): number {
  try {
    return parseIso(text).epochMs
  } catch (cause) {
    throw invalid(`${field} is not an ISO 8601 time`, field, cause)
  }
}

function invalid(problem: string, reason: string, cause?: unknown): InvalidMessageError {
  return new InvalidMessageError(`malformed task message: ${problem}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { reason },
  })
}
