/**
 * Waits for results on behalf of everybody: told by the store where it can tell, else by polling with a growing interval.
 *
 * A task id is `stale` when the store may have something that we have not read. One loop reads all stale ids at a time, so changes of
 * an id come in order.
 */
import type { CallOptions } from '../broker.ts'
import { pause } from '../broker-kit/index.ts'
import type { ResultSubscription, StoredResult } from '../result-backend.ts'
import type { KeyValueStore, KeyWatch } from './key-value-store.ts'

export interface SubscriptionSetup {
  readonly store: KeyValueStore
  readonly prefix: string
  /** First and longest pause between two looks, in ms. */
  readonly pollMs: { readonly first: number; readonly longest: number }
  readonly onResult: (result: StoredResult) => void
  readonly guard: <T>(call: () => Promise<T>, options?: CallOptions) => Promise<T>
  readonly onFailure: (error: unknown) => void
  readonly onClosed: (subscription: KeyValueSubscription) => void
}

interface Waiting {
  count: number
  /** Resolves when what was stored at the time of the first `add` has been delivered. */
  readonly started: Promise<void>
  /** What was delivered last. */
  last: Uint8Array | undefined
  /** Changes told by the store since the id was added. */
  told: number
}

export class KeyValueSubscription implements ResultSubscription {
  readonly #setup: SubscriptionSetup
  readonly #waiting = new Map<string, Waiting>()
  readonly #watch: KeyWatch | undefined
  #stale = new Set<string>()
  #reading: Promise<void> | undefined
  #polling: Promise<void> | undefined
  #poke = new AbortController()
  #closed = false

  constructor(setup: SubscriptionSetup) {
    this.#setup = setup
    this.#watch = setup.store.watch?.((key, value) => this.#told(key, value))
  }

  async add(taskIds: readonly string[], options?: CallOptions): Promise<void> {
    const fresh: string[] = []
    const known = new Map<string, Waiting>()
    const start = Promise.withResolvers<void>()
    // Those who add the same ids meanwhile wait for it; perhaps there is nobody.
    start.promise.catch(() => undefined)
    for (const id of taskIds) {
      const waiting = this.#waiting.get(id)
      if (waiting === undefined) {
        this.#waiting.set(id, { count: 1, started: start.promise, last: undefined, told: 0 })
        fresh.push(id)
      } else {
        waiting.count++
        if (waiting.started !== start.promise) known.set(id, waiting)
      }
    }
    try {
      if (fresh.length > 0) await this.#start(fresh, options)
      start.resolve()
      for (const [id, waiting] of known) {
        await waiting.started
        // Told to whoever added it first; who adds it now has not heard it.
        if (waiting.last !== undefined && this.#waiting.get(id) === waiting)
          this.#deliver(id, waiting, waiting.last)
      }
    } catch (error) {
      start.reject(error)
      for (const id of taskIds) this.#forget(id)
      throw error
    }
  }

  async #start(fresh: readonly string[], options: CallOptions | undefined): Promise<void> {
    await this.#setup.guard(async () => this.#watch?.add(fresh.map((id) => this.#setup.prefix + id)), options)
    await this.#setup.guard(() => this.#read(fresh), options)
    if (this.#watch !== undefined) return
    this.#poke.abort()
    this.#polling ??= this.#poll()
  }

  async remove(taskIds: readonly string[]): Promise<void> {
    const gone = taskIds.filter((id) => this.#forget(id))
    if (gone.length > 0)
      await this.#watch?.remove(gone.map((id) => this.#setup.prefix + id)).catch(this.#setup.onFailure)
  }

  #forget(id: string): boolean {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined || --waiting.count > 0) return false
    return this.#waiting.delete(id)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#waiting.clear()
    this.#poke.abort()
    await this.#polling
    await this.#watch?.close()
    this.#setup.onClosed(this)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #told(key: string, value: Uint8Array | undefined): void {
    const id = key.slice(this.#setup.prefix.length)
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    waiting.told++
    if (value !== undefined) this.#deliver(id, waiting, value)
    else this.#read([id]).catch(this.#setup.onFailure)
  }

  /** Resolves when what is in the store now has been delivered. */
  async #read(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#stale.add(id)
    // A pass that is under way may have read before the change: the next one has it for certain.
    while (this.#reading !== undefined) await this.#reading
    if (!ids.some((id) => this.#stale.has(id))) return
    this.#reading = this.#readStale().finally(() => (this.#reading = undefined))
    await this.#reading
  }

  async #readStale(): Promise<void> {
    const ids = [...this.#stale].filter((id) => this.#waiting.has(id))
    this.#stale = new Set()
    const told = ids.map((id) => this.#waiting.get(id)?.told)
    const values = await this.#setup.store.getMany(ids.map((id) => this.#setup.prefix + id))
    for (const [index, id] of ids.entries()) {
      const value = values[index]
      const waiting = this.#waiting.get(id)
      if (value === undefined || waiting === undefined || this.#closed) continue
      // A change told with its value meanwhile is newer than what was read.
      if (waiting.told !== told[index] && waiting.last !== undefined) continue
      if (waiting.last === undefined || !sameBytes(waiting.last, value)) this.#deliver(id, waiting, value)
    }
  }

  #deliver(id: string, waiting: Waiting, document: Uint8Array): void {
    waiting.last = document
    if (!this.#closed) this.#setup.onResult({ taskId: id, document })
  }

  async #poll(): Promise<void> {
    const { first, longest } = this.#setup.pollMs
    let interval = first
    while (this.#waiting.size > 0 && !this.#closed) {
      if (this.#poke.signal.aborted) {
        this.#poke = new AbortController()
        interval = first
      }
      await pause(interval, this.#poke.signal)
      if (this.#closed) break
      try {
        await this.#setup.guard(() => this.#read([...this.#waiting.keys()]))
      } catch (error) {
        this.#setup.onFailure(error)
        break
      }
      interval = Math.min(longest, interval * 1.5)
    }
    this.#polling = undefined
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index])
}
