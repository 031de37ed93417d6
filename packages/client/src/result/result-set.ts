import type { ResultMeta } from '@ct/contracts'
import { ConfigurationError, readyStates } from '@ct/contracts'
import type { ResultNode } from './async-result.ts'
import { throwIfFailed, valueOf } from './meta-value.ts'
import type { ResultContext, ResultRevokeOptions } from './result-context.ts'
import { revokeCall } from './result-context.ts'
import type { StoreCallOptions } from './result-store.ts'
import { soon } from './soon.ts'
import { streamResults, waitForResults } from './wait-for-results.ts'
import { checkWaitOptions } from './wait-options.ts'
import type { WaitOptions } from './wait-options.ts'

/**
 * Several results in order (celery/result.py 5.7, ResultSet). Members may be groups; their value is then an array.
 *
 * `T` is the type of one member's value.
 */
export class ResultSet<T = unknown> implements Iterable<ResultNode> {
  #results: ResultNode[]
  protected readonly context: ResultContext

  constructor(results: Iterable<ResultNode>, context: ResultContext) {
    this.#results = [...results]
    this.context = context
  }

  get results(): readonly ResultNode[] {
    return this.#results
  }

  get length(): number {
    return this.#results.length
  }

  /** By position, negative from the end. */
  at(index: number): ResultNode | undefined {
    return this.#results.at(index)
  }

  [Symbol.iterator](): Iterator<ResultNode> {
    return this.#results[Symbol.iterator]()
  }

  /** Ignored when a result of the same id is there already. */
  add(result: ResultNode): void {
    if (!this.#results.some((member) => member.id === result.id)) this.#results.push(result)
  }

  update(results: Iterable<ResultNode>): void {
    for (const result of results) this.add(result)
  }

  /** By result or id. Throws `CT_CONFIGURATION` when it is not a member. */
  remove(result: ResultNode | string): void {
    if (!this.discard(result))
      throw new ConfigurationError(`${idOf(result)} is not a member of this result set.`)
  }

  /** As {@link remove}; false when it is not a member. */
  discard(result: ResultNode | string): boolean {
    const before = this.#results.length
    this.#results = this.#results.filter((member) => member.id !== idOf(result))
    return this.#results.length < before
  }

  clear(): void {
    this.#results = []
  }

  /** All members succeeded. */
  async successful(options: StoreCallOptions = {}): Promise<boolean> {
    return (await this.#metas(options)).every((meta) => meta.status === 'SUCCESS')
  }

  /** Any member failed. */
  async failed(options: StoreCallOptions = {}): Promise<boolean> {
    return (await this.#metas(options)).some((meta) => meta.status === 'FAILURE')
  }

  /** Any member is not ready. */
  async waiting(options: StoreCallOptions = {}): Promise<boolean> {
    return !(await this.ready(options))
  }

  /** All members are ready. */
  async ready(options: StoreCallOptions = {}): Promise<boolean> {
    return (await this.#metas(options)).every((meta) => readyStates.has(meta.status))
  }

  /** Number of members that *succeeded*, as in Celery. A member that is a group counts when all of it did. */
  async completedCount(options: StoreCallOptions = {}): Promise<number> {
    const metas = new Map((await this.#metas(options)).map((meta) => [meta.taskId, meta]))
    return this.#results.filter((member) =>
      member.leafIds().every((id) => metas.get(id)?.status === 'SUCCESS'),
    ).length
  }

  /** Throws the error of the first member, in order, that failed. */
  async maybeThrow(options: Pick<WaitOptions, 'propagate' | 'callback' | 'signal'> = {}): Promise<void> {
    await this.#metas(options)
    for (const member of this.#results) await member.maybeThrow(options)
  }

  /** Deletes the results of all members. */
  async forget(options: StoreCallOptions = {}): Promise<void> {
    await Promise.all(this.#results.map((member) => member.forget(options)))
  }

  /** Revokes all members with one message. */
  async revoke(options: ResultRevokeOptions = {}): Promise<unknown> {
    const control = this.context.control?.()
    if (control === undefined)
      throw new ConfigurationError('These results cannot be revoked: they were made without an app.')
    return await control.revoke(this.leafIds(), revokeCall(options))
  }

  /** The values in order of the members; as {@link joinNative}. */
  async get(options: WaitOptions = {}): Promise<T[]> {
    return await this.joinNative(options)
  }

  /** Waits for each member in order; the first error in that *order* is thrown. The time allowed is for all together. */
  async join(options: WaitOptions = {}): Promise<T[]> {
    checkWaitOptions(options)
    if (options.disableSyncSubtasks !== false) this.context.assertMayWait?.()
    const started = performance.now()
    const values: T[] = []
    for (const member of this.#results) {
      const { timeoutMs } = options
      const left = timeoutMs == null ? undefined : Math.max(0, timeoutMs - (performance.now() - started))
      // Passed on as "look once" when nothing is left: what is ready wins over a timeout that is over.
      const rest = {
        ...options,
        disableSyncSubtasks: false,
        timeoutMs: left === undefined ? undefined : Math.ceil(left),
      }
      values.push((await member.get(rest)) as T)
    }
    return values
  }

  /** Waits for all at once; the first error to *arrive* is thrown. */
  async joinNative(options: WaitOptions = {}): Promise<T[]> {
    checkWaitOptions(options)
    if (options.disableSyncSubtasks !== false) this.context.assertMayWait?.()
    const propagate = options.propagate ?? true
    const metas = new Map<string, ResultMeta>()
    await waitForResults(
      this.context.store,
      this.awaitedIds(),
      (meta) => {
        if (!readyStates.has(meta.status)) return 'more'
        if (propagate) throwIfFailed(meta)
        metas.set(meta.taskId, meta)
        options.callback?.(meta.taskId, valueOf(meta))
        return 'more'
      },
      { ...options, what: this.describe() },
    )
    this.rememberFrom(metas)
    return this.valueFrom(metas)
  }

  /**
   * `[id, meta]` of each member as it gets ready. Failures are not thrown here. Throws `CT_RESULT_TIMEOUT`, `CT_ABORTED`.
   */
  async *iterNative(
    options: Pick<WaitOptions, 'timeoutMs' | 'signal' | 'onMessage' | 'onInterval' | 'intervalMs'> = {},
  ): AsyncGenerator<readonly [string, ResultMeta], void, undefined> {
    checkWaitOptions(options)
    const isReady = (meta: ResultMeta): boolean => readyStates.has(meta.status)
    const waiting = { ...options, what: this.describe() }
    for await (const meta of streamResults(this.context.store, this.awaitedIds(), isReady, waiting)) {
      yield [meta.taskId, meta]
    }
  }

  /** `[id, value]` of each member as it gets ready; throws the first error to arrive unless `propagate: false`. */
  async *iterate(options: WaitOptions = {}): AsyncGenerator<readonly [string, T], void, undefined> {
    checkWaitOptions(options)
    if (options.disableSyncSubtasks !== false) this.context.assertMayWait?.()
    for await (const [id, meta] of this.iterNative(options)) {
      if (options.propagate !== false) throwIfFailed(meta)
      const value = valueOf(meta) as T
      options.callback?.(id, value)
      yield [id, value]
    }
  }

  /**
   * Calls back once, when all members are ready, however they ended. Returns a function that takes the request back. What a callback throws is an
   * uncaught exception. `onError` hears that the store refuses or cannot be read; without it nobody does.
   */
  onReady(callback: (results: this) => void, onError?: (error: Error) => void): () => void {
    const done = new AbortController()
    const waiting = { signal: done.signal, what: this.describe() }
    const watch = async (): Promise<void> => {
      try {
        await waitForResults(this.context.store, this.awaitedIds(), () => 'more', waiting)
      } catch (error) {
        tell(() => onError?.(error instanceof Error ? error : new Error(String(error))))
        return
      }
      tell(() => callback(this))
    }
    // Outside of the promise, where an error would be a rejection that nobody handles.
    const tell = (call: () => void): void => {
      if (!done.signal.aborted) done.signal.addEventListener('abort', soon(call), { once: true })
    }
    void watch()
    return () => done.abort()
  }

  /** All task ids below, members of groups included. */
  leafIds(): readonly string[] {
    return this.#results.flatMap((member) => member.leafIds())
  }

  /** The ids to wait for: without those of members whose result is ignored, which would never come. */
  awaitedIds(): readonly string[] {
    return this.#results.flatMap((member) => member.awaitedIds())
  }

  /** Lets the members' handles take over what is known. */
  rememberFrom(metas: ReadonlyMap<string, ResultMeta>): void {
    for (const member of this.#results) member.rememberFrom(metas)
  }

  /** The members' values among all that is known. */
  valueFrom(metas: ReadonlyMap<string, ResultMeta>): T[] {
    return this.#results.map((member) => member.valueFrom(metas) as T)
  }

  protected describe(): string {
    return `A set of ${this.length} results`
  }

  /** One call to the store for whatever is not known to be final; handles take over what they learn. */
  async #metas(options: StoreCallOptions): Promise<ResultMeta[]> {
    const ids = [...new Set(this.leafIds())]
    const metas = await this.context.store.getMetas(ids, options)
    const byId = new Map(metas.map((meta) => [meta.taskId, meta]))
    this.rememberFrom(byId)
    return metas
  }
}

function idOf(result: ResultNode | string): string {
  return typeof result === 'string' ? result : result.id
}
