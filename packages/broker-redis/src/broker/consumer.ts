/** A consumer of one connection: what it takes from, what it has handed out, and how that is settled. */
import { Buffer, isUtf8 } from 'node:buffer'
import {
  ClosedError,
  decodeEnvelope,
  UnsupportedError,
  type Consumer,
  type ConsumerOptions,
  type Delivery,
  type Envelope,
  type ParkedHistory,
  type QueueDeclaration,
  type Settlement,
  type Subscription,
} from '@ct/contracts'
import { throwIfAborted, toFailure } from '../connection/failure.ts'
import { countStart } from '../scripts/count-start.ts'
import { extendLeases } from '../scripts/extend-leases.ts'
import type { BrokerContext } from './context.ts'
import { RedisDelivery, type DeliveryOwner } from './delivery.ts'
import { addParkedHistory, markRedelivered } from './envelope-text.ts'
import { FanoutSources } from './fanout.ts'
import type { Hub } from './hub.ts'
import { makeSource, Sources, type Source } from './sources.ts'
import { Stepper, type Taken } from './stepper.ts'
import { storeWrite } from '../stored-success.ts'

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
function refused(error: unknown): Promise<void> {
  const refusal = Promise.reject<void>(error as Error)
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
  #fanoutTag = 0
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
    const room = (): number => this.#credit - this.#open.size
    this.#fanouts = new FanoutSources(
      hub.subscriber,
      context.keys,
      context.settings.fanoutCompat !== undefined,
      () => this.#taking && room() > 0,
      (queue, noAck, message) => this.#handFanout(queue, noAck, message),
    )
    this.#stepper = new Stepper({
      context,
      hub,
      sources: this.#sources,
      tagPrefix: internals.tagPrefix,
      maxClaim: options.maxClaim ?? options.credit,
      credit: () => this.#credit,
      room,
      onTaken: (taken) => this.#hand(taken),
    })
  }

  async subscribe(subscriptions: readonly Subscription[], options?: { readonly signal?: AbortSignal | undefined }): Promise<void> {
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
    return [...this.#subscribed.values()].flatMap(({ queue }) => (queue.arguments?.['x-expires'] === undefined ? [] : [queue.name]))
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
      if (queue.autoDelete && (fanout || queue.exclusive)) await this.#internals.drop(queue).catch(() => undefined)
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

  // Handing out

  #hand({ round, taken, malformed, tag }: Taken): void {
    for (let i = 0; i < malformed.length; i += 2) {
      const { queue, parked } = round.sources[(malformed[i] as number) - 1] as Source
      this.#tellMalformed(queue, 'it is not shaped like a message envelope', malformed[i + 1] as Buffer, parked)
    }
    let filed = 0
    for (let i = 0; i < taken.length; i += 2) {
      const source = round.sources[(taken[i] as number) - 1] as Source
      const wanted = this.#taking && this.#sources.takes(source)
      for (const item of taken[i + 1] as readonly Buffer[]) {
        const itsTag = source.filed ? tag(++filed) : ''
        if (wanted) this.#handItem(source, itsTag, item)
        else this.#putBack(source, itsTag, item)
      }
      if (source.expiresMs > 0) this.#touch(source)
    }
  }

  /** A queue that expires when unused is used (kombu 5.7 does so at each get). */
  #touch(source: Source): void {
    const { link } = this.#internals.hub
    link.together(() => {
      for (const list of source.lists) link.send('pexpire', [list, source.expiresMs]).catch(() => undefined)
    })
  }

  #handItem(source: Source, tag: string, item: Buffer): void {
    let envelope: Envelope
    const text = item.toString()
    try {
      if (!isUtf8(item)) throw new Error('it is not UTF-8')
      envelope = decodeEnvelope(text)
    } catch (error) {
      this.#stepper.batch.moves.push({ tag, side: 'L', list: source.parked, text: source.filed ? '' : text, tailBytes: source.tailBytes })
      this.#stepper.schedule()
      this.#tellMalformed(source.queue, (error as Error).message, item, source.parked)
      return
    }
    this.#deliver(new RedisDelivery(this, source.queue, tag, text, envelope, source))
  }

  #handFanout(queue: string, noAck: boolean, message: Buffer): void {
    if (!this.#taking) return
    try {
      const text = message.toString()
      const envelope = decodeEnvelope(text)
      const tag = `${this.#internals.tagPrefix}f${++this.#fanoutTag}`
      this.#deliver(new RedisDelivery(this, queue, tag, text, envelope, { filed: false, noAck, tailBytes: 0 }))
    } catch (error) {
      this.#tellMalformed(queue, (error as Error).message, message, undefined)
    }
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

  /** Taken for a queue that was cancelled or paused meanwhile. */
  #putBack(source: Source, tag: string, item: Buffer): void {
    this.#stepper.batch.moves.unshift({
      tag,
      side: 'R',
      list: source.lists[0] as string,
      text: source.filed ? '' : item.toString(),
      tailBytes: source.tailBytes,
    })
    this.#stepper.schedule()
  }

  #tellMalformed(queue: string, reason: string, item: Buffer, parkedIn: string | undefined): void {
    this.#context.notice({ kind: 'malformed', queue, reason, excerpt: item.toString('utf8', 0, 1024).slice(0, 1024), parkedIn })
  }

  // Settling

  settle(delivery: RedisDelivery, settlement: Settlement): Promise<void> {
    if (delivery.noAck) return nothing
    if (this.#error !== undefined) return refused(this.#error)
    const { batch } = this.#stepper
    const tag = delivery.filed ? delivery.tag : ''
    try {
      if (settlement.action === 'ack' || settlement.action === 'reject') {
        const { results } = settlement
        if (results !== undefined && results.length > 0) {
          batch.withResults.push({ tag, writes: results.map((write) => storeWrite(this.#resultKey(write.taskId), write)) })
        } else if (delivery.filed) batch.acks.push(tag)
        if (delivery.counted || delivery.info.redelivered) batch.forget.push(delivery.messageId)
      } else this.#move(delivery, tag, settlement)
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

  #resultKey(taskId: string): string {
    const key = this.#context.resultKey(taskId)
    if (key !== undefined) return key
    throw new UnsupportedError('Results were handed over with an ack, but no result backend settles with this broker; store them first')
  }

  #move(delivery: RedisDelivery, tag: string, settlement: Exclude<Settlement, { action: 'ack' | 'reject' }>): void {
    const { keys } = this.#context
    const { moves } = this.#stepper.batch
    const { queue, tailBytes, text } = delivery
    if (settlement.action === 'park') {
      const history: ParkedHistory = {
        reason: settlement.reason,
        starts: settlement.starts ?? 0,
        parkedAt: new Date().toISOString(),
        queue,
        ...('by' in settlement && typeof settlement.by === 'string' ? { by: settlement.by } : {}),
      }
      moves.push({ tag, side: 'L', list: keys.parked(queue), text: addParkedHistory(text, history), tailBytes })
      this.#stepper.batch.forget.push(delivery.messageId)
      return
    }
    const list = keys.list(queue, delivery.info.priority)
    if (settlement.action === 'requeue') moves.push({ tag, side: 'L', list, text: markRedelivered(text), tailBytes })
    else moves.push({ tag, side: 'R', list, text: delivery.filed ? '' : text, tailBytes })
  }

  async countStart(delivery: RedisDelivery): Promise<number> {
    this.#check()
    delivery.counted = true
    const { link } = this.#internals.hub
    try {
      return Number(await link.run(countStart, [this.#context.keys.starts], [delivery.messageId]))
    } catch (error) {
      throw toFailure(error, link.family, link.where, 'count a start')
    }
  }

  // Leases

  async extendLeases(deliveries: readonly Delivery[]): Promise<readonly Delivery[]> {
    const held = deliveries.filter((one): one is RedisDelivery => one instanceof RedisDelivery && one.filed && !one.settled)
    const { link } = this.#internals.hub
    const gone: RedisDelivery[] = []
    for (let at = 0; at < held.length; at += 1000) {
      const some = held.slice(at, at + 1000)
      try {
        const indexes = (await link.run(extendLeases, [this.#context.keys.unackedIndex], some.map(({ tag }) => tag))) as number[]
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
    const ours = deliveries.filter((one): one is RedisDelivery => one instanceof RedisDelivery)
    for (const one of ours) {
      one.owner = this
      // A settlement that the old connection took with it may be made again.
      one.settlement = undefined
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
