import type { CeleryError, Closable, ConnectOptions, Notice, NoticeListener } from '@ct/contracts'
import { ClosedError, isCeleryError, isRetryable, OperationTimeoutError } from '@ct/contracts'
import { diagnostics } from '../diagnostics/index.ts'
import type { ConnectionOpenMessage } from '../diagnostics/index.ts'
import { abortedError } from './abortable.ts'
import type { BackoffOptions } from './backoff.ts'
import { backoffMs } from './backoff.ts'

export type ConnectionState = 'idle' | 'connecting' | 'waiting' | 'ready' | 'closed'

export interface ReconnectingOptions<C extends Closable> {
  /** One attempt; `BrokerConnection` or `ResultBackendConnection` of the adapter. */
  readonly connect: (options: ConnectOptions) => Promise<C>
  /** For messages, e.g. `the broker redis://localhost`; asked for when needed. No password in it. */
  readonly describe: () => string
  readonly backoff?: BackoffOptions | undefined
  /** Most milliseconds for one attempt (`broker_connection_timeout`, 4 s). */
  readonly connectTimeoutMs?: number | undefined
  /** Makes the error of an attempt that took too long, and of a connection that was lost under an operation. Default: `CT_TIMEOUT`. */
  readonly unavailable?: ((message: string, cause: unknown) => CeleryError) | undefined
}

export interface WhenReadyOptions {
  readonly signal?: AbortSignal | undefined
  /** Give up after this many failed attempts counted from now; the promise then rejects with the last error. Default: never. */
  readonly maxAttempts?: number | undefined
}

export interface ConnectionListener<C> {
  onReady?(connection: C): void
  /** The connection is gone; with demand a new one is being made. */
  onLost?(error: Error): void
  /** An attempt failed. `retryInMs` undefined: there will be no other by itself. */
  onConnectFailed?(error: Error, attempt: number, retryInMs: number | undefined): void
  /** Every notice of the adapter, `connection-lost` included. */
  onNotice?(notice: Notice): void
}

interface Waiter<C> {
  readonly resolve: (connection: C) => void
  readonly reject: (error: Error) => void
  attemptsLeft: number
}

/** A connection that is lost within this time after it was made says that something is wrong with what answers. */
const shortLifeMs = 1000

/**
 * A connection that is made when somebody needs it and made again when it was lost and somebody still needs it. Adapters never
 * reconnect by themselves; this is the one place that does, for the publisher, the result store, events and the worker's consumer.
 *
 * ```
 *            need                     ok
 *   idle ───────────► connecting ───────────► ready
 *    ▲  ▲               │   ▲  │                │
 *    │  └─ no need left │   │  └─ failed, not ──┼──► idle (everybody who waits gets the error)
 *    │                  │   │     retryable     │
 *    │      failed,     ▼   │ back-off over     │
 *    │    retryable   waiting                   │
 *    │                                          │
 *    └────── lost, no need ──── lost ───────────┘── lost, need ──► connecting, or waiting where
 *                                                                  one after the other is lost at once
 *
 *   any state ── close() ──► closed  (everybody who waits gets CT_CLOSED)
 * ```
 * A need is a pending `whenReady()` or a hold of `keepAlive()`. An attempt that nobody needs any more is aborted.
 */
export class ReconnectingConnection<C extends Closable> {
  readonly #options: ReconnectingOptions<C>
  readonly #listeners = new Set<ConnectionListener<C>>()
  readonly #waiters = new Set<Waiter<C>>()
  #state: ConnectionState = 'idle'
  #connection: C | undefined
  #holds = 0
  #failures = 0
  #lastFailure: Error | undefined
  #readyAt = 0
  #lostAt = 0
  /** Connections in a row that were lost as soon as they were made. */
  #shortLives = 0
  #attempt: AbortController | undefined
  #timer: NodeJS.Timeout | undefined
  /** Closes that are under way; close() waits for them so that nothing is left open. */
  readonly #closing = new Set<Promise<void>>()

  constructor(options: ReconnectingOptions<C>) {
    this.#options = options
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** The connection while it is ready. */
  get current(): C | undefined {
    return this.#connection
  }

  /** Why there is no connection: how the latest attempt failed; undefined while it is ready, and before any failed. */
  get lastFailure(): Error | undefined {
    return this.#lastFailure
  }

  /**
   * Resolves with a live connection, making one if need be; keeps trying while the error is retryable. Rejects with `CT_ABORTED`,
   * `CT_CLOSED`, or the adapter's error.
   */
  whenReady(options: WhenReadyOptions = {}): Promise<C> {
    if (this.#connection !== undefined) return Promise.resolve(this.#connection)
    if (this.#state === 'closed') return Promise.reject(this.#closedError())
    const { signal, maxAttempts = Infinity } = options
    const what = `Connecting to ${this.#options.describe()}`
    if (signal?.aborted === true) return Promise.reject(abortedError(signal, what))
    return new Promise<C>((resolve, reject) => {
      const leave = (): void => {
        signal?.removeEventListener('abort', onAbort)
        this.#waiters.delete(waiter)
      }
      const waiter: Waiter<C> = {
        attemptsLeft: maxAttempts,
        resolve: (connection) => {
          leave()
          resolve(connection)
        },
        reject: (error) => {
          leave()
          reject(error)
        },
      }
      const onAbort = (): void => {
        waiter.reject(abortedError(signal!, what))
        this.#standDown()
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.add(waiter)
      if (this.#state === 'idle') this.#begin()
    })
  }

  /** Keeps the connection alive, across losses, until the returned function is called. Does not wait for it. */
  keepAlive(): () => void {
    let released = false
    this.#holds++
    if (this.#state === 'idle') this.#begin()
    return () => {
      if (released) return
      released = true
      this.#holds--
      this.#standDown()
    }
  }

  /** Listeners must not throw. Returns the function that removes the listener. */
  listen(listener: ConnectionListener<C>): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /**
   * Drops this connection as if the adapter had reported it lost: for a connection that takes no answer any more. Ignored when it
   * is not the current one.
   */
  markLost(connection: C, error: Error): void {
    if (this.#connection !== connection) return
    this.#lost(connection, error)
  }

  /**
   * What the failure of an operation on this connection means to whoever asked for it. A connection that was lost is closed here, and what
   * was under way on it may end with `CT_CLOSED`, although nobody wanted an end: to its user it was lost, which trying again mends.
   */
  meaningOf(connection: C, error: unknown): unknown {
    if (!isCeleryError(error) || error.code !== 'CT_CLOSED') return error
    if (this.#state === 'closed' || this.#connection === connection) return error
    return this.#unavailable(`The connection to ${this.#options.describe()} was lost.`, error)
  }

  /** Idempotent, never rejects; resolves when no socket and no timer is left. */
  async close(): Promise<void> {
    if (this.#state !== 'closed') {
      this.#state = 'closed'
      clearTimeout(this.#timer)
      this.#attempt?.abort()
      const error = this.#closedError()
      for (const waiter of [...this.#waiters]) waiter.reject(error)
      const connection = this.#connection
      this.#connection = undefined
      if (connection !== undefined) this.#closeQuietly(connection)
    }
    while (this.#closing.size > 0) await Promise.all(this.#closing)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  get #needed(): boolean {
    return this.#holds > 0 || this.#waiters.size > 0
  }

  #connect(): void {
    this.#state = 'connecting'
    const attempt = new AbortController()
    this.#attempt = attempt
    let lostEarly: Error | undefined
    let connection: C | undefined
    const onNotice: NoticeListener = (notice) => {
      // What a connection of the past has to say concerns nobody.
      if (attempt.signal.aborted || (connection !== undefined && this.#connection !== connection)) return
      for (const listener of this.#listeners) listener.onNotice?.(notice)
      if (notice.kind !== 'connection-lost') return
      if (connection === undefined) lostEarly = notice.error
      else this.#lost(connection, notice.error)
    }
    const timeoutMs = this.#options.connectTimeoutMs
    const limit = new AbortController()
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => limit.abort(), timeoutMs)
    // A rejected factory and a throwing one are the same to us.
    const made = this.#traced(
      () =>
        new Promise<C>((resolve) => {
          resolve(
            this.#options.connect({ signal: AbortSignal.any([attempt.signal, limit.signal]), onNotice }),
          )
        }),
    )
    const done = made.then(
      (fresh) => {
        clearTimeout(timer)
        if (attempt.signal.aborted || lostEarly !== undefined) {
          this.#closeQuietly(fresh)
          if (!attempt.signal.aborted) this.#failed(lostEarly!)
          return
        }
        connection = fresh
        this.#ready(fresh)
      },
      (error: unknown) => {
        clearTimeout(timer)
        if (attempt.signal.aborted) return
        this.#failed(limit.signal.aborted ? this.#timedOut(timeoutMs!, error) : asError(error))
      },
    )
    // close() while connecting waits until the adapter has let go.
    this.#closing.add(done)
    void done.finally(() => this.#closing.delete(done))
  }

  #traced(connect: () => Promise<C>): Promise<C> {
    const { connectionOpen } = diagnostics
    if (!connectionOpen.hasSubscribers) return connect()
    const message: ConnectionOpenMessage = { to: this.#options.describe(), attempt: this.#failures + 1 }
    return connectionOpen.tracePromise(connect, message)
  }

  #ready(connection: C): void {
    this.#state = 'ready'
    this.#connection = connection
    this.#failures = 0
    this.#lastFailure = undefined
    this.#readyAt = performance.now()
    for (const listener of this.#listeners) listener.onReady?.(connection)
    // A listener may have found it dead already, or closed us.
    if (this.#connection !== connection) return
    for (const waiter of [...this.#waiters]) waiter.resolve(connection)
  }

  #lost(connection: C, error: Error): void {
    if (this.#connection !== connection) return
    this.#connection = undefined
    this.#attempt = undefined
    this.#state = 'idle'
    this.#closeQuietly(connection)
    this.#lostAt = performance.now()
    this.#shortLives = this.#lostAt - this.#readyAt < shortLifeMs ? this.#shortLives + 1 : 0
    const { connectionLost } = diagnostics
    if (connectionLost.hasSubscribers) connectionLost.publish({ to: this.#options.describe(), error })
    for (const listener of this.#listeners) listener.onLost?.(error)
    if (this.#state === 'idle' && this.#needed) this.#begin()
  }

  /** At once, or when the back-off is over since one after the other was lost at once; who asks a moment later waits as well. */
  #begin(): void {
    const waitMs = this.#shortLives < 2 ? 0 : backoffMs(this.#shortLives - 1, this.#options.backoff)
    const leftMs = waitMs - (performance.now() - this.#lostAt)
    if (waitMs === 0 || leftMs <= 0) this.#connect()
    else this.#connectLater(leftMs)
  }

  #connectLater(ms: number): void {
    this.#state = 'waiting'
    this.#timer = setTimeout(() => this.#connect(), ms)
  }

  #failed(error: Error): void {
    this.#attempt = undefined
    this.#lastFailure = error
    this.#failures++
    // Anything that is not ours is a defect of the adapter, which trying again does not mend.
    const retryable = isRetryable(error)
    for (const waiter of [...this.#waiters]) {
      waiter.attemptsLeft--
      if (!retryable || waiter.attemptsLeft <= 0) waiter.reject(error)
    }
    const retryInMs = retryable && this.#needed ? backoffMs(this.#failures, this.#options.backoff) : undefined
    if (retryInMs === undefined) this.#state = 'idle'
    else this.#connectLater(retryInMs)
    for (const listener of this.#listeners) listener.onConnectFailed?.(error, this.#failures, retryInMs)
  }

  /** Nobody needs a connection that does not exist yet: stop making it. A ready one is kept for the next caller. */
  #standDown(): void {
    if (this.#needed) return
    if (this.#state !== 'connecting' && this.#state !== 'waiting') return
    clearTimeout(this.#timer)
    this.#attempt?.abort()
    this.#attempt = undefined
    this.#state = 'idle'
    this.#failures = 0
  }

  #closeQuietly(connection: C): void {
    const closing = connection.close().catch(() => {})
    this.#closing.add(closing)
    void closing.finally(() => this.#closing.delete(closing))
  }

  #timedOut(ms: number, cause: unknown): CeleryError {
    return this.#unavailable(`Connecting to ${this.#options.describe()} took longer than ${ms} ms.`, cause)
  }

  #unavailable(message: string, cause: unknown): CeleryError {
    return this.#options.unavailable?.(message, cause) ?? new OperationTimeoutError(message, { cause })
  }

  #closedError(): ClosedError {
    return new ClosedError(`The connection to ${this.#options.describe()} was closed.`)
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
