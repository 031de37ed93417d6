import type {
  Delivery,
  DeliveryInfo,
  Envelope,
  HeaderTable,
  MessageProperties,
  OutgoingMessage,
  Settlement,
} from '@ct/contracts'

/** What a delivery needs of the consumer that made, or adopted, it. */
export interface DeliveryOwner {
  settle(delivery: RedisDelivery, settlement: Settlement): Promise<void>
  countStart(delivery: RedisDelivery): Promise<number>
  carries(message: OutgoingMessage): boolean
}

/** One message, filed in `unacked` under a tag of ours unless `filed` is false (fanout, `ackEmulation: false`). */
export class RedisDelivery implements Delivery {
  readonly tag: string
  readonly queue: string
  readonly body: Uint8Array
  readonly contentType: string
  readonly contentEncoding: string
  readonly headers: HeaderTable
  readonly properties: MessageProperties
  readonly info: DeliveryInfo
  /** The item as it was taken: what goes back on requeue. */
  readonly text: string
  /** Stable over redeliveries: the tag its publisher gave it. */
  readonly messageId: string
  readonly filed: boolean
  readonly noAck: boolean
  /** Length in bytes of what follows the item in its unacked entry. */
  readonly tailBytes: number
  owner: DeliveryOwner
  counted = false
  /**
   * What follows from it may be handed out ahead (B27). Not when it was handed out ahead itself and not filed: it leads to nothing. Nor when it was
   * taken over: its settlement may have failed for a reason that lasts, and what follows would begin at each attempt.
   */
  leads = true
  settlement: Promise<void> | undefined

  constructor(
    owner: DeliveryOwner,
    queue: string,
    tag: string,
    text: string,
    envelope: Envelope,
    how: { readonly filed: boolean; readonly noAck: boolean; readonly tailBytes: number },
  ) {
    this.owner = owner
    this.queue = queue
    this.tag = tag
    this.text = text
    this.body = envelope.body
    this.contentType = envelope.contentType
    this.contentEncoding = envelope.contentEncoding
    this.headers = envelope.headers
    this.properties = envelope.properties
    this.info = envelope.deliveryInfo
    this.messageId = envelope.deliveryTag ?? tag
    this.filed = how.filed
    this.noAck = how.noAck
    this.tailBytes = how.tailBytes
  }

  get settled(): boolean {
    return this.settlement !== undefined
  }

  settle(settlement: Settlement): Promise<void> {
    return (this.settlement ??= this.owner.settle(this, settlement))
  }

  countStart(): Promise<number> {
    return this.owner.countStart(this)
  }

  carries(message: OutgoingMessage): boolean {
    return this.owner.carries(message)
  }
}
