/** One message in the hands of a consumer of the kit. */
import type { Delivery, Settlement } from '../broker.ts'
import type { DeliveryInfo, HeaderTable, MessageProperties } from '../message.ts'
import type { Envelope } from '../protocol/index.ts'
import type { TakenMessage } from './virtual-store.ts'

/** What a delivery needs of the consumer that holds it; changes when another consumer adopts it. */
export interface DeliveryOwner<Handle> {
  /** Identity of the broker object. */
  readonly origin: object
  settle(delivery: VirtualDelivery<Handle>, settlement: Settlement): Promise<void>
  countStart(delivery: VirtualDelivery<Handle>): Promise<number>
  /** Whether it is still held: a settlement that was refused for the moment leaves it so. */
  holds(delivery: VirtualDelivery<Handle>): boolean
}

/**
 *   held ──settle──► settling ──► settled
 *    ▲                  ├─ refused for the moment: held again (B11)
 *    └──── adopted ─────┴─ failed for good, or with its connection
 */
export class VirtualDelivery<Handle> implements Delivery {
  readonly taken: TakenMessage<Handle>
  readonly tag: string
  readonly queue: string
  readonly body: Uint8Array
  readonly contentType: string
  readonly contentEncoding: string
  readonly headers: HeaderTable
  readonly properties: MessageProperties
  readonly info: DeliveryInfo
  #owner: DeliveryOwner<Handle>
  #settling: Promise<void> | undefined
  #state: 'open' | 'settling' | 'settled' = 'open'

  /** `forgotten`: the broker forgot the message when it was taken (`noAck`), so there is nothing to settle. */
  constructor(
    owner: DeliveryOwner<Handle>,
    taken: TakenMessage<Handle>,
    envelope: Envelope,
    forgotten: boolean,
  ) {
    this.#owner = owner
    this.taken = taken
    this.tag = envelope.deliveryTag ?? crypto.randomUUID()
    if (forgotten) {
      this.#settling = Promise.resolve()
      this.#state = 'settled'
    }
    this.queue = taken.queue
    this.body = envelope.body
    this.contentType = envelope.contentType
    this.contentEncoding = envelope.contentEncoding
    this.headers = envelope.headers
    this.properties = envelope.properties
    this.info = {
      ...envelope.deliveryInfo,
      redelivered: envelope.deliveryInfo.redelivered || taken.redelivered,
    }
  }

  get settled(): boolean {
    return this.#settling !== undefined
  }

  settle(settlement: Settlement): Promise<void> {
    if (this.#settling !== undefined) return this.#settling
    const settling = this.#owner.settle(this, settlement)
    this.#settling = settling
    this.#state = 'settling'
    settling.then(
      () => (this.#state = 'settled'),
      () => {
        this.#state = 'open'
        if (this.#owner.holds(this)) this.#settling = undefined
      },
    )
    return settling
  }

  get origin(): object {
    return this.#owner.origin
  }

  /** Nothing that was asked for has been done: never settled, or the settlement failed. */
  get adoptable(): boolean {
    return this.#state === 'open'
  }

  countStart(): Promise<number> {
    return this.#owner.countStart(this)
  }

  /** Hands the delivery to another consumer (B16). */
  adoptBy(owner: DeliveryOwner<Handle>): void {
    this.#owner = owner
    this.#settling = undefined
    this.#state = 'open'
  }
}
