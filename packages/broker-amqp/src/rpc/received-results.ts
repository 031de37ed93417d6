import type { StoredResult } from '@ct/contracts'
import { documentIsSuccess } from '@ct/contracts/backend-kit'
import { BacklogLimitExceeded } from './backlog-limit-exceeded.ts'

/** Ids remembered of results that are gone. */
const mostDropped = 100_000

/** What has arrived in the reply queue: the newest state of each task, and who waits for it. */
export class ReceivedResults {
  readonly #limit: number
  readonly #results = new Map<string, StoredResult>()
  /** Had to go before anybody asked; whoever asks later is told, instead of waiting for ever. */
  readonly #dropped = new Set<string>()
  readonly #listeners = new Set<(result: StoredResult) => void>()

  constructor(limit: number) {
    this.#limit = Math.max(1, limit)
  }

  receive(taskId: string, document: Uint8Array): void {
    const known = this.#results.get(taskId)
    if (known?.document !== undefined && documentIsSuccess(known.document)) return
    const result = { taskId, document }
    this.#results.delete(taskId)
    this.#results.set(taskId, result)
    this.#dropped.delete(taskId)
    if (this.#results.size > this.#limit) this.#dropOldest()
    for (const listener of this.#listeners) listener(result)
  }

  #dropOldest(): void {
    const taskId = this.#results.keys().next().value as string
    this.#results.delete(taskId)
    this.#dropped.add(taskId)
    if (this.#dropped.size > mostDropped) this.#dropped.delete(this.#dropped.keys().next().value as string)
  }

  /** Throws {@link BacklogLimitExceeded} when one of them came and had to go. */
  assertKept(taskIds: readonly string[]): void {
    if (this.#dropped.size === 0) return
    const gone = taskIds.filter((taskId) => this.#dropped.has(taskId))
    if (gone.length > 0) throw new BacklogLimitExceeded(gone, this.#limit)
  }

  get(taskId: string): StoredResult | undefined {
    return this.#results.get(taskId)
  }

  forget(taskIds: readonly string[]): void {
    for (const taskId of taskIds) {
      this.#results.delete(taskId)
      this.#dropped.delete(taskId)
    }
  }

  listen(listener: (result: StoredResult) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
