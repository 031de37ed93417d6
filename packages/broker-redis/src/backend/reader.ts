/** Reads stored documents; what is asked for in one turn of the event loop goes out as one MGET. */
import type { Buffer } from 'node:buffer'
import type { Link } from '../connection/link.ts'
import type { ResultKeys } from './keys.ts'

/** Keeps one command from blocking the server, and the client's buffers, for long. */
const mostPerRead = 1000

interface Asked {
  readonly taskIds: readonly string[]
  readonly done: PromiseWithResolvers<readonly (Buffer | undefined)[]>
}

export class ResultReader {
  readonly #link: Link
  readonly #keys: ResultKeys
  #asked: Asked[] = []

  constructor(link: Link, keys: ResultKeys) {
    this.#link = link
    this.#keys = keys
  }

  /** In the order of the ids. Rejects with the driver's error. */
  read(taskIds: readonly string[]): Promise<readonly (Buffer | undefined)[]> {
    const done = Promise.withResolvers<readonly (Buffer | undefined)[]>()
    if (this.#asked.push({ taskIds, done }) === 1) process.nextTick(() => void this.#flush())
    return done.promise
  }

  async #flush(): Promise<void> {
    const asked = this.#asked
    this.#asked = []
    try {
      const stored = await this.#fetch(asked.flatMap(({ taskIds }) => taskIds))
      let at = 0
      for (const { taskIds, done } of asked) done.resolve(stored.slice(at, (at += taskIds.length)))
    } catch (error) {
      for (const { done } of asked) done.reject(error)
    }
  }

  async #fetch(taskIds: readonly string[]): Promise<readonly (Buffer | undefined)[]> {
    const keys = taskIds.map((taskId) => this.#keys.task(taskId))
    const reads: (readonly [string, ...string[]])[] = []
    for (let at = 0; at < keys.length; at += mostPerRead)
      reads.push(['mget', ...keys.slice(at, at + mostPerRead)])
    const replies = (await this.#link.all(reads)) as (Buffer | null)[][]
    return replies.flat().map((document) => document ?? undefined)
  }
}
