/** Results of the hub: a map of keys to documents with expiry, and those who watch it. */
import type { ResultWrite } from '@ct/contracts'
import { taskKeyPrefix, type KeyValueEntry } from '@ct/contracts/backend-kit'

interface Entry {
  readonly value: Uint8Array
  /** Epoch ms. */
  readonly expiresAt: number | undefined
  readonly success: boolean
}

export class MemoryResults {
  readonly #entries = new Map<string, Entry>()
  #sets = 0
  readonly #watchers = new Set<(key: string, value: Uint8Array) => void>()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  get(key: string): Uint8Array | undefined {
    return this.#live(key)?.value
  }

  set({ key, value, expiresInMs, success }: KeyValueEntry): void {
    // A copy: the caller's buffer may be one of a pool.
    const stored = Uint8Array.from(value)
    const expiresAt = expiresInMs === undefined ? undefined : this.#now() + expiresInMs
    this.#entries.set(key, { value: stored, expiresAt, success })
    // Records that nobody reads again would stay for good: now and then all are looked at.
    if (++this.#sets % 10_000 === 0) this.removeExpired()
    for (const watcher of this.#watchers) watcher(key, stored)
  }

  /** R5: a SUCCESS stays, and nobody is told of the attempt. */
  setUnlessSuccess(entry: KeyValueEntry): void {
    if (this.#live(entry.key)?.success !== true) this.set(entry)
  }

  /** Results that come along with an ack (B25). */
  write(writes: readonly ResultWrite[]): void {
    for (const { taskId, document, expiresInMs, state } of writes) {
      this.setUnlessSuccess({
        key: taskKeyPrefix + taskId,
        value: document,
        expiresInMs,
        success: state === 'SUCCESS',
      })
    }
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  /** Returns the function that ends it. */
  watch(watcher: (key: string, value: Uint8Array) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  removeExpired(): number {
    const now = this.#now()
    let removed = 0
    for (const [key, { expiresAt }] of this.#entries) {
      if (expiresAt === undefined || expiresAt > now) continue
      this.#entries.delete(key)
      removed++
    }
    return removed
  }

  #live(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry?.expiresAt === undefined || entry.expiresAt > this.#now()) return entry
    this.#entries.delete(key)
    return undefined
  }
}
