import type { ConsumeMessage } from 'amqplib'
import {
  ClosedError,
  type CallOptions,
  type Consumer,
  type ConsumerOptions,
  type Delivery,
  type NoticeListener,
  type QueueDeclaration,
  type Settlement,
  type Subscription,
} from '@ct/contracts'
import { raceSignal } from '../connection/failure.ts'
import type { Link } from '../connection/link.ts'
import { endOf } from './channel-end.ts'
import { ChannelSession } from './channel-session.ts'
import { AmqpDelivery, type DeliveryOwner } from './delivery.ts'
import { Lane, wirePrefetch } from './lane.ts'
import { parkDelivery } from './park-delivery.ts'
import type { ParkedQueues } from './parked.ts'
import { divideAmong } from './shares.ts'
import type { StartCounter } from './start-counter.ts'

/** How often the budget may be divided anew among busy and idle queues. */
const rebalanceMs = 500

export interface ConsumerParts {
  readonly link: Link
  readonly declare: (queue: QueueDeclaration, options: CallOptions | undefined) => Promise<void>
  readonly parked: ParkedQueues
  readonly starts: StartCounter
  readonly onNotice: NoticeListener
  readonly onClosed: (consumer: AmqpConsumer) => void
}

/**
 * Takes from any number of queues with one budget.
 *
 * Each queue has consumers of its own ({@link Lane}) whose prefetch is a share of the budget; what is received beyond the budget, while shares
 * change, waits here. Opening, changing and cancelling consumers happens one after another (`#steps`).
 *
 *   running ──stop──► stopped (consumers cancelled, buffers given back; open deliveries settle) ──close──► closed
 */
export class AmqpConsumer implements Consumer, DeliveryOwner {
  readonly #parts: ConsumerParts
  readonly #onDelivery: (delivery: Delivery) => void
  readonly #lanes = new Map<string, Lane>()
  #credit: number
  /** Handed on and not settled. */
  #open: number = 0
  #session: ChannelSession | undefined
  #steps: Promise<unknown> = Promise.resolve()
  #stopped: Promise<void> | undefined
  #closed: Promise<void> | undefined
  #rebalance: NodeJS.Timeout | undefined
  #draining: boolean = false

  constructor(parts: ConsumerParts, options: ConsumerOptions) {
    this.#parts = parts
    this.#onDelivery = options.onDelivery
    this.#credit = options.credit
  }

  // ---- steering -----------------------------------------------------------------------------------------------------

  subscribe(subscriptions: readonly Subscription[], options?: CallOptions): Promise<void> {
    const run = this.#step('subscribing', async () => {
      for (const { queue } of subscriptions) await this.#parts.declare(queue, options)
      const fresh: Lane[] = []
      for (const subscription of subscriptions) {
        const { queue } = subscription
        if (this.#lanes.has(queue.name)) continue
        const lane = new Lane(subscription)
        this.#lanes.set(queue.name, lane)
        fresh.push(lane)
      }
      divideAmong(this.#lanes.values(), this.#credit)
      try {
        await this.#adjust()
      } catch (error) {
        for (const lane of fresh) this.#lanes.delete(lane.queue.name)
        throw error
      }
    })
    return raceSignal('Subscribing', run, options?.signal)
  }

  async cancel(queues: readonly string[], options?: CallOptions): Promise<void> {
    const leaving = queues.map((name) => this.#lanes.get(name)).filter((lane) => lane !== undefined)
    if (leaving.length === 0) return
    for (const lane of leaving) lane.ended = true
    const run = this.#step('cancelling', async () => {
      await this.#adjust()
      for (const lane of leaving) this.#lanes.delete(lane.queue.name)
      divideAmong(this.#lanes.values(), this.#credit)
      await this.#adjust()
      await this.#session?.roundTrip(wirePrefetch(this.#credit))
    })
    return raceSignal('Cancelling', run, options?.signal)
  }

  pause(queues: readonly string[]): void {
    this.#setPaused(queues, true)
  }

  resume(queues: readonly string[]): void {
    this.#setPaused(queues, false)
  }

  #setPaused(queues: readonly string[], paused: boolean): void {
    for (const name of queues) {
      const lane = this.#lanes.get(name)
      if (lane !== undefined) lane.paused = paused
    }
    this.#adjustSoon()
  }

  setCredit(credit: number): void {
    if (credit === this.#credit) return
    this.#credit = credit
    this.#drain()
    divideAmong(this.#lanes.values(), this.#credit)
    this.#adjustSoon()
  }

  setMaxClaim(): void {
    // RabbitMQ pushes; there are no claims.
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#rebalance)
    for (const lane of this.#lanes.values()) lane.ended = true
    if (this.#session === undefined) return
    // Nothing is handed on from here, whether or not RabbitMQ has answered.
    await this.#parts.link.lastWord(this.#step('stopping', () => this.#adjust())).catch(() => undefined)
  }

  async flush(): Promise<void> {
    const session = this.#session
    if (session === undefined) return
    try {
      await this.#parts.link.lastWord(
        this.#step('flushing', () => session.roundTrip(wirePrefetch(this.#credit))),
      )
    } catch (error) {
      throw this.#parts.link.failure(error, 'flushing acknowledgements')
    }
  }

  async extendLeases(): Promise<readonly Delivery[]> {
    // A message is ours as long as its channel lives.
    return []
  }

  async adopt(deliveries: readonly Delivery[]): Promise<readonly Delivery[]> {
    return deliveries
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.stop()
    const session = this.#session
    this.#session = undefined
    // The end of the channel gives everything unsettled back, in its old place.
    const { link } = this.#parts
    if (link.isOpen && session !== undefined) await link.lastWord(session.close()).catch(() => undefined)
    this.#parts.onClosed(this)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** One thing after another on the channel. */
  #step<T>(what: string, run: () => Promise<T>): Promise<T> {
    const result = this.#steps.then(async () => {
      if (this.#closed !== undefined && this.#session === undefined)
        throw new ClosedError('This consumer is closed')
      this.#parts.link.assertOpen()
      try {
        return await run()
      } catch (error) {
        throw this.#parts.link.failure(error, what)
      }
    })
    this.#steps = result.catch(() => undefined)
    return result
  }

  #adjustSoon(): void {
    if (this.#closed !== undefined || this.#session === undefined) return
    // A channel that ends meanwhile is told through its own event.
    this.#step('changing the prefetch', () => this.#adjust()).catch(() => undefined)
  }

  async #adjust(): Promise<void> {
    const session = await this.#ready()
    for (const lane of [...this.#lanes.values()]) {
      if (!this.#isCurrent(lane)) continue
      await lane.adjust(session, (message, tag) => this.#onMessage(session, lane, message, tag))
      if (!lane.paused && !lane.ended) continue
      for (const delivery of lane.buffer.splice(0)) {
        lane.held--
        void session.settle(delivery.number, 'requeue').catch(() => undefined)
      }
      session.flush()
    }
  }

  #isCurrent(lane: Lane): boolean {
    return this.#lanes.get(lane.queue.name) === lane
  }

  async #ready(): Promise<ChannelSession> {
    if (this.#session !== undefined) return this.#session
    const session = new ChannelSession(await this.#parts.link.channel(), (error, held) =>
      this.#channelEnded(session, error, held),
    )
    this.#session = session
    return session
  }

  // ---- messages -----------------------------------------------------------------------------------------------------

  #onMessage(session: ChannelSession, lane: Lane, message: ConsumeMessage | null, tag: string): void {
    if (message === null) {
      this.#cancelledByServer(lane, tag)
      return
    }
    const delivery = new AmqpDelivery(this, session, lane.queue, message, lane.noAck)
    if (lane.noAck) {
      this.#onDelivery(delivery)
      return
    }
    session.add(delivery.number)
    lane.held++
    if (this.#open < this.#credit && lane.buffer.length === 0 && !lane.paused && !lane.ended)
      this.#deliver(delivery)
    else lane.buffer.push(delivery)
    if (lane.ended && !lane.consuming) this.#adjustSoon()
    if (!lane.hungry && this.#lanes.size > 1 && lane.saturated && this.#open < this.#credit)
      this.#becameHungry(lane)
  }

  #deliver(delivery: AmqpDelivery): void {
    this.#open++
    this.#onDelivery(delivery)
  }

  /** Hands on what waits, one of each queue in turn. */
  #drain(): void {
    if (this.#draining) return
    this.#draining = true
    let found = true
    while (found && this.#open < this.#credit) {
      found = false
      for (const lane of this.#lanes.values()) {
        if (this.#open >= this.#credit) break
        if (lane.paused || lane.ended) continue
        const delivery = lane.buffer.shift()
        if (delivery === undefined) continue
        found = true
        this.#deliver(delivery)
      }
    }
    this.#draining = false
  }

  #becameHungry(lane: Lane): void {
    lane.hungry = true
    this.#rebalance ??= setTimeout(() => {
      this.#rebalance = undefined
      divideAmong(this.#lanes.values(), this.#credit)
      for (const each of this.#lanes.values()) each.hungry = each.hungry && each.saturated
      this.#adjustSoon()
    }, rebalanceMs)
    this.#rebalance.unref()
  }

  // ---- settling -----------------------------------------------------------------------------------------------------

  async settle(delivery: AmqpDelivery, settlement: Settlement): Promise<void> {
    const { session, number } = delivery
    if (settlement.action === 'park') {
      try {
        await parkDelivery(this.#parts.parked, delivery, settlement)
        this.#parts.starts.forget(delivery)
      } finally {
        this.#settled(delivery)
      }
      return
    }
    const verdict =
      settlement.action === 'ack' ? 'ack' : settlement.action === 'reject' ? 'reject' : 'requeue'
    const written = session.settle(number, verdict)
    this.#settled(delivery)
    if (verdict !== 'requeue') this.#parts.starts.forget(delivery)
    return written
  }

  #settled(delivery: AmqpDelivery): void {
    // Those of a channel that has ended are no longer counted.
    if (delivery.session.ended) return
    this.#open--
    const lane = this.#lanes.get(delivery.queue)
    if (lane !== undefined && lane.held > 0) lane.held--
    if (this.#stopped === undefined) this.#drain()
  }

  countStart(delivery: AmqpDelivery): Promise<number> {
    return this.#parts.starts.count(delivery)
  }

  // ---- what the server does ----------------------------------------------------------------------------------------------

  #cancelledByServer(lane: Lane, tag: string): void {
    if (!lane.owns(tag) || lane.ended || !this.#isCurrent(lane)) return
    lane.ended = true
    this.#lanes.delete(lane.queue.name)
    divideAmong(this.#lanes.values(), this.#credit)
    this.#adjustSoon()
    this.#parts.onNotice({
      kind: 'consumer-cancelled',
      queue: lane.queue.name,
      reason: 'RabbitMQ cancelled the consumer: the queue was deleted, or its leader moved.',
    })
  }

  #channelEnded(session: ChannelSession, error: unknown, held: readonly string[]): void {
    if (this.#session !== session) return
    this.#session = undefined
    // Whoever held them may never settle them.
    this.#open = 0
    const lanes = [...this.#lanes.values()]
    this.#lanes.clear()
    for (const lane of lanes) {
      lane.drop(session)
      lane.buffer = []
    }
    if (!this.#parts.link.isOpen || this.#closed !== undefined || this.#stopped !== undefined) return
    const reason = endOf(error)
    // Told after amqplib has finished with the channel.
    setImmediate(() => {
      if (!this.#parts.link.isOpen || this.#closed !== undefined) return
      // RabbitMQ gives them out again, to us or to others.
      if (held.length > 0) this.#parts.onNotice({ kind: 'lease-lost', tags: held })
      for (const { queue } of lanes)
        this.#parts.onNotice({ kind: 'consumer-cancelled', queue: queue.name, reason })
    })
  }
}
