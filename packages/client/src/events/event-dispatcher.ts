import type { Broker, OutgoingMessage, SerializerRegistry } from '@ct/contracts'
import { isRefusal } from '@ct/contracts'
import { backoffMs } from '../connection/index.ts'
import type { PublishOptions } from '../producer/index.ts'
import type { CeleryEvent, EventSettings } from './event-message.ts'
import { eventExchange, eventGroup, writeEvents } from './event-message.ts'

/** Lamport clock of the app. */
export interface EventClock {
  forward(): number
}

export interface EventDispatcherOptions {
  readonly broker: () => Broker
  /**
   * Publishes one message with these options; rejecting means it was not taken. The dispatcher keeps events itself while that lasts.
   */
  readonly publish: (message: OutgoingMessage, options: PublishOptions) => Promise<unknown>
  readonly serializers: SerializerRegistry
  readonly clock: EventClock
  /** Node name of the sender, e.g. `celery@host`, or `gen<pid>@host` for clients. */
  readonly hostname: string
  readonly settings?:
    | (EventSettings & {
        /** Milliseconds for one message; events never wait for ever. Default 10,000. */
        readonly publishTimeoutMs?: number | null | undefined
      })
    | undefined
  /** Groups that are sent; empty or absent: all. A worker without `-E` has `['worker']`. */
  readonly groups?: Iterable<string> | undefined
  /** Default true. */
  readonly enabled?: boolean | undefined
  /** Groups sent in batches. Default none; workers batch `task`. */
  readonly bufferGroups?: Iterable<string> | undefined
  /** Most events of a batch. Default 24. */
  readonly bufferLimit?: number | undefined
  /** Most events kept while the broker is away; the oldest go first. Default 10,000. */
  readonly offlineLimit?: number | undefined
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined
  readonly random?: (() => number) | undefined
  /** Told once per outage of events that are lost, and of refusals. */
  readonly warn?: ((message: string) => void) | undefined
}

interface Kept {
  readonly message: OutgoingMessage
  readonly count: number
}

/**
 * Sends events (celery/events/dispatcher.py 5.7). `send` costs next to nothing while disabled or for a group nobody wants, never
 * throws and never waits.
 *
 * ```
 *   online ──publish failed──► offline: events are kept, the oldest dropped beyond the limit
 *     ▲                           │ back-off over: the oldest is tried
 *     └── everything kept is out ─┘
 *   any ── close() ──► closed: one last try for what is kept or batched
 * ```
 */
export class EventDispatcher {
  readonly #options: EventDispatcherOptions
  readonly #groups: Set<string>
  /** No groups were named: all are sent, but for those that were taken from "all". */
  readonly #all: boolean
  readonly #excluded = new Set<string>()
  readonly #bufferGroups: ReadonlySet<string>
  readonly #bufferLimit: number
  readonly #offlineLimit: number
  readonly #batches = new Map<string, CeleryEvent[]>()
  readonly #publishing = new Set<Promise<void>>()
  #publishOptions: PublishOptions | undefined
  #enabled: boolean
  #kept: Kept[] = []
  #keptCount = 0
  #offline = false
  #failures = 0
  #dropped = 0
  /** That events are lost was told in this outage. */
  #toldOfLoss = false
  #draining: Promise<void> | undefined
  #flushTimer: NodeJS.Immediate | undefined
  #retryTimer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: EventDispatcherOptions) {
    this.#options = options
    this.#groups = new Set(options.groups)
    this.#all = this.#groups.size === 0
    this.#bufferGroups = new Set(options.bufferGroups)
    this.#bufferLimit = options.bufferLimit ?? 24
    this.#offlineLimit = options.offlineLimit ?? 10_000
    this.#enabled = options.enabled ?? true
  }

  /** False on brokers that Celery sends no events over (SQL), whatever was asked for. */
  get enabled(): boolean {
    return this.#enabled && !this.#closed && this.#options.broker().capabilities.driverType !== 'sql'
  }

  /** Groups that are sent; empty: all but those that were removed, or none when all that were named were. See {@link wants}. */
  get groups(): ReadonlySet<string> {
    return this.#groups
  }

  /** Events lost because the broker was away for too long. */
  get dropped(): number {
    return this.#dropped
  }

  enable(): void {
    this.#enabled = true
  }

  disable(): void {
    this.flush()
    this.#enabled = false
  }

  /** True when the group was added; false when it was sent already. */
  addGroup(group: string): boolean {
    if (this.wants(group)) return false
    if (this.#all) this.#excluded.delete(group)
    else this.#groups.add(group)
    return true
  }

  /** True when the group was removed, from "all" too: there Celery says that it was, or had been, and goes on sending. */
  removeGroup(group: string): boolean {
    if (!this.wants(group)) return false
    if (this.#all) this.#excluded.add(group)
    else this.#groups.delete(group)
    return true
  }

  /** Whether events of a group are sent at all. */
  wants(group: string): boolean {
    return this.#all ? !this.#excluded.has(group) : this.#groups.has(group)
  }

  /** Sends an event, or adds it to its batch. `type` is e.g. `task-started`. */
  send(type: string, fields: Readonly<Record<string, unknown>> = {}): void {
    if (!this.#enabled || this.#closed) return
    const group = eventGroup(type)
    if (!this.wants(group) || !this.enabled) return
    const event = this.#event(type, fields)
    // `task-sent` is always single, so that it is out before the task is received.
    if (!this.#bufferGroups.has(group) || type === 'task-sent') {
      this.#publish(event, 1)
      return
    }
    const batch = this.#batches.get(group)
    if (batch === undefined) this.#batches.set(group, [event])
    else batch.push(event)
    if ((batch?.length ?? 1) >= this.#bufferLimit) this.#flushGroup(group)
    else this.#flushTimer ??= setImmediate(() => this.flush())
  }

  /** Sends what is batched now. */
  flush(): void {
    if (this.#flushTimer !== undefined) clearImmediate(this.#flushTimer)
    this.#flushTimer = undefined
    for (const group of this.#batches.keys()) this.#flushGroup(group)
  }

  /** Sends what is left, as far as the broker takes it at once. Never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.flush()
    this.#closed = true
    clearTimeout(this.#retryTimer)
    await Promise.all(this.#publishing)
    if (this.#offline) await this.#drain()
  }

  #event(type: string, fields: Readonly<Record<string, unknown>>): CeleryEvent {
    const now = (this.#options.now ?? Date.now)()
    return {
      type,
      hostname: this.#options.hostname,
      utcoffset: new Date(now).getTimezoneOffset() / 60,
      pid: process.pid,
      clock: this.#options.clock.forward(),
      timestamp: now / 1000,
      ...fields,
    }
  }

  #flushGroup(group: string): void {
    const batch = this.#batches.get(group)
    if (batch === undefined || batch.length === 0) return
    this.#batches.delete(group)
    this.#publish(batch, batch.length)
  }

  #publish(events: CeleryEvent | readonly CeleryEvent[], count: number): void {
    const { hostname, serializers, settings = {}, warn } = this.#options
    let message: OutgoingMessage
    try {
      const { capabilities } = this.#options.broker()
      message = writeEvents(events, hostname, { serializers, settings, capabilities })
    } catch (error) {
      if (this.#publishEach(events)) return
      // Whoever reports on a task must not make it fail.
      warn?.(`An event could not be encoded: ${textOf(error)}`)
      return
    }
    if (this.#offline) {
      this.#keep({ message, count })
      return
    }
    const publishing = this.#send(message).catch((error: unknown) => {
      if (isRefusal(error)) {
        if (!this.#publishEach(events)) warn?.(`An event was refused: ${error.message}`)
        return
      }
      if (!this.#offline) this.#goOffline(error)
      this.#keep({ message, count })
    })
    this.#publishing.add(publishing)
    void publishing.finally(() => this.#publishing.delete(publishing))
  }

  /** What is wrong with one event of a batch must not cost the others. False: it was none. */
  #publishEach(events: CeleryEvent | readonly CeleryEvent[]): boolean {
    if (!isBatch(events) || events.length === 1) return false
    for (const event of events) this.#publish([event], 1)
    return true
  }

  async #send(message: OutgoingMessage): Promise<void> {
    const { settings = {}, publish, broker } = this.#options
    this.#publishOptions ??= {
      exchanges: [eventExchange(settings, broker().capabilities)],
      timeoutMs: settings.publishTimeoutMs ?? 10_000,
    }
    await publish(message, this.#publishOptions)
  }

  #keep(kept: Kept): void {
    this.#kept.push(kept)
    this.#keptCount += kept.count
    let drop = 0
    while (this.#keptCount > this.#offlineLimit && drop < this.#kept.length - 1) {
      this.#keptCount -= this.#kept[drop]!.count
      if (!this.#toldOfLoss) {
        this.#toldOfLoss = true
        this.#options.warn?.(
          `Events are lost: more than ${this.#offlineLimit} wait for the broker to come back.`,
        )
      }
      this.#dropped += this.#kept[drop]!.count
      drop++
    }
    if (drop > 0) this.#kept.splice(0, drop)
  }

  #goOffline(error: unknown): void {
    this.#offline = true
    if (this.#failures === 0) this.#options.warn?.(`Events wait until the broker is back: ${textOf(error)}`)
    this.#failures++
    if (this.#closed) return
    this.#retryTimer = setTimeout(
      () => void this.#drain(),
      backoffMs(this.#failures, { initialMs: 500, maxMs: 15_000, random: this.#options.random }),
    )
    // Nobody stays alive for events.
    this.#retryTimer.unref()
  }

  /** One at a time: two would send the same events. */
  #drain(): Promise<void> {
    this.#draining ??= this.#sendKept().finally(() => {
      this.#draining = undefined
    })
    return this.#draining
  }

  async #sendKept(): Promise<void> {
    while (this.#kept.length > 0) {
      const [next] = this.#kept
      try {
        await this.#send(next!.message)
      } catch (error) {
        if (!isRefusal(error)) {
          this.#goOffline(error)
          return
        }
      }
      // Dropped meanwhile, if it was the oldest of too many.
      if (this.#kept[0] === next) {
        this.#kept.shift()
        this.#keptCount -= next!.count
      }
    }
    this.#offline = false
    this.#failures = 0
    this.#toldOfLoss = false
  }
}

function isBatch(events: CeleryEvent | readonly CeleryEvent[]): events is readonly CeleryEvent[] {
  return Array.isArray(events)
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
