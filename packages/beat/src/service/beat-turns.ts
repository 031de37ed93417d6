/**
 * The turns of a beat (celery/beat.py 5.7, `Service.start` and `Scheduler.tick`).
 *
 *   none ──► leading ◄──► standby     (standby: only where several beats share a store)
 *
 * One turn: the lease is kept, entries are read where they have changed, what is due is sent, then it sleeps until something is due or has to be
 * looked at. A turn that fails because a server is away is logged and made again with back-off; what was due meanwhile is sent when it is back, each
 * entry once (BEAT-13).
 */
import type { App, ReconnectingConnection } from '@ct/client'
import {
  ClosedError,
  isCeleryError,
  isRetryable,
  type ScheduleStore,
  type ScheduleStoreConnection,
} from '@ct/contracts'
import type { Scheduler } from '../scheduler/index.ts'
import type { BeatClock } from './beat-clock.ts'
import type { FiringSender } from './firing-sender.ts'
import type { Leadership } from './leadership.ts'
import type { ScheduleMirror } from './schedule-mirror.ts'

export interface BeatTurnsOptions {
  readonly app: App
  readonly hostname: string
  readonly clock: BeatClock
  readonly store: ScheduleStore
  readonly connection: ReconnectingConnection<ScheduleStoreConnection>
  readonly scheduler: Scheduler
  readonly leadership: Leadership
  readonly sender: FiringSender
  readonly mirror: ScheduleMirror
  readonly maxIntervalMs: number
  /** Ends them. */
  readonly signal: AbortSignal
  readonly onLeading: () => void
  readonly onStandby: () => void
  readonly onFailing: (error: Error) => void
}

/** Timers are asked again so often: the wall clock may have been set meanwhile. */
const longestNapMs = 1000
/** A clock that goes back by more is taken as set, not as corrected. */
const jumpMs = 500
/** A turn that comes so late was held up, as by SIGSTOP or a machine that slept. Less than after what a store for one beat is anybody's. */
const heldUpMs = 10_000
const firstPauseMs = 200
const longestPauseMs = 10_000

export class BeatTurns {
  readonly #options: BeatTurnsOptions
  #role: 'none' | 'leading' | 'standby' = 'none'
  /** The connection that the entries in the scheduler were read over. */
  #readOver: ScheduleStoreConnection | undefined
  #wake = new AbortController()
  #turnedAt: number
  /** The same by the wall clock, which goes on while a machine sleeps. */
  #turnedAtWall: number
  #clockOffset: number

  constructor(options: BeatTurnsOptions) {
    this.#options = options
    const { clock } = options
    this.#turnedAt = clock.monotonic()
    this.#turnedAtWall = clock.now()
    this.#clockOffset = clock.now() - clock.monotonic()
  }

  /** `none` until the first turn came to an end. */
  get role(): 'none' | 'leading' | 'standby' {
    return this.#role
  }

  /** Milliseconds since a turn came to an end. */
  get ageMs(): number {
    return this.#options.clock.monotonic() - this.#turnedAt
  }

  /** The next turn is made now. */
  wake(): void {
    this.#wake.abort()
  }

  /** Until the signal fires. `started` rejects when the first turn is refused. */
  async run(started: PromiseWithResolvers<void>): Promise<void> {
    const { signal, clock } = this.#options
    let failures = 0
    while (!signal.aborted) {
      try {
        const pauseMs = await this.turn()
        started.resolve()
        failures = 0
        if (!signal.aborted) await this.#sleep(pauseMs)
      } catch (error) {
        if (signal.aborted) break
        if (this.#role === 'none' && !isRetryable(error)) {
          started.reject(error)
          break
        }
        await clock.sleep(this.#afterFailure(error, ++failures), signal)
      }
    }
    started.reject(new ClosedError('This beat was stopped before it had started.'))
    // Who waits for the start hears of it there.
    started.promise.catch(() => undefined)
  }

  /** Milliseconds until the next one. */
  async turn(): Promise<number> {
    const { store, leadership, sender, scheduler, mirror, signal } = this.#options
    const connection = await this.#options.connection.whenReady({ signal })
    if (store.capabilities.election) {
      const { token } = leadership
      if (!(await leadership.keep(connection))) {
        this.#standBy()
        this.#turned()
        return leadership.pauseMs
      }
      // Between two leads of ours others may have led: what we know of runs is of the past.
      if (token !== undefined && token !== leadership.token) this.#forget()
    } else if (this.#readOver === connection && this.#wasHeldUp()) {
      // Before anything is sent: another one may have taken what is for one.
      await connection.save({})
    }
    this.#watchClock()
    await this.#read(connection)
    const more = await sender.sendDue(connection)
    await mirror.disable(connection, scheduler.takeFinished(), leadership.token)
    this.#turned()
    return more ? 0 : this.#untilNext()
  }

  #turned(): void {
    this.#turnedAt = this.#options.clock.monotonic()
    this.#turnedAtWall = this.#options.clock.now()
  }

  #wasHeldUp(): boolean {
    const byWall = this.#options.clock.now() - this.#turnedAtWall
    return Math.max(this.ageMs, byWall) > heldUpMs
  }

  async #read(connection: ScheduleStoreConnection): Promise<void> {
    const { leadership, store, mirror, signal } = this.#options
    const { token } = leadership
    if (this.#readOver !== connection) {
      // While the connection was away others may have led, and what we tried may have been done.
      if (this.#readOver !== undefined && store.capabilities.election) this.#forget()
      mirror.forget()
      // A store that is for one beat says at once that it is another one's.
      await connection.save({ token })
    }
    if (store.capabilities.election)
      await leadership.during(connection, () => mirror.refresh(connection, token))
    else await mirror.refresh(connection, token)
    this.#readOver = connection
    if (this.#role === 'leading' || signal.aborted) return
    this.#role = 'leading'
    if (store.capabilities.election)
      this.#options.app.context.logger.info(`beat: ${this.#options.hostname} leads (token ${String(token)}).`)
    this.#options.onLeading()
  }

  #untilNext(): number {
    const { scheduler, clock, mirror, store, leadership, maxIntervalMs } = this.#options
    const until = scheduler.next - clock.now()
    const lease = store.capabilities.election ? leadership.pauseMs : Infinity
    return Math.max(0, Math.min(maxIntervalMs, until, lease, mirror.pauseMs))
  }

  /** In naps, so that a clock that is set forward does not find us asleep for long. */
  async #sleep(ms: number): Promise<void> {
    const { mirror, signal, clock } = this.#options
    if (this.#wake.signal.aborted) this.#wake = new AbortController()
    if (mirror.isBehind && this.#role === 'leading') return
    const either = AbortSignal.any([this.#wake.signal, signal])
    await clock.sleep(Math.min(longestNapMs, Math.ceil(ms)), either)
  }

  #afterFailure(error: unknown, failures: number): number {
    const { app, store, connection, onFailing } = this.#options
    const { logger } = app.context
    if (isCeleryError(error) && error.code === 'CT_LEASE_LOST') {
      logger.warn(`beat: ${error.message} This one stands by.`)
      this.#standBy()
      if (store.capabilities.election) return 0
      // What we know of a store for one beat is of the past. It is opened anew, and refuses us for as long as the other one lives.
      const { current } = connection
      if (current !== undefined) connection.markLost(current, error)
    }
    const message = error instanceof Error ? error.message : String(error)
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(failures - 1, 10))
    logger.error(
      `beat: ${message} Trying again in ${pauseMs / 1000} s.`,
      isCeleryError(error) ? {} : { error },
    )
    onFailing(error instanceof Error ? error : new Error(message))
    return pauseMs
  }

  /** Who knows what ran is the store. */
  #forget(): void {
    const { sender, scheduler, mirror } = this.#options
    sender.forget()
    scheduler.clear()
    mirror.forget()
  }

  #standBy(): void {
    const { app, hostname, leadership, signal, onStandby } = this.#options
    leadership.lose()
    this.#forget()
    if (this.#role === 'standby' || signal.aborted) return
    this.#role = 'standby'
    app.context.logger.info(`beat: another beat leads; ${hostname} stands by.`)
    onStandby()
  }

  #watchClock(): void {
    const { app, clock, scheduler } = this.#options
    const offset = clock.now() - clock.monotonic()
    if (offset < this.#clockOffset - jumpMs) {
      app.context.logger.warn(
        `beat: the clock was set back by ${Math.round((this.#clockOffset - offset) / 1000)} s; everything is planned anew.`,
      )
      scheduler.replan(clock.now())
    }
    this.#clockOffset = offset
  }
}
