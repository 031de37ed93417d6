import type {
  CompressorRegistry,
  NativeChord,
  ResultBackend,
  ResultBackendConnection,
  ResultHandle,
  ResultMeta,
  ResultWrite,
  SerializerRegistry,
} from '@ct/contracts'
import {
  BackendUnavailableError,
  ClosedError,
  ConfigurationError,
  encodeResultHandle,
  groupDocument,
  isRetryable,
  readGroupDocument,
} from '@ct/contracts'
import type { BackoffOptions, ConnectionListener } from '../connection/index.ts'
import { backoffMs, delay, ReconnectingConnection } from '../connection/index.ts'
import { Anticipation } from './anticipation.ts'
import { MetaCache } from './meta-cache.ts'
import type { TaskOutcome } from './result-codec.ts'
import { ResultCodec } from './result-codec.ts'
import type { ResultSettings } from './result-settings.ts'
import type { ResultWatcher } from './subscription-hub.ts'
import { soon } from './soon.ts'
import { SubscriptionHub } from './subscription-hub.ts'

export interface ResultStoreOptions {
  /** Asked for at first use; undefined: results are disabled. */
  readonly backend: () => ResultBackend | undefined
  readonly serializers: SerializerRegistry
  readonly compressors: CompressorRegistry
  readonly settings?: ResultSettings | undefined
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined
  /** Text of `date_done`, in the app's zone; default UTC. */
  readonly formatDate?: ((epochMs: number) => string) | undefined
  /** Told once of settings that this store cannot obey. */
  readonly warn?: ((message: string) => void) | undefined
}

export interface StoreCallOptions {
  readonly signal?: AbortSignal | undefined
}

/** Redis of Celery gives up after this many tries when the store is away (celery/backends/redis.py 5.7, `retry_policy`). */
const defaultMaxRetries = 20

/**
 * The result backend of an app, reached: one connection, made at first use and made again when lost. Encodes and decodes; operations
 * that fail because the store is away are tried again, as they may be repeated without harm.
 *
 * Waiting for results goes through one subscription ({@link watch}).
 */
export class ResultStore {
  readonly #options: ResultStoreOptions
  readonly #cache: MetaCache
  readonly #maxRetries: number
  readonly #backoff: BackoffOptions
  #open: Opened | undefined
  #closed = false

  constructor(options: ResultStoreOptions) {
    this.#options = options
    const settings = options.settings ?? {}
    this.#cache = new MetaCache(settings.resultCacheMax ?? -1)
    const always = settings.resultBackendAlwaysRetry === true
    this.#maxRetries = always ? (settings.resultBackendMaxRetries ?? Infinity) : defaultMaxRetries
    this.#backoff = always
      ? {
          initialMs: settings.resultBackendBaseSleepBetweenRetriesMs ?? 10,
          maxMs: settings.resultBackendMaxSleepBetweenRetriesMs ?? 10_000,
          jitter: 1,
        }
      : { initialMs: 50, maxMs: 1000 }
  }

  /** False: no result backend is configured; every other call throws `CT_CONFIGURATION`. */
  get enabled(): boolean {
    return this.#options.backend() !== undefined
  }

  /** The configured backend. Throws `CT_CONFIGURATION` when results are disabled. */
  get backend(): ResultBackend {
    return this.#opened.backend
  }

  /** For chord parts and others who encode by themselves. */
  get codec(): ResultCodec {
    return this.#opened.codec
  }

  /** See {@link ConnectionListener}. */
  listen(listener: ConnectionListener<ResultBackendConnection>): () => void {
    return this.#opened.connection.listen(listener)
  }

  /** A live connection; tries as long as an operation would. */
  connection(options: StoreCallOptions = {}): Promise<ResultBackendConnection> {
    return this.#opened.connection.whenReady({ ...options, maxAttempts: this.#maxRetries + 1 })
  }

  /** What is stored for an outcome. Errors: `CT_ENCODE`; for a value that cannot be encoded store the error instead. */
  encodeResult(outcome: TaskOutcome): ResultWrite {
    return this.#opened.codec.encode(outcome)
  }

  /** Stores; a SUCCESS that is there already stays (duty R5). */
  async store(writes: readonly ResultWrite[], options: StoreCallOptions = {}): Promise<void> {
    if (writes.length === 0) return
    await this.#retrying((connection) => connection.store(writes, options), options)
  }

  /** Encodes and stores. */
  async storeResult(outcome: TaskOutcome, options: StoreCallOptions = {}): Promise<void> {
    await this.store([this.encodeResult(outcome)], options)
  }

  /**
   * Must be awaited before a task is sent whose result only its caller can read (RPC), so that the place it is sent to exists.
   * Undefined, and free, with every other store.
   */
  beforePublish(options: StoreCallOptions = {}): Promise<unknown> | undefined {
    if (!this.enabled || this.#opened.backend.capabilities.readers !== 'caller') return undefined
    return this.connection(options)
  }

  /** To be told of each task that is sent by itself, before it is: whose results are waited for are then listened for in time. */
  willSend(taskId: string): void {
    this.#open?.anticipation?.sent(taskId)
  }

  /** What is known of a task; PENDING when nothing is. */
  async getMeta(taskId: string, options: StoreCallOptions = {}): Promise<ResultMeta> {
    const [meta] = await this.getMetas([taskId], options)
    return meta!
  }

  /** In the order of the ids. */
  async getMetas(taskIds: readonly string[], options: StoreCallOptions = {}): Promise<ResultMeta[]> {
    return (await this.findMetas(taskIds, options)).map((meta, index) => meta ?? pendingMeta(taskIds[index]!))
  }

  /** As {@link getMetas}; undefined for what the store does not have. */
  async findMetas(
    taskIds: readonly string[],
    options: StoreCallOptions = {},
  ): Promise<(ResultMeta | undefined)[]> {
    for (const taskId of taskIds)
      if (taskId === '') throw new ConfigurationError('A task id must not be empty.')
    const found = taskIds.map((taskId) => this.#cache.get(taskId))
    const missing = taskIds.filter((_, index) => found[index] === undefined)
    if (missing.length === 0) return found
    const stored = await this.#retrying((connection) => connection.getMany(missing, options), options)
    let next = 0
    return found.map((cached) => {
      if (cached !== undefined) return cached
      const record = stored[next++]
      if (record === undefined) return undefined
      const meta = this.#opened.codec.decode(record)
      this.#cache.put(meta)
      return meta
    })
  }

  /** Deletes results. What is not there is no error. */
  async forget(taskIds: readonly string[], options: StoreCallOptions = {}): Promise<void> {
    for (const taskId of taskIds) this.#cache.delete(taskId)
    if (taskIds.length === 0) return
    await this.#retrying((connection) => connection.forget(taskIds, options), options)
  }

  /**
   * Tells every state of a task from now on, what is stored already included, until the returned function is called. Holds the
   * connection meanwhile; states that were passed over while it was lost are not told, the last one is.
   */
  watch(taskId: string, watcher: ResultWatcher): () => void {
    const cached = this.#cache.get(taskId)
    if (cached !== undefined) return soon(() => watcher.onMeta(cached))
    const { hub, anticipation } = this.#opened
    anticipation?.asked(taskId)
    return hub.watch(taskId, watcher)
  }

  /** Saves the handle of a group, so that it can be restored by its id. */
  async saveGroup(handle: ResultHandle, options: StoreCallOptions = {}): Promise<void> {
    const { codec, backend } = this.#opened
    // SQL stores hold the bare tuple (D57-21), key-value stores a mapping around it.
    const value =
      backend.capabilities.format === 'columns' ? encodeResultHandle(handle) : groupDocument(handle)
    const document = codec.encodeValue(value)
    await this.#retrying(
      (connection) =>
        connection.storeGroup(handle.id, document, { ...options, expiresInMs: codec.expiresInMs('SUCCESS') }),
      options,
    )
  }

  /** Declares a chord to a store that counts its members, before the first of them is sent; until then it may be declared twice. */
  async beginChord(
    chord: Parameters<NativeChord['begin']>[0],
    options: StoreCallOptions = {},
  ): Promise<void> {
    await this.#retrying(async (connection) => {
      if (connection.chord !== undefined) await connection.chord.begin(chord)
      else await connection.chordCounter?.begin(chord.groupId, { expiresInMs: chord.expiresInMs })
    }, options)
  }

  /** Undefined: no group of that id was saved, or it expired. Error: `CT_DECODE`. */
  async restoreGroup(groupId: string, options: StoreCallOptions = {}): Promise<ResultHandle | undefined> {
    const document = await this.#retrying((connection) => connection.getGroup(groupId, options), options)
    return document === undefined ? undefined : readGroupDocument(this.#opened.codec.decodeValue(document))
  }

  async deleteGroup(groupId: string, options: StoreCallOptions = {}): Promise<void> {
    await this.#retrying((connection) => connection.forgetGroup(groupId, options), options)
  }

  /** Removes what expired, where the store does not do so itself; resolves to how many. */
  async cleanup(options: StoreCallOptions = {}): Promise<number> {
    const { codec, backend } = this.#opened
    const keptMs = codec.expiresInMs('SUCCESS')
    if (backend.capabilities.autoExpire || keptMs === undefined) return 0
    const olderThan = (this.#options.now ?? Date.now)() - keptMs
    return await this.#retrying((connection) => connection.cleanup(olderThan, options), options)
  }

  /** Everybody who waits gets `CT_CLOSED`. Idempotent, never rejects. */
  async close(): Promise<void> {
    this.#closed = true
    const opened = this.#open
    if (opened === undefined) return
    opened.anticipation?.stop()
    opened.hub.close(this.#closedError())
    await opened.connection.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  get #opened(): Opened {
    if (this.#open !== undefined) return this.#open
    if (this.#closed) throw this.#closedError()
    const backend = this.#options.backend()
    if (backend === undefined) {
      throw new ConfigurationError(
        'Results are disabled: no result backend is configured. Set resultBackend, e.g. "redis://localhost".',
      )
    }
    const { settings = {}, warn, now = Date.now, serializers, compressors, formatDate } = this.#options
    const { capabilities } = backend
    if (settings.resultCompression != null && !capabilities.compression) {
      warn?.(
        `resultCompression has no effect with the result backend ${backend.name}: results are stored plain.`,
      )
    }
    if (settings.resultFailureExpires != null && !capabilities.failureExpires) {
      warn?.(
        `resultFailureExpires has no effect with the result backend ${backend.name}: resultExpires applies.`,
      )
    }
    const codec = new ResultCodec({ capabilities, serializers, compressors, settings, now, formatDate })
    const connection = new ReconnectingConnection<ResultBackendConnection>({
      connect: (options) => backend.connect(options),
      describe: () => `the result backend ${backend.describe().url}`,
      backoff: this.#backoff,
      connectTimeoutMs: 4000,
      unavailable: (message, cause) => new BackendUnavailableError(message, { cause }),
    })
    const hub = new SubscriptionHub(connection, (stored) => {
      const meta = codec.decode(stored)
      this.#cache.put(meta)
      return meta
    })
    const anticipation = capabilities.subscribe === 'push' ? new Anticipation(hub) : undefined
    this.#open = { backend, codec, connection, hub, anticipation }
    return this.#open
  }

  async #retrying<T>(
    operation: (connection: ResultBackendConnection) => Promise<T>,
    options: StoreCallOptions,
  ): Promise<T> {
    const { connection } = this.#opened
    for (let retries = 0; ; retries++) {
      const ready =
        connection.current ??
        (await connection.whenReady({ signal: options.signal, maxAttempts: this.#maxRetries - retries + 1 }))
      try {
        return await operation(ready)
      } catch (caught) {
        const error = connection.meaningOf(ready, caught)
        if (!isRetryable(error) || retries >= this.#maxRetries || this.#closed) throw error
        // A lost connection waits by itself before it comes back; everything else waits here.
        if (connection.current === ready) {
          await delay(backoffMs(retries + 1, this.#backoff), options.signal, 'Waiting for the result backend')
        }
      }
    }
  }

  #closedError(): ClosedError {
    return new ClosedError('The result store was closed.')
  }
}

interface Opened {
  readonly backend: ResultBackend
  readonly codec: ResultCodec
  readonly connection: ReconnectingConnection<ResultBackendConnection>
  readonly hub: SubscriptionHub
  /** Undefined where waiting means asking again and again. */
  readonly anticipation: Anticipation | undefined
}

/** What Celery says of a task nobody has stored anything about. */
export function pendingMeta(taskId: string): ResultMeta {
  return { taskId, status: 'PENDING', result: null, traceback: null, children: null, dateDone: null }
}
