/** Watches results: one channel per task id on the subscribed link that all subscriptions of a connection share. */
import type { Buffer } from 'node:buffer'
import { ClosedError, type CallOptions, type ResultSubscription, type StoredResult } from '@ct/contracts'
import { throwIfAborted, toFailure } from '../connection/failure.ts'
import type { Link } from '../connection/link.ts'
import type { Subscriber } from '../connection/subscriber.ts'
import type { ResultKeys } from './keys.ts'
import type { ResultReader } from './reader.ts'

interface Watched {
  count: number
  /** What arrived while the stored document is being read; undefined afterwards. */
  early: Buffer[] | undefined
  readonly started: Promise<void>
}

export class RedisSubscription implements ResultSubscription {
  readonly #link: Link
  readonly #reader: ResultReader
  readonly #subscriber: () => Promise<Subscriber>
  readonly #keys: ResultKeys
  readonly #onResult: (result: StoredResult) => void
  readonly #onClosed: () => void
  readonly #watched = new Map<string, Watched>()
  #closed = false

  constructor(
    link: Link,
    reader: ResultReader,
    subscriber: () => Promise<Subscriber>,
    keys: ResultKeys,
    onResult: (result: StoredResult) => void,
    onClosed: () => void,
  ) {
    this.#link = link
    this.#reader = reader
    this.#subscriber = subscriber
    this.#keys = keys
    this.#onResult = onResult
    this.#onClosed = onClosed
  }

  async add(taskIds: readonly string[], options?: CallOptions): Promise<void> {
    throwIfAborted(options?.signal, 'Waiting for results')
    if (this.#closed) throw new ClosedError('This subscription is closed')
    const fresh: string[] = []
    const live: string[] = []
    const starting = new Set<Promise<void>>()
    const started = Promise.withResolvers<void>()
    started.promise.catch(() => undefined)
    for (const taskId of taskIds) {
      const watched = this.#watched.get(taskId)
      if (watched === undefined) {
        this.#watched.set(taskId, { count: 1, early: [], started: started.promise })
        fresh.push(taskId)
        continue
      }
      watched.count++
      if (watched.early === undefined) live.push(taskId)
      else if (watched.started !== started.promise) starting.add(watched.started)
    }
    try {
      const subscriber = await this.#subscriber()
      if (fresh.length > 0) await this.#start(subscriber, fresh)
      started.resolve()
      await Promise.all(starting)
      // Watched for others already: what is stored by now has to be told once more, to who asks only now.
      if (live.length > 0) await this.#read(live, (_, stored) => stored)
    } catch (error) {
      started.reject(error)
      await this.remove(taskIds)
      throw toFailure(error, this.#link.family, this.#link.where, 'wait for results')
    }
  }

  async #start(subscriber: Subscriber, taskIds: readonly string[]): Promise<void> {
    await subscriber.subscribe(
      taskIds.map((taskId) => this.#keys.task(taskId)),
      this.#listener,
    )
    await this.#read(taskIds, (taskId, stored) => {
      const watched = this.#watched.get(taskId)
      const early = watched?.early ?? []
      if (watched !== undefined) watched.early = undefined
      // A stored document that is among the messages has its place in their order; else it is older than all of them.
      if (stored !== undefined && !early.some((message) => message.equals(stored)))
        this.#onResult({ taskId, document: stored })
      for (const document of early) this.#onResult({ taskId, document })
      return undefined
    })
  }

  /** `take` may hand the document back to have it delivered. */
  async #read(
    taskIds: readonly string[],
    take: (taskId: string, stored: Buffer | undefined) => Buffer | undefined,
  ): Promise<void> {
    const stored = await this.#reader.read(taskIds)
    taskIds.forEach((taskId, index) => {
      const document = take(taskId, stored[index])
      if (document !== undefined && this.#watched.has(taskId)) this.#onResult({ taskId, document })
    })
  }

  readonly #listener = (document: Buffer, channel: string): void => {
    const taskId = this.#keys.taskIdOf(channel)
    const watched = this.#watched.get(taskId)
    if (watched === undefined) return
    if (watched.early === undefined) this.#onResult({ taskId, document })
    else watched.early.push(document)
  }

  async remove(taskIds: readonly string[]): Promise<void> {
    const gone: string[] = []
    for (const taskId of taskIds) {
      const watched = this.#watched.get(taskId)
      if (watched === undefined || --watched.count > 0) continue
      this.#watched.delete(taskId)
      gone.push(this.#keys.task(taskId))
    }
    if (gone.length === 0) return
    const subscriber = await this.#subscriber().catch(() => undefined)
    subscriber?.unsubscribe(gone, this.#listener)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const watched = [...this.#watched.keys()]
    for (const taskId of watched) (this.#watched.get(taskId) as Watched).count = 1
    if (watched.length > 0) await this.remove(watched)
    this.#onClosed()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
