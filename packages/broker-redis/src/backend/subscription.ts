/**
 * Watches results: one channel per task id on the subscribed link that all subscriptions of a connection share.
 *
 * What is stored before the channel is open is looked for. Who waits for what he has just sent would look in vain nearly always, and at the
 * very moment at which server and worker have better things to do; so after a look that found nothing the next one comes a moment later,
 * each time twice the moment, and not at all where a message was quicker. A look that finds something makes the next one come at once again.
 */
import type { Buffer } from 'node:buffer'
import { ClosedError, type CallOptions, type ResultSubscription, type StoredResult } from '@ct/contracts'
import { throwIfAborted, toFailure } from '../connection/failure.ts'
import type { Link } from '../connection/link.ts'
import type { Subscriber } from '../connection/subscriber.ts'
import type { ResultKeys } from './keys.ts'
import type { ResultReader } from './reader.ts'

/** Milliseconds: the first moment, and the longest. */
const shortest = 1
const longest = 16

interface Watched {
  count: number
  /** What is stored by now is not known yet. */
  starting: boolean
  /** A message has told of it. */
  told: boolean
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
  /** The latest look found something, or there was none yet. */
  #looksAtOnce = true
  #momentMs = shortest
  #moment: Promise<void> | undefined

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
        this.#watched.set(taskId, { count: 1, starting: true, told: false, started: started.promise })
        fresh.push(taskId)
        continue
      }
      watched.count++
      if (!watched.starting) live.push(taskId)
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
    if (!this.#looksAtOnce) await this.#aMoment()
    // Whoever had his answer by message meanwhile does not wait any more.
    const waiting = taskIds.filter((taskId) => this.#watched.has(taskId))
    if (waiting.length === 0) return
    this.#momentMs = this.#looksAtOnce ? shortest : Math.min(longest, this.#momentMs * 2)
    this.#looksAtOnce = false
    await this.#read(waiting, (taskId, stored) => {
      if (stored !== undefined) this.#looksAtOnce = true
      const watched = this.#watched.get(taskId)
      if (watched === undefined) return undefined
      watched.starting = false
      // A stored document is as old as the last message, or older than the first; either way a message leaves it nothing to tell.
      return watched.told ? undefined : stored
    })
  }

  /** One timer for all that are added meanwhile. */
  #aMoment(): Promise<void> {
    return (this.#moment ??= new Promise((resolve) => {
      setTimeout(() => {
        this.#moment = undefined
        resolve()
      }, this.#momentMs)
    }))
  }

  /** `take` may hand the document back to have it delivered. */
  async #read(
    taskIds: readonly string[],
    take: (taskId: string, stored: Buffer | undefined) => Buffer | undefined,
  ): Promise<void> {
    if (taskIds.length === 0) return
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
    watched.told = true
    this.#onResult({ taskId, document })
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
