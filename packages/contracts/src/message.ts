/**
 * A message as brokers carry it: bytes with properties and a flat header table. Nothing here knows tasks; that is `protocol/`.
 */

/** Header tables and property bags hold JSON-like data. */
export type HeaderTable = Readonly<Record<string, unknown>>

export interface MessageProperties {
  readonly correlationId?: string
  readonly replyTo?: string
  /** 1 transient, 2 persistent. */
  readonly deliveryMode?: 1 | 2
  /** 0…255; what more urgent means is the broker's (`capabilities.priorities.order`). */
  readonly priority?: number
  /** Milliseconds after which the broker may drop the message, as AMQP wants it: a string of digits. */
  readonly expiration?: string
  /**
   * Properties Celery lets callers add (`MessageGroupId` for SQS, …). On envelope transports they stay visible beside the
   * standard ones; AMQP drops those it does not know.
   */
  readonly extra?: HeaderTable
}

export interface MessageContent {
  readonly body: Uint8Array
  readonly contentType: string
  readonly contentEncoding: string
  readonly headers: HeaderTable
  readonly properties: MessageProperties
}

/** A message to publish, its destination computed by core. */
export interface OutgoingMessage extends MessageContent {
  /** `''` is the default exchange: `routingKey` is then the name of a queue. */
  readonly exchange: string
  readonly routingKey: string
  /** Type of `exchange` where core knows it. Default `direct`. Redis and Pub/Sub deliver fanout by another way. */
  readonly exchangeType?: ExchangeType
  /** Ask the broker to return the message as an error when no queue takes it (capability `mandatory`). */
  readonly mandatory?: boolean
  /** Epoch ms before which the broker should not deliver it (capability `nativeDelay`); core keeps `eta` in the headers anyway. */
  readonly notBefore?: number
  /**
   * Milliseconds. The queues it goes to are somebody else's, who may be gone: where queues would stay for ever (Redis), one that is not used for
   * so long may go. Brokers whose queues expire by themselves ignore it.
   */
  readonly queueExpiresMs?: number
}

export type ExchangeType = 'direct' | 'topic' | 'fanout' | 'headers' | (string & {})

export interface DeliveryInfo {
  readonly exchange: string
  readonly routingKey: string
  readonly priority: number | undefined
  /** True when the broker knows or suspects that somebody had this message before. */
  readonly redelivered: boolean
}
