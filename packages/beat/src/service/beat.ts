/**
 * Beat: sends tasks when they are due (celery/beat.py 5.7, `Service` and `Scheduler`).
 *
 *   idle ──start()──► starting ──► leading ◄──► standby        (standby: only where several beats share a store)
 *                        │             │            │
 *                        │ refused     └── stop() ──┴──► stopping ──► stopped
 *                        └────────────────────────────────────────────────▲
 *
 * One turn: the lease is kept, entries are read where they have changed, what is due is sent, then it sleeps until something is due or has to be
 * looked at. A turn that fails because a server is away is logged and made again with back-off; what was due meanwhile is sent when it is back, each
 * entry once (BEAT-13).
 */
import { EventEmitter } from 'node:events'
import { randomUUID } from 'node:crypto'
import { nodeName, ReconnectingConnection, type App } from '@ct/client'
import {
  BackendUnavailableError,
  ClosedError,
  isCeleryError,
  type ScheduleStore,
  type ScheduleStoreConnection,
} from '@ct/contracts'
import { configuredEntries } from '../entry/index.ts'
import type { DeclaredEntry } from '../entry/index.ts'
import { PeriodicTasks, type PeriodicTaskList } from '../periodic-tasks.ts'
import { Scheduler } from '../scheduler/index.ts'
import { scheduleStoreOf } from '../store/index.ts'
import { systemClock, type BeatClock } from './beat-clock.ts'
import { checkBeatOptions, maxIntervalMs, type BeatOptions } from './beat-options.ts'
import { FiringSender, type SentFiring } from './firing-sender.ts'
import { Leadership } from './leadership.ts'
import { RemoteControl } from './remote-control.ts'
import { ScheduleLoader } from './schedule-loader.ts'

export type BeatStatus = 'idle' | 'starting' | 'standby' | 'leading' | 'stopping' | 'stopped'

export interface BeatEventMap {
  /** It sends from now on. */
  leading: []
  /** Another beat sends. */
  standby: []
  sent: [sent: SentFiring]
  /** A server is away; the turn is made again. */
  failing: [error: Error]
  stopped: []
}

/** Timers are asked again so often: the wall clock may have been set meanwhile. */
const longestNapMs = 1000
/** A clock that goes back by more is taken as set, not as corrected. */
const jumpMs = 500
/** A turn that comes so late was held up, as by SIGSTOP or a machine that slept. Less than after what a store for one beat is anybody's. */
const heldUpMs = 10_000
const firstPauseMs = 200
const longestPauseMs = 10_000
/** How long a stop waits for what is under way. */
const stopPatienceMs = 5_000

export class Beat {
  readonly app: App
  readonly hostname: string
  readonly maxIntervalMs: number
  readonly #options: BeatOptions
  readonly #clock: BeatClock
  readonly #store: ScheduleStore
  readonly #ownsStore: boolean
  readonly #connection: ReconnectingConnection<ScheduleStoreConnection>
  readonly #configured: ReadonlyMap<string, DeclaredEntry>
  readonly #scheduler: Scheduler
  readonly #leadership: Leadership
  readonly #holder: string
  readonly #sender: FiringSender
  readonly #loader: ScheduleLoader
  readonly #inOneStep: boolean
  /** The entries: list them, change them while beat runs, run one now. */
  readonly tasks: PeriodicTasks
  readonly #changesMs: number
  readonly #events = new EventEmitter<BeatEventMap>()
  readonly #stop = new AbortController()
  #remoteControl: RemoteControl | undefined
  #status: BeatStatus = 'idle'
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #running: Promise<void> = Promise.resolve()
  /** The connection that the entries in the scheduler were read over. */
  #loadedOver: ScheduleStoreConnection | undefined
  #stale = true
  #marker: string | undefined
  #markerAt = -Infinity
  #wake = new AbortController()
  #turnedAt: number
  /** The same by the wall clock, which goes on while a machine sleeps. */
  #turnedAtWall: number
  #clockOffset: number
  #alive: NodeJS.Timeout | undefined
  #removeSignals: (() => void) | undefined

  /** Opens nothing. Errors: `CT_CONFIGURATION`, `CT_ADAPTER`. */
  constructor(app: App, options: BeatOptions = {}) {
    checkBeatOptions(options)
    const { context, settings } = app
    this.app = app
    this.#options = options
    this.hostname = nodeName(options.hostname ?? 'celerybeat@%h', context.hostname)
    this.maxIntervalMs = maxIntervalMs(options.maxInterval ?? settings.beatMaxLoopInterval)
    this.#clock = options.clock ?? systemClock(() => context.now())
    this.#turnedAt = this.#clock.monotonic()
    this.#turnedAtWall = this.#clock.now()
    this.#clockOffset = this.#clock.now() - this.#clock.monotonic()
    const readers = options.schedules ?? {}
    this.#configured = configuredEntries(app, options.entries ?? {}, readers)
    const source = options.store ?? settings.beatScheduler
    this.#ownsStore = typeof source === 'string'
    this.#store =
      typeof source === 'string'
        ? scheduleStoreOf(app, source, options.scheduleFilename ?? settings.beatScheduleFilename)
        : source
    this.#inOneStep = this.#store.firesWith(context.broker)
    this.#changesMs = options.changesMs ?? 1000
    this.#holder = `${this.hostname} ${process.pid} ${randomUUID()}`
    this.#connection = new ReconnectingConnection({
      connect: (connect) => this.#store.connect(connect),
      describe: () => `the schedule store ${this.#store.describe().url}`,
      connectTimeoutMs: 10_000,
      unavailable: (message, cause) => new BackendUnavailableError(message, { cause }),
    })
    this.#connection.listen({
      onNotice: (notice) => {
        if (notice.kind === 'warning') context.logger.warn(notice.message)
      },
      onConnectFailed: (error, _attempt, retryInMs) => {
        if (retryInMs === undefined) return
        const pause = (retryInMs / 1000).toFixed(1)
        context.logger.error(`beat: ${error.message} Trying again in ${pause} s.`)
        this.#emit('failing', error)
      },
    })
    const zone = { timezone: app.timezone, beatCronStartingDeadline: settings.beatCronStartingDeadline }
    const clock = this.#clock
    this.#scheduler = new Scheduler({ maxIntervalMs: this.maxIntervalMs, logger: context.logger })
    this.#leadership = new Leadership({ holder: this.#holder, leaseMs: options.leaseMs ?? 10_000, clock })
    this.#loader = new ScheduleLoader({
      app,
      scheduler: this.#scheduler,
      configured: this.#configured,
      readers,
      settings: zone,
    })
    this.#sender = new FiringSender({
      app,
      scheduler: this.#scheduler,
      clock,
      leadership: this.#leadership,
      election: this.#store.capabilities.election,
      inOneStep: this.#inOneStep,
      syncEvery: settings.beatSyncEvery,
      lazyOf: (name) => this.#configured.get(name)?.lazy,
      onSent: (sent) => this.#emit('sent', sent),
      onStale: () => {
        this.#stale = true
      },
    })
    this.tasks = new PeriodicTasks({
      app,
      connection: () => this.#connection.whenReady({ signal: this.#stop.signal }),
      readers,
      settings: zone,
      lazyOf: (name) => this.#configured.get(name)?.lazy,
      onChanged: () => this.#changed(),
    })
  }

  get status(): BeatStatus {
    return this.#status
  }

  /** Where entries are kept. No password in it. */
  get storeUrl(): string {
    return this.#store.describe().url
  }

  /** Entries that this beat has planned; 0 on standby. */
  get size(): number {
    return this.#scheduler.size
  }

  /** What it would send, read from the store and the configuration; nothing is written. Rejects when the store cannot be read. */
  async preview(): Promise<PeriodicTaskList> {
    const connection = await this.#connection.whenReady({ maxAttempts: 3 })
    return this.tasks.view(await this.#loader.preview(connection, this.#clock.now()))
  }

  /** Resolves when it leads or stands by. Rejects when it is refused (`CT_CONFIGURATION`, `CT_BACKEND` …); a server that is away is waited for. */
  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  async #start(): Promise<void> {
    if (this.#stopping !== undefined)
      throw new ClosedError('This beat was stopped before it started. Make a new one.')
    this.#status = 'starting'
    const { context, signals } = this.app
    // Sockets of some brokers do not keep a process alive; beat does.
    this.#alive = setInterval(() => {}, 0x7fff_ffff)
    if (this.#options.signals === true) this.#removeSignals = this.#installSignals()
    this.app.finalize()
    const started = Promise.withResolvers<void>()
    try {
      if (signals.beatInit.wanted) await signals.beatInit.send({ sender: this })
      if (this.#options.embedded === true && signals.beatEmbeddedInit.wanted)
        await signals.beatEmbeddedInit.send({ sender: this })
      this.#openRemoteControl()
      context.logger.info('beat: Starting...')
      this.#running = this.#run(started)
      await started.promise
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** What has run is saved, the lead is given back, connections are closed. Idempotent, never rejects. */
  stop(): Promise<void> {
    this.#stopping ??= this.#finish()
    return this.#stopping
  }

  /** Resolves when it has stopped, for whatever reason. */
  async finished(): Promise<void> {
    if (this.#status === 'stopped') return
    await new Promise<void>((resolve) => {
      this.#events.once('stopped', resolve)
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  on<N extends keyof BeatEventMap>(name: N, listener: (...args: BeatEventMap[N]) => void): this {
    this.#events.on(name, listener as never)
    return this
  }

  off<N extends keyof BeatEventMap>(name: N, listener: (...args: BeatEventMap[N]) => void): this {
    this.#events.off(name, listener as never)
    return this
  }

  /** @internal For benchmarks: makes a turn now; resolves to the milliseconds that it took. */
  async measureTurn(): Promise<number> {
    const begun = performance.now()
    await this.#turn()
    return performance.now() - begun
  }

  // ---- turns -----------------------------------------------------------------------------------------------------------

  async #run(started: PromiseWithResolvers<void>): Promise<void> {
    const { signal } = this.#stop
    let failures = 0
    while (!signal.aborted) {
      try {
        const pauseMs = await this.#turn()
        started.resolve()
        failures = 0
        if (!signal.aborted) await this.#sleep(pauseMs)
      } catch (error) {
        if (signal.aborted) break
        if (this.#status === 'starting' && !(isCeleryError(error) && error.retryable)) {
          started.reject(error)
          break
        }
        const pauseMs = this.#afterFailure(error, ++failures)
        await this.#clock.sleep(pauseMs, signal)
      }
    }
    started.reject(new ClosedError('This beat was stopped before it had started.'))
    // Who waits for the start hears of it there.
    started.promise.catch(() => undefined)
  }

  /** Milliseconds until the next turn. */
  async #turn(): Promise<number> {
    const connection = await this.#connection.whenReady({ signal: this.#stop.signal })
    if (this.#store.capabilities.election) {
      const { token } = this.#leadership
      if (!(await this.#leadership.keep(connection))) {
        this.#standBy()
        this.#turned()
        return this.#leadership.pauseMs
      }
      // Between two leads of ours others may have led: what we know of runs is of the past.
      if (token !== undefined && token !== this.#leadership.token) {
        this.#sender.forget()
        this.#scheduler.clear()
        this.#stale = true
      }
    } else if (this.#loadedOver === connection && this.#wasHeldUp()) {
      // Before anything is sent: another one may have taken what is for one.
      await connection.save({})
    }
    this.#watchClock()
    if (this.#loadedOver !== connection || this.#stale || (await this.#hasChanged(connection)))
      await this.#load(connection)
    const more = await this.#sender.sendDue(connection)
    await this.#disableFinished(connection)
    this.#turned()
    return more ? 0 : this.#untilNext()
  }

  #turned(): void {
    this.#turnedAt = this.#clock.monotonic()
    this.#turnedAtWall = this.#clock.now()
  }

  #wasHeldUp(): boolean {
    const byWall = this.#clock.now() - this.#turnedAtWall
    return Math.max(this.#clock.monotonic() - this.#turnedAt, byWall) > heldUpMs
  }

  async #load(connection: ScheduleStoreConnection): Promise<void> {
    const { token } = this.#leadership
    if (
      this.#loadedOver !== undefined &&
      this.#loadedOver !== connection &&
      this.#store.capabilities.election
    ) {
      // While the connection was away others may have led, and what we tried may have been done.
      this.#sender.forget()
      this.#scheduler.clear()
    } else await this.#sender.sync(connection)
    // A store that is for one beat says at once that it is another one's.
    if (this.#loadedOver !== connection) await connection.save({ token })
    const begun = this.#clock.monotonic()
    // Before the entries: what changes in between is seen the next time.
    this.#marker = await connection.changeMarker()
    const written = await this.#loader.load(connection, token, this.#clock.now())
    this.#loadedOver = connection
    this.#stale = false
    this.#markerAt = this.#clock.monotonic()
    const ms = Math.round(this.#clock.monotonic() - begun)
    this.app.context.logger.debug(
      `beat: ${this.#scheduler.size} entries read, ${written} written, in ${ms} ms.`,
    )
    if (this.#status === 'leading' || this.#stop.signal.aborted) return
    this.#status = 'leading'
    if (this.#store.capabilities.election)
      this.app.context.logger.info(`beat: ${this.hostname} leads (token ${String(token)}).`)
    this.#emit('leading')
  }

  async #hasChanged(connection: ScheduleStoreConnection): Promise<boolean> {
    if (!this.#store.capabilities.changes) return false
    const now = this.#clock.monotonic()
    if (now - this.#markerAt < this.#changesMs) return false
    this.#markerAt = now
    return (await connection.changeMarker()) !== this.#marker
  }

  /** What is over, or had its only run, is so for everybody. */
  async #disableFinished(connection: ScheduleStoreConnection): Promise<void> {
    const finished = this.#scheduler.takeFinished()
    if (finished.length === 0) return
    const put = finished.map(({ stored }) => ({ ...stored, enabled: false, lastRunAt: undefined }))
    await this.#sender.sync(connection)
    await connection.save({ put, token: this.#leadership.token })
    for (const { name, oneOff } of put)
      this.app.context.logger.info(
        `The periodic task "${name}" is disabled: ${oneOff ? 'it was to run once' : 'its time is over'}.`,
      )
    this.#stale = true
  }

  #untilNext(): number {
    const until = this.#scheduler.next - this.#clock.now()
    const { election, changes } = this.#store.capabilities
    return Math.max(
      0,
      Math.min(
        this.#stale ? 0 : this.maxIntervalMs,
        until,
        election ? this.#leadership.pauseMs : Infinity,
        changes ? this.#changesMs : Infinity,
      ),
    )
  }

  /** In naps, so that a clock that is set forward does not find us asleep for long. */
  async #sleep(ms: number): Promise<void> {
    if (this.#wake.signal.aborted) this.#wake = new AbortController()
    if (this.#stale && this.#status === 'leading') return
    const either = AbortSignal.any([this.#wake.signal, this.#stop.signal])
    await this.#clock.sleep(Math.min(longestNapMs, Math.ceil(ms)), either)
  }

  #afterFailure(error: unknown, failures: number): number {
    const { logger } = this.app.context
    if (isCeleryError(error) && error.code === 'CT_LEASE_LOST') {
      logger.warn(`beat: ${error.message} This one stands by.`)
      this.#standBy()
      if (this.#store.capabilities.election) return 0
      // What we know of a store for one beat is of the past. It is opened anew, and refuses us for as long as the other one lives.
      const { current } = this.#connection
      if (current !== undefined) this.#connection.markLost(current, error)
    }
    const message = error instanceof Error ? error.message : String(error)
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(failures - 1, 10))
    logger.error(
      `beat: ${message} Trying again in ${pauseMs / 1000} s.`,
      isCeleryError(error) ? {} : { error },
    )
    this.#emit('failing', error instanceof Error ? error : new Error(message))
    return pauseMs
  }

  #standBy(): void {
    this.#leadership.lose()
    this.#sender.forget()
    this.#scheduler.clear()
    this.#stale = true
    if (this.#status === 'standby' || this.#stop.signal.aborted) return
    const { logger } = this.app.context
    logger.info(`beat: another beat leads; ${this.hostname} stands by.`)
    this.#status = 'standby'
    this.#emit('standby')
  }

  #watchClock(): void {
    const offset = this.#clock.now() - this.#clock.monotonic()
    if (offset < this.#clockOffset - jumpMs) {
      this.app.context.logger.warn(
        `beat: the clock was set back by ${Math.round((this.#clockOffset - offset) / 1000)} s; everything is planned anew.`,
      )
      this.#scheduler.replan(this.#clock.now())
    }
    this.#clockOffset = offset
  }

  #changed(): void {
    this.#stale = true
    this.#wake.abort()
  }

  // ---- beginning and end -----------------------------------------------------------------------------------------------

  #openRemoteControl(): void {
    const { context, settings } = this.app
    const wanted = this.#options.enableRemoteControl ?? settings.beatEnableRemoteControl
    if (!wanted || this.#options.embedded === true) return
    if (!context.readBroker.capabilities.exchanges.fanout) {
      context.logger.warn(
        `Remote control of beat needs a broker with fanout exchanges; ${context.readBroker.name} has none.`,
      )
      return
    }
    const given = settings.beatRemoteControlMaxTickAge
    const oldestMs = given === null ? Math.max(2 * this.maxIntervalMs, 60_000) : given * 1000
    this.#remoteControl = new RemoteControl({
      context,
      hostname: this.hostname,
      isAlive: () => oldestMs === 0 || this.#clock.monotonic() - this.#turnedAt <= oldestMs,
    })
    void this.#remoteControl.start()
  }

  #installSignals(): () => void {
    const handle = (signal: NodeJS.Signals): void => {
      this.app.context.logger.warn(`${signal}: beat stops.`)
      void this.stop()
    }
    const names = ['SIGTERM', 'SIGINT'] as const
    for (const name of names) process.on(name, handle)
    return () => {
      for (const name of names) process.off(name, handle)
    }
  }

  /** What has run is saved, the lead given back. Never rejects. */
  async #handOver(): Promise<void> {
    const { current } = this.#connection
    if (current === undefined) return
    try {
      await this.#sender.sync(current)
      if (this.#store.capabilities.election && this.#leadership.token !== undefined)
        await current.resign(this.#holder)
    } catch (error) {
      if (this.#status === 'stopped' || (isCeleryError(error) && error.code === 'CT_LEASE_LOST')) return
      this.app.context.logger.error('beat: the last runs could not be saved.', { error })
    }
  }

  async #finish(): Promise<void> {
    if (this.#status !== 'idle') this.#status = 'stopping'
    this.#stop.abort()
    const patience = new AbortController()
    await Promise.race([this.#running, systemClock(Date.now).sleep(stopPatienceMs, patience.signal)])
    patience.abort()
    // A server that gives no answer is not waited for: somebody has said stop.
    const ending = new AbortController()
    const isSaved = await Promise.race([
      this.#handOver().then(() => true),
      systemClock(Date.now)
        .sleep(stopPatienceMs, ending.signal)
        .then(() => false),
    ])
    ending.abort()
    if (!isSaved)
      this.app.context.logger.error(
        `beat: the last runs could not be saved within ${stopPatienceMs / 1000} s: no answer from ${this.storeUrl}.`,
      )
    await this.#remoteControl?.close()
    await this.#connection.close()
    if (this.#ownsStore) await this.#store.close()
    clearInterval(this.#alive)
    this.#removeSignals?.()
    this.#status = 'stopped'
    this.#emit('stopped')
  }

  #emit<N extends keyof BeatEventMap>(name: N, ...args: BeatEventMap[N]): void {
    try {
      this.#events.emit(name, ...(args as never))
    } catch (error) {
      this.app.context.logger.error(`A listener of beat's event "${name}" raised an error.`, { error })
    }
  }
}

/**
 * Makes a beat for the periodic tasks of an app: those of the setting `beatSchedule`, of `addPeriodicTask` and of `options.entries`, and what the
 * store holds besides. Nothing is connected before `start()`. Errors: `CT_CONFIGURATION` for an option, entry, schedule or zone that is wrong.
 *
 * ```ts
 * await using beat = createBeat(app, { entries: { 'every-30-s': { task: 'proj.add', schedule: 30, args: [2, 2] } } })
 * await beat.start()
 * ```
 */
export function createBeat(app: App, options: BeatOptions = {}): Beat {
  return new Beat(app, options)
}
