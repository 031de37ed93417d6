import { Buffer } from 'node:buffer'
import type { HeaderTable, MessageContent, MessageProperties } from '../message.ts'
import { jsonString as quote } from '../serialization/index.ts'
import { base64, encodeEnvelope } from './envelope.ts'
import type { EnvelopeAddress } from './envelope.ts'
import { protocol2Headers } from './task-message.ts'

/** What is longer is rare, and its template costs more to make than it saves. */
const mostLearned = 64 * 1024
/** Kinds of tasks it remembers. */
const mostTemplates = 256

/**
 * {@link encodeEnvelope} for one message after the other. What a client sends of one task differs in ids, arguments and body, so the text
 * between these is kept from the message before. A message that differs in more is encoded as ever; the outcome is the same either way.
 */
export class EnvelopeWriter {
  readonly #templates = new Map<unknown, Template>()

  /** Errors: those of {@link encodeEnvelope}. */
  encode(message: MessageContent, address: EnvelopeAddress): string {
    const { task } = message.headers
    const template = this.#templates.get(task)
    if (template?.fits(message, address) === true) return template.fill(message, address)
    return this.#encodeNew(message, address)
  }

  /** {@link encode}, in pieces that follow each other: whoever writes them one by one spares putting a long text together. */
  encodePieces(message: MessageContent, address: EnvelopeAddress): readonly string[] {
    const template = this.#templates.get(message.headers['task'])
    if (template?.fits(message, address) !== true) return [this.#encodeNew(message, address)]
    return [template.before, base64(message.body), template.fillBehind(message, address)]
  }

  #encodeNew(message: MessageContent, address: EnvelopeAddress): string {
    const { task } = message.headers
    const text = encodeEnvelope(message, address)
    const fresh = text.length > mostLearned ? undefined : Template.of(message, address, text)
    if (fresh !== undefined) {
      if (this.#templates.size >= mostTemplates) this.#templates.clear()
      this.#templates.set(task, fresh)
    }
    return text
  }
}

/** Headers that differ from message to message; `timelimit` and `stamps` are objects of each message's own. */
const own: ReadonlySet<string> = new Set([
  'id',
  'group_index',
  'root_id',
  'parent_id',
  'argsrepr',
  'kwargsrepr',
  'timelimit',
  'stamps',
])
const shared = protocol2Headers.filter((name) => !own.has(name))

class Template {
  readonly #content: Pick<MessageContent, 'contentType' | 'contentEncoding'>
  readonly #properties: MessageProperties
  readonly #address: EnvelopeAddress
  readonly #shared: readonly unknown[]
  readonly #limits: readonly [unknown, unknown]
  /** The text before each of: body, id, group index, root id, parent id, argsrepr, kwargsrepr, correlation id, delivery tag; and the text at the end. */
  readonly #literals: readonly string[]

  private constructor(message: MessageContent, address: EnvelopeAddress, literals: readonly string[]) {
    const { contentType, contentEncoding, headers, properties } = message
    this.#content = { contentType, contentEncoding }
    this.#properties = properties
    this.#shared = shared.map((name) => headers[name])
    this.#address = { ...address }
    this.#limits = [...(headers['timelimit'] as [unknown, unknown])]
    this.#literals = literals
  }

  /** Undefined for a message that holds what a template cannot express. */
  static of(message: MessageContent, address: EnvelopeAddress, text: string): Template | undefined {
    const { headers, properties } = message
    const limits = headers['timelimit']
    if (!isOrdinaryTable(headers) || !Array.isArray(limits) || limits.length !== 2) return undefined
    if (shared.some((name) => typeof headers[name] === 'object' && headers[name] !== null)) return undefined
    if (limits.some((limit) => typeof limit === 'object' && limit !== null)) return undefined
    if (properties.extra !== undefined || properties.expiration !== undefined) return undefined
    if (properties.correlationId === undefined || address.redelivered !== undefined) return undefined
    const literals: string[] = []
    let at = 0
    const cut = (before: string, value: string): boolean => {
      const start = text.indexOf(before, at) + before.length
      if (start < at + before.length || !text.startsWith(value, start)) return false
      // A copy: a slice would keep the whole text.
      literals.push(Buffer.from(text.slice(at, start), 'latin1').toString('latin1'))
      at = start + value.length
      return true
    }
    const done =
      cut('{"body": "', base64(message.body)) &&
      cut('"id": ', quote(String(headers['id']))) &&
      cut('"group_index": ', indexText(headers['group_index'])) &&
      cut('"root_id": ', quote(String(headers['root_id']))) &&
      cut('"parent_id": ', idText(headers['parent_id'])) &&
      cut('"argsrepr": ', quote(String(headers['argsrepr']))) &&
      cut('"kwargsrepr": ', quote(String(headers['kwargsrepr']))) &&
      cut('"correlation_id": ', quote(properties.correlationId)) &&
      cut('"delivery_tag": ', quote(address.deliveryTag))
    if (!done) return undefined
    const template = new Template(message, address, [...literals, text.slice(at)])
    return template.fits(message, address) && template.fill(message, address) === text ? template : undefined
  }

  fits(message: MessageContent, address: EnvelopeAddress): boolean {
    const { headers, properties } = message
    const known = this.#properties
    if (
      message.contentType !== this.#content.contentType ||
      message.contentEncoding !== this.#content.contentEncoding ||
      address.exchange !== this.#address.exchange ||
      address.routingKey !== this.#address.routingKey ||
      address.redelivered !== undefined ||
      properties.correlationId === undefined ||
      properties.replyTo !== known.replyTo ||
      properties.deliveryMode !== known.deliveryMode ||
      properties.priority !== known.priority ||
      properties.expiration !== undefined ||
      properties.extra !== undefined ||
      !isOrdinaryTable(headers)
    )
      return false
    for (let index = 0; index < shared.length; index += 1) {
      const value = headers[shared[index]!]
      // What is 0 may be -0, which is written in another way.
      if (value !== this.#shared[index] || (value === 0 && Object.is(value, -0))) return false
    }
    const limits = headers['timelimit'] as readonly unknown[]
    return (
      Array.isArray(limits) &&
      limits.length === 2 &&
      limits[0] === this.#limits[0] &&
      limits[1] === this.#limits[1]
    )
  }

  /** What is before the body. */
  get before(): string {
    return this.#literals[0]!
  }

  fill(message: MessageContent, address: EnvelopeAddress): string {
    return this.before + base64(message.body) + this.fillBehind(message, address)
  }

  /** What is behind the body. */
  fillBehind(message: MessageContent, address: EnvelopeAddress): string {
    const literals = this.#literals
    const { headers } = message
    const { id, root_id: root, argsrepr, kwargsrepr } = headers as Record<string, string>
    const { correlationId } = message.properties
    const quotedId = quote(id!)
    return (
      literals[1]! +
      quotedId +
      literals[2]! +
      indexText(headers['group_index']) +
      literals[3]! +
      (root === id ? quotedId : quote(root!)) +
      literals[4]! +
      idText(headers['parent_id']) +
      literals[5]! +
      quote(argsrepr!) +
      literals[6]! +
      quote(kwargsrepr!) +
      literals[7]! +
      (correlationId === id ? quotedId : quote(correlationId!)) +
      literals[8]! +
      quote(address.deliveryTag) +
      literals[9]!
    )
  }
}

/** null, or a whole number from 0. */
function indexText(index: unknown): string {
  return index === null ? 'null' : String(index)
}

/** null or a text. */
function idText(id: unknown): string {
  return id === null ? 'null' : quote(id as string)
}

/** The headers of protocol 2 in their order and no others, with texts where a template has gaps for them, and no stamps. */
export function isOrdinaryTable(headers: HeaderTable): boolean {
  let names = 0
  // Without a list of names. What is inherited is not written, but then the names are not those of the protocol either.
  for (const name in headers) if (name !== protocol2Headers[names++]) return false
  if (names !== protocol2Headers.length) return false
  if (typeof headers['id'] !== 'string' || typeof headers['root_id'] !== 'string') return false
  if (typeof headers['argsrepr'] !== 'string' || typeof headers['kwargsrepr'] !== 'string') return false
  const { group_index: index, parent_id: parent } = headers
  if (index !== null && !(Number.isSafeInteger(index) && (index as number) >= 0 && !Object.is(index, -0)))
    return false
  if (parent !== null && typeof parent !== 'string') return false
  const stamps = headers['stamps']
  if (typeof stamps !== 'object' || stamps === null || Array.isArray(stamps)) return false
  if (Object.getPrototypeOf(stamps) !== Object.prototype) return false
  for (const _ in stamps) return false
  return true
}
