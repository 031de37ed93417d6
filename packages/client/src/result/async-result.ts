import type { ResultHandle, ResultMeta, ResultTuple, TaskState } from '@ct/contracts'
import {
  ConfigurationError,
  decodeResultHandle,
  encodeResultHandle,
  propagateStates,
  readyStates,
} from '@ct/contracts'
import { aborted, abortTask } from './abort.ts'
import { handleInLine, inLine } from './result-line.ts'
import { GroupResult } from './group-result.ts'
import { valueOf } from './meta-value.ts'
import type { ResultContext, ResultOwner, ResultRevokeOptions } from './result-context.ts'
import { revokeCall } from './result-context.ts'
import { dateDoneOf } from './result-codec.ts'
import { buildResultGraph } from './result-graph.ts'
import type { GraphOptions, ResultGraph } from './result-graph.ts'
import type { StoreCallOptions } from './result-store.ts'
import { nodesBelow, valuesBelow } from './result-tree.ts'
import { soon } from './soon.ts'
import { waitForResult } from './wait-for-result.ts'
import { streamResults } from './wait-for-results.ts'
import { checkWaitOptions } from './wait-options.ts'
import type { GetOptions } from './wait-options.ts'

/** Any handle: of one task or of a group. */
export type ResultNode = AsyncResult<unknown> | GroupResult<unknown>

export interface AsyncResultOptions {
  /** The result before this one: the previous step of a chain, or the group whose results a chord's body gets. */
  readonly parent?: ResultNode | null | undefined
  /** The task was sent with `ignoreResult`: there is nothing to wait for. */
  readonly ignored?: boolean | undefined
}

/**
 * A handle of one task's result (celery/result.py 5.7, AsyncResult). It holds no connection and nothing has to be disposed of.
 *
 * It is not awaitable, by design: `await add.delay(1, 2)` gives the handle, `await handle.get()` the value. Everything that asks the
 * store is a method that returns a promise; a final state is asked for once.
 */
export class AsyncResult<T = unknown> {
  readonly id: string
  readonly parent: ResultNode | null
  readonly ignored: boolean
  readonly #context: ResultContext
  #final: ResultMeta | undefined

  /** Throws `CT_CONFIGURATION` for an empty id. */
  constructor(id: string, context: ResultContext, options: AsyncResultOptions = {}) {
    if (typeof id !== 'string' || id === '') {
      throw new ConfigurationError('A result needs the id of a task: text that is not empty.')
    }
    this.id = id
    this.parent = options.parent ?? null
    this.ignored = options.ignored ?? false
    this.#context = context
  }

  /** Celery's older name of `id`. */
  get taskId(): string {
    return this.id
  }

  /** What the store knows; PENDING when it knows nothing. A finished task is asked for once. */
  async meta(options: StoreCallOptions = {}): Promise<ResultMeta> {
    if (this.#final !== undefined) return this.#final
    return this.remember(await this.#context.store.getMeta(this.id, options))
  }

  /** `PENDING` also when nothing is known: not sent, not started, or expired. */
  async state(options: StoreCallOptions = {}): Promise<TaskState> {
    return (await this.meta(options)).status
  }

  /** Another name of {@link state}. */
  async status(options: StoreCallOptions = {}): Promise<TaskState> {
    return await this.state(options)
  }

  /** Finished: SUCCESS, FAILURE or REVOKED. */
  async ready(options: StoreCallOptions = {}): Promise<boolean> {
    return readyStates.has(await this.state(options))
  }

  async successful(options: StoreCallOptions = {}): Promise<boolean> {
    return (await this.state(options)) === 'SUCCESS'
  }

  async failed(options: StoreCallOptions = {}): Promise<boolean> {
    return (await this.state(options)) === 'FAILURE'
  }

  /** The return value, the error in exception states, or what `updateState` told; null when nothing is known. */
  async result(options: StoreCallOptions = {}): Promise<unknown> {
    return valueOf(await this.meta(options))
  }

  /** Another name of {@link result}, for progress: `{ done: 3, total: 10 }`. */
  async info(options: StoreCallOptions = {}): Promise<unknown> {
    return await this.result(options)
  }

  /** Text of the worker's traceback; null unless the task failed or is retried. */
  async traceback(options: StoreCallOptions = {}): Promise<string | null> {
    return (await this.meta(options)).traceback
  }

  /** Results of the tasks this task sent; null when unknown. */
  async children(options: StoreCallOptions = {}): Promise<readonly ResultNode[] | null> {
    const { children } = await this.meta(options)
    return children === null ? null : children.map((child) => resultFromHandle(child, this.#context))
  }

  /** When the task finished. */
  async dateDone(options: StoreCallOptions = {}): Promise<Date | null> {
    return dateDoneOf(await this.meta(options))
  }

  /** The following are stored only with `resultExtended`; else null. */
  async name(options: StoreCallOptions = {}): Promise<string | null> {
    return (await this.meta(options)).extended?.name ?? null
  }

  async args(options: StoreCallOptions = {}): Promise<unknown> {
    return (await this.meta(options)).extended?.args ?? null
  }

  async kwargs(options: StoreCallOptions = {}): Promise<unknown> {
    return (await this.meta(options)).extended?.kwargs ?? null
  }

  /** Node name of the worker. */
  async worker(options: StoreCallOptions = {}): Promise<string | null> {
    return (await this.meta(options)).extended?.worker ?? null
  }

  async retries(options: StoreCallOptions = {}): Promise<number | null> {
    return (await this.meta(options)).extended?.retries ?? null
  }

  /** Routing key of the message. */
  async queue(options: StoreCallOptions = {}): Promise<string | null> {
    return (await this.meta(options)).extended?.queue ?? null
  }

  /** Whether the store has anything of this task. */
  async exists(options: StoreCallOptions = {}): Promise<boolean> {
    if (this.#final !== undefined) return true
    const [meta] = await this.#context.store.findMetas([this.id], options)
    return meta !== undefined
  }

  /**
   * Waits for the value. Throws the task's error (`RemoteError` and its kin, each with `traceback`), the error of a failed parent,
   * `TimeoutError` (`CT_RESULT_TIMEOUT`), `CT_ABORTED`. Resolves to null at once when the result is ignored.
   */
  async get(options: GetOptions = {}): Promise<T> {
    checkWaitOptions(options)
    if (this.ignored) return null as T
    if (options.disableSyncSubtasks !== false) this.#context.assertMayWait?.()
    const propagate = options.propagate ?? true
    if (this.#final === undefined) {
      const parents = propagate && options.followParents !== false ? this.#parentIds() : []
      this.remember(await waitForResult(this.#context.store, this.id, parents, options))
    }
    const meta = this.#final!
    if (propagate && propagateStates.has(meta.status)) throw valueOf(meta)
    const value = valueOf(meta)
    options.callback?.(this.id, value)
    return value as T
  }

  /** Celery's other name of {@link get}. */
  async wait(options: GetOptions = {}): Promise<T> {
    return await this.get(options)
  }

  /**
   * Calls back when the result is there, without anybody waiting for it (Celery's `then`, which would make this awaitable). Returns a
   * function that takes the request back. What a callback throws is an uncaught exception. `onError` hears the error of a task that failed, and
   * that the store refuses or cannot be read; without it the callback hears of the first, and nobody of the second.
   */
  onReady(callback: (result: this) => void, onError?: (error: Error) => void): () => void {
    if (this.ignored) return soon(() => callback(this))
    const stop = this.#context.store.watch(this.id, {
      onMeta: (meta) => {
        if (!readyStates.has(meta.status)) return
        stop()
        this.remember(meta)
        if (onError !== undefined && propagateStates.has(meta.status)) onError(valueOf(meta) as Error)
        else callback(this)
      },
      onError: (error) => {
        stop()
        onError?.(error)
      },
    })
    return stop
  }

  /** Every state as it changes, from what is stored now to the final one. Errors of the task are states here, not thrown. */
  async *iterate(
    options: Pick<GetOptions, 'timeoutMs' | 'signal'> = {},
  ): AsyncGenerator<ResultMeta, void, undefined> {
    checkWaitOptions(options)
    if (this.ignored) return
    const what = `The result of task ${this.id}`
    for await (const meta of streamResults(this.#context.store, [this.id], () => true, {
      ...options,
      what,
    })) {
      yield this.remember(meta)
    }
  }

  /** Throws the task's error if it failed. */
  async maybeThrow(options: Pick<GetOptions, 'propagate' | 'callback' | 'signal'> = {}): Promise<unknown> {
    const meta = await this.meta(options)
    if (options.propagate !== false && propagateStates.has(meta.status)) throw valueOf(meta)
    const value = valueOf(meta)
    options.callback?.(this.id, value)
    return value
  }

  /** Deletes the result, and those of all parents. The handle then says PENDING. */
  async forget(options: StoreCallOptions = {}): Promise<void> {
    this.#final = undefined
    await this.#context.store.forget([this.id], options)
    await this.parent?.forget(options)
  }

  /** Asks all workers not to run the task, and with `terminate` to end it. */
  async revoke(options: ResultRevokeOptions = {}): Promise<unknown> {
    return await this.#control().revoke(this.id, revokeCall(options))
  }

  /**
   * Asks the task to stop, by storing the state ABORTED, which `task.isAborted()` sees; a Python task sees it too if it is an `AbortableTask`.
   * Whether and when it stops is the task's affair, and the state it ends with takes the place of ABORTED. Errors: `CT_CONFIGURATION` when results
   * are disabled, `CT_UNSUPPORTED` where only the caller can read them (RPC).
   */
  async abort(options: StoreCallOptions = {}): Promise<void> {
    await abortTask(this.#context.store, this.id, options)
  }

  /** {@link abort} was called, here or elsewhere, and the task has not ended since. */
  async isAborted(options: StoreCallOptions = {}): Promise<boolean> {
    return (await this.state(options)) === aborted
  }

  /** Asks all workers to revoke every task that carries one of these stamps. */
  async revokeByStampedHeaders(
    headers: Readonly<Record<string, unknown>>,
    options: ResultRevokeOptions = {},
  ): Promise<unknown> {
    return await this.#control().revokeByStampedHeaders(headers, revokeCall(options))
  }

  /**
   * The tree of results below this one, breadth first, as `[parent, node]`; a node that is not ready ends it with an error unless
   * `intermediate`.
   */
  async *iterdeps(
    options: StoreCallOptions & { readonly intermediate?: boolean | undefined } = {},
  ): AsyncGenerator<readonly [ResultNode | null, ResultNode], void, undefined> {
    yield* nodesBelow(this, options)
  }

  /**
   * The tree of results below this one as a graph, to be drawn: `(await result.buildGraph()).toMermaid()`. Needs children stored (`trail`, on by
   * default). Throws `IncompleteStream` (`CT_CONFIGURATION`) when one is not ready, unless `intermediate`.
   */
  async buildGraph(options: GraphOptions = {}): Promise<ResultGraph> {
    return await buildResultGraph(this, options)
  }

  /** Another name of {@link buildGraph}: Celery's `result.graph`. */
  async graph(options: GraphOptions = {}): Promise<ResultGraph> {
    return await this.buildGraph(options)
  }

  /** Every result of the tree with its value, waiting for each. */
  async *collect(options: GetOptions = {}): AsyncGenerator<readonly [ResultNode, unknown], void, undefined> {
    yield* valuesBelow(this, options)
  }

  /** Value of the last node of the tree. */
  async getLeaf(options: StoreCallOptions = {}): Promise<unknown> {
    let value: unknown
    for await (const [, node] of this.iterdeps(options)) value = await node.get(options)
    return value
  }

  /** Ids from this one to the root. */
  asList(): string[] {
    const ids = [this.id]
    for (let node = this.parent; node !== null; node = node.parent) ids.push(node.id)
    return ids
  }

  /** Identity of this result and its parents as data. */
  handle(): ResultHandle {
    return handleInLine(this)
  }

  /** `[[id, parent], null]`: Celery's portable form, see {@link resultFromTuple}. */
  asTuple(): ResultTuple {
    return encodeResultHandle(this.handle())
  }

  /** A task that returns a result stores its tuple. */
  toJSON(): ResultTuple {
    return this.asTuple()
  }

  toString(): string {
    return this.id
  }

  /** Same task; also true for its bare id. */
  equals(other: unknown): boolean {
    return other === this.id || (other instanceof AsyncResult && other.id === this.id)
  }

  /** For collections of results: takes over what was told of this task. */
  remember(meta: ResultMeta): ResultMeta {
    if (readyStates.has(meta.status)) this.#final = meta
    return meta
  }

  /** For collections of results: as {@link remember}, from all they know. */
  rememberFrom(metas: ReadonlyMap<string, ResultMeta>): void {
    const meta = metas.get(this.id)
    if (meta !== undefined) this.remember(meta)
  }

  /** For collections of results: the value among all they know. */
  valueFrom(metas: ReadonlyMap<string, ResultMeta>): unknown {
    const meta = metas.get(this.id)
    return meta === undefined ? null : valueOf(meta)
  }

  /** For collections of results: all ids below. */
  leafIds(): readonly string[] {
    return [this.id]
  }

  /** For collections of results: the ids to wait for; none when the result is ignored. */
  awaitedIds(): readonly string[] {
    return this.ignored ? [] : [this.id]
  }

  /** Everything that has to succeed before this can be ready, oldest first. */
  #parentIds(): string[] {
    const generations: (readonly string[])[] = []
    for (let node = this.parent; node !== null; node = node.parent) generations.push(node.leafIds())
    return [...new Set(generations.reverse().flat())].filter((id) => id !== this.id)
  }

  #control(): NonNullable<ReturnType<NonNullable<ResultContext['control']>>> {
    const control = this.#context.control?.()
    if (control === undefined) {
      throw new ConfigurationError('This result cannot be revoked: it was made without an app.')
    }
    return control
  }
}

/** The result of a task or a group that a handle names. */
export function resultFromHandle(handle: ResultHandle, context: ResultContext): ResultNode {
  return inLine<ResultHandle, ResultNode>(handle, ({ id, children }, parent) =>
    children === null
      ? new AsyncResult(id, context, { parent })
      : new GroupResult(
          id,
          children.map((child) => resultFromHandle(child, context)),
          context,
          { parent },
        ),
  )
}

/**
 * Undoes `asTuple()` and `JSON.parse(JSON.stringify(handle))`: `resultFromTuple(tuple, app)`. Takes tuples of Python and made results too.
 * Error: `CT_DECODE`.
 */
export function resultFromTuple(tuple: unknown, owner: ResultOwner | ResultContext): ResultNode {
  if (tuple instanceof AsyncResult || tuple instanceof GroupResult) return tuple as ResultNode
  return resultFromHandle(decodeResultHandle(tuple), 'context' in owner ? owner.context.resultContext : owner)
}
