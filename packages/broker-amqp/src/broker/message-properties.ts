import type { Options } from 'amqplib'
import { EncodeError, type OutgoingMessage } from '@ct/contracts'
import { encodeTable } from '../connection/field-table.ts'

/** A message's fields as amqplib takes them; `returnId` for one that must be routed. Error: `CT_ENCODE`. */
export function messageProperties(message: OutgoingMessage, returnId: string | undefined): Options.Publish {
  const { correlationId, replyTo, deliveryMode, priority, expiration } = message.properties
  if (Buffer.byteLength(message.routingKey) > 255) {
    throw new EncodeError(
      `The routing key ${JSON.stringify(message.routingKey.slice(0, 40))}… is longer than 255 bytes, which is all that AMQP allows`,
    )
  }
  return {
    contentType: message.contentType,
    contentEncoding: message.contentEncoding,
    headers: encodeTable(message.headers),
    deliveryMode: deliveryMode ?? 2,
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(priority === undefined ? {} : { priority: Math.min(255, Math.max(0, Math.floor(priority))) }),
    ...(expiration === undefined ? {} : { expiration }),
    ...(returnId === undefined ? {} : { mandatory: true, messageId: returnId }),
  }
}
