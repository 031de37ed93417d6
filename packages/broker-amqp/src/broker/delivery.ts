import type { ConsumeMessage } from 'amqplib'
import type {
  Delivery,
  DeliveryInfo,
  HeaderTable,
  MessageProperties,
  QueueDeclaration,
  Settlement,
} from '@ct/contracts'
import { decodeTable } from '../connection/field-table.ts'
import type { ChannelSession } from './channel-session.ts'
import { undelayed } from './delayed-delivery.ts'

/** What a delivery needs of its consumer. */
export interface DeliveryOwner {
  settle(delivery: AmqpDelivery, settlement: Settlement): Promise<void>
  countStart(delivery: AmqpDelivery): Promise<number>
}

const done = Promise.resolve()

export class AmqpDelivery implements Delivery {
  readonly body: Uint8Array
  readonly contentType: string
  readonly contentEncoding: string
  readonly headers: HeaderTable
  readonly properties: MessageProperties
  readonly queue: string
  readonly info: DeliveryInfo
  readonly session: ChannelSession
  readonly number: number
  readonly noAck: boolean
  /** True once a counter queue exists for this message. */
  counted: boolean = false
  readonly #owner: DeliveryOwner
  #settled: Promise<void> | undefined

  constructor(
    owner: DeliveryOwner,
    session: ChannelSession,
    declaration: QueueDeclaration,
    message: ConsumeMessage,
    noAck: boolean,
  ) {
    this.#owner = owner
    this.session = session
    this.queue = declaration.name
    this.noAck = noAck
    const { fields, properties } = message
    this.number = fields.deliveryTag
    this.body = message.content
    // Kombu takes a message without a content type for raw bytes.
    this.contentType = text(properties.contentType) ?? 'application/data'
    this.contentEncoding = text(properties.contentEncoding) ?? 'binary'
    this.headers = decodeTable(properties.headers as Record<string, unknown> | undefined)
    this.properties = readProperties(properties)
    // A retry goes to where its task was sent, not to a level of the delay.
    const { exchange, routingKey } =
      undelayed(fields.exchange, fields.routingKey, declaration.bindings) ?? fields
    this.info = {
      exchange,
      routingKey,
      priority: this.properties.priority,
      redelivered: fields.redelivered,
    }
  }

  get tag(): string {
    return this.session.tagOf(this.number)
  }

  get settled(): boolean {
    return this.#settled !== undefined
  }

  settle(settlement: Settlement): Promise<void> {
    this.#settled ??= this.noAck ? done : this.#owner.settle(this, settlement)
    return this.#settled
  }

  countStart(): Promise<number> {
    return this.#owner.countStart(this)
  }
}

export function readProperties(properties: {
  readonly correlationId?: unknown
  readonly replyTo?: unknown
  readonly deliveryMode?: unknown
  readonly priority?: unknown
  readonly expiration?: unknown
}): MessageProperties {
  const correlationId = text(properties.correlationId)
  const replyTo = text(properties.replyTo)
  const expiration = text(properties.expiration)
  const { deliveryMode, priority } = properties
  return {
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(deliveryMode === 1 || deliveryMode === 2 ? { deliveryMode } : {}),
    ...(typeof priority === 'number' ? { priority } : {}),
    ...(expiration === undefined ? {} : { expiration }),
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
