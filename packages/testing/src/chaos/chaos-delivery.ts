/** A delivery whose settlement goes through the chaos of its connection. */
import type {
  Delivery,
  DeliveryInfo,
  HeaderTable,
  MessageProperties,
  OutgoingMessage,
  Settlement,
} from '@ct/contracts'

/** What a delivery asks of the connection that it came over. */
export interface ChaosLine {
  settle(inner: Delivery, settlement: Settlement): Promise<void>
  countStart(inner: Delivery): Promise<number>
}

export class ChaosDelivery implements Delivery {
  readonly inner: Delivery
  readonly tag: string
  readonly queue: string
  readonly body: Uint8Array
  readonly contentType: string
  readonly contentEncoding: string
  readonly headers: HeaderTable
  readonly properties: MessageProperties
  readonly info: DeliveryInfo
  readonly carries?: (message: OutgoingMessage) => boolean
  #line: ChaosLine
  #settling: Promise<void> | undefined

  constructor(inner: Delivery, line: ChaosLine) {
    this.inner = inner
    this.#line = line
    this.tag = inner.tag
    this.queue = inner.queue
    this.body = inner.body
    this.contentType = inner.contentType
    this.contentEncoding = inner.contentEncoding
    this.headers = inner.headers
    this.properties = inner.properties
    this.info = inner.info
    if (inner.carries !== undefined) this.carries = (message) => inner.carries!(message)
  }

  get settled(): boolean {
    return this.#settling !== undefined || this.inner.settled
  }

  settle(settlement: Settlement): Promise<void> {
    if (this.#settling === undefined) {
      this.#settling = this.#line.settle(this.inner, settlement).then(() => {
        // B28: a part that completed its chord leaves the message held.
        if (!this.inner.settled) this.#settling = undefined
      })
      this.#settling.catch(() => undefined)
    }
    return this.#settling
  }

  countStart(): Promise<number> {
    return this.#line.countStart(this.inner)
  }

  /** B16: another connection took it over, and it can be settled again. */
  adoptBy(line: ChaosLine): void {
    this.#line = line
    this.#settling = undefined
  }
}
