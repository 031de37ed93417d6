import { Buffer } from 'node:buffer'
import { decodeJson, encodeJson } from '../serialization/index.ts'
import type { MessageProperties } from '../message.ts'
import { decodeBase64Exactly, decodeEnvelope, readEnvelope } from './envelope.ts'
import type { Envelope } from './envelope.ts'
import { isPlainObject } from './plain-object.ts'

/** Shapes kept; a fleet has as many as it has kinds of senders. */
const mostShapes = 8
/** What is longer is rare, and its shape costs more to learn than it saves. */
const mostLearned = 64 * 1024
/** Once there are so many, a new one is learned only now and then: learning costs several times what reading costs. */
const misses = 64

/**
 * {@link decodeEnvelope} for one envelope after the other. What senders write differs in little more than ids, body and arguments, so the
 * text of a message is compared with the shape of one before it, and only the differences are cut out. Whatever fits no shape is decoded
 * as ever; the outcome is the same either way.
 */
export class EnvelopeReader {
  /** Most recently used first. */
  readonly #shapes: EnvelopeShape[] = []
  #misses = 0

  /** Errors: those of {@link decodeEnvelope}. */
  read(text: string): Envelope {
    const shapes = this.#shapes
    for (let at = 0; at < shapes.length; at += 1) {
      const shape = shapes[at]!
      const envelope = shape.open(text)
      if (envelope === undefined) continue
      if (at > 0) {
        shapes.splice(at, 1)
        shapes.unshift(shape)
      }
      return envelope
    }
    const envelope = decodeEnvelope(text)
    if (text.length <= mostLearned && (shapes.length < mostShapes || ++this.#misses % misses === 0))
      this.#learn(text)
    return envelope
  }

  #learn(text: string): void {
    const shape = EnvelopeShape.of(text)
    if (shape === undefined) return
    this.#shapes.unshift(shape)
    if (this.#shapes.length > mostShapes) this.#shapes.pop()
  }
}

interface Slot {
  readonly place: 'body' | 'header' | 'property'
  readonly name: string
  readonly kind: 'text' | 'integer' | 'base64'
  /** Nearly always the same as the id. */
  readonly likeId: boolean
}

type Table = Record<string, unknown>

/** What may stand between the quotes of a JSON string that means itself. */
const plainText = /[^"\\\p{Cc}]*/uy
const plainInteger = /(?:0|[1-9]\d{0,14})(?![\d.eE])/y

/** The names under which the properties that differ are handed over. */
const propertyNames: Readonly<Record<string, string>> = {
  correlation_id: 'correlationId',
  reply_to: 'replyTo',
  expiration: 'expiration',
  delivery_tag: 'deliveryTag',
}

/** Text of one envelope in kombu's style, cut at everything that differs from message to message. */
class EnvelopeShape {
  readonly #literals: readonly string[]
  readonly #slots: readonly Slot[]
  readonly #model: Envelope
  /** Of the text that was cut last, one per slot. */
  readonly #values: string[] = []
  /** Headers that are lists or tables: each message has its own. */
  readonly #nested: readonly string[]

  private constructor(writer: ShapeWriter, model: Envelope) {
    // Put together piece by piece, a text is a tree; compared every time, it had better be flat.
    this.#literals = writer.literals.map((text) => Buffer.from(text, 'latin1').toString('latin1'))
    this.#slots = writer.slots
    this.#nested = writer.nested
    this.#model = model
  }

  /** Undefined for an envelope that holds what a shape cannot express, or that is written in another style. */
  static of(text: string): EnvelopeShape | undefined {
    const value = decodeJson(text)
    const model = readEnvelope(value)
    const writer = new ShapeWriter()
    if (model.properties.extra !== undefined || !writer.envelope(value as Table)) return undefined
    return writer.text === text ? new EnvelopeShape(writer, model) : undefined
  }

  /** Undefined when the text is of another shape. */
  open(text: string): Envelope | undefined {
    return this.#cut(text) ? this.#build() : undefined
  }

  /** Puts into `#values` what differs. */
  #cut(text: string): boolean {
    const literals = this.#literals
    const slots = this.#slots
    const values = this.#values
    let at = literals[0]!.length
    let id = ''
    if (!holds(text, literals[0]!, 0)) return false
    for (let index = 0; index < slots.length; index += 1) {
      const slot = slots[index]!
      let end: number
      if (slot.likeId && id !== '' && text.charCodeAt(at + id.length) === 34 && holds(text, id, at)) {
        end = at + id.length
        values[index] = id
      } else {
        if (slot.kind === 'base64') end = text.indexOf('"', at)
        else {
          const pattern = slot.kind === 'integer' ? plainInteger : plainText
          pattern.lastIndex = at
          end = pattern.test(text) ? pattern.lastIndex : -1
        }
        if (end < 0) return false
        values[index] = text.slice(at, end)
        if (slot.name === 'id') id = values[index]!
      }
      const literal = literals[index + 1]!
      if (!holds(text, literal, end)) return false
      at = end + literal.length
    }
    return at === text.length
  }

  /** Undefined when the body is not the base64 that it should be. */
  #build(): Envelope | undefined {
    const model = this.#model
    const slots = this.#slots
    let body: Uint8Array | undefined
    let { deliveryTag } = model
    const headers: Table = { ...model.headers }
    const properties: Table = { ...model.properties }
    for (let index = 0; index < slots.length; index += 1) {
      const { place, name, kind } = slots[index]!
      const value = this.#values[index]!
      if (place === 'header') headers[name] = kind === 'integer' ? +value : value
      else if (place === 'body') body = decodeBase64Exactly(value)
      else if (name === 'deliveryTag') deliveryTag = value === '' ? undefined : value
      else properties[name] = value
    }
    if (body === undefined) return undefined
    for (const name of this.#nested) {
      const nested = headers[name]
      headers[name] = Array.isArray(nested) ? [...(nested as unknown[])] : {}
    }
    return {
      body,
      contentType: model.contentType,
      contentEncoding: model.contentEncoding,
      headers,
      properties: properties as MessageProperties,
      deliveryTag,
      deliveryInfo: model.deliveryInfo,
    }
  }
}

/** `text.startsWith(part, at)`, which compares one character at a time. */
function holds(text: string, part: string, at: number): boolean {
  return text.slice(at, at + part.length) === part
}

/** Writes an envelope again as kombu does, and notes where a shape is to be cut. */
class ShapeWriter {
  /** One more than slots. */
  readonly literals: string[] = ['']
  readonly slots: Slot[] = []
  readonly nested: string[] = []
  text = ''

  /** False: it cannot be expressed. */
  envelope(value: Table): boolean {
    const { body, headers, properties } = value
    if (typeof body !== 'string' || !isPlainObject(headers) || !isPlainObject(properties)) return false
    if (properties['body_encoding'] !== 'base64') return false
    return this.#members(value, (name, member) => {
      if (name === 'body') return this.#slot('body', name, member)
      if (name === 'headers') return this.#members(headers, (key, header) => this.#header(key, header))
      if (name === 'properties') return this.#members(properties, (key, one) => this.#property(key, one))
      return this.#literal(encodeJson(member))
    })
  }

  #members(table: Table, write: (name: string, value: unknown) => boolean): boolean {
    let separator = '{'
    for (const name of Object.keys(table)) {
      if (name === '__proto__') return false
      this.#literal(separator + encodeJson(name) + ': ')
      if (!write(name, table[name])) return false
      separator = ', '
    }
    return this.#literal(separator === '{' ? '{}' : '}')
  }

  #header(name: string, value: unknown): boolean {
    if (typeof value === 'string' && name !== 'lang') return this.#slot('header', name, value)
    if ((name === 'group_index' || name === 'retries') && Number.isSafeInteger(value))
      return this.#slot('header', name, value)
    if (typeof value === 'object' && value !== null) {
      const simple = Array.isArray(value)
        ? value.every((item) => item === null || typeof item !== 'object')
        : isPlainObject(value) && Object.keys(value).length === 0
      if (!simple) return false
      this.nested.push(name)
    }
    return this.#literal(encodeJson(value))
  }

  #property(key: string, value: unknown): boolean {
    const name = Object.hasOwn(propertyNames, key) ? propertyNames[key] : undefined
    if (name !== undefined && typeof value === 'string') return this.#slot('property', name, value)
    return this.#literal(encodeJson(value))
  }

  #literal(text: string): boolean {
    this.literals[this.literals.length - 1] += text
    this.text += text
    return true
  }

  #slot(place: Slot['place'], name: string, value: unknown): boolean {
    const kind = place === 'body' ? 'base64' : typeof value === 'number' ? 'integer' : 'text'
    const likeId = name === 'root_id' || name === 'correlationId'
    if (kind !== 'integer') this.#literal('"')
    this.text += String(value)
    this.slots.push({ place, name, kind, likeId })
    this.literals.push('')
    return kind === 'integer' || this.#literal('"')
  }
}
