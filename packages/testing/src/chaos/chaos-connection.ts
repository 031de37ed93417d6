/**
 * A connection that can be cut, put to sleep and made to fail. Everything real is done by the connection inside; its own notices pass.
 *
 *   open ──cut()──► cut: every call rejects; the inner one is closed without giving anything back ──close()──► closed
 */
import type {
  BrokerAdministration,
  BrokerConnection,
  BrokerUnavailableError,
  CallOptions,
  CeleryError,
  Consumer,
  ConsumerOptions,
  Delivery,
  OutgoingMessage,
  ParkedMessages,
  QueueDeclaration,
  Settlement,
  Subscription,
} from '@ct/contracts'
import { lostLine, publishFault, type ChaosControls, type ChaosOperation } from './chaos-controls.ts'
import { ChaosDelivery, type ChaosLine } from './chaos-delivery.ts'

export class ChaosConnection implements BrokerConnection {
  readonly leaseMs: number | undefined
  readonly parked: ParkedMessages
  readonly administration: BrokerAdministration | undefined
  readonly prepareDelays?: NonNullable<BrokerConnection['prepareDelays']>
  readonly postpone?: NonNullable<BrokerConnection['postpone']>
  readonly #inner: BrokerConnection
  readonly #controls: ChaosControls
  readonly #onCut: (error: BrokerUnavailableError) => void
  readonly #onClosed: () => void
  readonly #consumers = new Set<ChaosConsumer>()
  /** Resolves when the line is gone, by a cut or by close. */
  readonly #gone = Promise.withResolvers<void>()
  #lost: BrokerUnavailableError | undefined
  #ending: Promise<void> | undefined
  #closing = false

  constructor(
    inner: BrokerConnection,
    controls: ChaosControls,
    onCut: (error: BrokerUnavailableError) => void,
    onClosed: () => void,
  ) {
    this.#inner = inner
    this.#controls = controls
    this.#onCut = onCut
    this.#onClosed = onClosed
    this.leaseMs = inner.leaseMs
    const { parked } = inner
    this.parked = {
      count: (queues, options) => this.call('call', () => parked.count(queues, options)),
      list: (queue, options) => this.call('call', () => parked.list(queue, options)),
      retry: (queue, ids, options) => this.call('call', () => parked.retry(queue, ids, options)),
      drop: (queue, ids, options) => this.call('call', () => parked.drop(queue, ids, options)),
    }
    this.administration = inner.administration && this.#administration(inner.administration)
    if (inner.prepareDelays !== undefined)
      this.prepareDelays = (queues, options) => this.call('call', () => inner.prepareDelays!(queues, options))
    if (inner.postpone !== undefined)
      this.postpone = (delivery, notBefore, options) =>
        this.call('call', () =>
          inner.postpone!(delivery instanceof ChaosDelivery ? delivery.inner : delivery, notBefore, options),
        )
  }

  #administration(inner: BrokerAdministration): BrokerAdministration {
    return {
      bindings: (options) => this.call('call', () => inner.bindings(options)),
      declareExchange: (exchange, options) =>
        this.call('call', () => inner.declareExchange(exchange, options)),
      deleteExchange: (exchange, options) => this.call('call', () => inner.deleteExchange(exchange, options)),
      bind: (queue, exchange, key, options) =>
        this.call('call', () => inner.bind(queue, exchange, key, options)),
      report: (queue, options) => this.call('call', () => inner.report(queue, options)),
      deleteQueue: (queue, options) => this.call('call', () => inner.deleteQueue(queue, options)),
      get: (queue, options) => this.call('call', () => inner.get(queue, options)),
    }
  }

  get lost(): BrokerUnavailableError | undefined {
    return this.#lost
  }

  /** The line breaks now. What consumers hold is neither settled nor given back by us. */
  cut(reason: string): void {
    if (this.#lost !== undefined || this.#closing) return
    this.#lost = lostLine(reason)
    this.#gone.resolve()
    this.#ending ??= this.#end()
    this.#onCut(this.#lost)
  }

  declare(queues: readonly QueueDeclaration[], options?: CallOptions): Promise<void> {
    return this.call('call', () => this.#inner.declare(queues, options))
  }

  async publish(message: OutgoingMessage, options?: CallOptions): Promise<void> {
    const fault = await this.#ready('publish')
    if (fault === 'before' || fault === 'unknown') throw publishFault(fault)
    await this.#orLost(this.#inner.publish(message, options))
    if (fault === 'after') throw publishFault(fault)
  }

  async publishMany(
    messages: readonly OutgoingMessage[],
    options?: CallOptions,
  ): Promise<readonly (CeleryError | undefined)[]> {
    const faults = messages.map(() => this.#controls.draw('publish'))
    await this.#awake()
    const sent = messages.filter((_, index) => faults[index] === undefined || faults[index] === 'after')
    const outcomes = await this.#orLost(this.#inner.publishMany(sent, options))
    let next = 0
    return faults.map((fault) => {
      if (fault === 'before' || fault === 'unknown') return publishFault(fault)
      const outcome = outcomes[next++]
      return fault === 'after' ? publishFault(fault) : outcome
    })
  }

  async openConsumer(options: ConsumerOptions): Promise<Consumer> {
    const consumer: ChaosConsumer = new ChaosConsumer(
      this,
      this.#controls,
      this.#gone.promise,
      options.onDelivery,
      () => this.#consumers.delete(consumer),
    )
    await this.call('call', async () => {
      consumer.inner = await this.#inner.openConsumer({
        ...options,
        onDelivery: (delivery) => consumer.deliver(delivery),
      })
    })
    this.#consumers.add(consumer)
    return consumer
  }

  queueSize(queue: string, options?: CallOptions): Promise<number> {
    return this.call('call', () => this.#inner.queueSize(queue, options))
  }

  purge(queue: string, options?: CallOptions): Promise<number> {
    return this.call('call', () => this.#inner.purge(queue, options))
  }

  deleteQueue(queue: string, options?: CallOptions): Promise<void> {
    return this.call('call', () => this.#inner.deleteQueue(queue, options))
  }

  async close(): Promise<void> {
    this.#closing = true
    this.#gone.resolve()
    await (this.#ending ?? this.#inner.close())
    this.#onClosed()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** One call to the broker inside, with sleep and fault. A fault cuts the line. */
  async call<T>(operation: ChaosOperation, run: () => Promise<T>): Promise<T> {
    const fault = await this.#ready(operation)
    if (fault === 'before') this.cut(`fault before ${operation}`)
    if (this.#lost !== undefined) throw this.#lost
    const value = await this.#orLost(run())
    if (fault !== 'after' && fault !== 'unknown') return value
    this.cut(`fault after ${operation}`)
    throw this.#lost ?? lostLine('closed')
  }

  async #ready(operation: ChaosOperation): Promise<ReturnType<ChaosControls['draw']>> {
    const fault = this.#controls.draw(operation)
    await this.#awake()
    return fault
  }

  async #awake(): Promise<void> {
    if (this.#controls.asleep) await this.#controls.awake(this.#gone.promise)
    if (this.#lost !== undefined) throw this.#lost
  }

  /** The answer, unless the line is cut first: then nobody hears it. */
  async #orLost<T>(answer: Promise<T>): Promise<T> {
    answer.catch(() => undefined)
    const cut = this.#gone.promise.then(() => {
      // After a plain close the real answer counts: it says what became of the call.
      if (this.#lost !== undefined) throw this.#lost
      return answer
    })
    cut.catch(() => undefined)
    return Promise.race([answer, cut])
  }

  async #end(): Promise<void> {
    // `keep`: the broker inside must find out by itself, as when a process is gone.
    await Promise.all([...this.#consumers].map((consumer) => consumer.inner?.close({ unsettled: 'keep' })))
    await this.#inner.close()
  }
}

/** Consumer of a {@link ChaosConnection}. */
class ChaosConsumer implements Consumer, ChaosLine {
  inner: Consumer | undefined
  readonly #line: ChaosConnection
  readonly #controls: ChaosControls
  readonly #gone: Promise<void>
  readonly #onDelivery: (delivery: Delivery) => void
  readonly #onClosed: () => void
  readonly #open = new WeakMap<Delivery, ChaosDelivery>()

  constructor(
    line: ChaosConnection,
    controls: ChaosControls,
    gone: Promise<void>,
    onDelivery: (delivery: Delivery) => void,
    onClosed: () => void,
  ) {
    this.#line = line
    this.#controls = controls
    this.#gone = gone
    this.#onDelivery = onDelivery
    this.#onClosed = onClosed
  }

  deliver(inner: Delivery): void {
    if (this.#controls.draw('delivery') !== undefined) this.#line.cut('fault at a delivery')
    const delivery = new ChaosDelivery(inner, this)
    this.#open.set(inner, delivery)
    if (!this.#controls.asleep) return this.#hand(delivery)
    void this.#controls.awake(this.#gone).then(() => this.#hand(delivery))
  }

  /** What comes over a line that is cut does not arrive. */
  #hand(delivery: ChaosDelivery): void {
    if (this.#line.lost === undefined) this.#onDelivery(delivery)
  }

  settle(inner: Delivery, settlement: Settlement): Promise<void> {
    return this.#line.call('settle', () => inner.settle(settlement))
  }

  countStart(inner: Delivery): Promise<number> {
    return this.#line.call('call', () => inner.countStart())
  }

  subscribe(subscriptions: readonly Subscription[], options?: CallOptions): Promise<void> {
    return this.#line.call('call', () => this.#real.subscribe(subscriptions, options))
  }

  cancel(queues: readonly string[], options?: CallOptions): Promise<void> {
    return this.#line.call('call', () => this.#real.cancel(queues, options))
  }

  pause(queues: readonly string[]): void {
    this.#real.pause(queues)
  }

  resume(queues: readonly string[]): void {
    this.#real.resume(queues)
  }

  setCredit(credit: number): void {
    this.#real.setCredit(credit)
  }

  setMaxClaim(maxClaim: number): void {
    this.#real.setMaxClaim(maxClaim)
  }

  stop(): Promise<void> {
    return this.#real.stop()
  }

  flush(): Promise<void> {
    return this.#line.call('settle', () => this.#real.flush())
  }

  extendLeases(deliveries: readonly Delivery[]): Promise<readonly Delivery[]> {
    return this.#line.call('call', () => this.#through(deliveries, (inner) => this.#real.extendLeases(inner)))
  }

  async adopt(deliveries: readonly Delivery[]): Promise<readonly Delivery[]> {
    return this.#line.call('call', async () => {
      const refused = await this.#through(deliveries, (inner) => this.#real.adopt(inner))
      for (const delivery of deliveries) {
        if (!(delivery instanceof ChaosDelivery) || refused.includes(delivery)) continue
        delivery.adoptBy(this)
        this.#open.set(delivery.inner, delivery)
      }
      return refused
    })
  }

  async close(options?: { readonly unsettled?: 'release' | 'keep' }): Promise<void> {
    if (this.#line.lost === undefined) await this.#real.close(options)
    this.#onClosed()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  get #real(): Consumer {
    if (this.inner === undefined) throw new Error('The consumer was not opened.')
    return this.inner
  }

  /** Hands the deliveries inside to `run`, and answers with those outside. */
  async #through(
    deliveries: readonly Delivery[],
    run: (inner: readonly Delivery[]) => Promise<readonly Delivery[]>,
  ): Promise<readonly Delivery[]> {
    const outside = new Map(
      deliveries.map((each) => [each instanceof ChaosDelivery ? each.inner : each, each]),
    )
    return (await run([...outside.keys()])).map((inner) => outside.get(inner) ?? inner)
  }
}
