import type { ExchangeDeclaration, ExchangeType, HeaderTable } from '@ct/contracts'

/** How messages are kept: 1 or `transient` in memory, 2 or `persistent` on disk. */
export type DeliveryMode = 1 | 2 | 'transient' | 'persistent'

export function deliveryModeNumber(mode: DeliveryMode): 1 | 2 {
  return mode === 'transient' || mode === 1 ? 1 : 2
}

export interface ExchangeOptions {
  /** Default `direct`. */
  readonly type?: ExchangeType | undefined
  /** Default true. */
  readonly durable?: boolean | undefined
  /** Default false. */
  readonly autoDelete?: boolean | undefined
  /** For messages sent through this exchange; default `taskDefaultDeliveryMode`. */
  readonly deliveryMode?: DeliveryMode | undefined
  /** E.g. `{ 'alternate-exchange': 'unrouted' }`. */
  readonly arguments?: HeaderTable | undefined
  readonly passive?: boolean | undefined
  readonly noDeclare?: boolean | undefined
}

const exchangeBrand = Symbol.for('ct.exchange')

/** An exchange as kombu describes it (kombu/entity.py 5.7). A value: it does not change and opens nothing. */
export class Exchange {
  readonly name: string
  readonly type: ExchangeType
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly deliveryMode: 1 | 2 | undefined
  readonly arguments: HeaderTable | undefined
  readonly passive: boolean
  readonly noDeclare: boolean
  readonly declaration: ExchangeDeclaration

  constructor(name = '', options: ExchangeOptions = {}) {
    this.name = name
    this.type = options.type ?? 'direct'
    this.durable = options.durable ?? true
    this.autoDelete = options.autoDelete ?? false
    this.deliveryMode = options.deliveryMode == null ? undefined : deliveryModeNumber(options.deliveryMode)
    this.arguments = options.arguments
    this.passive = options.passive ?? false
    this.noDeclare = options.noDeclare ?? false
    this.declaration = Object.freeze({
      name: this.name,
      type: this.type,
      durable: this.durable,
      autoDelete: this.autoDelete,
      ...(this.arguments === undefined ? {} : { arguments: this.arguments }),
      ...(this.passive ? { passive: true } : {}),
      // The default exchange and those of the server itself exist already and may not be declared.
      ...(this.noDeclare || name === '' || name.startsWith('amq.') ? { noDeclare: true } : {}),
    })
    Object.defineProperty(this, exchangeBrand, { value: true })
    Object.freeze(this)
  }

  /** True for exchanges of another copy of this package too. */
  static isExchange(value: unknown): value is Exchange {
    return typeof value === 'object' && value !== null && exchangeBrand in value
  }
}
