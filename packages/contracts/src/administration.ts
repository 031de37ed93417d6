/**
 * What tools of administrators ask of a broker: `ct list bindings` and `ct amqp` (docs/adr/0026). No worker and no producer needs it, so an
 * adapter may leave it out, as a whole or, by `CT_UNSUPPORTED`, where its server cannot.
 *
 * Duty (with B1–B25 of `broker.ts`)
 *  B26 `bindings` tells what is bound, as far as the server or this process knows. What is declared, bound and deleted here counts for
 *      publishes from then on. `get` takes at most one message, and holds it until it is settled or the connection ends.
 */
import type { CallOptions, Delivery } from './broker.ts'
import type { ExchangeDeclaration } from './topology.ts'

export interface ListedBinding {
  readonly queue: string
  /** `''`: the default exchange, where a server lists that. */
  readonly exchange: string
  readonly routingKey: string
}

export interface QueueReport {
  /** Ready ones. */
  readonly messages: number
  /** Undefined where nobody knows. */
  readonly consumers: number | undefined
}

export interface DeleteOptions extends CallOptions {
  /** Not while something is bound to the exchange, or somebody consumes from the queue. */
  readonly ifUnused?: boolean
  /** Not while the queue holds messages. */
  readonly ifEmpty?: boolean
}

export interface BrokerAdministration {
  /** Ordered by queue, exchange and key. */
  bindings(options?: CallOptions): Promise<readonly ListedBinding[]>
  /** Repeating it changes nothing. Nothing to do where exchanges are no more than their bindings. */
  declareExchange(exchange: ExchangeDeclaration, options?: CallOptions): Promise<void>
  /** Takes its bindings along. One that does not exist is no error. */
  deleteExchange(exchange: string, options?: DeleteOptions): Promise<void>
  /** Queue and exchange exist, or are said not to where the broker can tell. */
  bind(
    queue: string,
    exchange: Pick<ExchangeDeclaration, 'name'> & Partial<Pick<ExchangeDeclaration, 'type'>>,
    routingKey: string,
    options?: CallOptions,
  ): Promise<void>
  /** `CT_QUEUE_NOT_FOUND` where there is none and the broker can tell. */
  report(queue: string, options?: CallOptions): Promise<QueueReport>
  /** Resolves to the number of messages that went with it. One that does not exist is no error. Refused conditions: `CT_BROKER`. */
  deleteQueue(queue: string, options?: DeleteOptions): Promise<number>
  /** The next message, or undefined: there is none. */
  get(queue: string, options?: CallOptions): Promise<Delivery | undefined>
}
