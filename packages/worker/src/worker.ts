/**
 * A worker: takes messages from queues, runs their tasks, stores what they come to.
 *
 *   idle ──start()──► starting ──► running ◄──► reconnecting
 *                        │            │
 *                        │            └─ stop() ──► warm ── all done ─────────────────────────► stopped
 *                        │                           │ stop({ mode: 'soft' }), second signal      ▲
 *                        │                           ▼                                            │
 *                        │                          soft ── all done, or its time is over ──► cold ┘
 *                        └─ failed ──────────────────────────────────────────────────────────► stopped
 *
 * warm: nothing new is taken, what is not started goes back, what runs is waited for. soft: waited for at most
 * `workerSoftShutdownTimeout` seconds. cold: what still runs is cancelled; acknowledged late, it goes back to its queue.
 *
 * Order at the start, as in Celery (worker-behaviour §1.2): pool → connection → events → mingle → heartbeat → remote control → tasks. After
 * a lost connection everything from the connection on is done again.
 */
import { EventEmitter } from 'node:events'
import { nodeName, type App, type Queue, type SignalWorker } from '@ct/client'
import { ClosedError, ConfigurationError, type Pool } from '@ct/contracts'
import type { WorkerOptions } from './options.ts'
import { installSignals, type StopMode } from './process-signals.ts'
import type { WorkerEventMap, WorkerEventName } from './worker-events.ts'
import { hookNames } from './worker-events.ts'
import { isInSlot } from './slot/index.ts'
import type { WorkerHealth, WorkerStatus } from './worker-health.ts'
import {
  countsOf,
  healthOf,
  PartsLife,
  reload,
  runningOf,
  WorkerParts,
  type RunningTask,
  type WorkerCounts,
} from './parts/index.ts'

export interface StopOptions {
  /** Default `warm`. A later call can only go further. */
  readonly mode?: 'warm' | 'soft' | 'cold'
}

const order: readonly StopMode[] = ['warm', 'soft', 'cold', 'exit']

export class Worker implements SignalWorker {
  readonly app: App
  readonly hostname: string
  readonly #options: WorkerOptions
  #made: { readonly parts: WorkerParts; readonly life: PartsLife } | undefined
  readonly #hooks = new EventEmitter<WorkerEventMap>()
  #status: WorkerStatus = 'idle'
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #mode: StopMode | undefined
  #escalated: (() => void) | undefined
  #removeSignals: (() => void) | undefined
  #alive: NodeJS.Timeout | undefined
  #exitCode = 0
  #wasReady = false

  constructor(app: App, options: WorkerOptions) {
    this.app = app
    this.#options = options
    this.hostname = nodeName(options.hostname, app.context.hostname)
    const { celerydInit, workerInit } = app.signals
    if (celerydInit.wanted)
      void celerydInit.send({
        sender: this.hostname,
        instance: this,
        conf: app.settings,
        options: { ...options },
      })
    void workerInit.send({ sender: this })
    this.#made = this.#make()
  }

  #make(): { readonly parts: WorkerParts; readonly life: PartsLife } {
    const parts = new WorkerParts(this, this.#options, {
      worker: this,
      onShutdown: () => void this.stop(),
      onLost: (error) => this.#lost(error),
      onReady: () => this.#ready(),
      onFatal: (error) => this.#fatal(error),
      onNode: (what, node) => this.#emit(what, node),
    })
    return { parts, life: new PartsLife(parts) }
  }

  /** Handlers of `celerydInit` and `workerInit` may look at a worker whose parts are not made yet. */
  get #parts(): WorkerParts {
    return (this.#made ??= this.#make()).parts
  }

  get #life(): PartsLife {
    return (this.#made ??= this.#make()).life
  }

  get status(): WorkerStatus {
    return this.#status
  }

  /** What the process should exit with when the worker has stopped: 0, or 1 after SIGINT, a cold stop or a failure. */
  get exitCode(): number {
    return this.#exitCode
  }

  get concurrency(): number {
    return this.#parts.workerPool.concurrency
  }

  get pool(): Pool {
    return this.#parts.workerPool.pool
  }

  /** Names of the queues consumed from. */
  get queues(): readonly string[] {
    return this.#parts.queues.names
  }

  /** Takes messages from this queue too, also after a reconnect. Before `start()` it only joins the list. Errors: `CT_QUEUE_NOT_FOUND`. */
  async addConsumer(queue: string | Queue): Promise<void> {
    await this.#parts.queues.add(typeof queue === 'string' ? this.app.context.queues.get(queue) : queue)
  }

  /** Takes no more messages from this queue. */
  async cancelConsumer(queue: string): Promise<void> {
    await this.#parts.queues.cancel(queue)
  }

  /** Takes no messages until `resume`, also after a reconnect. What it has already taken is worked off. */
  async pause(): Promise<void> {
    await this.#parts.queues.pause()
  }

  async resume(): Promise<void> {
    await this.#parts.queues.resume()
  }

  /** Takes no messages because of `pause`. */
  get paused(): boolean {
    return this.#parts.queues.paused
  }

  /**
   * Takes in what was defined since the start: imports these modules, knows the tasks that the app has got since, sets rate limits back to the
   * tasks' own, and replaces threads and child processes, which load all modules afresh (TEST-19; `pool_restart` does it from afar).
   */
  async reload(modules: readonly (string | URL)[] = []): Promise<void> {
    await reload(this.#parts, modules.map(String))
  }

  /** Names of the tasks it can run, built-in ones included. */
  get tasks(): readonly string[] {
    return this.#parts.tasks.names()
  }

  /** Tasks running now, and started since the worker did. */
  get counts(): WorkerCounts {
    return countsOf(this.#parts)
  }

  /** Tasks that run now, longest first; `seconds` since each began. */
  get running(): readonly RunningTask[] {
    return runningOf(this.#parts)
  }

  /** What a supervisor wants to know. Costs next to nothing. */
  health(): WorkerHealth {
    return {
      node: this.hostname,
      pid: process.pid,
      status: this.#status,
      ...healthOf(this.#parts),
    }
  }

  /**
   * Resolves when tasks are consumed. Rejects when the broker cannot be reached or refuses us; the worker is stopped then. One that was stopped
   * does not start again (`CT_CLOSED`).
   */
  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  async #start(): Promise<void> {
    if (this.#status === 'stopped') throw new ClosedError('The worker was stopped. Make another one.')
    if (isInSlot()) {
      this.#status = 'stopped'
      throw new ConfigurationError(
        "A worker was started in a thread or child process of another worker's pool, by a module that defines its tasks. Start it only where the module is the program: if (import.meta.main) await worker.start().",
      )
    }
    this.#status = 'starting'
    // Timers and some brokers' sockets do not keep a process alive; a worker does.
    this.#alive = setInterval(() => {}, 0x7fff_ffff)
    if (this.#options.signals === true) {
      this.#removeSignals = installSignals({ onStop: (mode, signal) => this.#signalled(mode, signal) })
    }
    try {
      await this.app.importModules()
      this.app.finalize()
      const { celerydAfterSetup } = this.app.signals
      await celerydAfterSetup.send({ sender: this.hostname, instance: this, conf: this.app.settings })
      await this.#life.start()
    } catch (error) {
      if (this.#mode === undefined) this.#exitCode = 1
      await this.#finish()
      throw error
    }
  }

  /** Resolves when the worker has stopped. Idempotent; a call with a later mode makes it go faster. */
  stop(options: StopOptions = {}): Promise<void> {
    this.#escalate(options.mode ?? 'warm')
    return this.#stopping ?? Promise.resolve()
  }

  /** Resolves when the worker has stopped, for whatever reason. */
  async finished(): Promise<void> {
    if (this.#status === 'stopped') return
    await new Promise<void>((resolve) => {
      this.#hooks.once('stopped', resolve)
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** See {@link WorkerEventMap}. Listeners are called synchronously; what they throw is logged. */
  on<N extends WorkerEventName>(name: N, listener: (...args: WorkerEventMap[N]) => void): this {
    this.#hooks.on(name, listener as never)
    this.#listen()
    return this
  }

  off<N extends WorkerEventName>(name: N, listener: (...args: WorkerEventMap[N]) => void): this {
    this.#hooks.off(name, listener as never)
    this.#listen()
    return this
  }

  /** Task events cost something even when nobody takes them. */
  #listen(): void {
    const wanted = Object.values(hookNames).some((name) => this.#hooks.listenerCount(name) > 0)
    this.#parts.events.listen(
      wanted
        ? (type, fields) => {
            const name = hookNames[type]
            if (name !== undefined) this.#emit(name, fields as never)
          }
        : undefined,
    )
  }

  #emit<N extends WorkerEventName>(name: N, ...args: WorkerEventMap[N]): void {
    try {
      this.#hooks.emit(name, ...(args as never))
    } catch (error) {
      this.app.context.logger.error(`A listener of the worker's event "${name}" raised an error.`, { error })
    }
  }

  #ready(): void {
    if (this.#mode !== undefined) return
    this.#status = 'running'
    if (!this.#wasReady) {
      this.#wasReady = true
      void this.app.signals.workerReady.send({ sender: this })
    }
    this.#emit('ready')
  }

  #lost(error: Error): void {
    if (this.#mode !== undefined) return
    this.#status = 'reconnecting'
    this.#emit('reconnecting', error)
  }

  #fatal(error: Error): void {
    this.#exitCode = 1
    this.app.context.logger.critical(`The worker cannot go on: ${error.message}`, { error })
    this.#emit('failed', error)
    this.#escalate('warm')
  }

  #signalled(mode: StopMode, signal: NodeJS.Signals): void {
    if (signal === 'SIGINT' || mode !== 'warm') this.#exitCode = 1
    if (mode === 'exit') process.exit(1)
    this.app.context.logger.warn(`${signal}: ${mode} shutdown.`)
    const { workerShuttingDown } = this.app.signals
    if (workerShuttingDown.wanted)
      void workerShuttingDown.send({
        sender: this.hostname,
        sig: signal,
        how: mode === 'warm' ? 'Warm' : 'Cold',
        exitcode: this.#exitCode,
      })
    this.#escalate(mode)
  }

  #escalate(mode: StopMode): void {
    if (this.#status === 'idle') {
      this.#status = 'stopped'
      this.#stopping = this.#life.close()
    }
    if (this.#status === 'stopped') return
    if (this.#mode !== undefined && order.indexOf(mode) <= order.indexOf(this.#mode)) return
    this.#mode = mode
    this.#escalated?.()
    this.#stopping ??= this.#shutDown()
  }

  async #shutDown(): Promise<void> {
    const life = this.#life
    const { settings } = this.app
    life.stopTaking()
    // A worker that is still starting is stopped by its own failure to start.
    await this.#starting?.catch(() => undefined)
    if (this.#status === 'stopped') return
    await life.release()
    for (let done = false; !done;) {
      const mode = this.#mode ?? 'warm'
      if (mode === 'warm') {
        this.#enter('warm')
        done = await this.#drained(undefined)
      } else if (mode === 'soft') {
        this.#enter('soft')
        const seconds = settings.workerSoftShutdownTimeout
        const onIdle = settings.workerEnableSoftShutdownOnIdle
        if (seconds > 0 && (onIdle || this.#parts.state.active > 0)) {
          this.app.context.logger.warn(`Initiating Soft Shutdown, terminating in ${seconds} seconds`)
          done = await (onIdle ? this.#pause(seconds * 1000) : this.#drained(seconds * 1000))
        } else done = await this.#drained(0)
        if (!done && this.#mode === 'soft') this.#mode = 'cold'
      } else {
        this.#enter('cold')
        this.#exitCode = 1
        await life.cancelRunning()
        done = true
      }
    }
    await this.#finish()
  }

  #enter(mode: 'warm' | 'soft' | 'cold'): void {
    if (this.#status === mode) return
    this.#status = mode
    this.#emit('stopping', mode)
  }

  /** True when nothing is left to do; false when the time is over or the mode has changed. */
  #drained(ms: number | undefined): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    this.#escalated = () => resolve(false)
    const timer = ms === undefined ? undefined : setTimeout(() => resolve(false), ms)
    void this.#parts.requests.drained().then(() => resolve(true))
    return promise.finally(() => clearTimeout(timer))
  }

  /** The whole time, unless the mode changes; true when nothing is left then. */
  async #pause(ms: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#escalated = resolve
    const timer = setTimeout(resolve, ms)
    await promise
    clearTimeout(timer)
    return await this.#drained(0)
  }

  async #finish(): Promise<void> {
    await this.#life.close()
    await this.app.signals.workerShutdown.send({ sender: this })
    this.#removeSignals?.()
    clearInterval(this.#alive)
    this.#status = 'stopped'
    this.#emit('stopped')
  }
}
