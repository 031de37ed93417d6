import type { ResultBackendConnection, ResultMeta, ResultSubscription, StoredResult } from '@ct/contracts'
import { ClosedError, isCeleryError } from '@ct/contracts'
import type { ReconnectingConnection } from '../connection/index.ts'

export interface ResultWatcher {
  /** Every state the store tells of, in order; a ready one is the last. Must not throw. */
  onMeta(meta: ResultMeta): void
  /** The store refuses, or what it holds cannot be read. Must not throw. */
  onError(error: Error): void
}

interface Watched {
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
  readonly #removes = new Set<string>()
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
      const { last } = watched
      // Not in the middle of the caller's own line.
      queueMicrotask(() => {
        if (watched?.watchers.has(watcher) === true) watcher.onMeta(last)
      })
    }
    watched.watchers.add(watcher)
    const mine = watched
    return () => {
      if (!mine.watchers.delete(watcher) || mine.watchers.size > 0) return
      if (this.#watched.get(taskId) !== mine) return
      this.#watched.delete(taskId)
      // Never asked for: nothing to take back.
      if (!this.#adds.delete(taskId)) this.#removes.add(taskId)
      this.#schedule()
    }
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
    if (this.#watched.size === 0 && this.#removes.size === 0) {
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
      this.#removes.clear()
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
    const removes = [...this.#removes]
    this.#adds.clear()
    this.#removes.clear()
    if (adds.length > 0) this.#add(adds)
    if (removes.length > 0) this.#remove(removes)
    if (this.#watched.size === 0) this.#letGo()
  }

  #subscribe(connection: ResultBackendConnection): void {
    this.#subscribedOn = connection
    this.#subscription = connection.subscribe((stored) => this.#deliver(stored))
    this.#adds.clear()
    this.#removes.clear()
    if (this.#watched.size > 0) this.#add([...this.#watched.keys()])
  }

  #add(taskIds: readonly string[]): void {
    const subscription = this.#subscription
    subscription?.add(taskIds).catch((error: unknown) => {
      // A connection that died will be replaced, and they are added again then.
      if (this.#subscription !== subscription) return
      if (isCeleryError(error) && error.retryable) {
        this.#connection.markLost(this.#subscribedOn!, error)
        return
      }
      this.#fail(taskIds, error instanceof Error ? error : new Error(String(error)))
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
      this.#fail([stored.taskId], error instanceof Error ? error : new Error(String(error)))
      return
    }
    watched.last = meta
    for (const watcher of [...watched.watchers]) watcher.onMeta(meta)
  }

  #fail(taskIds: readonly string[], error: Error): void {
    for (const taskId of taskIds) {
      for (const watcher of [...(this.#watched.get(taskId)?.watchers ?? [])]) watcher.onError(error)
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
