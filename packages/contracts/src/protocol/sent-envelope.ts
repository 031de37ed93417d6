import type { MessageContent, MessageProperties } from '../message.ts'
import type { Envelope, EnvelopeAddress } from './envelope.ts'
import { isOrdinaryTable } from './envelope-writer.ts'
import { readAhead } from './read-task-body.ts'
import { protocol2Headers } from './task-message.ts'

/**
 * What {@link decodeEnvelope} makes of the text of {@link encodeEnvelope}, without a text, for who gets back what he sent: with tables of its own, and
 * with the very bytes of the body. Undefined for a message that holds more than a task of protocol 2 has: a value that comes back as another one, a
 * header or property of somebody else's.
 */
export function sentEnvelope(message: MessageContent, address: EnvelopeAddress): Envelope | undefined {
  const { headers, properties, contentType, contentEncoding, body } = message
  const { correlationId, replyTo, deliveryMode = 2, priority = 0, expiration, extra } = properties
  const limits = headers['timelimit']
  if (
    !isOrdinaryTable(headers) ||
    !Array.isArray(limits) ||
    !limits.every(comesBack) ||
    !plainHeaders.every((name) => comesBack(headers[name])) ||
    extra !== undefined ||
    contentType === '' ||
    contentEncoding === '' ||
    address.redelivered !== undefined ||
    !(Number.isInteger(priority) && priority >= 0 && priority <= 255 && !Object.is(priority, -0))
  )
    return undefined
  readAhead(body)
  const read: { -readonly [Name in keyof MessageProperties]: MessageProperties[Name] } = {}
  if (correlationId !== undefined) read.correlationId = correlationId
  if (replyTo !== undefined) read.replyTo = replyTo
  read.deliveryMode = deliveryMode
  read.priority = priority
  if (expiration !== undefined) read.expiration = expiration
  return {
    body,
    contentType,
    contentEncoding,
    headers: { ...headers, timelimit: [...(limits as unknown[])], stamps: {} },
    properties: read,
    deliveryTag: address.deliveryTag === '' ? undefined : address.deliveryTag,
    deliveryInfo: {
      exchange: address.exchange,
      routingKey: address.routingKey,
      priority,
      redelivered: false,
    },
  }
}

const plainHeaders = protocol2Headers.filter((name) => name !== 'timelimit' && name !== 'stamps')

/** Whether JSON gives the same value back. */
function comesBack(value: unknown): boolean {
  if (typeof value === 'number')
    return Number.isInteger(value)
      ? Number.isSafeInteger(value) && !Object.is(value, -0)
      : Number.isFinite(value)
  return value === null || typeof value === 'string' || typeof value === 'boolean'
}
