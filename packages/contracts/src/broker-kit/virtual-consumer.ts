/**
 * Consumer of the kit: hands out deliveries, settles them in batches. How it takes is the business of {@link Intake}.
 *
 *   taking ──stop──► stopping ──lanes ended──► stopped ──close──► closed
 *     └───────────────── connection lost ────────────────────────────▲
 */
import type {
  BrokerCapabilities,
  CallOptions,
  Consumer,
  ConsumerOptions,
  Delivery,
  Settlement,
  Subscription,
} from '../broker.ts'
import {
  type BrokerUnavailableError,
  type CeleryError,
  isCeleryError,
  isRetryable,
  UnsupportedError,
} from '../errors.ts'
import type { Notice } from '../notice.ts'
import { parkedSuffix } from '../parking.ts'
import { decodeEnvelope, encodeEnvelope, type Envelope } from '../protocol/index.ts'
import type { QueueDeclaration } from '../topology.ts'
import { Intake, type Reader } from './intake.ts'
import { fittingEnvelope, fittingRaw } from './parked-envelope.ts'
import type { PutMore } from './publishing.ts'
import { TurnBatch } from './turn-batch.ts'
import { VirtualDelivery, type DeliveryOwner } from './virtual-delivery.ts'
import type { StoreSettlement, TakenMessage, VirtualStore } from './virtual-store.ts'

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
  put(queue: string, payload: string, more?: PutMore): Promise<void>
  translate(error: unknown): CeleryError
  /** One outcome per settlement, in as many calls as the store needs. */
  settle(steps: readonly StoreSettlement<Handle>[]): Promise<readonly (CeleryError | undefined)[]>
  guard<T>(call: () => Promise<T>, options?: CallOptions): Promise<T>
  forget(consumer: VirtualConsumer<Handle>): void
}

interface Settling<Handle> {
  readonly delivery: VirtualDelivery<Handle>
  readonly settlement: Settlement
}

export class VirtualConsumer<Handle> implements Consumer, DeliveryOwner<Handle> {
  readonly origin: object
  readonly #host: ConsumerHost<Handle>
  readonly #onDelivery: (delivery: Delivery) => void
  readonly #intake: Intake<Handle>
  readonly #held = new Set<VirtualDelivery<Handle>>()
  readonly #settlements: TurnBatch<Settling<Handle>, CeleryError | undefined>
  #closing: Promise<void> | undefined
  #failed: unknown

  constructor(host: ConsumerHost<Handle>, options: ConsumerOptions) {
    this.origin = host.origin
    this.#host = host
    this.#onDelivery = options.onDelivery
    this.#intake = new Intake(host, options.credit, options.maxClaim, (taken, forgotten) =>
      this.#deliver(taken, forgotten),
    )
    this.#settlements = new TurnBatch((items) => this.#settleAll(items))
  }

  async subscribe(subscriptions: readonly Subscription[], options?: CallOptions): Promise<void> {
    await this.#host.declare(
      subscriptions.map((subscription) => subscription.queue),
      options,
    )
    const readers: Reader[] = []
    try {
      for (const { queue, noAck } of subscriptions) {
        if (!this.#intake.has(queue.name) && !readers.some((reader) => reader.queue.name === queue.name)) {
          await this.#host.guard(async () => this.#host.store.countReaders?.(queue.name, 1), options)
        }
        readers.push({ queue, noAck: noAck === true, paused: false })
      }
    } finally {
      // Together: a take that is under way when another queue joins has to come back and start again.
      this.#intake.add(readers)
    }
  }

  async cancel(queues: readonly string[]): Promise<void> {
    for (const reader of this.#intake.remove(queues)) await this.#detach(reader)
  }

  pause(queues: readonly string[]): void {
    this.#intake.setPaused(queues, true)
  }

  resume(queues: readonly string[]): void {
    this.#intake.setPaused(queues, false)
  }

  setCredit(credit: number): void {
    this.#intake.setCredit(credit)
  }

  setMaxClaim(maxClaim: number): void {
    this.#intake.setMaxClaim(maxClaim)
  }

  stop(): Promise<void> {
    return this.#intake.stop()
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
    // Twice: what was being settled when it closed may be refused, and is then still held.
    for (let round = 0; round < 2; round++) {
      if (unsettled === 'release' && this.#host.lost === undefined) {
        // Last one first: a store that releases to the front ends with the old order.
        for (const delivery of [...this.#held].toReversed()) void delivery.settle({ action: 'release' })
      }
      await this.#settlements.idle()
    }
    for (const reader of this.#intake.remove(this.#intake.readers.map(({ queue }) => queue.name)))
      await this.#detach(reader)
    this.#host.forget(this)
  }

  /** The connection is gone: ends the lanes; what is held can only be adopted. */
  lost(): void {
    this.#intake.end()
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
    const lost = new Set(
      await this.#host.guard(async () => (await store.extendLeases?.(open.map((one) => one.taken))) ?? []),
    )
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

  holds(delivery: VirtualDelivery<Handle>): boolean {
    return this.#held.has(delivery)
  }

  settle(delivery: VirtualDelivery<Handle>, settlement: Settlement): Promise<void> {
    const settled = this.#settleOne(delivery, settlement)
    // Callers may leave the promise alone; `flush` tells them.
    settled.catch((error: unknown) => {
      this.#failed ??= error
    })
    return settled
  }

  /** What was refused for the moment, over a connection that lives, stays held: it may be settled again. */
  async #settleOne(delivery: VirtualDelivery<Handle>, settlement: Settlement): Promise<void> {
    let refused: CeleryError | undefined
    try {
      if (this.#host.lost !== undefined) throw this.#host.lost
      refused = await this.#settlements.add({ delivery, settlement })
      if (refused !== undefined) throw refused
    } finally {
      if (refused?.retryable !== true || this.#host.lost !== undefined) this.#drop(delivery)
    }
  }

  async #settleAll(items: readonly Settling<Handle>[]): Promise<readonly (CeleryError | undefined)[]> {
    const outcomes: (CeleryError | undefined)[] = items.map(() => undefined)
    const steps: StoreSettlement<Handle>[] = []
    const places: number[] = []
    for (const [place, { delivery, settlement }] of items.entries()) {
      try {
        steps.push(await this.#step(delivery, settlement))
        places.push(place)
      } catch (error) {
        outcomes[place] = this.#host.translate(error)
      }
    }
    const answers = await this.#host.settle(steps)
    for (const [index, place] of places.entries()) outcomes[place] = answers[index]
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
        const payload = encodeEnvelope(delivery, {
          ...delivery.info,
          deliveryTag: delivery.tag,
          redelivered: true,
        })
        return { action: 'requeue', taken, payload }
      }
      case 'release':
        return { action: 'release', taken }
      case 'park': {
        const queue = delivery.queue + parkedSuffix
        const { reason, starts = 0 } = settlement
        const history = { reason, starts, parkedAt: new Date().toISOString(), queue: delivery.queue }
        const { capabilities } = this.#host
        const { tag } = delivery
        const text = { tag, payload: taken.payload }
        const payload = fittingEnvelope(delivery, text, history, capabilities.maxMessageBytes)
        if (capabilities.parking === 'atomic') return { action: 'move', taken, queue, payload }
        await this.#host.put(queue, payload, { extra: delivery.properties.extra })
        return { action: 'ack', taken }
      }
      default:
        throw new UnsupportedError(`Unknown settlement ${JSON.stringify(settlement)}.`)
    }
  }

  async #deliver(taken: TakenMessage<Handle>, forgotten: boolean): Promise<void> {
    let envelope: Envelope
    try {
      envelope = decodeEnvelope(taken.payload)
    } catch (error) {
      await this.#parkRaw(taken, forgotten, isCeleryError(error) ? error.message : String(error))
      return
    }
    const delivery = new VirtualDelivery(this, taken, envelope, forgotten)
    if (!forgotten) this.#hold(delivery)
    this.#onDelivery(delivery)
  }

  /** B19. What cannot be parked is discarded: it would come again for ever. */
  async #parkRaw(taken: TakenMessage<Handle>, forgotten: boolean, reason: string): Promise<void> {
    const { capabilities } = this.#host
    const { queue, payload } = taken
    const history = { reason: 'malformed', starts: 0, parkedAt: new Date().toISOString(), queue }
    const parked = fittingRaw(payload, crypto.randomUUID(), history, capabilities.maxMessageBytes)
    let parkedIn: string | undefined = queue + parkedSuffix
    if (capabilities.parking === 'atomic' && !forgotten) {
      await this.#settleOwn([{ action: 'move', taken, queue: parkedIn, payload: parked }])
    } else {
      try {
        await this.#host.put(parkedIn, parked)
      } catch (error) {
        if (isRetryable(error)) throw error
        parkedIn = undefined
      }
      if (!forgotten) await this.#settleOwn([{ action: 'ack', taken }])
    }
    this.#host.notice({ kind: 'malformed', queue, reason, excerpt: payload.slice(0, 1024), parkedIn })
  }

  /** A message that is somebody else's by now is his affair. */
  async #settleOwn(steps: readonly StoreSettlement<Handle>[]): Promise<void> {
    for (const refused of await this.#host.settle(steps)) {
      if (refused !== undefined && refused.code !== 'CT_LEASE_LOST') throw refused
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
    this.#intake.credit.hold(1)
  }

  #drop(delivery: VirtualDelivery<Handle>): void {
    if (!this.#held.delete(delivery)) return
    this.#intake.credit.hold(-1)
    this.#intake.creditFreed()
  }
}
