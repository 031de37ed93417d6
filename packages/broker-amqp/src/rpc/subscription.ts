import type { ResultSubscription, StoredResult } from '@ct/contracts'
import type { ReceivedResults } from './received-results.ts'

/** Nothing to ask the server for: everything of ours arrives anyway. */
export class RpcSubscription implements ResultSubscription {
  readonly #received: ReceivedResults
  readonly #onResult: (result: StoredResult) => void
  readonly #unlisten: () => void
  readonly #wanted = new Map<string, number>()
  readonly #assertOpen: () => void

  constructor(received: ReceivedResults, onResult: (result: StoredResult) => void, assertOpen: () => void) {
    this.#received = received
    this.#onResult = onResult
    this.#assertOpen = assertOpen
    this.#unlisten = received.listen((result) => {
      if (this.#wanted.has(result.taskId)) onResult(result)
    })
  }

  async add(taskIds: readonly string[]): Promise<void> {
    this.#assertOpen()
    for (const taskId of taskIds) {
      this.#wanted.set(taskId, (this.#wanted.get(taskId) ?? 0) + 1)
      const known = this.#received.get(taskId)
      if (known !== undefined) this.#onResult(known)
    }
    this.#received.assertKept(taskIds)
  }

  async remove(taskIds: readonly string[]): Promise<void> {
    for (const taskId of taskIds) {
      const count = (this.#wanted.get(taskId) ?? 0) - 1
      if (count > 0) this.#wanted.set(taskId, count)
      else this.#wanted.delete(taskId)
    }
  }

  async close(): Promise<void> {
    this.#unlisten()
    this.#wanted.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
