import { Buffer } from 'node:buffer'
import { InvalidMessageError } from '../errors.ts'
import {
  decodeJson,
  decodeUtf8,
  isRawJson,
  JsonSerializer,
  jsonSerializer,
  RawJson,
  sliceJsonArray,
  sliceJsonObject,
  splitFirstItems,
} from '../serialization/index.ts'
import type { JsonOptions } from '../serialization/index.ts'
import { partsOf, type BodyParts } from './body-parts.ts'
import { ChainText } from './chain-text.ts'
import { isPlainObject } from './plain-object.ts'
import type { MessageCodecs, TaskPayload } from './read-task-message.ts'
import { readSignatureAhead, type SignatureSource } from './signature-dict.ts'
import { emptyEmbed, emptyEmbedText } from './task-message.ts'
import type { TaskEmbed } from './task-message.ts'

/** Second step of reading a task message. */
export interface TaskBody {
  readonly args: unknown[]
  readonly kwargs: Record<string, unknown>
  readonly embed: TaskEmbed
  /** The arguments as they stood in the message, for sending them on: source text with JSON, else the decoded value. Cut out on first use. */
  readonly argsSource: RawJson | readonly unknown[]
  readonly kwargsSource: RawJson | Readonly<Record<string, unknown>>
}

/**
 * Decodes the body under the accept list: arguments decoded, signatures in `embed` as source text (JSON) or decoded. Errors: `CT_INVALID_MESSAGE` with
 * `details.reason` `body-shape`, `args`, `kwargs` or `embed`; `CT_DECODE`; `CT_CONTENT_DISALLOWED`. Nothing else is thrown.
 */
export function readTaskBody(payload: TaskPayload, codecs: MessageCodecs): TaskBody {
  if (payload.decoded !== undefined) return readDecodedBody(payload.decoded)
  const json = jsonOf(payload, codecs)
  if (json === null) return readDecodedBody(decodePayload(payload, codecs))
  const parts = payload.compression === null ? partsOf(payload.body) : undefined
  if (parts !== undefined) return readParts(parts, payload, json.options)
  return readJsonBody(decodeUtf8(plainBody(payload, codecs)), json.options)
}

/**
 * Only the links, without decoding the arguments of a JSON body: what the worker needs of a task that runs in a slot elsewhere. The arguments' text is
 * not checked. Errors as {@link readTaskBody}.
 */
export function readTaskEmbed(payload: TaskPayload, codecs: MessageCodecs): TaskEmbed {
  if (payload.decoded !== undefined || jsonOf(payload, codecs) === null)
    return readTaskBody(payload, codecs).embed
  const text = decodeUtf8(plainBody(payload, codecs))
  if (text.endsWith(emptyTail)) return emptyEmbed
  return readRawEmbed(bodyMembers(text)[2])
}

/** Decompresses and decodes a body under the accept list. Errors: `CT_CONTENT_DISALLOWED`, `CT_DECODE`. */
export function decodePayload(payload: TaskPayload, codecs: MessageCodecs): unknown {
  return codecs.serializers.decode(
    plainBody(payload, codecs),
    payload.contentType,
    payload.contentEncoding,
    codecs.accept,
  )
}

function plainBody(payload: TaskPayload, codecs: MessageCodecs): Uint8Array {
  if (payload.compression === null) return payload.body
  return codecs.compressors.decompress(payload.body, payload.compression, codecs.maxBytes)
}

/** The serializer when it is ours, whose source text can be kept; null when the body goes the general way, refusal included. */
function jsonOf(payload: TaskPayload, codecs: MessageCodecs): JsonSerializer | null {
  if (payload.contentType !== jsonSerializer.contentType || !codecs.accept.has(payload.contentType))
    return null
  const serializer = codecs.serializers.get(payload.contentType)
  return serializer instanceof JsonSerializer ? serializer : null
}

/** How nearly every JSON body ends. What is before it parses as `[args, kwargs]` exactly when the whole parses as `[args, kwargs, {…}]`. */
const emptyTail = `, ${emptyEmbedText}]`

/** A body of this process' own, which knows where its parts begin; they are judged as those of any other. */
function readParts(parts: BodyParts, { body }: TaskPayload, options: JsonOptions): TaskBody {
  const { head, embed } = parts
  if (embed.some(([, text]) => (typeof text === 'string' ? text.includes('__type__') : text.typed)))
    return readJsonBody(decodeUtf8(body), options)
  const [args, kwargs] = decodeJson(`${head}]`, options) as [unknown, unknown]
  return new Body(
    checkArgs(args),
    checkKwargs(kwargs),
    parts.links ?? readEmbedTexts(embed),
    head + emptyTail,
  )
}

/** Does what there is to do about the links of a body of this process' own before it is read: while its broker has it, and nothing else is to be done. */
export function readAhead(body: Uint8Array): void {
  const parts = partsOf(body)
  if (parts === undefined || parts.links !== undefined) return
  try {
    const links = readEmbedTexts(parts.embed)
    if (links.chain instanceof ChainText) readSignatureAhead(links.chain.split().next)
    parts.links = links
  } catch {
    // Said to who reads it.
  }
}

function readJsonBody(text: string, options: JsonOptions): TaskBody {
  if (text.endsWith(emptyTail)) {
    const head = decodeJson(text.slice(0, -emptyTail.length) + ']', options)
    if (!Array.isArray(head) || head.length !== 2) throw notThree()
    return new Body(checkArgs(head[0]), checkKwargs(head[1]), emptyEmbed, text)
  }
  const known = likeLatest(text, options)
  if (known !== undefined) return known
  // What is linked may be long, and is passed on as it is: only the arguments are decoded, and the rest is looked through once.
  const linked = linkedBody(text)
  if (linked === undefined) return readUnusualBody(text, options)
  const { args, kwargs, embed, links } = linked
  // Values that nobody here can make are refused, wherever they are.
  if (embed.includes('__type__')) decodeJson(embed, options)
  const body = new Body(
    checkArgs(decodeJson(args, options)),
    checkKwargs(decodeJson(kwargs, options)),
    readEmbedTexts(links),
    text,
  )
  remember(text, embed, body.embed)
  return body
}

/** The links of the latest body that had any and no chain: the members of a group or a chord all have the same. */
let latest: { readonly tail: string; readonly embed: TaskEmbed } | undefined
const mostRemembered = 16 * 1024

function remember(text: string, embedText: string, embed: TaskEmbed): void {
  const tail = `, ${embedText}]`
  // What is left of a chain is no other task's.
  if (embed.chain !== null || tail.length > mostRemembered || tail.includes('__type__')) return
  // A copy: a slice would keep the whole text.
  if (text.endsWith(tail)) latest = { tail: Buffer.from(tail).toString(), embed }
}

/** Undefined: it ends otherwise. */
function likeLatest(text: string, options: JsonOptions): TaskBody | undefined {
  if (latest === undefined) return undefined
  const { tail, embed } = latest
  if (text.slice(-tail.length) !== tail) return undefined
  let head: unknown
  try {
    head = decodeJson(text.slice(0, -tail.length) + ']', options)
  } catch {
    return undefined
  }
  return Array.isArray(head) && head.length === 2
    ? new Body(checkArgs(head[0]), checkKwargs(head[1]), embed, text)
    : undefined
}

/** No array of three, or one whose third member is no object: this says what is wrong with it, if anything is. */
function readUnusualBody(text: string, options: JsonOptions): TaskBody {
  const members = /^\s*\[/.test(text) ? sliceJsonArray(text) : []
  if (members.length !== 3) return readDecodedBody(decodeJson(text, options))
  const [args, kwargs, embed] = members as [string, string, string]
  const links = readRawEmbed(embed)
  return new Body(checkArgs(decodeJson(args, options)), checkKwargs(decodeJson(kwargs, options)), links, text)
}

/** Undefined for all but an array of three of which the last is an object. */
function linkedBody(text: string): LinkedBody | undefined {
  try {
    const { items, left: embed } = splitFirstItems(text, 2) ?? { items: [], left: '' }
    if (!embed.startsWith('{')) return undefined
    const [args, kwargs] = items as [string, string]
    return { args, kwargs, embed, links: sliceJsonObject(embed) }
  } catch {
    return undefined
  }
}

interface LinkedBody {
  readonly args: string
  readonly kwargs: string
  readonly embed: string
  readonly links: readonly (readonly [key: string, text: string])[]
}

/** Any other serializer, protocol 1 (`args`, `kwargs` and links are keys of one object) and hybrids. */
function readDecodedBody(value: unknown): TaskBody {
  if (Array.isArray(value)) {
    if (value.length !== 3) throw notThree()
    return new Body(checkArgs(value[0]), checkKwargs(value[1]), readEmbedMembers(value[2]), null)
  }
  if (isPlainObject(value) && (Object.hasOwn(value, 'args') || Object.hasOwn(value, 'task'))) {
    const { callbacks, errbacks, chord, chain } = value
    return new Body(
      checkArgs(value['args'] ?? []),
      checkKwargs(value['kwargs'] ?? {}),
      readEmbedMembers({ callbacks, errbacks, chord, chain }),
      null,
    )
  }
  throw notThree()
}

class Body implements TaskBody {
  readonly args: unknown[]
  readonly kwargs: Record<string, unknown>
  readonly embed: TaskEmbed
  #text: string | null
  #sources: readonly [RawJson, RawJson] | null = null

  constructor(args: unknown[], kwargs: Record<string, unknown>, embed: TaskEmbed, text: string | null) {
    this.args = args
    this.kwargs = kwargs
    this.embed = embed
    this.#text = text
  }

  get argsSource(): RawJson | readonly unknown[] {
    return this.#cut()?.[0] ?? this.args
  }

  get kwargsSource(): RawJson | Readonly<Record<string, unknown>> {
    return this.#cut()?.[1] ?? this.kwargs
  }

  #cut(): readonly [RawJson, RawJson] | null {
    if (this.#text !== null) {
      const [args, kwargs] = bodyMembers(this.#text)
      this.#sources = [RawJson.trusted(args), RawJson.trusted(kwargs)]
      this.#text = null
    }
    return this.#sources
  }
}

function bodyMembers(text: string): [args: string, kwargs: string, embed: string] {
  const members = sliceJsonArray(text)
  if (members.length !== 3) throw notThree()
  return members as [string, string, string]
}

/** Signatures are checked to be JSON, but not decoded: they are forwarded. */
function readRawEmbed(text: string): TaskEmbed {
  if (text === emptyEmbedText || text === 'null') return emptyEmbed
  return readEmbedTexts(sliceJsonObject(text))
}

function readEmbedTexts(texts: BodyParts['embed']): TaskEmbed {
  const members: Record<string, unknown> = {}
  for (const [key, value] of texts) {
    if (typeof value !== 'string') members[key] = checkedChain(value)
    else if (value === 'null') continue
    else if (key === 'chain' && value.startsWith('[')) {
      if (!/^\[\s*\]$/.test(value)) members[key] = checkedChain(ChainText.of(value))
    } else if (key === 'callbacks' || key === 'errbacks' || key === 'chain') {
      members[key] = value.startsWith('[')
        ? notTooMany(sliceJsonArray(value)).map(RawJson.from)
        : RawJson.from(value)
    } else if (key === 'chord') members[key] = RawJson.from(value)
  }
  return readEmbedMembers(members)
}

/**
 * Kept in one piece: what comes first is looked at here, the others when it is their turn. It may cost what its length says and no more.
 */
function checkedChain(chain: ChainText): ChainText {
  if (chain.open.length > mostLinks * shortestLink) notTooMany(sliceJsonArray(chain.text))
  assertSignature(chain.split().next)
  return chain
}

function assertSignature(source: SignatureSource): void {
  oneSignature(isRawJson(source) ? RawJson.from(source.text) : source)
}

function readEmbedMembers(embed: unknown): TaskEmbed {
  if (embed === null || embed === undefined) return emptyEmbed
  if (!isPlainObject(embed)) throw invalid('the third element of the body is not an object', 'embed')
  const { callbacks, errbacks, chain, chord } = embed
  return {
    callbacks: signatureList(callbacks),
    errbacks: signatureList(errbacks),
    chain:
      chain instanceof ChainText || (isRawJson(chain) && chain.text.startsWith('['))
        ? chain
        : signatureList(chain),
    chord: chord === null || chord === undefined ? null : oneSignature(chord),
  }
}

/** null for none: Python writes both null and []. A single signature counts as a list of one. */
function signatureList(value: unknown): readonly SignatureSource[] | null {
  if (value === null || value === undefined) return null
  if (!Array.isArray(value)) return [oneSignature(value)]
  return value.length === 0 ? null : notTooMany(value).map(oneSignature)
}

/** Each is an object of its own, and a failure may store a result for each: a message must not cost more than it is worth. */
const mostLinks = 100_000
/** `{"task":"t"}`. */
const shortestLink = 12

function notTooMany<T>(items: readonly T[]): readonly T[] {
  if (items.length > mostLinks)
    throw invalid(`it carries ${items.length} signatures in one list, more than ${mostLinks}`, 'embed')
  return items
}

function oneSignature(value: unknown): SignatureSource {
  if (isRawJson(value)) {
    if (value.text.startsWith('{')) return value
  } else if (isPlainObject(value) && typeof value['task'] === 'string')
    return value as unknown as SignatureSource
  throw invalid('a link in the body is not a signature', 'embed')
}

function checkArgs(value: unknown): unknown[] {
  if (Array.isArray(value)) return value
  throw invalid('args is not an array', 'args')
}

function checkKwargs(value: unknown): Record<string, unknown> {
  if (isPlainObject(value)) return value
  throw invalid('kwargs is not an object', 'kwargs')
}

function notThree(): InvalidMessageError {
  return invalid('the body is not an array of three: args, kwargs, links', 'body-shape')
}

function invalid(problem: string, reason: string): InvalidMessageError {
  return new InvalidMessageError(`malformed task message: ${problem}`, { details: { reason } })
}
