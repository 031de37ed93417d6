/** A consumer of one connection: what it takes from, what it has handed out, and how that is settled. */
import {
  CeleryError,
  ClosedError,
  type Consumer,
  type ConsumerOptions,
  type Delivery,
  type OutgoingMessage,
  type QueueDeclaration,
  type Settlement,
  type Subscription,
} from '@ct/contracts'
import { throwIfAborted, toFailure } from '../connection/failure.ts'
import { countStart } from '../scripts/count-start.ts'
import { extendLeases } from '../scripts/extend-leases.ts'
import type { BrokerContext } from './context.ts'
import { RedisDelivery, type DeliveryOwner } from './delivery.ts'
import { FanoutSources } from './fanout.ts'
import type { Hub } from './hub.ts'
import { Intake } from './intake.ts'
import { addSettlement } from './settler.ts'
import { makeSource, Sources, type Source } from './sources.ts'
import { Stepper } from './stepper.ts'

export interface ConsumerInternals {
  readonly context: BrokerContext
  readonly hub: Hub
  readonly tagPrefix: string
  declare(queues: readonly QueueDeclaration[]): Promise<void>
  /** Unbinds and empties a queue that dies with its consumer. */
  drop(queue: QueueDeclaration): Promise<void>
  readonly onClosed: () => void
}

const nothing = Promise.resolve()

/** Nobody has to look at a settlement's promise. */
async function refuse(reason: unknown): Promise<void> {
  throw reason
}

function refused(reason: unknown): Promise<void> {
  const refusal = refuse(reason)
  refusal.catch(() => undefined)
  return refusal
}

export class RedisConsumer implements Consumer, DeliveryOwner {
  readonly #internals: ConsumerInternals
  readonly #context: BrokerContext
  readonly #options: ConsumerOptions
  readonly #sources: Sources
  readonly #fanouts: FanoutSources
  readonly #stepper: Stepper
  /** Handed out and not settled, in order. */
  readonly #open = new Set<RedisDelivery>()
  readonly #subscribed = new Map<string, Subscription>()
  #credit: number
  #taking = true
  #error: Error | undefined
  #closing: Promise<void> | undefined

  constructor(internals: ConsumerInternals, options: ConsumerOptions) {
    const { context, hub } = internals
    this.#internals = internals
    this.#context = context
    this.#options = options
    this.#credit = options.credit
    this.#sources = new Sources(context.settings.queueOrder)
    const intake = new Intake({
      context,
      hub,
      owner: this,
      tagPrefix: internals.tagPrefix,
      wants: (source) => this.#taking && this.#sources.takes(source),
      deliver: (delivery) => this.#deliver(delivery),
    })
    const room = (): number => this.#credit - this.#open.size
    this.#fanouts = new FanoutSources(
      hub.subscriber,
      context.keys,
      context.settings.fanoutCompat !== undefined,
      () => this.#taking && room() > 0,
      (queue, noAck, message) => {
        if (this.#taking) intake.takeFanout(queue, noAck, message)
      },
    )
    this.#stepper = new Stepper({
      context,
      hub,
      sources: this.#sources,
      tagPrefix: internals.tagPrefix,
      maxClaim: options.maxClaim ?? options.credit,
      credit: () => this.#credit,
      room,
      envelopes: intake.envelopes,
      onTaken: (taken) => intake.take(taken, this.#stepper),
      onAhead: (push) => intake.takeAhead(push),
    })
  }

  async subscribe(
    subscriptions: readonly Subscription[],
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<void> {
    this.#check()
    throwIfAborted(options?.signal, 'Subscribing')
    await this.#internals.declare(subscriptions.map(({ queue }) => queue))
    const waits: Promise<void>[] = []
    for (const subscription of subscriptions) {
      const { queue, noAck = false, exchangeType } = subscription
      this.#subscribed.set(queue.name, subscription)
      const fanout = queue.bindings.filter(({ exchange }) => (exchangeType ?? exchange.type) === 'fanout')
      if (fanout.length > 0) {
        const bindings = fanout.map(({ exchange, routingKey }) => ({ exchange: exchange.name, routingKey }))
        waits.push(this.#fanouts.add(queue.name, noAck, bindings))
      }
      // Python producers that do not know a broadcast exchange push to its queues' lists instead (wire-brokers §4.6).
      if (fanout.length === 0 || !noAck) this.#sources.add(this.#source(queue, noAck))
    }
    this.#stepper.sourcesChanged()
    await Promise.all(waits).catch((error: unknown) => {
      throw toFailure(error, this.#internals.hub.link.family, this.#internals.hub.link.where, 'subscribe')
    })
    this.#check()
  }

  #source(queue: QueueDeclaration, noAck: boolean): Source {
    const { keys, settings } = this.#context
    const expires = queue.arguments?.['x-expires']
    return makeSource(keys, queue.name, {
      noAck,
      ackEmulation: settings.ackEmulation,
      expiresMs: typeof expires === 'number' ? expires : 0,
    })
  }

  /** Queues of this consumer that expire when unused. */
  get expiring(): string[] {
    return [...this.#subscribed.values()].flatMap(({ queue }) =>
      queue.arguments?.['x-expires'] === undefined ? [] : [queue.name],
    )
  }

  async cancel(queues: readonly string[]): Promise<void> {
    for (const queue of queues) {
      this.#fanouts.remove(queue)
      this.#sources.remove(queue)
    }
    this.#stepper.sourcesChanged()
    await this.#dropDying(queues)
  }

  /** Queues that die with their consumer: those only we can have. */
  async #dropDying(queues: Iterable<string>): Promise<void> {
    for (const name of queues) {
      const subscription = this.#subscribed.get(name)
      this.#subscribed.delete(name)
      if (subscription === undefined || this.#error !== undefined) continue
      const { queue } = subscription
      const fanout = queue.bindings.some(({ exchange }) => exchange.type === 'fanout')
      if (queue.autoDelete && (fanout || queue.exclusive))
        await this.#internals.drop(queue).catch(() => undefined)
    }
  }

  pause(queues: readonly string[]): void {
    this.#sources.pause(queues, true)
    this.#fanouts.pause(queues, true)
    this.#stepper.sourcesChanged()
  }

  resume(queues: readonly string[]): void {
    this.#sources.pause(queues, false)
    this.#stepper.sourcesChanged()
    this.#fanouts.pause(queues, false)
  }

  setCredit(credit: number): void {
    this.#credit = credit
    this.#fanouts.drain()
    this.#stepper.schedule()
  }

  setMaxClaim(maxClaim: number): void {
    this.#stepper.maxClaim = Math.max(1, maxClaim)
    this.#stepper.schedule()
  }

  async stop(): Promise<void> {
    this.#taking = false
    this.#fanouts.clear()
    await this.#stepper.stop()
  }

  flush(): Promise<void> {
    return this.#stepper.flush()
  }

  #check(): void {
    if (this.#error !== undefined) throw this.#error
    if (this.#closing !== undefined) throw new ClosedError('This consumer is closed')
  }

  #deliver(delivery: RedisDelivery): void {
    if (!delivery.noAck) this.#open.add(delivery)
    try {
      this.#options.onDelivery(delivery)
    } catch (error) {
      // A defect of the caller; it must not cost the other messages of the step.
      queueMicrotask(() => {
        throw error
      })
    }
  }

  // DeliveryOwner

  settle(delivery: RedisDelivery, settlement: Settlement): Promise<void> {
    if (delivery.noAck) return nothing
    if (this.#error !== undefined) return refused(this.#error)
    const { batch } = this.#stepper
    try {
      addSettlement(batch, delivery, this.#watched(delivery, settlement), this.#context)
    } catch (error) {
      return refused(error)
    }
    this.#open.delete(delivery)
    this.#fanouts.drain()
    // Of a fanout message nothing is kept, so there may be nothing to tell anybody.
    if (batch.size === 0) return nothing
    this.#stepper.schedule()
    return batch.promise
  }

  /** A part that completes its chord leaves the message with us (B28). */
  #watched(delivery: RedisDelivery, settlement: Settlement): Settlement {
    if (settlement.action !== 'ack' || settlement.part === undefined) return settlement
    const { part, onRecorded } = settlement.part
    return {
      ...settlement,
      part: {
        part,
        onRecorded: (progress) => {
          if (progress.state === 'complete' || progress.state === 'claimed') {
            delivery.settlement = undefined
            this.#open.add(delivery)
          }
          onRecorded(progress)
        },
      },
    }
  }

  carries({ exchange, routingKey }: OutgoingMessage): boolean {
    return exchange === '' && this.#context.keys.takesQueue(routingKey)
  }

  async countStart(delivery: RedisDelivery): Promise<number> {
    this.#check()
    delivery.counted = true
    const { link } = this.#internals.hub
    const { starts, unackedIndex } = this.#context.keys
    let count: number
    try {
      const tag = delivery.filed ? delivery.tag : ''
      count = Number(await link.run(countStart, [starts, unackedIndex], [delivery.messageId, tag]))
    } catch (error) {
      throw toFailure(error, link.family, link.where, 'count a start')
    }
    if (count > 0) return count
    throw new CeleryError('CT_LEASE_LOST', `Message ${delivery.messageId} was given to somebody else`)
  }

  // Leases

  async extendLeases(deliveries: readonly Delivery[]): Promise<readonly Delivery[]> {
    const held = deliveries.filter(
      (one): one is RedisDelivery => one instanceof RedisDelivery && one.filed && !one.settled,
    )
    const { link } = this.#internals.hub
    const gone: RedisDelivery[] = []
    for (let at = 0; at < held.length; at += 1000) {
      const some = held.slice(at, at + 1000)
      try {
        const indexes = (await link.run(
          extendLeases,
          [this.#context.keys.unackedIndex],
          some.map(({ tag }) => tag),
        )) as number[]
        for (const index of indexes) gone.push(some[index - 1] as RedisDelivery)
      } catch (error) {
        throw toFailure(error, link.family, link.where, 'renew leases')
      }
    }
    // Settled while we were asking: gone for the best of reasons.
    return gone.filter((one) => !one.settled)
  }

  async adopt(deliveries: readonly Delivery[]): Promise<readonly Delivery[]> {
    this.#check()
    if (!this.#context.settings.ackEmulation) return deliveries
    const ours = deliveries.filter((one): one is RedisDelivery => one instanceof RedisDelivery)
    for (const one of ours) {
      one.owner = this
      // A settlement that the old connection took with it may be made again.
      one.settlement = undefined
      one.leads = false
    }
    const gone = new Set<Delivery>(await this.extendLeases(ours))
    for (const one of ours) if (!gone.has(one) && !one.noAck) this.#open.add(one)
    return deliveries.filter((one) => gone.has(one) || !(one instanceof RedisDelivery))
  }

  // The end

  /** The connection was lost. */
  end(error: Error): void {
    if (this.#error !== undefined) return
    this.#error = error
    this.#taking = false
    this.#stepper.end(error)
  }

  close(options?: { readonly unsettled?: 'release' | 'keep' }): Promise<void> {
    return (this.#closing ??= this.#close(options?.unsettled ?? 'release'))
  }

  async #close(unsettled: 'release' | 'keep'): Promise<void> {
    await this.stop().catch(() => undefined)
    if (this.#error === undefined) {
      if (unsettled === 'release') {
        // Last taken first, so that they lie in their old order again.
        for (const delivery of [...this.#open].reverse()) void delivery.settle({ action: 'release' })
      }
      await this.#dropDying([...this.#subscribed.keys()])
      await this.flush().catch(() => undefined)
    }
    this.#stepper.end(new ClosedError('This consumer is closed'))
    this.#internals.onClosed()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
