/**
 * Brokers that take back what is held too long (`capabilities.maxHoldMs`; RabbitMQ closes the channel, and all that came over it comes again):
 * says at the start which tasks may take longer, has tasks with a far ETA wait at the broker, and warns before a running task gets there.
 */
import type { BrokerCapabilities, BrokerConnection } from '@ct/contracts'
import type { Request, Strategy, WorkerState } from '../request/index.ts'
import { ack, type TraceLog } from '../trace/index.ts'

export interface HoldLimitOptions {
  readonly capabilities: BrokerCapabilities
  readonly state: WorkerState
  readonly log: TraceLog
  readonly now: () => number
  readonly connection: () => BrokerConnection | undefined
  /** Nothing is held or started any more. */
  readonly isStopping: () => boolean
  /** Gives back what was not started. */
  readonly release: (request: Request) => void
  /** It was settled, or could not be. */
  readonly onSettled: (request: Request, error?: unknown) => void
}

/** Of the limit: an ETA farther away waits at the broker, so that as much is left for the run. */
const farShare = 0.5
/** Of the limit: who is held for so long is told of. */
const warnShare = 0.8
const mostNames = 5

export class HoldLimit {
  readonly #options: HoldLimitOptions
  readonly #maxMs: number
  /** When a message was first seen by {@link #look}; nearly when it came. */
  readonly #since = new WeakMap<Request, number>()
  readonly #told = new WeakSet<Request>()
  #timer: NodeJS.Timeout | undefined
  #refusalTold = false

  constructor(options: HoldLimitOptions) {
    this.#options = options
    this.#maxMs = options.capabilities.maxHoldMs ?? Infinity
  }

  /** Once, when the worker starts. */
  announce(strategies: Iterable<Strategy>): void {
    if (this.#maxMs === Infinity) return
    const { log, capabilities } = this.#options
    const limit = this.#maxMs / 1000
    const long = [...strategies].filter(
      ({ timeLimit, softTimeLimit, options }) =>
        options.acksLate && (timeLimit ?? softTimeLimit ?? 0) > limit,
    )
    if (long.length > 0) {
      const names = long.slice(0, mostNames).map(({ name, timeLimit, softTimeLimit }) => {
        return `${name} (${timeLimit ?? softTimeLimit} s)`
      })
      const more = long.length > mostNames ? ` and ${long.length - mostNames} more` : ''
      log.warn(
        `The time limits of ${names.join(', ')}${more} are longer than the broker lets a message be held (${limit} s): it would come again while ` +
          `the task runs. Raise consumer_timeout on the server and say so by the broker's option consumerTimeout, acknowledge early, or lower the limits.`,
      )
    }
    if (capabilities.nativeDelay === null) {
      log.warn(
        `Tasks whose ETA is more than ${limit} s away cannot be held for so long, and native delayed delivery is off: they will come again and again ` +
          `until they are due. Allow nativeDelayedDelivery, or raise consumer_timeout on the server and say so by the broker's option consumerTimeout.`,
      )
    }
  }

  start(): void {
    if (this.#maxMs === Infinity) return
    this.stop()
    this.#timer = setInterval(() => this.#look(), Math.min(60_000, this.#maxMs / 10))
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** True when the broker keeps it until then instead of us; `hold` is called when that turns out to be impossible. */
  postpones(request: Request, at: number, hold: () => void): boolean {
    const { now, connection, capabilities } = this.#options
    if (capabilities.nativeDelay === null || at - now() <= this.#maxMs * farShare) return false
    const current = connection()
    if (current?.postpone === undefined) return false
    void this.#postpone(current, request, at, hold)
    return true
  }

  async #postpone(
    connection: BrokerConnection,
    request: Request,
    at: number,
    hold: () => void,
  ): Promise<void> {
    const { log, onSettled } = this.#options
    request.phase = 'scheduled'
    request.moving = true
    let moved = false
    try {
      moved = (await connection.postpone?.(request.delivery, at)) ?? false
    } catch (error) {
      log.warn(`Task ${request.label} could not be handed to the broker until its ETA.`, {
        ...request.logFields,
        error,
      })
    }
    request.moving = false
    // Somebody else's meanwhile: the copy says the same when it comes.
    if (request.phase !== 'scheduled') return
    if (!moved && this.#options.isStopping()) {
      this.#options.release(request)
      return
    }
    if (!moved) {
      this.#refused(request)
      hold()
      return
    }
    request.phase = 'done'
    if (log.infoEnabled)
      log.info(
        `Task ${request.label} waits at the broker until ${new Date(at).toISOString()}`,
        request.logFields,
      )
    const settled = request.settle(ack)
    if (settled === undefined) onSettled(request)
    else
      settled.then(
        () => onSettled(request),
        (error: unknown) => onSettled(request, error),
      )
  }

  #refused(request: Request): void {
    if (this.#refusalTold) return
    this.#refusalTold = true
    this.#options.log.warn(
      `Task ${request.label} has to be held until its ETA, longer than the broker allows (${this.#maxMs / 1000} s); it will come again. So will others like it.`,
      request.logFields,
    )
  }

  #look(): void {
    const { state, log, now } = this.#options
    const moment = now()
    for (const request of state.open) {
      if (request.acknowledged) continue
      const since = this.#since.get(request)
      if (since === undefined) {
        this.#since.set(request, moment)
        continue
      }
      const held = moment - since
      if (held < this.#maxMs * warnShare || this.#told.has(request)) continue
      this.#told.add(request)
      log.warn(
        `Task ${request.label} (${request.phase}) has been held for ${Math.round(held / 1000)} s; at ${this.#maxMs / 1000} s the broker takes it back, ` +
          `with everything else that came the same way. Raise consumer_timeout on the server.`,
      )
    }
  }
}
