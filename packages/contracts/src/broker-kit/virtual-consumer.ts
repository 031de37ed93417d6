/**
 * Consumer of the kit: spends the credit on `take`, hands out deliveries, settles them in batches.
 *
 *   taking ──stop──► stopping ──lanes ended──► stopped ──close──► closed
 *     └───────────────── connection lost ────────────────────────────▲
 *
 * A lane is one loop over `take`. What it gets for a queue that was cancelled or paused meanwhile, or beyond a credit that was
 * lowered meanwhile, it releases unseen.
 */
import type { BrokerCapabilities, CallOptions, Consumer, ConsumerOptions, Delivery, Settlement, Subscription } from '../broker.ts'
import { BrokerUnavailableError, isCeleryError, UnsupportedError } from '../errors.ts'
import type { Notice } from '../notice.ts'
import { parkedSuffix } from '../parking.ts'
import { decodeEnvelope, encodeEnvelope, type Envelope } from '../protocol/envelope.ts'
import type { QueueDeclaration } from '../topology.ts'
import { Credit } from './credit.ts'
import { parkedEnvelope, parkedRaw } from './parking-lot.ts'
import { TurnBatch } from './turn-batch.ts'
import { VirtualDelivery, type DeliveryOwner } from './virtual-delivery.ts'
import type { StoreSettlement, TakenMessage, VirtualStore } from './virtual-store.ts'
import { pause, WakeUp } from './wake-up.ts'

/** What a consumer needs of its connection. */
export interface ConsumerHost<Handle> {
  /** Identity of the broker object; deliveries of another cannot be adopted. */
  readonly origin: object
  readonly store: VirtualStore<Handle>
  readonly capabilities: BrokerCapabilities
  readonly takeFrom: 'many-queues' | 'one-queue'
  readonly maxTake: number
  readonly pollIntervalMs: number
  /** Set once the connection is lost. */
  readonly lost: BrokerUnavailableError | undefined
  notice(notice: Notice): void
  lose(error: Error): void
  declare(queues: readonly QueueDeclaration[], options?: CallOptions): Promise<void>
  deleteQueue(queue: string): Promise<void>
  put(queue: string, payload: string): Promise<void>
  guard<T>(call: () => Promise<T>, options?: CallOptions): Promise<T>
  forget(consumer: VirtualConsumer<Handle>): void
}

interface Reader {
  readonly queue: QueueDeclaration
  readonly noAck: boolean
  paused: boolean
}

interface Settling<Handle> {
  readonly delivery: VirtualDelivery<Handle>
  readonly settlement: Settlement
}

export class VirtualConsumer<Handle> implements Consumer, DeliveryOwner<Handle> {
  readonly origin: object
  readonly #host: ConsumerHost<Handle>
  readonly #onDelivery: (delivery: Delivery) => void
  readonly #credit: Credit
  readonly #readers = new Map<string, Reader>()
  readonly #lanes = new Map<string, Promise<void>>()
  readonly #held = new Set<VirtualDelivery<Handle>>()
  readonly #settlements: TurnBatch<Settling<Handle>, Error | undefined>
  readonly #changed = new WakeUp()
  #interrupt = new AbortController()
  #maxClaim: number
  #stopping = false
  #closing: Promise<void> | undefined
  #failed: unknown

  constructor(host: ConsumerHost<Handle>, options: ConsumerOptions) {
    this.origin = host.origin
    this.#host = host
    this.#onDelivery = options.onDelivery
    this.#credit = new Credit(options.credit)
    this.#maxClaim = options.maxClaim ?? Infinity
    this.#settlements = new TurnBatch((items) => this.#settleAll(items))
  }

  async subscribe(subscriptions: readonly Subscription[], options?: CallOptions): Promise<void> {
    await this.#host.declare(
      subscriptions.map((subscription) => subscription.queue),
      options,
    )
    for (const { queue, noAck } of subscriptions) {
      if (!this.#readers.has(queue.name)) {
        await this.#host.guard(async () => this.#host.store.countReaders?.(queue.name, 1), options)
      }
      this.#readers.set(queue.name, { queue, noAck: noAck === true, paused: false })
      const lane = this.#host.takeFrom === 'one-queue' ? queue.name : ''
      if (!this.#lanes.has(lane)) this.#lanes.set(lane, this.#run(lane))
    }
    this.#retake()
  }

  async cancel(queues: readonly string[]): Promise<void> {
    const gone = queues.map((name) => this.#readers.get(name)).filter((reader) => reader !== undefined)
    for (const reader of gone) this.#readers.delete(reader.queue.name)
    this.#retake()
    for (const reader of gone) await this.#detach(reader)
  }

  pause(queues: readonly string[]): void {
    this.#setPaused(queues, true)
  }

  resume(queues: readonly string[]): void {
    this.#setPaused(queues, false)
  }

  #setPaused(queues: readonly string[], paused: boolean): void {
    for (const name of queues) {
      const reader = this.#readers.get(name)
      if (reader !== undefined) reader.paused = paused
    }
    this.#retake()
  }

  setCredit(credit: number): void {
    const lower = credit < this.#credit.limit
    this.#credit.setLimit(credit)
    if (lower) this.#retake()
    else this.#changed.now()
  }

  setMaxClaim(maxClaim: number): void {
    this.#maxClaim = maxClaim
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#retake()
    await Promise.all(this.#lanes.values())
  }

  async flush(): Promise<void> {
    await this.#settlements.idle()
    const failed = this.#failed
    this.#failed = undefined
    if (failed !== undefined) throw failed
  }

  close(options?: { readonly unsettled?: 'release' | 'keep' }): Promise<void> {
    this.#closing ??= this.#close(options?.unsettled ?? 'release')
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(unsettled: 'release' | 'keep'): Promise<void> {
    await this.stop()
    if (unsettled === 'release' && this.#host.lost === undefined) {
      // Last one first: a store that releases to the front ends with the old order.
      for (const delivery of [...this.#held].toReversed()) void delivery.settle({ action: 'release' })
    }
    await this.#settlements.idle()
    for (const reader of this.#readers.values()) await this.#detach(reader)
    this.#readers.clear()
    this.#host.forget(this)
  }

  /** The connection is gone: ends the lanes; what is held can only be adopted. */
  lost(): void {
    this.#stopping = true
    this.#retake()
  }

  async extendLeases(deliveries: readonly Delivery[]): Promise<readonly Delivery[]> {
    const { store } = this.#host
    if (store.extendLeases === undefined) return []
    const ours = deliveries.filter((delivery) => this.#held.has(delivery as VirtualDelivery<Handle>))
    const byTaken = new Map(ours.map((delivery) => [(delivery as VirtualDelivery<Handle>).taken, delivery]))
    const lost = await this.#host.guard(async () => (await store.extendLeases?.([...byTaken.keys()])) ?? [])
    for (const taken of lost) this.#drop(byTaken.get(taken) as VirtualDelivery<Handle>)
    return lost.map((taken) => byTaken.get(taken) as Delivery)
  }

  async adopt(deliveries: readonly Delivery[]): Promise<readonly Delivery[]> {
    const { store, capabilities, origin } = this.#host
    if (!capabilities.settleAcrossConnections || store.extendLeases === undefined) return deliveries
    const open = deliveries.filter(
      (delivery): delivery is VirtualDelivery<Handle> =>
        delivery instanceof VirtualDelivery && delivery.origin === origin && delivery.adoptable,
    )
    const lost = new Set(await this.#host.guard(async () => (await store.extendLeases?.(open.map((one) => one.taken))) ?? []))
    const adopted = new Set<Delivery>()
    for (const delivery of open) {
      if (lost.has(delivery.taken)) continue
      delivery.adoptBy(this)
      this.#hold(delivery)
      adopted.add(delivery)
    }
    return deliveries.filter((delivery) => !adopted.has(delivery))
  }

  async countStart(delivery: VirtualDelivery<Handle>): Promise<number> {
    const { store } = this.#host
    return this.#host.guard(async () => (await store.countStart?.(delivery.taken)) ?? delivery.taken.receives)
  }

  settle(delivery: VirtualDelivery<Handle>, settlement: Settlement): Promise<void> {
    const settled = this.#settleOne(delivery, settlement)
    // Callers may leave the promise alone; `flush` tells them.
    settled.catch((error: unknown) => {
      this.#failed ??= error
    })
    return settled
  }

  async #settleOne(delivery: VirtualDelivery<Handle>, settlement: Settlement): Promise<void> {
    try {
      if (this.#host.lost !== undefined) throw this.#host.lost
      const error = await this.#settlements.add({ delivery, settlement })
      if (error !== undefined) throw error
    } finally {
      this.#drop(delivery)
    }
  }

  async #settleAll(items: readonly Settling<Handle>[]): Promise<readonly (Error | undefined)[]> {
    const outcomes: (Error | undefined)[] = items.map(() => undefined)
    const steps: StoreSettlement<Handle>[] = []
    const places: number[] = []
    for (const [place, { delivery, settlement }] of items.entries()) {
      try {
        steps.push(await this.#step(delivery, settlement))
        places.push(place)
      } catch (error) {
        outcomes[place] = error as Error
      }
    }
    if (steps.length > 0) {
      const answers = await this.#host.guard(() => this.#host.store.settle(steps))
      for (const [index, place] of places.entries()) outcomes[place] = answers[index]
    }
    return outcomes
  }

  /** What the store has to do for one settlement; a two-step park has done its first step when this resolves. */
  async #step(delivery: VirtualDelivery<Handle>, settlement: Settlement): Promise<StoreSettlement<Handle>> {
    const { taken } = delivery
    switch (settlement.action) {
      case 'ack':
      case 'reject':
        return { action: settlement.action, taken, results: settlement.results }
      case 'requeue': {
        const payload = encodeEnvelope(delivery, { ...delivery.info, deliveryTag: delivery.tag, redelivered: true })
        return { action: 'requeue', taken, payload }
      }
      case 'release':
        return { action: 'release', taken }
      case 'park': {
        const queue = delivery.queue + parkedSuffix
        const payload = parkedEnvelope(delivery, delivery.tag, {
          reason: settlement.reason,
          starts: settlement.starts ?? 0,
          parkedAt: new Date().toISOString(),
          queue: delivery.queue,
        })
        if (this.#host.capabilities.parking === 'atomic') return { action: 'move', taken, queue, payload }
        await this.#host.put(queue, payload)
        return { action: 'ack', taken }
      }
      default:
        throw new UnsupportedError(`Unknown settlement ${JSON.stringify(settlement)}.`)
    }
  }

  async #run(lane: string): Promise<void> {
    while (!this.#stopping) {
      const changed = this.#changed.next
      const readers = this.#rotation(lane)
      const max = this.#share(readers)
      if (max <= 0) {
        if (lane !== '' && !this.#readers.has(lane)) break
        await this.#waitForCredit(changed)
        continue
      }
      const { signal } = this.#interrupt
      const waitMs = this.#host.capabilities.wakeUp === 'push' && this.#credit.short === 0 ? Infinity : 0
      const queues = readers.map((reader) => reader.queue.name)
      let taken: readonly TakenMessage<Handle>[]
      this.#credit.reserve(max)
      try {
        taken = await this.#host.guard(() => this.#host.store.take({ queues, max, waitMs, signal }))
      } catch (error) {
        this.#takeFailed(queues, error)
        continue
      } finally {
        this.#credit.reserve(-max)
        if (this.#credit.short > 0) this.#changed.now()
      }
      try {
        await this.#dispatch(taken)
      } catch (error) {
        this.#host.lose(error as Error)
      }
      if (taken.length === 0 && waitMs === 0) await pause(this.#host.pollIntervalMs, signal)
    }
    this.#lanes.delete(lane)
  }

  /** Readers this lane may take for now, the one served last at the end. Without credit, those that need none. */
  #rotation(lane: string): readonly Reader[] {
    const all = lane === '' ? [...this.#readers.values()] : [this.#readers.get(lane)].filter((one) => one !== undefined)
    return all.filter((reader) => !reader.paused && (reader.noAck || this.#credit.free > 0))
  }

  #share(readers: readonly Reader[]): number {
    if (readers.length === 0) return 0
    const most = Math.min(this.#maxClaim, this.#host.maxTake, 1_000)
    if (readers.every((reader) => reader.noAck)) return most
    const fair = this.#lanes.size > 1 ? Math.ceil(this.#credit.limit / this.#lanes.size) : Infinity
    return Math.max(0, Math.min(most, this.#credit.free, fair))
  }

  async #waitForCredit(changed: Promise<void>): Promise<void> {
    if (this.#lanes.size < 2) return changed
    this.#credit.short++
    if (this.#credit.short === 1) this.#interruptTakes()
    await changed
    this.#credit.short--
  }

  async #dispatch(batch: readonly TakenMessage<Handle>[]): Promise<void> {
    const unwanted: TakenMessage<Handle>[] = []
    const noAck = batch.filter((taken) => {
      const reader = this.#readers.get(taken.queue)
      return reader?.noAck === true && !reader.paused && !this.#stopping
    })
    if (noAck.length > 0) {
      await this.#host.guard(() => this.#host.store.settle(noAck.map((taken) => ({ action: 'ack', taken }))))
    }
    for (const taken of batch) {
      const reader = this.#readers.get(taken.queue)
      const forgotten = noAck.includes(taken)
      const wanted = reader !== undefined && !reader.paused && !this.#stopping
      if (!forgotten && (!wanted || this.#held.size >= this.#credit.limit)) {
        unwanted.push(taken)
        continue
      }
      const envelope = await this.#open(taken, forgotten)
      if (envelope === undefined || !wanted) continue
      const delivery = new VirtualDelivery(this, taken, envelope, forgotten)
      if (!forgotten) this.#hold(delivery)
      this.#serveLater(taken.queue, reader)
      this.#onDelivery(delivery)
    }
    if (unwanted.length > 0) {
      const steps = unwanted.toReversed().map((taken) => ({ action: 'release' as const, taken }))
      await this.#host.guard(() => this.#host.store.settle(steps))
    }
  }

  /** Round robin: the queue that was served goes to the end. */
  #serveLater(queue: string, reader: Reader): void {
    this.#readers.delete(queue)
    this.#readers.set(queue, reader)
  }

  /** Reads the envelope; parks what is none (B19). */
  async #open(taken: TakenMessage<Handle>, forgotten: boolean): Promise<Envelope | undefined> {
    try {
      return decodeEnvelope(taken.payload)
    } catch (error) {
      const { queue, payload } = taken
      const parkedIn = queue + parkedSuffix
      const reason = isCeleryError(error) ? error.message : String(error)
      const history = { reason: 'malformed', starts: 0, parkedAt: new Date().toISOString(), queue }
      await this.#host.put(parkedIn, parkedRaw(payload, crypto.randomUUID(), history))
      if (!forgotten) await this.#host.guard(() => this.#host.store.settle([{ action: 'ack', taken }]))
      this.#host.notice({ kind: 'malformed', queue, reason, excerpt: payload.slice(0, 1024), parkedIn })
      return undefined
    }
  }

  #takeFailed(queues: readonly string[], error: unknown): void {
    if (this.#stopping) return
    if (!isCeleryError(error) || error.retryable || this.#host.lost !== undefined) {
      this.#host.lose(error as Error)
      return
    }
    // The broker refuses these queues; core declares and subscribes again.
    for (const queue of queues) {
      this.#readers.delete(queue)
      this.#host.notice({ kind: 'consumer-cancelled', queue, reason: error.message })
    }
  }

  async #detach(reader: Reader): Promise<void> {
    if (this.#host.lost !== undefined) return
    const { name, autoDelete, exclusive } = reader.queue
    try {
      const left = await this.#host.guard(async () => this.#host.store.countReaders?.(name, -1))
      // Where nobody counts, only a queue that is ours alone may go.
      if (autoDelete && (left === 0 || (left === undefined && exclusive))) await this.#host.deleteQueue(name)
    } catch (error) {
      this.#host.notice({ kind: 'warning', message: `Queue ${name} could not be given up: ${String(error)}` })
    }
  }

  #hold(delivery: VirtualDelivery<Handle>): void {
    this.#held.add(delivery)
    this.#credit.hold(1)
  }

  #drop(delivery: VirtualDelivery<Handle>): void {
    if (!this.#held.delete(delivery)) return
    this.#credit.hold(-1)
    this.#changed.now()
  }

  #interruptTakes(): void {
    this.#interrupt.abort()
    this.#interrupt = new AbortController()
  }

  /** Queues or credit changed: takes that wait with the old ones start again. */
  #retake(): void {
    this.#interruptTakes()
    this.#changed.now()
  }
}
