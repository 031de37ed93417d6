import { Buffer } from 'node:buffer'
import { InvalidMessageError } from '../errors.ts'
import type { DeliveryInfo, HeaderTable, MessageContent, MessageProperties } from '../message.ts'
import { decodeJson, decodeUtf8, encodeJson, jsonString as quote } from '../serialization/index.ts'
import { isPlainObject } from './plain-object.ts'

/** A message of the JSON-envelope transports (Redis, SQS, filesystem, SQL, memory; kombu/transport/virtual/base.py 5.7), opened. */
export interface Envelope extends MessageContent {
  /** The ack key; undefined when the writer gave none. */
  readonly deliveryTag: string | undefined
  readonly deliveryInfo: DeliveryInfo
}

export interface EnvelopeAddress {
  readonly exchange: string
  readonly routingKey: string
  /** A fresh UUID for every copy that is put into a queue. */
  readonly deliveryTag: string
  /** Marks a message that is put back, in the place where Celery looks for it. */
  readonly redelivered?: boolean
}

/**
 * One message as the JSON text kombu puts on envelope transports, keys in kombu's order; the body is base64. Error: `CT_ENCODE`, when a header or property
 * cannot be encoded.
 */
export function encodeEnvelope(message: MessageContent, address: EnvelopeAddress): string {
  return (
    '{"body": "' +
    base64(message.body) +
    '", "content-encoding": ' +
    quote(message.contentEncoding) +
    ', "content-type": ' +
    quote(message.contentType) +
    ', "headers": ' +
    encodeJson(message.headers) +
    ', "properties": ' +
    encodeProperties(message.properties, address) +
    '}'
  )
}

export function base64(bytes: Uint8Array): string {
  const buffer =
    bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return buffer.toString('base64')
}

function encodeProperties(properties: MessageProperties, address: EnvelopeAddress): string {
  let text = '{'
  if (properties.correlationId !== undefined)
    text += '"correlation_id": ' + quote(properties.correlationId) + ', '
  if (properties.replyTo !== undefined) text += '"reply_to": ' + quote(properties.replyTo) + ', '
  if (properties.extra !== undefined) text += extraMembers(properties.extra)
  text += '"delivery_mode": ' + (properties.deliveryMode ?? 2)
  if (properties.expiration !== undefined) text += ', "expiration": ' + quote(properties.expiration)
  return (
    text +
    ', "delivery_info": {"exchange": ' +
    quote(address.exchange) +
    ', "routing_key": ' +
    quote(address.routingKey) +
    (address.redelivered === true ? ', "redelivered": true' : '') +
    '}, "priority": ' +
    (properties.priority ?? 0) +
    ', "body_encoding": "base64", "delivery_tag": ' +
    quote(address.deliveryTag) +
    '}'
  )
}

function extraMembers(extra: HeaderTable): string {
  const known = Object.entries(extra).filter(
    ([key, value]) => value !== undefined && !standardProperties.has(key),
  )
  if (known.length === 0) return ''
  return encodeJson(Object.fromEntries(known)).slice(1, -1) + ', '
}

const standardProperties: ReadonlySet<string> = new Set([
  'correlation_id',
  'reply_to',
  'delivery_mode',
  'expiration',
  'delivery_info',
  'priority',
  'body_encoding',
  'delivery_tag',
])

/**
 * Opens an envelope by anybody's hand. Missing headers, properties and tag are tolerated; what is there must have its right type.
 * Errors: `CT_DECODE` when it is not JSON, `CT_INVALID_MESSAGE` with `details.reason` `envelope`, `body`, `body-encoding`, `headers`, `properties`.
 */
export function decodeEnvelope(text: string | Uint8Array): Envelope {
  return readEnvelope(decodeJson(typeof text === 'string' ? text : decodeUtf8(text)))
}

/** The same for an envelope that is parsed already, as in Redis' hash of unacked messages. */
export function readEnvelope(value: unknown): Envelope {
  if (!isPlainObject(value)) throw invalid('the message is not a JSON object', 'envelope')
  const properties = value['properties'] ?? {}
  if (!isPlainObject(properties)) throw invalid('the properties are not an object', 'properties')
  const headers = value['headers'] ?? {}
  if (!isPlainObject(headers)) throw invalid('the headers are not an object', 'headers')
  const info = properties['delivery_info'] ?? {}
  if (!isPlainObject(info)) throw invalid('delivery_info is not an object', 'properties')
  const tag: unknown = properties['delivery_tag']
  const contentType: unknown = value['content-type']
  const contentEncoding: unknown = value['content-encoding']
  return {
    body: readBody(value['body'], properties['body_encoding']),
    contentType: typeof contentType === 'string' && contentType !== '' ? contentType : 'application/data',
    contentEncoding:
      typeof contentEncoding === 'string' && contentEncoding !== '' ? contentEncoding : 'utf-8',
    headers,
    properties: readProperties(properties),
    deliveryTag: typeof tag === 'string' && tag !== '' ? tag : undefined,
    deliveryInfo: {
      exchange: textOr(info['exchange'], ''),
      routingKey: textOr(info['routing_key'], ''),
      priority: priorityOf(properties['priority']),
      redelivered:
        info['redelivered'] === true || headers['redelivered'] === true || value['redelivered'] === true,
    },
  }
}

function readBody(body: unknown, encoding: unknown): Uint8Array {
  if (typeof body !== 'string') throw invalid('the body is not a text', 'body')
  if (encoding === 'base64') return decodeBase64(body)
  if (encoding === undefined || encoding === null || encoding === 'utf-8') return Buffer.from(body, 'utf8')
  throw invalid('the body is encoded in an unknown way', 'body-encoding')
}

function decodeBase64(body: string): Uint8Array {
  const bytes = decodeBase64Exactly(body)
  if (bytes !== undefined) return bytes
  // Do as Python: drop what is not of the alphabet, then insist on whole groups of four.
  const clean = body.replace(/[^A-Za-z0-9+/=]+/g, '')
  if (clean.length % 4 !== 0) throw invalid('the body is not base64', 'body')
  return Buffer.from(clean, 'base64')
}

/** Undefined for a text that holds anything but base64 in whole groups: exact length means that nothing was skipped. */
export function decodeBase64Exactly(body: string): Uint8Array | undefined {
  const bytes = Buffer.from(body, 'base64')
  const padding = body.endsWith('==') ? 2 : body.endsWith('=') ? 1 : 0
  return body.length % 4 === 0 && bytes.length === (body.length / 4) * 3 - padding ? bytes : undefined
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

/** Runs for every message, hence without copies. */
function readProperties(given: Record<string, unknown>): MessageProperties {
  const properties: Mutable<MessageProperties> = {}
  const correlationId = given['correlation_id']
  if (typeof correlationId === 'string') properties.correlationId = correlationId
  const replyTo = given['reply_to']
  if (typeof replyTo === 'string') properties.replyTo = replyTo
  const deliveryMode = given['delivery_mode']
  if (deliveryMode === 1 || deliveryMode === 2) properties.deliveryMode = deliveryMode
  const priority = priorityOf(given['priority'])
  if (priority !== undefined) properties.priority = priority
  const expiration = given['expiration']
  if (typeof expiration === 'string' || typeof expiration === 'number')
    properties.expiration = String(expiration)
  const extra = extraProperties(given)
  if (extra !== undefined) properties.extra = extra
  return properties
}

function extraProperties(given: Record<string, unknown>): HeaderTable | undefined {
  let extra: [string, unknown][] | undefined
  for (const key in given) {
    if (!standardProperties.has(key) && Object.hasOwn(given, key)) (extra ??= []).push([key, given[key]])
  }
  return extra === undefined ? undefined : Object.fromEntries(extra)
}

function priorityOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255
    ? value
    : undefined
}

function textOr(value: unknown, fallback: string): string {
  return typeof value === 'string' ? value : fallback
}

function invalid(problem: string, reason: string): InvalidMessageError {
  return new InvalidMessageError(`malformed message: ${problem}`, { details: { reason } })
}
