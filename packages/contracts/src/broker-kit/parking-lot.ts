/** Parked messages over a store that can put, take and settle: `<queue>.parked` is an ordinary queue of it. */
import type { CallOptions } from '../broker.ts'
import { isCeleryError, type CeleryError } from '../errors.ts'
import { parkedHeader, parkedSuffix, type ParkedMessage, type ParkedMessages } from '../parking.ts'
import { decodeEnvelope, encodeEnvelope } from '../protocol/index.ts'
import { readParked } from './parked-envelope.ts'
import type { PutMore } from './publishing.ts'
import type { TakenMessage, VirtualStore } from './virtual-store.ts'
import { pause } from './wake-up.ts'

/** What the lot needs of its connection. */
export interface ParkingHost {
  guard<T>(call: () => Promise<T>, options: CallOptions | undefined): Promise<T>
  put(queue: string, payload: string, more: PutMore): Promise<void>
  translate(error: unknown): CeleryError
}

/** An empty answer is not the end where the store counts more: one server of several was asked (SQS), or somebody holds them. */
const emptyTakes = 3
const emptyPauseMs = 50

/** `ct parked` over a store. Where the store cannot browse, listing takes everything for a moment and releases it. */
export class ParkingLot<Handle> implements ParkedMessages {
  readonly #store: VirtualStore<Handle>
  readonly #maxTake: number
  readonly #host: ParkingHost

  constructor(store: VirtualStore<Handle>, maxTake: number, host: ParkingHost) {
    this.#store = store
    this.#maxTake = maxTake
    this.#host = host
  }

  count(queues: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, number>> {
    return this.#host.guard(async () => {
      const counts = new Map<string, number>()
      for (const queue of queues) {
        const size = await this.#store.size(queue + parkedSuffix)
        if (size > 0) counts.set(queue, size)
      }
      return counts
    }, options)
  }

  list(
    queue: string,
    options: CallOptions & { readonly limit?: number; readonly offset?: number } = {},
  ): Promise<readonly ParkedMessage[]> {
    const { offset = 0, limit = 100 } = options
    return this.#host.guard(async () => {
      if (this.#store.browse !== undefined) {
        const payloads = await this.#store.browse(queue + parkedSuffix, { offset, limit })
        return payloads.map((payload) => readParked(payload, queue))
      }
      const found: ParkedMessage[] = []
      await this.#visit(queue, offset + limit, async (_, message) => {
        found.push(message)
        return false
      })
      return found.slice(offset)
    }, options)
  }

  retry(queue: string, ids: readonly string[], options?: CallOptions): Promise<number> {
    const wanted = new Set(ids)
    return this.#host.guard(
      () =>
        this.#visit(queue, Infinity, async (taken, message) => {
          if (!wanted.has(message.id) || !message.retryable) return false
          const envelope = decodeEnvelope(taken.payload)
          const headers = Object.fromEntries(
            Object.entries(envelope.headers).filter(
              ([name]) => name !== parkedHeader && name !== 'redelivered',
            ),
          )
          const payload = encodeEnvelope(
            { ...envelope, headers },
            { ...envelope.deliveryInfo, redelivered: false, deliveryTag: crypto.randomUUID() },
          )
          const { priority, extra } = envelope.properties
          await this.#host.put(message.history.queue, payload, { priority: priority ?? 0, extra })
          return true
        }),
      options,
    )
  }

  drop(queue: string, ids: readonly string[], options?: CallOptions): Promise<number> {
    const wanted = new Set(ids)
    return this.#host.guard(
      () => this.#visit(queue, Infinity, async (_, message) => wanted.has(message.id)),
      options,
    )
  }

  /**
   * Takes the parked messages in order, removes those that `visit` is done with, and releases the rest as they were. Resolves to how many were
   * removed. What it holds comes back meanwhile if this takes longer than a lease, so what was seen already is not shown again.
   */
  async #visit(
    queue: string,
    limit: number,
    visit: (taken: TakenMessage<Handle>, message: ParkedMessage) => Promise<boolean>,
  ): Promise<number> {
    const name = queue + parkedSuffix
    const kept: TakenMessage<Handle>[] = []
    const seen = new Set<string>()
    let removed = 0
    try {
      for (let empty = 0; seen.size < limit;) {
        const batch = await this.#take(name, Math.min(100, limit - seen.size))
        const fresh = batch.filter(({ payload }) => !seen.has(payload))
        // Held from here on, whatever happens: what is not removed is released at the end.
        const open = new Set(batch)
        try {
          for (const taken of fresh) {
            seen.add(taken.payload)
            if (!(await visit(taken, readParked(taken.payload, queue)))) continue
            open.delete(taken)
            if (await this.#remove(taken)) removed++
          }
        } finally {
          kept.push(...open)
        }
        if (fresh.length > 0) empty = 0
        else if (batch.length > 0 || ++empty === emptyTakes || !(await this.#hasMore(name))) break
        else await pause(emptyPauseMs, new AbortController().signal)
      }
    } finally {
      // Last one first, so that a store that releases to the front ends with the old order.
      const steps = kept.toReversed().map((taken) => ({ action: 'release' as const, taken }))
      if (steps.length > 0) await this.#store.settle(steps)
    }
    return removed
  }

  async #hasMore(name: string): Promise<boolean> {
    try {
      return (await this.#store.size(name)) > 0
    } catch (error) {
      if (isCeleryError(error) && error.code === 'CT_UNSUPPORTED') return false
      throw error
    }
  }

  #take(name: string, max: number): Promise<readonly TakenMessage<Handle>[]> {
    const { signal } = new AbortController()
    return this.#store.take({ queues: [name], max: Math.min(max, this.#maxTake), waitMs: 0, signal })
  }

  /** False: somebody else had it by then. */
  async #remove(taken: TakenMessage<Handle>): Promise<boolean> {
    const [refused] = await this.#store.settle([{ action: 'ack', taken }])
    if (refused === undefined) return true
    const error = this.#host.translate(refused)
    if (error.code === 'CT_LEASE_LOST') return false
    throw error
  }
}
