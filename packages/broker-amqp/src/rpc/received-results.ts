import type { StoredResult } from '@ct/contracts'
import { documentIsSuccess } from '@ct/contracts/backend-kit'

/** What has arrived in the reply queue: the newest state of each task, and who waits for it. */
export class ReceivedResults {
  readonly #limit: number
  readonly #results = new Map<string, StoredResult>()
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
    if (this.#results.size > this.#limit) this.#results.delete(this.#results.keys().next().value as string)
    for (const listener of this.#listeners) listener(result)
  }

  get(taskId: string): StoredResult | undefined {
    return this.#results.get(taskId)
  }

  forget(taskIds: readonly string[]): void {
    for (const taskId of taskIds) this.#results.delete(taskId)
  }

  listen(listener: (result: StoredResult) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
