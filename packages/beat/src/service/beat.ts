/**
 * Beat: sends tasks when they are due (celery/beat.py 5.7, `Service` and `Scheduler`).
 *
 *   idle ──start()──► starting ──► leading ◄──► standby        (standby: only where several beats share a store)
 *                        │             │            │
 *                        │ refused     └── stop() ──┴──► stopping ──► stopped
 *                        └────────────────────────────────────────────────▲
 *
 * What it does meanwhile: `beat-turns.ts`.
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
import { configuredEntries, type LazyArguments } from '../entry/index.ts'
import { PeriodicTasks, type PeriodicTaskList } from '../periodic-tasks.ts'
import { Scheduler } from '../scheduler/index.ts'
import { scheduleStoreOf, timedConnection } from '../store/index.ts'
import { systemClock, type BeatClock } from './beat-clock.ts'
import { checkBeatOptions, maxIntervalMs, type BeatOptions } from './beat-options.ts'
import { installSignals } from './beat-signals.ts'
import { BeatTurns } from './beat-turns.ts'
import { FiringSender, type SentFiring } from './firing-sender.ts'
import { Leadership } from './leadership.ts'
import { openRemoteControl, type RemoteControl } from './remote-control.ts'
import { ScheduleLoader } from './schedule-loader.ts'
import { ScheduleMirror } from './schedule-mirror.ts'

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

/** How long a stop waits for what is under way. */
const stopPatienceMs = 5_000
const storeTimeoutMs = 30_000

export class Beat {
  readonly app: App
  readonly hostname: string
  readonly maxIntervalMs: number
  readonly #options: BeatOptions
  readonly #clock: BeatClock
  readonly #store: ScheduleStore
  readonly #ownsStore: boolean
  readonly #connection: ReconnectingConnection<ScheduleStoreConnection>
  readonly #scheduler: Scheduler
  readonly #leadership: Leadership
  readonly #holder: string
  readonly #sender: FiringSender
  readonly #loader: ScheduleLoader
  readonly #turns: BeatTurns
  /** The entries: list them, change them while beat runs, run one now. */
  readonly tasks: PeriodicTasks
  readonly #events = new EventEmitter<BeatEventMap>()
  readonly #stop = new AbortController()
  #remoteControl: RemoteControl | undefined
  #life: 'idle' | 'running' | 'stopping' | 'stopped' = 'idle'
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #running: Promise<void> = Promise.resolve()
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
    const clock = (this.#clock = options.clock ?? systemClock(() => context.now()))
    const readers = options.schedules ?? {}
    const configured = configuredEntries(app, options.entries ?? {}, readers)
    const source = options.store ?? settings.beatScheduler
    this.#ownsStore = typeof source === 'string'
    const store = (this.#store =
      typeof source === 'string'
        ? scheduleStoreOf(app, source, options.scheduleFilename ?? settings.beatScheduleFilename)
        : source)
    this.#holder = `${this.hostname} ${process.pid} ${randomUUID()}`
    const connection = (this.#connection = this.#connecting())
    const zone = { timezone: app.timezone, beatCronStartingDeadline: settings.beatCronStartingDeadline }
    const lazyOf = (name: string): LazyArguments | undefined => configured.get(name)?.lazy
    const scheduler = (this.#scheduler = new Scheduler({
      maxIntervalMs: this.maxIntervalMs,
      logger: context.logger,
    }))
    const leadership = (this.#leadership = new Leadership({
      holder: this.#holder,
      leaseMs: options.leaseMs ?? 10_000,
      clock,
    }))
    const loader = (this.#loader = new ScheduleLoader({
      app,
      scheduler,
      configured,
      readers,
      settings: zone,
    }))
    const { election, changes } = store.capabilities
    const sender = (this.#sender = new FiringSender({
      app,
      scheduler,
      clock,
      leadership,
      election,
      inOneStep: store.firesWith(context.broker),
      syncEvery: settings.beatSyncEvery,
      lazyOf,
      onSent: (sent) => this.#emit('sent', sent),
      onStale: (name) => mirror.doubt(name),
    }))
    const changesMs = changes ? (options.changesMs ?? 1000) : undefined
    const mirror = new ScheduleMirror({ app, clock, loader, sender, changesMs })
    this.#turns = new BeatTurns({
      app,
      hostname: this.hostname,
      clock,
      store,
      connection,
      scheduler,
      leadership,
      sender,
      mirror,
      maxIntervalMs: this.maxIntervalMs,
      signal: this.#stop.signal,
      onLeading: () => this.#emit('leading'),
      onStandby: () => this.#emit('standby'),
      onFailing: (error) => this.#emit('failing', error),
    })
    this.tasks = new PeriodicTasks({
      app,
      connection: () => connection.whenReady({ signal: this.#stop.signal }),
      readers,
      settings: zone,
      lazyOf,
      onChanged: () => {
        mirror.noteNews()
        this.#turns.wake()
      },
    })
  }

  #connecting(): ReconnectingConnection<ScheduleStoreConnection> {
    const { logger } = this.app.context
    const { url } = this.#store.describe()
    const connection = new ReconnectingConnection<ScheduleStoreConnection>({
      connect: async (connect) =>
        timedConnection(await this.#store.connect(connect), {
          timeoutMs: this.#options.storeTimeoutMs ?? storeTimeoutMs,
          url,
          onTimeout: (lost, error) => connection.markLost(lost, error),
        }),
      describe: () => `the schedule store ${url}`,
      connectTimeoutMs: 10_000,
      unavailable: (message, cause) => new BackendUnavailableError(message, { cause }),
    })
    connection.listen({
      onNotice: (notice) => {
        if (notice.kind === 'warning') logger.warn(notice.message)
      },
      onConnectFailed: (error, _attempt, retryInMs) => {
        if (retryInMs === undefined) return
        logger.error(`beat: ${error.message} Trying again in ${(retryInMs / 1000).toFixed(1)} s.`)
        this.#emit('failing', error)
      },
    })
    return connection
  }

  get status(): BeatStatus {
    if (this.#life !== 'running') return this.#life
    return this.#turns.role === 'none' ? 'starting' : this.#turns.role
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
    this.#life = 'running'
    const { context, settings, signals } = this.app
    const age = settings.beatRemoteControlMaxTickAge
    const oldestMs = age === null ? Math.max(2 * this.maxIntervalMs, 60_000) : age * 1000
    // Sockets of some brokers do not keep a process alive; beat does.
    this.#alive = setInterval(() => {}, 0x7fff_ffff)
    if (this.#options.signals === true)
      this.#removeSignals = installSignals({
        onStop: (signal) => {
          context.logger.warn(`${signal}: beat stops. Once more: it ends at once.`)
          void this.stop()
        },
        onEnd: (_signal, exitCode) => process.exit(exitCode),
      })
    this.app.finalize()
    const started = Promise.withResolvers<void>()
    try {
      if (signals.beatInit.wanted) await signals.beatInit.send({ sender: this })
      if (this.#options.embedded === true && signals.beatEmbeddedInit.wanted)
        await signals.beatEmbeddedInit.send({ sender: this })
      if (this.#options.embedded !== true)
        this.#remoteControl = openRemoteControl({
          context,
          hostname: this.hostname,
          wanted: this.#options.enableRemoteControl ?? settings.beatEnableRemoteControl,
          isAlive: () => oldestMs === 0 || this.#turns.ageMs <= oldestMs,
        })
      context.logger.info('beat: Starting...')
      this.#running = this.#turns.run(started)
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
    if (this.#life === 'stopped') return
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
    await this.#turns.turn()
    return performance.now() - begun
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
      if (this.#life === 'stopped' || (isCeleryError(error) && error.code === 'CT_LEASE_LOST')) return
      this.app.context.logger.error('beat: the last runs could not be saved.', { error })
    }
  }

  async #finish(): Promise<void> {
    if (this.#life !== 'idle') this.#life = 'stopping'
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
    this.#life = 'stopped'
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
