import { randomUUID } from 'node:crypto'
import type { Broker, BrokerConnection, Consumer, Delivery, SerializerRegistry } from '@ct/contracts'
import {
  BrokerUnavailableError,
  ClosedError,
  ConfigurationError,
  isRetryable,
  UnsupportedError,
} from '@ct/contracts'
import { abortable, longestTimerMs, ReconnectingConnection } from '../connection/index.ts'
import type { CeleryEvent, EventSettings } from './event-message.ts'
import { eventQueue, readEvents } from './event-message.ts'

/** A promise that it gives is not waited for. */
export type EventHandler = (event: CeleryEvent) => unknown

export interface EventReceiverOptions {
  readonly broker: () => Broker
  readonly serializers: SerializerRegistry
  readonly clock: { readonly value: number; forward(): number; adjust(other: number): number }
  readonly settings?: (EventSettings & { readonly acceptContent?: readonly string[] | undefined }) | undefined
  /** By event type; `*` gets those without a handler of their own. One that throws or rejects is reported through `warn`. */
  readonly handlers: Readonly<Record<string, EventHandler>>
  /** Which events: `#` all (default), `worker.#` those of workers. */
  readonly routingKey?: string | undefined
  /** Name of the queue after the prefix. Default a UUID. */
  readonly nodeId?: string | undefined
  /** What {@link EventReceiver.capture} does when it listens, unless it is told otherwise. */
  readonly wakeup?: (() => Promise<unknown>) | undefined
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined
  readonly warn?: ((message: string) => void) | undefined
}

export interface CaptureOptions {
  /** Most events, those that come while workers are being woken included. Default: no limit. */
  readonly limit?: number | undefined
  /** Milliseconds without an event after which it ends. Default: never. */
  readonly timeoutMs?: number | undefined
  /** Ends it; that is no error. */
  readonly signal?: AbortSignal | undefined
  /** Called when listening: asks workers for a heartbeat, so that they show up at once. Default: the receiver's; false: nothing. */
  readonly wakeup?: (() => Promise<unknown>) | false | undefined
}

interface Capture {
  /** An event was handed on. */
  readonly onEvent: () => void
  /** Ends it; with an error when listening has come to an end by itself. */
  readonly end: (error?: Error) => void
}

/**
 * Receives events (celery/events/receiver.py 5.7) over a connection of its own, made again when lost; what is sent meanwhile is
 * missed. Times are not shifted between zones as Celery does: they are absolute.
 *
 * ```
 *   new ──start()──► starting ──subscribed──► listening ──lost──► starting …
 *    any ──close()──► closed
 * ```
 */
export class EventReceiver {
  readonly #options: EventReceiverOptions
  readonly #connection: ReconnectingConnection<BrokerConnection>
  readonly #nodeId: string
  #accept: ReadonlySet<string> | undefined
  #release: (() => void) | undefined
  #consumer: Consumer | undefined
  #listening: PromiseWithResolvers<void> | undefined
  readonly #captures = new Set<Capture>()
  #closed = false

  /** Errors: `CT_CONFIGURATION` without handlers, or with one that is no function. */
  constructor(options: EventReceiverOptions) {
    const handlers: unknown = options.handlers
    if (typeof handlers !== 'object' || handlers === null) {
      throw new ConfigurationError(
        "A receiver of events needs handlers by the type of event, such as { 'task-failed': (event) => … }; '*' gets all others.",
      )
    }
    const wrong = Object.entries(handlers).find(([, handler]) => typeof handler !== 'function')
    if (wrong !== undefined)
      throw new ConfigurationError(`The handler of the event "${wrong[0]}" must be a function.`)
    this.#options = options
    this.#nodeId = options.nodeId ?? randomUUID()
    this.#connection = new ReconnectingConnection<BrokerConnection>({
      connect: (connect) => options.broker().connect(connect),
      describe: () => `the broker ${options.broker().describe().url}`,
      connectTimeoutMs: 4000,
      unavailable: (message, cause) => new BrokerUnavailableError(message, { cause }),
    })
    this.#connection.listen({
      onReady: (connection) => void this.#subscribe(connection),
      onLost: () => {
        // Who still waits for the first subscription waits for the next one.
        if (this.#consumer !== undefined && this.#listening !== undefined) this.#expectSubscription()
        this.#consumer = undefined
      },
      onConnectFailed: (error, _attempt, retryInMs) => {
        if (retryInMs === undefined) this.#fail(error)
        else
          options.warn?.(
            `Events cannot be received: ${sentence(error)} Trying again in ${seconds(retryInMs)} s.`,
          )
      },
      onNotice: (notice) => {
        // The broker gave up our queue: without this we would be deaf and not know it.
        const { current } = this.#connection
        if (notice.kind === 'consumer-cancelled' && current !== undefined) void this.#subscribe(current)
      },
    })
  }

  /**
   * Resolves when events arrive from now on. Throws `CT_UNSUPPORTED` on brokers without events, `CT_ABORTED`, `CT_CLOSED`, or the
   * broker's refusal.
   */
  async start(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    if (this.#closed) throw closedError()
    const { capabilities, name } = this.#options.broker()
    if (!capabilities.exchanges.fanout && !capabilities.exchanges.topic) {
      throw new UnsupportedError(
        `The broker ${name} carries no events: it has neither topic nor fanout exchanges.`,
      )
    }
    if (this.#listening === undefined) {
      this.#expectSubscription()
      this.#release = this.#connection.keepAlive()
      // There already, from a start that was refused.
      if (this.#connection.current !== undefined) void this.#subscribe(this.#connection.current)
    }
    await abortable(this.#listening!.promise, options.signal, 'Listening for events')
  }

  /**
   * Starts if need be and hands events to the handlers until one of the options ends it, or {@link close}. Leaves the receiver
   * listening. Throws as {@link start}, also when the broker refuses to take the receiver back later.
   */
  async capture(options: CaptureOptions = {}): Promise<void> {
    const { limit = Infinity, timeoutMs, signal } = options
    const ended = Promise.withResolvers<void>()
    // Nobody waits for it yet while listening begins.
    ended.promise.catch(() => {})
    let received = 0
    let timer: NodeJS.Timeout | undefined
    const capture: Capture = {
      onEvent: () => {
        received++
        if (received >= limit) ended.resolve()
        else timer?.refresh()
      },
      end: (error) => (error === undefined ? ended.resolve() : ended.reject(error)),
    }
    const onAbort = (): void => ended.resolve()
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#captures.add(capture)
    try {
      await this.start({ signal })
      const wakeup = options.wakeup ?? this.#options.wakeup
      if (wakeup !== undefined && wakeup !== false)
        await abortable(this.#wake(wakeup), signal, 'Waking workers')
      if (timeoutMs !== undefined)
        timer = setTimeout(() => ended.resolve(), Math.min(timeoutMs, longestTimerMs))
      await ended.promise
    } catch (error) {
      if (signal?.aborted !== true) throw error
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      this.#captures.delete(capture)
    }
  }

  /** Ends captures. Idempotent, never rejects. */
  async close(): Promise<void> {
    this.#closed = true
    for (const capture of [...this.#captures]) capture.end()
    this.#listening?.reject(closedError())
    this.#listening = undefined
    this.#release?.()
    this.#release = undefined
    const consumer = this.#consumer
    this.#consumer = undefined
    await consumer?.close()
    await this.#connection.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #wake(wakeup: () => Promise<unknown>): Promise<void> {
    try {
      await wakeup()
    } catch (error) {
      this.#options.warn?.(`Workers could not be asked for a heartbeat: ${textOf(error)}`)
    }
  }

  async #subscribe(connection: BrokerConnection): Promise<void> {
    const { settings = {}, routingKey = '#' } = this.#options
    const { capabilities } = this.#options.broker()
    const before = this.#consumer
    let consumer: Consumer | undefined
    try {
      consumer = await connection.openConsumer({
        credit: Infinity,
        onDelivery: (delivery) => this.#receive(delivery),
      })
      const queue = eventQueue(this.#nodeId, routingKey, settings, capabilities)
      await consumer.subscribe([{ queue, noAck: true, exchangeType: capabilities.eventExchangeType }])
    } catch (error) {
      await consumer?.close()
      // Lost in between: the next connection subscribes again.
      if (this.#connection.current !== connection) return
      const reason = error instanceof Error ? error : new Error(String(error))
      if (isRetryable(error)) this.#connection.markLost(connection, reason)
      else this.#fail(reason)
      return
    }
    if (this.#connection.current !== connection) return
    this.#consumer = consumer
    await before?.close()
    this.#listening?.resolve()
  }

  #expectSubscription(): void {
    this.#listening = Promise.withResolvers()
    this.#listening.promise.catch(() => {})
  }

  #fail(error: Error): void {
    this.#listening?.reject(error)
    this.#listening = undefined
    this.#release?.()
    this.#release = undefined
    for (const capture of [...this.#captures]) capture.end(error)
  }

  #receive(delivery: Delivery): void {
    const { serializers, settings, warn } = this.#options
    this.#accept ??= serializers.accept([
      ...(settings?.acceptContent ?? ['json']),
      settings?.eventSerializer ?? 'json',
    ])
    let events: Record<string, unknown>[]
    try {
      events = readEvents(delivery, serializers, this.#accept)
    } catch (error) {
      warn?.(`An event message cannot be read: ${textOf(error)}`)
      return
    }
    for (const event of events) this.#handle(event)
  }

  #handle(event: Record<string, unknown>): void {
    const { clock, handlers, now = Date.now } = this.#options
    const type = event['type'] as string
    const theirs = event['clock']
    if (type === 'task-sent') {
      // Clients run ahead of nobody: without this their events would sort after the worker's.
      event['clock'] = Math.max(0, (clock.value || 1) - 1)
      clock.adjust(event['clock'] as number)
    } else if (typeof theirs === 'number') {
      clock.adjust(theirs)
    } else {
      event['clock'] = clock.forward()
    }
    event['local_received'] = now() / 1000
    const handler = Object.hasOwn(handlers, type) ? handlers[type] : handlers['*']
    const failed = (error: unknown): void =>
      this.#options.warn?.(`The handler of the event ${type} failed: ${textOf(error)}`)
    try {
      const answer = handler?.(event as CeleryEvent)
      if (answer instanceof Promise) answer.catch(failed)
    } catch (error) {
      failed(error)
    }
    for (const capture of [...this.#captures]) capture.onEvent()
  }
}

function sentence(error: Error): string {
  return /[.!?]$/.test(error.message) ? error.message : `${error.message}.`
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1)
}

function closedError(): ClosedError {
  return new ClosedError('The event receiver was closed.')
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
