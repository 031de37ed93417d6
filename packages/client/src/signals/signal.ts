/**
 * A signal: a moment that code outside can hook into (celery/utils/dispatch/signal.py 5.7).
 *
 * Handlers run one after another, in the order of connecting; one that returns a promise is waited for before the next runs. What a
 * handler throws is logged and goes no further. `wanted` is false while nobody is connected: whoever fires asks it first, so that a signal
 * nobody listens to costs one look at a field.
 */
import { ConfigurationError } from '@ct/contracts'

export interface SignalFields {
  readonly sender: unknown
}

export type SignalHandler<F extends SignalFields> = (fields: F, signal: Signal<F>) => unknown

export interface ConnectOptions {
  /**
   * Only for this sender: a task or its name, a worker or its node name, an app. Default: for all.
   */
  readonly sender?: unknown
  /** Connecting again under the same id changes nothing. Default: the handler itself is the id. */
  readonly dispatchUid?: string | undefined
  /** A handler that fails is called again after 2, 4, … at most 30 seconds, until it succeeds. Default false. */
  readonly retry?: boolean | undefined
}

interface Connection<F extends SignalFields> {
  readonly handler: SignalHandler<F>
  readonly id: unknown
  readonly sender: unknown
  readonly retry: boolean
  readonly ended: AbortController
}

export type SignalErrorHandler = (message: string, error: unknown) => void

const known: ReadonlySet<string> = new Set<keyof ConnectOptions>(['sender', 'dispatchUid', 'retry'])
const firstRetryMs = 2_000
const longestRetryMs = 30_000

export class Signal<F extends SignalFields = SignalFields> {
  readonly name: string
  /** Somebody is connected. */
  wanted = false
  readonly #onError: SignalErrorHandler
  /** Replaced at each change, so that a handler may connect and disconnect while the signal is sent. */
  #connections: readonly Connection<F>[] = []

  constructor(name: string, onError: SignalErrorHandler) {
    this.name = name
    this.#onError = onError
  }

  /** Calls `handler` from now on; the function it returns takes it away again. Errors: `CT_CONFIGURATION`. */
  connect(handler: SignalHandler<F>, options: ConnectOptions = {}): () => void {
    if (typeof handler !== 'function') {
      throw new ConfigurationError(`A handler of the signal ${this.name} must be a function.`)
    }
    for (const key of Object.keys(options)) {
      if (known.has(key)) continue
      throw new ConfigurationError(
        `connect() of the signal ${this.name} has no option "${key}". It takes ${[...known].join(', ')}.`,
      )
    }
    const { sender, dispatchUid, retry = false } = options
    const id = dispatchUid ?? handler
    if (!this.#connections.some((one) => one.id === id && one.sender === sender)) {
      const connection = { handler, id, sender, retry, ended: new AbortController() }
      this.#set([...this.#connections, connection])
    }
    return () => void this.disconnect(handler, { sender, dispatchUid })
  }

  /** False: it was not connected like that. */
  disconnect(
    handler: SignalHandler<F> | undefined,
    options: Pick<ConnectOptions, 'sender' | 'dispatchUid'> = {},
  ): boolean {
    const id = options.dispatchUid ?? handler
    const gone = this.#connections.find((one) => one.id === id && one.sender === options.sender)
    if (gone === undefined) return false
    gone.ended.abort()
    this.#set(this.#connections.filter((one) => one !== gone))
    return true
  }

  hasHandlers(sender?: unknown): boolean {
    return sender === undefined ? this.wanted : this.#connections.some((one) => concerns(one.sender, sender))
  }

  /** Calls the handlers. The promise resolves when all have ended and never rejects; without one all have ended already. */
  send(fields: F): Promise<void> | undefined {
    return this.#send(fields, this.#connections, (connection, error) => this.#failed(connection, error))
  }

  /** As {@link send}, for the moments at which an error must end what is going on: the first one is thrown when all have run. */
  async sendOrThrow(fields: F): Promise<void> {
    const errors: unknown[] = []
    await this.#send(fields, this.#connections, (connection, error) => {
      this.#failed(connection, error)
      errors.push(error)
    })
    if (errors.length > 0) throw errors[0]
  }

  /** Takes every handler away, also those that are being tried again. */
  close(): void {
    for (const { ended } of this.#connections) ended.abort()
    this.#set([])
  }

  #set(connections: readonly Connection<F>[]): void {
    this.#connections = connections
    this.wanted = connections.length > 0
  }

  #send(
    fields: F,
    connections: readonly Connection<F>[],
    failed: (connection: Connection<F>, error: unknown) => void,
  ): Promise<void> | undefined {
    for (const [index, connection] of connections.entries()) {
      if (!concerns(connection.sender, fields.sender)) continue
      const pending = this.#call(connection, fields, failed)
      if (pending === undefined) continue
      const rest = connections.slice(index + 1)
      return pending.then(() => this.#send(fields, rest, failed))
    }
    return undefined
  }

  #call(
    connection: Connection<F>,
    fields: F,
    failed: (connection: Connection<F>, error: unknown) => void,
  ): Promise<void> | undefined {
    const retried = (error: unknown): Promise<void> | undefined => {
      if (!connection.retry) {
        failed(connection, error)
        return undefined
      }
      return this.#retry(connection, fields, error)
    }
    try {
      const answer = connection.handler(fields, this)
      return isThenable(answer) ? Promise.resolve(answer).then(() => undefined, retried) : undefined
    } catch (error) {
      return retried(error)
    }
  }

  async #retry(connection: Connection<F>, fields: F, first: unknown): Promise<void> {
    const { signal } = connection.ended
    let error = first
    for (let waitMs = firstRetryMs; ; waitMs = Math.min(longestRetryMs, waitMs + firstRetryMs)) {
      if (signal.aborted) {
        this.#failed(connection, error)
        return
      }
      this.#onError(
        `${nameOf(connection.handler)} of the signal ${this.name} raised an error; trying again in ${waitMs / 1000} s.`,
        error,
      )
      if (!(await waited(waitMs, signal))) return
      try {
        await connection.handler(fields, this)
        return
      } catch (again) {
        error = again
      }
    }
  }

  #failed({ handler }: Connection<F>, error: unknown): void {
    this.#onError(`${nameOf(handler)} of the signal ${this.name} raised an error.`, error)
  }
}

/** False: it was ended before. */
function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const ended = (): void => {
      clearTimeout(timer)
      resolve(false)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', ended)
      resolve(true)
    }, ms)
    timer.unref()
    signal.addEventListener('abort', ended, { once: true })
  })
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

function nameOf(handler: { readonly name: string }): string {
  return handler.name === '' ? 'A handler' : `The handler ${handler.name}`
}

/** Senders are tasks, workers, apps or names: a task is known by its name too, a worker by its node name. */
function concerns(wanted: unknown, sender: unknown): boolean {
  if (wanted === undefined || wanted === sender) return true
  const name = senderName(wanted)
  return name !== undefined && name === senderName(sender)
}

function senderName(sender: unknown): string | undefined {
  if (typeof sender === 'string') return sender
  // A task is a function too.
  if ((typeof sender !== 'object' && typeof sender !== 'function') || sender === null) return undefined
  if ('hostname' in sender && typeof sender.hostname === 'string') return sender.hostname
  return !('context' in sender) && 'name' in sender && typeof sender.name === 'string'
    ? sender.name
    : undefined
}
