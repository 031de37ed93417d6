import type { BrokerAdministration, DeleteOptions, ListedBinding, QueueReport } from '../administration.ts'
import type { BrokerCapabilities, BrokerConnection, CallOptions, Delivery } from '../broker.ts'
import { BrokerError, CeleryError, UnsupportedError } from '../errors.ts'
import type { ExchangeDeclaration, QueueDeclaration } from '../topology.ts'
import { bindingsOf, type BindingTable } from './bindings.ts'
import { getOne } from './get-one.ts'
import type { VirtualStore } from './virtual-store.ts'

export interface AdministrationHost {
  readonly name: string
  readonly capabilities: BrokerCapabilities
  readonly connection: BrokerConnection
  readonly bindings: BindingTable
  readonly store: VirtualStore
  guard<T>(call: () => Promise<T>, options?: CallOptions): Promise<T>
}

/** B26 over a store and its table of bindings: an exchange is there when somebody is bound to it. */
export class VirtualAdministration implements BrokerAdministration {
  readonly #host: AdministrationHost

  constructor(host: AdministrationHost) {
    this.#host = host
  }

  bindings(options?: CallOptions): Promise<readonly ListedBinding[]> {
    const { bindings } = this.#host
    return this.#host.guard(
      async () => inOrder(await (bindings.all?.() ?? this.#unsupported('list bindings'))),
      options,
    )
  }

  async declareExchange({ name, type, passive }: ExchangeDeclaration, options?: CallOptions): Promise<void> {
    const { bindings, capabilities } = this.#host
    const known = {
      direct: capabilities.exchanges.direct,
      topic: capabilities.exchanges.topic,
      fanout: capabilities.exchanges.fanout,
    }
    if (!Object.entries(known).some(([one, possible]) => possible && one === type))
      this.#unsupported(`declare an exchange of type ${type}`)
    await this.#host.guard(async () => {
      if (passive === true && name !== '' && (await bindings.bindings(name)).length === 0)
        throw new BrokerError(
          `Nothing is bound to exchange ${JSON.stringify(name)}: ${this.#host.name} knows exchanges by their bindings alone.`,
        )
      bindings.declareExchange?.(name, type)
    }, options)
  }

  deleteExchange(exchange: string, options: DeleteOptions = {}): Promise<void> {
    const { bindings } = this.#host
    return this.#host.guard(async () => {
      const bound = await bindings.bindings(exchange)
      if (options.ifUnused === true && bound.length > 0)
        throw new BrokerError(`Exchange ${JSON.stringify(exchange)} is in use: ${bound.length} bound to it.`)
      if (bindings.deleteExchange !== undefined) await bindings.deleteExchange(exchange)
      else if (bound.length > 0) this.#unsupported('delete exchanges')
    }, options)
  }

  async bind(
    queue: string,
    exchange: Pick<ExchangeDeclaration, 'name'> & Partial<Pick<ExchangeDeclaration, 'type'>>,
    routingKey: string,
    options?: CallOptions,
  ): Promise<void> {
    const { bindings } = this.#host
    await this.report(queue, options)
    await this.#host.guard(async () => {
      const type =
        exchange.type ??
        bindings.typeOf?.(exchange.name) ??
        (await bindings.bindings(exchange.name))[0]?.exchangeType
      if (type === undefined)
        throw new BrokerError(
          `There is no exchange ${JSON.stringify(exchange.name)}. Declare it first, with its type.`,
        )
      const declaration: QueueDeclaration = {
        name: queue,
        durable: true,
        exclusive: false,
        autoDelete: false,
        bindings: [{ exchange: { name: exchange.name, type, durable: true, autoDelete: false }, routingKey }],
      }
      for (const binding of bindingsOf(declaration)) {
        await bindings.bind(binding)
        if (type === 'fanout') await this.#host.store.fanout?.bind(binding)
      }
    }, options)
  }

  report(queue: string, options?: CallOptions): Promise<QueueReport> {
    const { store, name } = this.#host
    return this.#host.guard(async () => {
      if ((await store.queueExists?.(queue)) === false)
        throw new CeleryError('CT_QUEUE_NOT_FOUND', `${name} has no queue ${JSON.stringify(queue)}.`, {
          details: { queue },
        })
      return { messages: await store.size(queue), consumers: await store.countReaders?.(queue, 0) }
    }, options)
  }

  async deleteQueue(queue: string, options: DeleteOptions = {}): Promise<number> {
    const { connection, store } = this.#host
    return await this.#host.guard(async () => {
      if ((await store.queueExists?.(queue)) === false) return 0
      const messages = await store.size(queue)
      if (options.ifEmpty === true && messages > 0)
        throw new BrokerError(`Queue ${JSON.stringify(queue)} is not empty: ${messages} wait in it.`)
      if (options.ifUnused === true && ((await store.countReaders?.(queue, 0)) ?? 0) > 0)
        throw new BrokerError(`Queue ${JSON.stringify(queue)} is in use: somebody consumes from it.`)
      await connection.deleteQueue(queue, options)
      return messages
    }, options)
  }

  get(queue: string, options?: CallOptions): Promise<Delivery | undefined> {
    return getOne(this.#host.connection, queue, options)
  }

  #unsupported(what: string): never {
    throw new UnsupportedError(`The broker ${this.#host.name} cannot ${what}.`)
  }
}

/** By queue, exchange and key. */
export function inOrder<T extends ListedBinding>(bindings: readonly T[]): ListedBinding[] {
  return bindings
    .map(({ queue, exchange, routingKey }) => ({ queue, exchange, routingKey }))
    .toSorted(
      (a, b) =>
        compare(a.queue, b.queue) || compare(a.exchange, b.exchange) || compare(a.routingKey, b.routingKey),
    )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
