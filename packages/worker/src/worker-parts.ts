/**
 * Everything a worker is made of, wired: who knows whom is decided here and nowhere else. {@link Worker} decides when.
 */
import { pathToFileURL } from 'node:url'
import {
  delaysNatively,
  nodePath,
  ReconnectingConnection,
  type App,
  type AppContext,
  type CommandWorker,
  type EventDispatcher,
  type Queue,
  type WorkerRecord,
} from '@ct/client'
import {
  BrokerUnavailableError,
  CeleryError,
  ConfigurationError,
  isCeleryError,
  type Broker,
  type BrokerConnection,
  type Pool,
} from '@ct/contracts'
import { DispatchedTaskEvents, publishRetryCopy } from './app-services.ts'
import { WorkerSteps, type WorkerConsumer } from './bootsteps/index.ts'
import { Autoscaler } from './autoscaler.ts'
import { attemptsFor, codecsFor, concurrencyFor, poolFor, queuesFor } from './choices.ts'
import { openChordsFor, type OpenChords } from './chords/index.ts'
import {
  Credit,
  Dispatcher,
  HoldLimit,
  LostSettlements,
  Reception,
  ReceptionSignals,
  TaskConsumer,
  Unconfirmed,
} from './consumer/index.ts'
import { checkOwnCommands, Pidbox } from './control/index.ts'
import { deduplication } from './deduplication.ts'
import { gossips, heartbeatFor, softwareInfo, workerDispatcher, type Heartbeat } from './events/index.ts'
import { Gossip } from './gossip.ts'
import { LoopWatch } from './loop-watch.ts'
import { mingle } from './mingle.ts'
import type { WorkerOptions } from './options.ts'
import { Pauses } from './pauses.ts'
import { Revocations, Strategy, WorkerState, type Request } from './request/index.ts'
import { startPool } from './start-pool.ts'
import { StateFile } from './state-file.ts'
import { traceServices } from './trace-services.ts'
import { builtinTasksOf, Tracer, type TraceServices } from './trace/index.ts'
import { workerVersion } from './version.ts'
import type { Worker, WorkerHealth } from './worker.ts'

export interface PartsHooks {
  readonly worker: CommandWorker
  readonly onShutdown: () => void
  readonly onLost: (error: Error) => void
  readonly onReady: () => void
  readonly onFatal: (error: Error) => void
  readonly onNode: (what: 'nodeJoin' | 'nodeLeave' | 'nodeLost', worker: WorkerRecord) => void
}

/** As long as a publish waits for the broker. */
const longestAwayMs = 10_000

export class WorkerParts {
  readonly hostname: string
  readonly pool: Pool
  readonly events: DispatchedTaskEvents
  readonly softTimeout: number
  readonly softShutdownOnIdle: boolean
  paused = false
  readonly #app: App
  readonly #context: AppContext
  readonly #options: WorkerOptions
  readonly #hooks: PartsHooks
  readonly #broker: Broker
  readonly #state = new WorkerState()
  readonly #revocations: Revocations
  readonly #strategies = new Map<string, Strategy>()
  readonly #services: TraceServices
  readonly #tracer: Tracer
  readonly #dispatcher: Dispatcher
  readonly #credit: Credit
  readonly #autoscaler: Autoscaler | undefined
  readonly #loopWatch: LoopWatch | undefined
  readonly #holdLimit: HoldLimit
  readonly #lostSettlements = new LostSettlements(() => this.#services.log)
  readonly #reception: Reception
  readonly #consumer: TaskConsumer
  readonly #connection: ReconnectingConnection<BrokerConnection>
  readonly #unconfirmed: Unconfirmed
  readonly #dispatch: EventDispatcher | undefined
  readonly #heartbeat: Heartbeat | undefined
  readonly #gossip: Gossip | undefined
  readonly #stateFile: StateFile | undefined
  readonly #openChords: OpenChords | undefined
  readonly #queues = new Map<string, Queue>()
  readonly #pauses = new Pauses()
  readonly #steps: WorkerSteps
  readonly #startedAt: number
  #pidbox: Pidbox | undefined
  #current: BrokerConnection | undefined
  #idleWaiters: (() => void)[] = []
  /** A connection that is lost will be made again: what could not be settled is settled then. */
  #reconnects = true
  #awayWatch: NodeJS.Timeout | undefined
  #purged = false
  #cold = false
  #poolStarted = false
  /** Ends what need not be waited for when the worker stops. */
  readonly #leaving = new AbortController()
  #closed: Promise<void> | undefined

  constructor(worker: Worker, options: WorkerOptions, hooks: PartsHooks) {
    const { app } = worker
    const { context } = app
    const { settings } = context
    this.#app = app
    this.#context = context
    this.#options = options
    this.#hooks = hooks
    this.#broker = context.readBroker
    this.#startedAt = context.now()
    this.hostname = worker.hostname
    this.softTimeout = settings.workerSoftShutdownTimeout
    this.softShutdownOnIdle = settings.workerEnableSoftShutdownOnIdle
    this.pool = poolFor(options, context)
    this.#revocations = new Revocations({ now: context.now })
    for (const queue of queuesFor(this.hostname, options, context)) this.#queues.set(queue.name, queue)
    this.#dispatch = workerDispatcher(context, options, this.hostname)
    this.events = new DispatchedTaskEvents(this.#dispatch)
    this.#openChords = openChordsFor(context, () => this.#services)
    const services = traceServices(context, {
      hostname: this.hostname,
      events: this.events,
      task: (name) => this.#strategies.get(name)?.task,
      pause: (ms) => this.#pauses.pause(ms),
      openChords: this.#openChords,
    })
    this.#services = { ...services, runsTasks: this.pool.capabilities.sharesMemory }
    const deduplicate = deduplication(this.#services, settings.workerDeduplicateSuccessfulTasks)
    this.#tracer = new Tracer({
      services: this.#services,
      publishRetry: (copy) => publishRetryCopy(context, copy),
      onSuccess: deduplicate?.remember,
      onEnd: (request, error) => this.#ended(request, error),
      now: context.now,
    })
    this.#unconfirmed = new Unconfirmed((taskId, error) => {
      const text = `Task ${taskId} had ended before its connection was lost; its message came again`
      if (error === undefined) this.#services.log.info(`${text} and is settled now.`)
      else this.#services.log.warn(`${text} and could not be settled.`, { error })
    })
    const disablePrefetch = settings.workerDisablePrefetch
    this.#credit = new Credit({
      multiplier: disablePrefetch ? 1 : (options.prefetchMultiplier ?? settings.workerPrefetchMultiplier),
      concurrency: options.autoscale?.max ?? concurrencyFor(this.pool, options, context),
      maxClaim: options.maxClaim ?? settings.maxClaim,
      grows: !disablePrefetch && context.defaults === 'ct',
      etaTaskLimit: settings.workerEtaTaskLimit ?? undefined,
      onChange: (credit, maxClaim) => this.#consumer.setCredit(credit, maxClaim),
    })
    this.#autoscaler = this.#autoscalerFor(options)
    this.#loopWatch = this.pool.capabilities.isolatesCpu
      ? undefined
      : new LoopWatch({
          active: () => this.#state.in('active'),
          warn: (message, fields) => this.#services.log.warn(message, fields),
        })
    this.#dispatcher = new Dispatcher({
      pool: this.pool,
      state: this.#state,
      services: this.#services,
      tracer: this.#tracer,
      revocations: this.#revocations,
      deduplicate,
      marksUnstarted: this.#broker.capabilities.marksUnstarted === true,
      onSettled: (request, error) => this.#ended(request, error),
      onReserved: options.autoscale === undefined ? undefined : () => this.#autoscaler?.reserved(),
      onEnded: this.#loopWatch?.ended,
    })
    this.#holdLimit = new HoldLimit({
      capabilities: this.#broker.capabilities,
      state: this.#state,
      log: this.#services.log,
      now: context.now,
      connection: () => this.#connection.current,
      onSettled: (request, error) => this.#ended(request, error),
    })
    this.#reception = new Reception({
      codecs: codecsFor(context),
      strategies: this.#strategies,
      state: this.#state,
      services: this.#services,
      tracer: this.#tracer,
      revocations: this.#revocations,
      dispatcher: this.#dispatcher,
      credit: this.#credit,
      unconfirmed: this.#unconfirmed,
      holdLimit: this.#holdLimit,
      signals: new ReceptionSignals(worker),
      parks: settings.maxDeliveries !== null,
      time: context.time,
    })
    this.#connection = new ReconnectingConnection<BrokerConnection>({
      connect: (connect) => this.#broker.connect(connect),
      describe: () => `the broker ${this.#broker.describe().url}`,
      connectTimeoutMs: (settings.brokerConnectionTimeout ?? 4) * 1000,
      unavailable: (message, cause) => new BrokerUnavailableError(message, { cause }),
    })
    this.#steps = new WorkerSteps(worker, options, () => this.#consumerFor(worker))
    this.#consumer = this.#taskConsumer()
    this.#heartbeat = heartbeatFor(app, this.#dispatch, options, this.#state, this.hostname)
    this.#gossip = this.#gossipWith(this.#dispatch)
    const stateDb = options.stateDb ?? settings.workerStateDb
    this.#stateFile =
      stateDb === null
        ? undefined
        : new StateFile({
            path: nodePath(stateDb, this.hostname),
            revoked: this.#revocations.ids,
            clock: context.clock,
            logger: () => context.logger,
          })
  }

  // ---- life ----------------------------------------------------------------------------------------------------------

  async start(): Promise<void> {
    checkOwnCommands(this.#context.commands)
    this.#buildStrategies()
    await this.#stateFile?.open()
    this.#openChords?.start()
    await startPool({
      pool: this.pool,
      size: this.concurrency,
      app: this.#app,
      options: this.#options,
      hostname: this.hostname,
      services: this.#services,
    })
    this.#poolStarted = true
    this.#autoscaler?.start()
    this.#loopWatch?.start()
    await this.#poolSignals('started')
    await this.#steps.startWorker()
    this.#holdLimit.announce(this.#strategies.values())
    this.#holdLimit.start()
    await this.#consumer.start()
  }

  /** Pools without processes of their own run tasks here: what children are told elsewhere is told once. */
  async #poolSignals(moment: 'started' | 'preshutdown' | 'postshutdown'): Promise<void> {
    const { signals } = this.#app
    const { pool } = this
    if (!this.#poolStarted || !pool.capabilities.sharesMemory) return
    const sender = this.hostname
    if (moment === 'started') await signals.workerProcessInit.send({ sender })
    if (pool.name === 'async') {
      if (moment === 'started') await signals.eventletPoolStarted.send({ sender: pool })
      else if (moment === 'preshutdown') await signals.eventletPoolPreshutdown.send({ sender: pool })
      else await signals.eventletPoolPostshutdown.send({ sender: pool })
    }
    if (moment === 'postshutdown')
      await signals.workerProcessShutdown.send({ sender, pid: process.pid, exitcode: 0 })
  }

  /** Takes no more messages, starts no more tasks. */
  stopTaking(): void {
    this.#leaving.abort()
    this.#dispatcher.stop()
    void this.#consumer.stop()
  }

  /** What is not started goes back, unmarked where the broker can. */
  async release(): Promise<void> {
    await this.#steps.close()
    await this.#consumer.stop()
    await this.#steps.stopConsumer()
    this.#reception.clear()
    for (const request of this.#state.in('received', 'scheduled', 'limited', 'reserved')) {
      // A slot elsewhere has it, and may have begun.
      if (request.ticket !== undefined) continue
      request.phase = 'done'
      const released = request.settle({ action: 'release' })
      if (released === undefined) this.#ended(request)
      else
        released.then(
          () => this.#ended(request),
          (error: unknown) => this.#ended(request, error),
        )
    }
    this.#watchAway()
  }

  /** Once nothing runs any more, a broker that stays away is not waited for for ever. */
  #watchAway(): void {
    let since = performance.now()
    this.#awayWatch = setInterval(() => {
      const now = performance.now()
      if (this.#consumer.connected || this.#state.active > 0) since = now
      else if (now - since >= longestAwayMs)
        this.#giveUp(new BrokerUnavailableError('The worker stops, and the broker did not come back.'))
    }, 250)
  }

  /** What is not settled by now never will be; its messages come again when their leases run out. */
  #giveUp(error: Error): void {
    clearInterval(this.#awayWatch)
    this.#reconnects = false
    this.#pauses.end()
    for (const request of this.#state.in('done'))
      if (request.acknowledged && !request.confirmed) this.#ended(request, error)
  }

  /** Resolves when nothing is left that runs or waits for its settlement. */
  drained(): Promise<void> {
    if (this.#state.open.size === 0) return Promise.resolve()
    return new Promise<void>((resolve) => {
      this.#idleWaiters.push(resolve)
    })
  }

  /** Cold: what still runs is given up; the wait for the broker is bounded. */
  async cancelRunning(): Promise<void> {
    this.#cold = true
    const reason = new CeleryError('CT_ABORTED', 'The worker is shut down.')
    for (const request of this.#state.in('active')) this.#dispatcher.cancel(request, reason)
    this.#pauses.end()
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, 5000)
    await Promise.race([this.drained(), promise])
    clearTimeout(timer)
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close())
  }

  async #close(): Promise<void> {
    this.stopTaking()
    this.#reconnects = false
    clearInterval(this.#awayWatch)
    this.#pauses.end()
    this.#holdLimit.stop()
    this.#autoscaler?.stop()
    this.#loopWatch?.stop()
    await this.#steps.stopConsumer(this.#cold)
    await this.#steps.stopWorker(this.#cold)
    this.#heartbeat?.stop()
    await this.#gossip?.close()
    await this.#openChords?.stop()
    await this.#pidbox?.close()
    await this.#consumer.close()
    await this.#dispatch?.close()
    await this.#poolSignals('preshutdown')
    // Threads and children that are idle end in good order: they have connections of their own.
    if (this.#poolStarted && !this.#cold && this.pool.active === 0) await this.pool.stop()
    await this.pool.close()
    await this.#poolSignals('postshutdown')
    await this.#stateFile?.close()
    await this.#connection.close()
    await this.#steps.shutdown()
  }

  counts(): {
    readonly active: number
    readonly processed: number
    readonly received: number
    readonly refused: number
  } {
    const { active, processed } = this.#state
    return { active, processed, received: this.#reception.received, refused: this.#reception.refused }
  }

  /** Also while it runs. */
  async addQueue(queue: Queue): Promise<void> {
    this.#queues.set(queue.name, queue)
    if (!this.paused) await this.#consumer.add(queue)
  }

  async pauseQueues(): Promise<void> {
    if (this.paused) return
    this.paused = true
    for (const name of this.#queues.keys()) await this.#consumer.cancel(name)
  }

  async resumeQueues(): Promise<void> {
    if (!this.paused) return
    this.paused = false
    for (const queue of this.#queues.values()) await this.#consumer.add(queue)
  }

  async cancelQueue(name: string): Promise<void> {
    this.#queues.delete(name)
    await this.#consumer.cancel(name)
  }

  health(): Omit<WorkerHealth, 'node' | 'pid' | 'status'> {
    const { active, processed } = this.#state
    return {
      connected: this.#consumer.connected,
      paused: this.paused,
      queues: this.queueNames(),
      active,
      processed,
      lastHeartbeat: this.#heartbeat?.lastSent ?? null,
    }
  }

  running(): { readonly id: string; readonly name: string; readonly seconds: number }[] {
    const now = performance.now()
    return [...this.#state.in('active')]
      .map((request) => ({ id: request.id, name: request.name, seconds: (now - request.startedAt) / 1000 }))
      .toSorted((a, b) => b.seconds - a.seconds)
  }

  queueNames(): string[] {
    return [...this.#queues.keys()]
  }

  taskNames(): string[] {
    if (this.#strategies.size === 0) this.#buildStrategies()
    return [...this.#strategies.keys()].toSorted()
  }

  // ---- requests ------------------------------------------------------------------------------------------------------

  #ended(request: Request, error?: unknown): void {
    if (error === undefined) {
      if (request.acknowledged) request.confirmed = true
    } else if (
      this.#reconnects &&
      isCeleryError(error) &&
      error.retryable &&
      this.#broker.capabilities.settleAcrossConnections
    ) {
      // The next connection takes it over and settles it then.
      return
    } else {
      this.#lostSettlements.tell(request.label, error)
      this.#unconfirmed.add(request)
    }
    this.#state.open.delete(request)
    this.#unconfirmed.ended(request)
    this.#credit.finished()
    if (this.#state.open.size > 0) return
    this.#credit.idle()
    const waiters = this.#idleWaiters
    this.#idleWaiters = []
    for (const wake of waiters) wake()
  }

  #buildStrategies(): void {
    const { settings } = this.#context
    const defaults = {
      timeLimit: this.#options.timeLimit ?? settings.taskTimeLimit,
      softTimeLimit: this.#options.softTimeLimit ?? settings.taskSoftTimeLimit,
      disableRateLimits: settings.workerDisableRateLimits,
    }
    for (const task of [...builtinTasksOf(this.#services), ...this.#app.tasks]) {
      if (!this.#strategies.has(task.name)) this.#strategies.set(task.name, new Strategy(task, defaults))
    }
  }

  // ---- making the parts ----------------------------------------------------------------------------------------------

  /** Slots: those of the pool once it runs, before that those it will start with. */
  get concurrency(): number {
    return this.pool.size > 0 ? this.pool.size : concurrencyFor(this.pool, this.#options, this.#context)
  }

  #taskConsumer(): TaskConsumer {
    const { settings } = this.#context
    return new TaskConsumer({
      broker: this.#broker,
      connection: this.#connection,
      queues: () => (this.paused ? [] : this.#queues.values()),
      delays: () => delaysNatively(this.#broker, this.#context.queues),
      state: this.#state,
      services: this.#services,
      reception: this.#reception,
      dispatcher: this.#dispatcher,
      credit: this.#credit,
      unconfirmed: this.#unconfirmed,
      onSettledLate: (request, error) => this.#ended(request, error),
      reducePrefetch: settings.workerEnablePrefetchCountReduction,
      cancelOnLoss: settings.workerCancelLongRunningTasksOnConnectionLoss,
      watchdogMs: this.#options.watchdogMs,
      reopen: (queue) =>
        [this.#pidbox, this.#gossip]
          .filter((listener) => listener?.queue === queue)
          .map((listener) => () => listener!.reopen())[0],
      channelErrorRetry: settings.brokerChannelErrorRetry,
      maxAttempts: attemptsFor(this.#context),
      onConnected: (connection) => this.#connected(connection),
      onReady: () => this.#hooks.onReady(),
      onLost: (error) => {
        this.#heartbeat?.pause()
        void this.#steps.stopConsumer()
        this.#hooks.onLost(error)
      },
      onFatal: (error) => {
        this.#giveUp(error)
        this.#hooks.onFatal(error)
      },
    })
  }

  async #connected(connection: BrokerConnection): Promise<void> {
    const { settings } = this.#context
    if (this.#options.purge === true && !this.#purged) {
      for (const queue of this.#queues.values()) await connection.purge(queue.name)
      this.#purged = true
    }
    const control = this.#broker.capabilities.remoteControl && settings.workerEnableRemoteControl
    if (control && this.#options.withoutMingle !== true && settings.workerMingle !== 'off') {
      const mingled = mingle({
        context: this.#context,
        hostname: this.hostname,
        revocations: this.#revocations,
        signal: this.#leaving.signal,
      })
      if (settings.workerMingle === 'wait') await mingled
    }
    await this.#gossip?.open(connection)
    this.#heartbeat?.start()
    if (control && this.#options.withoutRemoteControl !== true) {
      this.#pidbox ??= new Pidbox(this.#commandTarget())
      await this.#pidbox.open(connection)
    }
    this.#current = connection
    await this.#steps.startConsumer()
  }

  #consumerFor(worker: Worker): WorkerConsumer {
    const connection = this.#current
    return {
      app: this.#app,
      worker,
      hostname: this.hostname,
      get connection() {
        if (connection !== undefined) return connection
        throw new ConfigurationError('There is no connection before a step of the consumer is started.')
      },
      pool: this.pool,
      eventDispatcher: this.#dispatch,
      addTaskQueue: (queue) => worker.addConsumer(queue),
      cancelTaskQueue: (name) => this.cancelQueue(name),
      resetRateLimits: () => this.#resetRateLimits(),
    }
  }

  #resetRateLimits(): void {
    for (const strategy of this.#strategies.values()) {
      strategy.setRateLimit(strategy.options.rateLimit)
      this.#reception.resetRateLimit(strategy)
    }
  }

  async reload(modules: readonly string[]): Promise<void> {
    await this.#restartPool(modules)
    this.#resetRateLimits()
  }

  /** New modules bring new tasks. Pools with slots elsewhere replace them, which loads all modules afresh there. */
  async #restartPool(modules: readonly string[]): Promise<void> {
    const urls = modules.map((one) => (URL.canParse(one) ? one : pathToFileURL(one).href))
    for (const url of urls) await import(url)
    this.#buildStrategies()
    await this.pool.restart?.({ modules: [...(this.#options.modules ?? []).map(String), ...urls] })
  }

  #gossipWith(dispatcher: EventDispatcher | undefined): Gossip | undefined {
    if (dispatcher === undefined || !gossips(this.#context, this.#options)) return undefined
    const { onNode } = this.#hooks
    return new Gossip({
      context: this.#context,
      hostname: this.hostname,
      dispatcher,
      heartbeatInterval: this.#options.heartbeatInterval ?? 2,
      electionHandlers: this.#options.electionHandlers ?? {},
      onNodeJoin: (worker) => onNode('nodeJoin', worker),
      onNodeLeave: (worker) => onNode('nodeLeave', worker),
      onNodeLost: (worker) => onNode('nodeLost', worker),
    })
  }

  async #resizePool(by: number): Promise<void> {
    await (by > 0 ? this.pool.grow(by) : this.pool.shrink(-by))
    this.#dispatcher.slotsChanged()
  }

  #autoscalerFor({ autoscale }: WorkerOptions): Autoscaler | undefined {
    if (autoscale === undefined) return undefined
    if (!this.pool.capabilities.resizable)
      throw new ConfigurationError(`The pool ${this.pool.name} has one slot and cannot be autoscaled.`)
    return new Autoscaler({
      ...autoscale,
      size: () => this.pool.size,
      quantity: () => this.#state.in('reserved', 'active').length,
      resize: (by) => this.#resizePool(by),
      onMax: (max) => this.#credit.resize(max),
      log: (message) => this.#services.log.info(message),
    })
  }

  #commandTarget(): ConstructorParameters<typeof Pidbox>[0] {
    const toggle =
      (change: (dispatcher: EventDispatcher) => boolean) => (): { readonly changed: boolean } | undefined => {
        if (this.#dispatch === undefined) return undefined
        const changed = change(this.#dispatch)
        this.events.refresh()
        return { changed }
      }
    return {
      context: this.#context,
      worker: this.#hooks.worker,
      hostname: this.hostname,
      state: this.#state,
      revocations: this.#revocations,
      strategies: this.#strategies,
      dispatcher: this.#dispatcher,
      reception: this.#reception,
      credit: this.#credit,
      pool: this.pool,
      startedAt: this.#startedAt,
      elections: this.#gossip?.elections,
      openChords: this.#openChords,
      queues: () => this.#queues.values(),
      addQueue: (queue) => this.addQueue(queue),
      cancelQueue: (name) => this.cancelQueue(name),
      enableEvents: toggle((dispatcher) => dispatcher.groups.size > 0 && dispatcher.addGroup('task')),
      disableEvents: toggle((dispatcher) => dispatcher.removeGroup('task')),
      sendHeartbeat: () =>
        this.#dispatch?.send('worker-heartbeat', { freq: 5, ...softwareInfo(workerVersion) }),
      resizePool: async (by) => {
        await this.#resizePool(by)
        this.#credit.resize(this.pool.size)
      },
      autoscaler: this.#autoscaler,
      stepInfo: () => this.#steps.info(),
      restartPool: (modules) => this.#restartPool(modules),
      shutdown: () => this.#hooks.onShutdown(),
    }
  }
}
