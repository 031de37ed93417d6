import { ClosedError, type BrokerConnection, type CeleryError, type OutgoingMessage } from '@ct/contracts'
import {
  abortable,
  abortedError,
  Deadline,
  delay,
  longestTimerMs,
  type ConnectionListener,
} from '../connection/index.ts'
import { InFlight } from './in-flight.ts'
import type { ProducerOptions, PublishOptions, SentEvent } from './producer-options.ts'
import { mayBeDelivered, publishAborted, publishErrorFrom, publishTimedOut } from './publish-error.ts'
import { PublishRetries } from './publish-retries.ts'
import { PublishingLink } from './publishing-link.ts'
import { TimeLimits } from './time-limits.ts'

const noOptions: PublishOptions = Object.freeze({})
const nothing = (): void => {}

/** Messages whose confirmation is one promise. */
interface Turn {
  readonly confirmed: Promise<void>
  readonly connection: BrokerConnection
  readonly timeoutMs: number | null
  /** `performance.now()`. */
  readonly startedAt: number
  /** As `confirmed`; and rejects with {@link timeIsUp}. */
  readonly over: Promise<void>
}

const timeIsUp = Symbol('the time for a publish is up')

/**
 * Publishes for an app over one connection that is made at the first publish and made again when it was lost.
 *
 * A publish ends within `publishTimeoutMs`, whatever happens: confirmed, or with an error that tells whether the broker may have the
 * message (`PublishError.maybeDelivered`). Until then an unreachable broker is tried again with back-off, and a publish that failed
 * is tried again as the retry policy says (kombu/connection.py 5.7, `ensure`). Retrying sends the same message, same id: where the
 * first try had arrived after all, it is delivered twice.
 *
 * ```
 *   publish ─► connected, declared? ──yes──► hand over ──confirmed──► done
 *                 │ no     ▲                    │ failed, retries left: wait
 *                 ▼        └────────────────────┘
 *          connect, declare ── time is up / aborted / refused ──► error
 * ```
 */
export class Producer {
  readonly #options: ProducerOptions
  readonly #timeoutMs: number | null
  readonly #retries: PublishRetries
  readonly #link: PublishingLink
  /** The latest, until it is confirmed. */
  #turn: Turn | undefined
  readonly #limits = new TimeLimits<Turn>()
  readonly #inFlight = new InFlight()
  #closing: Promise<void> | undefined

  constructor(options: ProducerOptions) {
    this.#options = options
    const { settings = {} } = options
    this.#timeoutMs = settings.publishTimeoutMs === undefined ? 10_000 : settings.publishTimeoutMs
    this.#retries = new PublishRetries(settings)
    this.#link = new PublishingLink({ ...options, timeoutMs: this.#timeoutMs, retries: this.#retries })
  }

  /** Messages handed over and not yet confirmed or failed. */
  get inFlight(): number {
    return this.#inFlight.count
  }

  /** See {@link ConnectionListener}. */
  listen(listener: ConnectionListener<BrokerConnection>): () => void {
    return this.#link.listen(listener)
  }

  /** The publishing connection, made if need be; waits at most `publishTimeoutMs`. Also for queue sizes, purging and the like. */
  async connection(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<BrokerConnection> {
    this.#assertOpen()
    return await this.#link.ready(options.signal)
  }

  /**
   * Resolves when the broker has taken the message. Rejects with `CT_PUBLISH`, `CT_ABORTED` (both with
   * `details.maybeDelivered`), `CT_CLOSED`, or the broker's refusal.
   */
  publish(message: OutgoingMessage, options?: PublishOptions): Promise<void>
  /** Resolves to what `taken` gives, which is called when the broker has taken the message, and must not throw. */
  publish<T>(message: OutgoingMessage, options: PublishOptions, taken: () => T): Promise<T>
  publish(
    message: OutgoingMessage,
    options: PublishOptions = noOptions,
    taken: () => unknown = nothing,
  ): Promise<unknown> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError())
    const connection = this.#link.current
    const timeoutMs = options.timeoutMs === undefined ? this.#timeoutMs : options.timeoutMs
    if (
      connection === undefined ||
      options.signal !== undefined ||
      !this.#link.hasDeclared(connection, options)
    ) {
      return this.#inFlight.counted(this.#publishSlowly(message, options, timeoutMs, 0, false)).then(taken)
    }
    // The everyday case. What goes out in one turn shares one confirmation, and here one limit of time.
    this.#inFlight.enter()
    const confirmed = connection.publish(message)
    let turn = this.#turn
    if (turn?.confirmed !== confirmed || turn.timeoutMs !== timeoutMs)
      turn = this.#openTurn(connection, confirmed, timeoutMs)
    const its = turn
    return turn.over.then(
      () => {
        this.#inFlight.leave()
        if (options.sentEvent !== undefined) this.#sent(options.sentEvent)
        return taken()
      },
      (error: unknown) => this.#notTaken(error, its, message, options).then(taken),
    )
  }

  async #notTaken(
    error: unknown,
    turn: Turn,
    message: OutgoingMessage,
    options: PublishOptions,
  ): Promise<void> {
    const { timeoutMs, connection, startedAt } = turn
    try {
      if (error === timeIsUp) throw publishTimedOut(message, timeoutMs!, true, undefined)
      const left = timeoutMs === null ? null : Math.max(0, timeoutMs - (performance.now() - startedAt))
      await this.#afterFailure(error, message, options, left, connection)
    } finally {
      this.#inFlight.leave()
    }
  }

  #openTurn(connection: BrokerConnection, confirmed: Promise<void>, timeoutMs: number | null): Turn {
    const startedAt = timeoutMs === null ? 0 : performance.now()
    const { promise: over, resolve, reject } = Promise.withResolvers<void>()
    const turn: Turn = { confirmed, connection, timeoutMs, startedAt, over }
    this.#turn = turn
    const end = (): void => {
      this.#limits.delete(turn)
      if (this.#turn === turn) this.#turn = undefined
    }
    confirmed.then(
      () => {
        end()
        resolve()
      },
      (error: unknown) => {
        end()
        reject(this.#link.meaningOf(connection, error))
      },
    )
    if (timeoutMs !== null) {
      this.#limits.add(turn, startedAt + Math.min(timeoutMs, longestTimerMs), () => {
        end()
        this.#link.unanswered(connection, timeoutMs)
        // The answer, should it come yet, concerns nobody.
        reject(timeIsUp)
      })
    }
    return turn
  }

  /**
   * Publishes many in one step where the broker can. One outcome per message, in order: undefined when the broker took it.
   * Messages that failed are tried again as the retry policy says; the others are not touched. Rejects only with `CT_CLOSED`.
   */
  async publishMany(
    messages: readonly OutgoingMessage[],
    options: Omit<PublishOptions, 'sentEvent'> = noOptions,
  ): Promise<readonly (CeleryError | undefined)[]> {
    this.#assertOpen()
    if (messages.length === 0) return []
    return await this.#inFlight.counted(this.#publishMany(messages, options))
  }

  /** There is a connection, on which all is declared that a publish with these options needs. */
  hasDeclared(options: Pick<PublishOptions, 'declare' | 'exchanges'>): boolean {
    const connection = this.#link.current
    return (
      connection !== undefined && this.#closing === undefined && this.#link.hasDeclared(connection, options)
    )
  }

  /** Resolves when nothing is under way; where publishes have no limit of their own, after 10 s at the latest. */
  async idle(): Promise<void> {
    await this.#inFlight.idle(this.#timeoutMs === null ? 10_000 : null)
  }

  /** Takes no more messages, waits for those under way as {@link idle}, then closes the connection. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.idle().then(() => {
      this.#limits.clear()
      return this.#link.close()
    })
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #afterFailure(
    error: unknown,
    message: OutgoingMessage,
    options: PublishOptions,
    leftMs: number | null,
    connection: BrokerConnection,
  ): Promise<void> {
    const maybe = mayBeDelivered(error)
    if (this.#link.forgetVanished(error, connection, options))
      return await this.#publishSlowly(message, options, leftMs, 0, maybe, true)
    if (!this.#retries.allow(error, options, 1)) throw publishErrorFrom(error, message, maybe)
    await this.#publishSlowly(message, options, leftMs, 1, maybe)
  }

  /** `failures`: publishes that failed so far; `maybe`: whether one of them may have arrived. */
  async #publishSlowly(
    message: OutgoingMessage,
    options: PublishOptions,
    timeoutMs: number | null,
    failures: number,
    maybe: boolean,
    redeclared: boolean = false,
  ): Promise<void> {
    using deadline = new Deadline(timeoutMs, options.signal)
    const allowedMs = options.timeoutMs === undefined ? this.#timeoutMs : options.timeoutMs
    let lastError: unknown
    for (;;) {
      let handedOver: BrokerConnection | undefined
      let handedOverAt = 0
      try {
        if (failures > 0) await delay(this.#retries.pauseMs(options, failures), deadline.signal, 'Publishing')
        const connection = await this.#link.declared(options, deadline)
        // Given up before: nothing is handed over.
        if (deadline.signal.aborted) throw abortedError(deadline.signal, 'Publishing')
        handedOver = connection
        handedOverAt = performance.now()
        await abortable(
          connection.publish(message, { signal: deadline.signal }),
          deadline.signal,
          'Publishing',
        )
        break
      } catch (caught) {
        const error = this.#link.meaningOf(handedOver, caught)
        if (handedOver !== undefined && mayBeDelivered(error)) maybe = true
        if (deadline.expired) {
          if (handedOver !== undefined) this.#link.unanswered(handedOver, performance.now() - handedOverAt)
          throw publishTimedOut(message, allowedMs!, maybe, lastError ?? this.#link.whyNot(handedOver, error))
        }
        if (options.signal?.aborted === true) throw publishAborted(message, options.signal, maybe)
        // Once: a queue that goes as fast as it is made is nobody's to wait for.
        if (
          !redeclared &&
          handedOver !== undefined &&
          this.#link.forgetVanished(error, handedOver, options)
        ) {
          redeclared = true
          lastError = error
          continue
        }
        failures++
        lastError = error
        if (!this.#retries.allow(error, options, failures)) throw publishErrorFrom(error, message, maybe)
      }
    }
    // Outside of the loop: what goes wrong here must not publish the message once more.
    this.#sent(options.sentEvent)
  }

  async #publishMany(
    messages: readonly OutgoingMessage[],
    options: PublishOptions,
  ): Promise<readonly (CeleryError | undefined)[]> {
    const timeoutMs = options.timeoutMs === undefined ? this.#timeoutMs : options.timeoutMs
    using deadline = new Deadline(timeoutMs, options.signal)
    const outcomes: (CeleryError | undefined)[] = messages.map(() => undefined)
    const maybe = messages.map(() => false)
    let open = messages.map((_, index) => index)
    let redeclared = false
    for (let failures = 0; ;) {
      let handedOver: BrokerConnection | undefined
      let handedOverAt = 0
      let error: unknown
      try {
        if (failures > 0) await delay(this.#retries.pauseMs(options, failures), deadline.signal, 'Publishing')
        const connection = await this.#link.declared(options, deadline)
        // Given up before: nothing is handed over.
        if (deadline.signal.aborted) throw abortedError(deadline.signal, 'Publishing')
        handedOver = connection
        handedOverAt = performance.now()
        const batch = open.length === messages.length ? messages : open.map((index) => messages[index]!)
        const answers = await abortable(
          connection.publishMany(batch, { signal: deadline.signal }),
          deadline.signal,
          'Publishing',
        )
        const failed: number[] = []
        let vanished = false
        open.forEach((index, position) => {
          const answer = this.#link.meaningOf(connection, answers[position])
          if (answer === undefined) {
            outcomes[index] = undefined
            return
          }
          maybe[index] ||= mayBeDelivered(answer)
          outcomes[index] = publishErrorFrom(answer, messages[index]!, maybe[index]!)
          const again = !redeclared && this.#link.forgetVanished(answer, connection, options)
          if (again) vanished = true
          if (again || this.#retries.allow(answer, options, failures + 1)) failed.push(index)
        })
        redeclared ||= vanished
        open = failed
        failures++
        if (open.length === 0) return outcomes
        continue
      } catch (caught) {
        error = this.#link.meaningOf(handedOver, caught)
      }
      failures++
      const arrived = handedOver !== undefined && mayBeDelivered(error)
      const over =
        deadline.expired || options.signal?.aborted === true || !this.#retries.allow(error, options, failures)
      if (deadline.expired && handedOver !== undefined)
        this.#link.unanswered(handedOver, performance.now() - handedOverAt)
      const cause = this.#link.whyNot(handedOver, error)
      for (const index of open) {
        const message = messages[index]!
        if (arrived) maybe[index] = true
        outcomes[index] = deadline.expired
          ? publishTimedOut(message, timeoutMs!, maybe[index]!, outcomes[index] ?? cause)
          : options.signal?.aborted === true
            ? publishAborted(message, options.signal, maybe[index]!)
            : publishErrorFrom(error, message, maybe[index]!)
      }
      if (over) return outcomes
    }
  }

  #sent(event: SentEvent | undefined): void {
    if (event !== undefined) this.#options.onSent?.(event)
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw this.#closedError()
  }

  #closedError(): ClosedError {
    return new ClosedError('The producer was closed: it takes no more messages.')
  }
}
