import type { ResultBackendConnection, ResultMeta, ResultSubscription, StoredResult } from '@ct/contracts'
import { ClosedError, isCeleryError, isRetryable } from '@ct/contracts'
import type { ReconnectingConnection } from '../connection/index.ts'

export interface ResultWatcher {
  /** Every state the store tells of, in order; a ready one is the last. What it throws is an uncaught exception of the process. */
  onMeta(meta: ResultMeta): void
  /** The store refuses, or what it holds cannot be read. As {@link onMeta}. */
  onError(error: Error): void
}

interface Watched {
  /** Empty until the next flush, when the last has left and nobody else has come; or nobody has come yet ({@link SubscriptionHub.expect}). */
  readonly watchers: Set<ResultWatcher>
  /** What was told last, for those who come later. */
  last: ResultMeta | undefined
}

/**
 * One subscription of the result store however many wait for however many results. Ids that come or go in one turn of the event loop
 * are added or removed together. After a reconnect everything watched is added again; what was stored meanwhile is then told
 * (duty R8), so nothing is missed.
 *
 * The connection is held while anybody watches and let go when nobody does.
 */
export class SubscriptionHub {
  readonly #connection: ReconnectingConnection<ResultBackendConnection>
  readonly #decode: (stored: StoredResult) => ResultMeta
  readonly #watched = new Map<string, Watched>()
  readonly #adds = new Set<string>()
  /** Ids whose last watcher has left; what the store told of them is kept until the next flush. */
  readonly #left = new Set<string>()
  #subscription: ResultSubscription | undefined
  #subscribedOn: ResultBackendConnection | undefined
  #release: (() => void) | undefined
  #scheduled = false

  constructor(
    connection: ReconnectingConnection<ResultBackendConnection>,
    decode: (stored: StoredResult) => ResultMeta,
  ) {
    this.#connection = connection
    this.#decode = decode
    connection.listen({
      onReady: (ready) => {
        if (this.#watched.size > 0) this.#subscribe(ready)
      },
      onLost: () => this.#forgetSubscription(),
      onConnectFailed: (error, _attempt, retryInMs) => {
        if (retryInMs === undefined) this.#fail([...this.#watched.keys()], error)
      },
    })
  }

  /** How many ids are watched. */
  get size(): number {
    return this.#watched.size
  }

  /** Tells what is stored already and whatever comes, until the returned function is called. */
  watch(taskId: string, watcher: ResultWatcher): () => void {
    let watched = this.#watched.get(taskId)
    if (watched === undefined) {
      watched = { watchers: new Set(), last: undefined }
      this.#watched.set(taskId, watched)
      this.#adds.add(taskId)
      this.#schedule()
    } else if (watched.last !== undefined) {
      const { last, watchers } = watched
      // Not in the middle of the caller's own line.
      queueMicrotask(() => {
        if (watchers.has(watcher)) watcher.onMeta(last)
      })
    }
    // Wanted again before anybody was told that it is not.
    this.#left.delete(taskId)
    const { watchers } = watched
    watchers.add(watcher)
    return () => {
      if (!watchers.delete(watcher) || watchers.size > 0) return
      this.#left.add(taskId)
      this.#schedule()
    }
  }

  /** Somebody is likely to watch it soon. What the store tells until then is kept for him. Ends with {@link dismiss}, or when the last who came to watch leaves. */
  expect(taskId: string): void {
    if (this.#watched.has(taskId)) return
    this.#watched.set(taskId, { watchers: new Set(), last: undefined })
    this.#adds.add(taskId)
    this.#schedule()
  }

  /** Not expected any more; of no effect when somebody watches. */
  dismiss(taskId: string): void {
    if (this.#watched.get(taskId)?.watchers.size !== 0) return
    this.#left.add(taskId)
    this.#schedule()
  }

  /** Everybody who watches gets the error. */
  close(error: Error): void {
    this.#fail([...this.#watched.keys()], error)
    this.#forgetSubscription()
    this.#release?.()
    this.#release = undefined
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    const removes: string[] = []
    for (const taskId of this.#left) {
      this.#watched.delete(taskId)
      // Never asked for: nothing to take back.
      if (!this.#adds.delete(taskId)) removes.push(taskId)
    }
    this.#left.clear()
    if (this.#watched.size === 0 && removes.length === 0) {
      this.#letGo()
      return
    }
    // A connection that was refused for good stands still although we hold it; asking again is worth a try.
    if (this.#connection.state === 'idle') this.#letGo()
    if (this.#watched.size > 0) this.#release ??= this.#connection.keepAlive()
    const { current } = this.#connection
    if (current === undefined) {
      // Whatever is watched when it is there again will be added then.
      this.#adds.clear()
      if (this.#connection.state === 'closed')
        this.#fail([...this.#watched.keys()], new ClosedError('The result store was closed.'))
      if (this.#watched.size === 0) this.#letGo()
      return
    }
    if (this.#subscribedOn !== current) {
      this.#subscribe(current)
      return
    }
    const adds = [...this.#adds]
    this.#adds.clear()
    if (adds.length > 0) this.#add(adds)
    if (removes.length > 0) this.#remove(removes)
    if (this.#watched.size === 0) this.#letGo()
  }

  #subscribe(connection: ResultBackendConnection): void {
    this.#subscribedOn = connection
    try {
      this.#subscription = connection.subscribe((stored) => this.#deliver(stored))
    } catch (error) {
      // Lost or closed, and about to say so.
      this.#connection.markLost(connection, asError(error))
      return
    }
    this.#adds.clear()
    if (this.#watched.size > 0) this.#add([...this.#watched.keys()])
  }

  #add(taskIds: readonly string[]): void {
    const subscription = this.#subscription
    subscription?.add(taskIds).catch((error: unknown) => {
      // A connection that died will be replaced, and they are added again then.
      if (this.#subscription !== subscription) return
      if (isRetryable(error)) {
        this.#connection.markLost(this.#subscribedOn!, error)
        return
      }
      // One that knows whom it concerns must not fail the others.
      const named = isCeleryError(error) ? error.details['taskIds'] : undefined
      this.#fail(Array.isArray(named) ? (named as string[]) : taskIds, asError(error))
    })
  }

  #remove(taskIds: readonly string[]): void {
    // Only of interest to the store's memory; a lost connection forgets them by itself.
    this.#subscription?.remove(taskIds).catch(() => {})
  }

  #deliver(stored: StoredResult): void {
    const watched = this.#watched.get(stored.taskId)
    if (watched === undefined) return
    let meta: ResultMeta
    try {
      meta = this.#decode(stored)
    } catch (error) {
      this.#fail([stored.taskId], asError(error))
      return
    }
    watched.last = meta
    for (const watcher of [...watched.watchers]) apart(() => watcher.onMeta(meta))
  }

  #fail(taskIds: readonly string[], error: Error): void {
    for (const taskId of taskIds) {
      for (const watcher of [...(this.#watched.get(taskId)?.watchers ?? [])])
        apart(() => watcher.onError(error))
    }
  }

  #letGo(): void {
    this.#release?.()
    this.#release = undefined
  }

  #forgetSubscription(): void {
    const subscription = this.#subscription
    this.#subscription = undefined
    this.#subscribedOn = undefined
    void subscription?.close()
  }
}

/** A callback of the user's that throws must not keep the others from hearing, nor reach into the adapter. */
function apart(call: () => void): void {
  try {
    call()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
