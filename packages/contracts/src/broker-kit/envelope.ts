/**
 * The JSON envelope in which transports without properties of their own carry a message (kombu/transport/virtual/base.py 5.7,
 * wire-brokers §3.1). What we write is complete, since Python workers die of incomplete ones; what we read may lack a lot.
 */
import { Buffer } from 'node:buffer'
import { DecodeError, InvalidMessageError } from '../errors.ts'
import type { DeliveryInfo, HeaderTable, MessageContent, MessageProperties } from '../message.ts'
import { decodeJson } from '../serialization/json-decoder.ts'
import { encodeJson } from '../serialization/json-encoder.ts'

/** What stands in an envelope. */
export interface Envelope extends MessageContent {
  /** Undefined when the sender left it out: the reader then gives the message one of its own. */
  readonly deliveryTag: string | undefined
  readonly info: DeliveryInfo
}

type MutableProperties = { -readonly [K in keyof MessageProperties]: MessageProperties[K] }

const known = new Set([
  'correlation_id',
  'reply_to',
  'delivery_mode',
  'priority',
  'expiration',
  'delivery_info',
  'body_encoding',
  'delivery_tag',
])

/** Text of an envelope. Error: `CT_ENCODE` when a header cannot be written as JSON. */
export function encodeEnvelope(
  message: MessageContent,
  destination: { readonly exchange: string; readonly routingKey: string; readonly deliveryTag: string; readonly redelivered?: boolean },
): string {
  const { properties } = message
  const redelivered = destination.redelivered === true
  return encodeJson({
    body: Buffer.from(message.body.buffer, message.body.byteOffset, message.body.byteLength).toString('base64'),
    'content-encoding': message.contentEncoding,
    'content-type': message.contentType,
    headers: message.headers,
    properties: {
      ...properties.extra,
      ...(properties.correlationId === undefined ? undefined : { correlation_id: properties.correlationId }),
      ...(properties.replyTo === undefined ? undefined : { reply_to: properties.replyTo }),
      delivery_mode: properties.deliveryMode ?? 2,
      delivery_info: {
        exchange: destination.exchange,
        routing_key: destination.routingKey,
        ...(redelivered ? { redelivered: true } : undefined),
      },
      priority: properties.priority ?? 0,
      ...(properties.expiration === undefined ? undefined : { expiration: properties.expiration }),
      body_encoding: 'base64',
      delivery_tag: destination.deliveryTag,
    },
    ...(redelivered ? { redelivered: true } : undefined),
  })
}

/**
 * Reads an envelope. Missing headers, delivery info or content type are tolerated (the latter becomes `application/data`, as in kombu).
 * Error: `CT_INVALID_MESSAGE` for anything else, with a stable `details.reason`; no input throws otherwise.
 */
export function decodeEnvelope(text: string): Envelope {
  let parsed: unknown
  try {
    parsed = decodeJson(text)
  } catch (cause) {
    throw malformed(cause instanceof DecodeError ? cause.message : 'unreadable', 'envelope-json', cause)
  }
  const envelope = table(parsed, 'envelope-shape', 'The envelope is not a JSON object')
  const given = table(envelope['properties'], 'envelope-properties', 'The envelope has no object `properties`')
  const delivery = isTable(given['delivery_info']) ? given['delivery_info'] : {}
  const headers = isTable(envelope['headers']) ? envelope['headers'] : {}
  const priority = integer(given['priority'])
  const redelivered =
    envelope['redelivered'] === true || delivery['redelivered'] === true || headers['redelivered'] === true
  return {
    body: decodeBody(envelope['body'], given['body_encoding']),
    contentType: string(envelope['content-type']) ?? 'application/data',
    contentEncoding: string(envelope['content-encoding']) ?? 'utf-8',
    headers,
    properties: readProperties(given, priority),
    deliveryTag: string(given['delivery_tag']),
    info: {
      exchange: string(delivery['exchange']) ?? '',
      routingKey: string(delivery['routing_key']) ?? '',
      priority,
      redelivered,
    },
  }
}

function readProperties(given: HeaderTable, priority: number | undefined): MessageProperties {
  const properties: MutableProperties = {}
  const correlationId = string(given['correlation_id'])
  const replyTo = string(given['reply_to'])
  const mode = given['delivery_mode']
  const expiration = given['expiration']
  if (correlationId !== undefined) properties.correlationId = correlationId
  if (replyTo !== undefined) properties.replyTo = replyTo
  if (mode === 1 || mode === 2) properties.deliveryMode = mode
  if (priority !== undefined) properties.priority = priority
  if (typeof expiration === 'string' || typeof expiration === 'number') properties.expiration = String(expiration)
  const extra = Object.entries(given).filter(([name]) => !known.has(name))
  if (extra.length > 0) properties.extra = Object.fromEntries(extra)
  return properties
}

function decodeBody(body: unknown, encoding: unknown): Uint8Array {
  if (typeof body !== 'string') throw malformed('The envelope has no text `body`', 'envelope-body')
  if (encoding === undefined || encoding === null || encoding === 'utf-8') return new TextEncoder().encode(body)
  if (encoding !== 'base64') {
    throw malformed(`Unknown body_encoding ${JSON.stringify(encoding)?.slice(0, 80)}`, 'envelope-body-encoding')
  }
  // Python skips what is not of the alphabet, and then refuses text that is not whole groups of four.
  const clean = /^[A-Za-z0-9+/]*={0,2}$/.test(body) ? body : body.replace(/[^A-Za-z0-9+/=]/g, '')
  if (clean.length % 4 !== 0) throw malformed('The body is not valid base64', 'envelope-base64')
  return new Uint8Array(Buffer.from(clean, 'base64'))
}

function malformed(message: string, reason: string, cause?: unknown): InvalidMessageError {
  return new InvalidMessageError(message, { cause, details: { reason } })
}

function table(value: unknown, reason: string, message: string): HeaderTable {
  if (!isTable(value)) throw malformed(message, reason)
  return value
}

function isTable(value: unknown): value is HeaderTable {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function string(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function integer(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) ? value : undefined
}
