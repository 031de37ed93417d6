/**
 * Waits for results on behalf of everybody: told by the store where it can tell, else by polling with a growing interval (R8). For the full
 * contract too: a SQL backend gives `read` and no `watch`.
 *
 * A task id is `stale` when the store may have something that we have not read. One loop reads all stale ids at a time, so changes of
 * an id come in order.
 */
import type { CallOptions } from '../broker.ts'
import { pause } from '../broker-kit/index.ts'
import type { ResultColumns, ResultSubscription, StoredResult } from '../result-backend.ts'

/** Changes told by the store, by task id. */
export interface ResultWatch {
  add(taskIds: readonly string[]): Promise<void>
  remove(taskIds: readonly string[]): Promise<void>
  close(): Promise<void>
}

export interface SharedSubscriptionOptions {
  /** What is stored for these ids, in order. */
  readonly read: (taskIds: readonly string[]) => Promise<readonly (StoredResult | undefined)[]>
  /**
   * After its `add` has resolved, every later write is told; undefined where the store does not tell it along, and it is read. Left out: the
   * store is polled.
   */
  readonly watch?: (
    onChange: (taskId: string, result: StoredResult | undefined) => void,
  ) => ResultWatch | undefined
  /** First and longest pause between two looks, in ms. */
  readonly pollMs: { readonly first: number; readonly longest: number }
  readonly onResult: (result: StoredResult) => void
  /** Runs a call to the store: throws when the connection is closed or lost, makes errors ours. Default: runs it. */
  readonly guard?: <T>(call: () => Promise<T>, options?: CallOptions) => Promise<T>
  /** Reading failed where nobody waits for an answer: the connection is lost. */
  readonly onFailure: (error: unknown) => void
  readonly onClosed?: (subscription: SharedSubscription) => void
}

interface Waiting {
  count: number
  /** Resolves when what was stored at the time of the first `add` has been delivered. */
  readonly started: Promise<void>
  /** What was delivered last. */
  last: StoredResult | undefined
  /** Changes told by the store since the id was added. */
  told: number
}

export class SharedSubscription implements ResultSubscription {
  readonly #setup: SharedSubscriptionOptions
  readonly #guard: <T>(call: () => Promise<T>, options?: CallOptions) => Promise<T>
  readonly #waiting = new Map<string, Waiting>()
  readonly #watch: ResultWatch | undefined
  #stale = new Set<string>()
  #reading: Promise<void> | undefined
  #polling: Promise<void> | undefined
  #poke = new AbortController()
  #closed = false

  constructor(setup: SharedSubscriptionOptions) {
    this.#setup = setup
    this.#guard = setup.guard ?? ((call) => call())
    this.#watch = setup.watch?.((taskId, result) => this.#told(taskId, result))
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
          this.#deliver(waiting, waiting.last)
      }
    } catch (error) {
      start.reject(error)
      for (const id of taskIds) this.#forget(id)
      throw error
    }
  }

  async #start(fresh: readonly string[], options: CallOptions | undefined): Promise<void> {
    await this.#guard(async () => this.#watch?.add(fresh), options)
    await this.#guard(() => this.#read(fresh), options)
    if (this.#watch !== undefined) return
    this.#poke.abort()
    this.#polling ??= this.#poll()
  }

  async remove(taskIds: readonly string[]): Promise<void> {
    const gone = taskIds.filter((id) => this.#forget(id))
    if (gone.length > 0) await this.#watch?.remove(gone).catch(this.#setup.onFailure)
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
    this.#setup.onClosed?.(this)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #told(id: string, result: StoredResult | undefined): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    waiting.told++
    if (result !== undefined) this.#deliver(waiting, result)
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
    const results = await this.#setup.read(ids)
    for (const [index, id] of ids.entries()) {
      const result = results[index]
      const waiting = this.#waiting.get(id)
      if (result === undefined || waiting === undefined || this.#closed) continue
      // A change told with its value meanwhile is newer than what was read.
      if (waiting.told !== told[index] && waiting.last !== undefined) continue
      if (waiting.last === undefined || !sameResult(waiting.last, result)) this.#deliver(waiting, result)
    }
  }

  #deliver(waiting: Waiting, result: StoredResult): void {
    waiting.last = result
    if (!this.#closed) this.#setup.onResult(result)
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
        await this.#guard(() => this.#read([...this.#waiting.keys()]))
      } catch (error) {
        this.#setup.onFailure(error)
        break
      }
      interval = Math.min(longest, interval * 1.5)
    }
    this.#polling = undefined
  }
}

function sameResult(a: StoredResult, b: StoredResult): boolean {
  if (a.document !== undefined) return b.document !== undefined && sameBytes(a.document, b.document)
  return b.columns !== undefined && sameColumns(a.columns, b.columns)
}

function sameColumns(a: ResultColumns, b: ResultColumns): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof ResultColumns>
  for (const name of names) {
    const [one, other] = [a[name] ?? null, b[name] ?? null]
    const same =
      one instanceof Uint8Array && other instanceof Uint8Array ? sameBytes(one, other) : one === other
    if (!same) return false
  }
  return true
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index])
}
