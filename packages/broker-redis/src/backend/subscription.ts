/** Watches results: one channel per task id on the subscribed link that all subscriptions of a connection share. */
import type { Buffer } from 'node:buffer'
import { ClosedError, type CallOptions, type ResultSubscription, type StoredResult } from '@ct/contracts'
import { throwIfAborted, toFailure } from '../connection/failure.ts'
import type { Link } from '../connection/link.ts'
import type { Subscriber } from '../connection/subscriber.ts'
import type { ResultKeys } from './keys.ts'

const page = 1000

interface Watched {
  count: number
  /** What arrived while the stored document is being read; undefined afterwards. */
  early: Buffer[] | undefined
}

export class RedisSubscription implements ResultSubscription {
  readonly #link: Link
  readonly #subscriber: () => Promise<Subscriber>
  readonly #keys: ResultKeys
  readonly #onResult: (result: StoredResult) => void
  readonly #onClosed: () => void
  readonly #watched = new Map<string, Watched>()
  #closed = false

  constructor(
    link: Link,
    subscriber: () => Promise<Subscriber>,
    keys: ResultKeys,
    onResult: (result: StoredResult) => void,
    onClosed: () => void,
  ) {
    this.#link = link
    this.#subscriber = subscriber
    this.#keys = keys
    this.#onResult = onResult
    this.#onClosed = onClosed
  }

  async add(taskIds: readonly string[], options?: CallOptions): Promise<void> {
    throwIfAborted(options?.signal, 'Waiting for results')
    if (this.#closed) throw new ClosedError('This subscription is closed')
    const fresh: string[] = []
    for (const taskId of taskIds) {
      const watched = this.#watched.get(taskId)
      if (watched !== undefined) watched.count++
      else {
        this.#watched.set(taskId, { count: 1, early: [] })
        fresh.push(taskId)
      }
    }
    try {
      const subscriber = await this.#subscriber()
      for (let at = 0; at < fresh.length; at += page)
        await this.#start(subscriber, fresh.slice(at, at + page))
      // Somebody else may have asked for the same id a moment ago: what is stored has to be delivered before we say that it was.
      const known = taskIds.filter((taskId) => !fresh.includes(taskId))
      for (let at = 0; at < known.length; at += page)
        await this.#read(known.slice(at, at + page), (_, stored) => stored)
    } catch (error) {
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
    if (taskIds.length === 0) return
    const stored = (await this.#link.send(
      'mget',
      taskIds.map((taskId) => this.#keys.task(taskId)),
    )) as (Buffer | null)[]
    taskIds.forEach((taskId, index) => {
      const document = take(taskId, stored[index] ?? undefined)
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
