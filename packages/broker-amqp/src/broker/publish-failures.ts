/** What the sender of a message is told: why it did not get through, and whether it may have arrived all the same. */
import {
  BrokerError,
  isCeleryError,
  MessageTooLargeError,
  PublishError,
  type CeleryError,
  type OutgoingMessage,
} from '@ct/contracts'
import { replyCode } from '../connection/failure.ts'

export function noExchange(exchange: string): PublishError {
  return new PublishError(
    `There is no exchange ${JSON.stringify(exchange)}; declare it, or a queue that is bound to it, before publishing to it.`,
    { maybeDelivered: false, retryable: false, details: { exchange } },
  )
}

/** RabbitMQ gave a `mandatory` message back. */
export function returned(message: OutgoingMessage, why: string): PublishError {
  return new PublishError(
    `RabbitMQ returned the message: ${why} for ${address(message)}. Bind a queue with that key, or check the route.`,
    { maybeDelivered: false, retryable: false, details: { ...details(message), returned: true } },
  )
}

/** A `basic.nack` in place of a confirm. */
export function refused(message: OutgoingMessage, cause: unknown): PublishError {
  return new PublishError(
    `RabbitMQ refused (nack) the message for ${address(message)}: its queue is full (x-overflow: reject-publish) or failed.`,
    { maybeDelivered: false, cause, details: details(message) },
  )
}

/** The channel ended before the confirm came; `error` is what it ended with. */
export function unconfirmed(message: OutgoingMessage, error: unknown): PublishError {
  const code = replyCode(error)
  if (code === 404 && String((error as Error).message).includes(`'${message.exchange}'`)) {
    return new PublishError(`There is no exchange for ${address(message)} any more; declare it again.`, {
      maybeDelivered: false,
      cause: error,
      details: details(message),
    })
  }
  return new PublishError(
    `The message for ${address(message)} was sent but not confirmed before the channel ended${error instanceof Error ? `: ${error.message}` : ''}. It may have arrived.`,
    { maybeDelivered: true, cause: error, details: details(message) },
  )
}

/** Nothing was written; `failure` says what is wrong with the line. */
export function notSent(message: OutgoingMessage, failure: CeleryError, cause: unknown): CeleryError {
  if (failure.code === 'CT_CLOSED') return failure
  return new PublishError(`The message for ${address(message)} was not sent: ${failure.message}`, {
    maybeDelivered: false,
    cause,
  })
}

export function tooLarge(message: OutgoingMessage, bytes: number, maxBytes: number): CeleryError {
  return new MessageTooLargeError(
    `The message for ${address(message)} has ${bytes} bytes, and maxMessageSize is ${maxBytes}. Send less, or a reference to it; ` +
      `or raise maxMessageSize, here and max_message_size at the server.`,
    { bytes, maxBytes, details: { maybeDelivered: false } },
  )
}

export function unwritable(error: unknown, message: OutgoingMessage): CeleryError {
  if (isCeleryError(error)) return error
  const text = error instanceof Error ? error.message : String(error)
  return new BrokerError(`The message for ${address(message)} cannot be written as AMQP: ${text}`, {
    cause: error,
  })
}

function address({ exchange, routingKey }: OutgoingMessage): string {
  return exchange === ''
    ? `queue ${JSON.stringify(routingKey)}`
    : `exchange ${JSON.stringify(exchange)} with routing key ${JSON.stringify(routingKey)}`
}

function details({ exchange, routingKey }: OutgoingMessage): Readonly<Record<string, unknown>> {
  return { exchange, routingKey }
}
