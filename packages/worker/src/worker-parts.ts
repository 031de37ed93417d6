/**
 * Everything a worker is made of, wired: who knows whom is decided here and nowhere else. {@link Worker} decides when.
 */
import { availableParallelism } from 'node:os'
import {
  EventDispatcher,
  ReconnectingConnection,
  type App,
  type AppContext,
  type Queue,
  Queue as TaskQueue,
  Exchange,
} from '@ct/client'
import {
  assertContract,
  BrokerUnavailableError,
  CeleryError,
  ConfigurationError,
  isCeleryError,
  type Broker,
  type BrokerConnection,
  type MessageCodecs,
  type Pool,
} from '@ct/contracts'
import {
  chordsOf,
  DispatchedTaskEvents,
  publishRetryCopy,
  resultsOf,
  senderOf,
  traceLog,
} from './app-services.ts'
import { Credit, Dispatcher, Reception, TaskConsumer, Unconfirmed } from './consumer/index.ts'
import { mergeRevoked, Pidbox } from './control/index.ts'
import { deduplication } from './deduplication.ts'
import { Heartbeat, softwareInfo } from './events/index.ts'
import { nodeName } from './node-name.ts'
import type { WorkerOptions } from './options.ts'
import { asyncPool, soloPool } from './pool/index.ts'
import { Revocations, Strategy, WorkerState, type Request } from './request/index.ts'
import { builtinTasksOf, executor, Tracer, type TraceServices } from './trace/index.ts'
import { workerVersion } from './version.ts'

export interface PartsHooks {
  readonly onShutdown: () => void
  readonly onLost: (error: Error) => void
  readonly onReady: () => void
  readonly onFatal: (error: Error) => void
}

export class WorkerParts {
  readonly hostname: string
  readonly pool: Pool
  readonly events: DispatchedTaskEvents
  readonly softTimeout: number
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
  readonly #reception: Reception
  readonly #consumer: TaskConsumer
  readonly #connection: ReconnectingConnection<BrokerConnection>
  readonly #unconfirmed: Unconfirmed
  readonly #dispatch: EventDispatcher | undefined
  readonly #heartbeat: Heartbeat | undefined
  readonly #queues = new Map<string, Queue>()
  readonly #pauses = new Set<(completed: boolean) => void>()
  readonly #startedAt: number
  #pidbox: Pidbox | undefined
  #idleWaiters: (() => void)[] = []
  #taking = true
  /** Ends what need not be waited for when the worker stops. */
  readonly #leaving = new AbortController()
  #closed: Promise<void> | undefined
  #pausesEnded = false

  constructor(app: App, options: WorkerOptions, hooks: PartsHooks) {
    const context = app.context
    const { settings } = context
    this.#app = app
    this.#context = context
    this.#options = options
    this.#hooks = hooks
    this.#broker = context.readBroker
    this.#startedAt = context.now()
    this.hostname = nodeName(options.hostname, context.hostname)
    this.softTimeout = settings.workerSoftShutdownTimeout
    this.pool = poolFor(options)
    this.#revocations = new Revocations({ now: context.now })
    for (const queue of this.#chosenQueues()) this.#queues.set(queue.name, queue)
    this.#dispatch = this.#eventDispatcher()
    this.events = new DispatchedTaskEvents(this.#dispatch)
    this.#services = this.#traceServices()
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
      concurrency: this.#concurrency(),
      maxClaim: options.maxClaim ?? settings.maxClaim,
      grows: !disablePrefetch && context.defaults === 'ct',
      etaTaskLimit: settings.workerEtaTaskLimit ?? undefined,
      onChange: (credit, maxClaim) => this.#consumer.setCredit(credit, maxClaim),
    })
    this.#dispatcher = new Dispatcher({
      pool: this.pool,
      state: this.#state,
      services: this.#services,
      tracer: this.#tracer,
      revocations: this.#revocations,
      deduplicate: deduplicate?.isDone,
      onSettled: (request, error) => this.#ended(request, error),
    })
    this.#reception = new Reception({
      codecs: this.#codecs(),
      strategies: this.#strategies,
      state: this.#state,
      services: this.#services,
      tracer: this.#tracer,
      revocations: this.#revocations,
      dispatcher: this.#dispatcher,
      credit: this.#credit,
      unconfirmed: this.#unconfirmed,
      parks: settings.maxDeliveries !== null,
      now: context.now,
    })
    this.#connection = new ReconnectingConnection<BrokerConnection>({
      connect: (connect) => this.#broker.connect(connect),
      describe: () => `the broker ${this.#broker.describe().url}`,
      connectTimeoutMs: (settings.brokerConnectionTimeout ?? 4) * 1000,
      unavailable: (message, cause) => new BrokerUnavailableError(message, { cause }),
    })
    this.#consumer = this.#taskConsumer()
    this.#heartbeat = this.#heart()
  }

  // ---- life ----------------------------------------------------------------------------------------------------------

  async start(): Promise<void> {
    const { log } = this.#services
    this.#buildStrategies()
    await this.pool.start({
      size: this.#concurrency(),
      entry: new URL('./pool/slot.ts', import.meta.url),
      modules: (this.#options.modules ?? []).map(String),
      config: undefined,
      execute: executor(this.#services),
      onSlotError: (error) => log.error('A slot of the pool failed outside of any task.', { error }),
      maxTasksPerChild: this.#options.maxTasksPerChild ?? this.#context.settings.workerMaxTasksPerChild ?? undefined,
      maxMemoryPerChildKb: this.#options.maxMemoryPerChild ?? this.#context.settings.workerMaxMemoryPerChild ?? undefined,
    })
    await this.#consumer.start()
  }

  /** Takes no more messages, starts no more tasks. */
  stopTaking(): void {
    this.#taking = false
    this.#leaving.abort()
    this.#dispatcher.stop()
    void this.#consumer.stop()
  }

  /** What is not started goes back, unmarked where the broker can. */
  async release(): Promise<void> {
    await this.#consumer.stop()
    this.#reception.clear()
    for (const request of this.#state.in('received', 'scheduled', 'limited', 'reserved')) {
      request.phase = 'done'
      const released = request.settle({ action: 'release' })
      if (released === undefined) this.#ended(request)
      else released.then(() => this.#ended(request), (error: unknown) => this.#ended(request, error))
    }
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
    const reason = new CeleryError('CT_ABORTED', 'The worker is shut down.')
    for (const request of this.#state.in('active')) this.#dispatcher.cancel(request, reason)
    this.#endPauses()
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
    this.#endPauses()
    this.#heartbeat?.stop()
    await this.#pidbox?.close()
    await this.#consumer.close()
    await this.#dispatch?.close()
    await this.pool.close()
    await this.#connection.close()
  }

  counts(): { readonly active: number; readonly processed: number; readonly received: number; readonly refused: number } {
    const { active, processed } = this.#state
    return { active, processed, received: this.#reception.received, refused: this.#reception.refused }
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
    } else if (this.#taking && isCeleryError(error) && error.retryable && this.#broker.capabilities.settleAcrossConnections) {
      // The next connection takes it over and settles it then.
      return
    } else {
      this.#services.log.warn(`The settlement of task ${request.label} did not reach the broker; its message will come again.`, {
        error,
      })
      if (request.settlement !== undefined) this.#unconfirmed.add(request.id, request.settlement)
    }
    this.#state.open.delete(request)
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
    return this.pool.size > 0 ? this.pool.size : this.#concurrency()
  }

  #concurrency(): number {
    if (!this.pool.capabilities.resizable && this.pool.name === 'solo') return 1
    const wanted = this.#options.concurrency ?? this.#context.settings.workerConcurrency
    if (typeof wanted === 'number' && wanted > 0) return wanted
    if (wanted === null && this.pool.name === 'async' && this.#context.defaults === 'ct') return 50
    return availableParallelism()
  }

  #codecs(): MessageCodecs {
    const { serializers, compressors, settings } = this.#context
    return {
      serializers,
      compressors,
      accept: serializers.accept(settings.acceptContent),
      maxBytes: settings.maxDecompressedBytes,
    }
  }

  #chosenQueues(): Queue[] {
    const { queues, settings } = this.#context
    const { queues: only, excludeQueues } = this.#options
    const excluded = new Set(listOf(excludeQueues).map((name) => queues.find(name)?.name ?? name))
    const chosen = only === undefined ? [...queues.consumeFrom.values()] : listOf(only).map((name) => queues.get(name))
    if (settings.workerDirect) {
      const exchange = new Exchange('C.dq2')
      chosen.push(new TaskQueue(`${this.hostname}.dq2`, { exchange, routingKey: this.hostname }))
    }
    const left = chosen.filter((queue) => !excluded.has(queue.name))
    if (left.length === 0) throw new ConfigurationError('The worker has no queue to consume from.')
    return left
  }

  #eventDispatcher(): EventDispatcher | undefined {
    const context = this.#context
    const taskEvents = this.#options.taskEvents ?? context.settings.workerSendTaskEvents
    if (!context.broker.capabilities.remoteControl) return undefined
    if (!taskEvents && this.#options.withoutHeartbeat === true) return undefined
    return new EventDispatcher({
      broker: () => context.broker,
      publish: (message) => context.producer.publish(message),
      serializers: context.serializers,
      clock: context.clock,
      hostname: this.hostname,
      settings: context.settings,
      // With -E everything; without it, worker events alone.
      groups: taskEvents ? [] : ['worker'],
      bufferGroups: ['task'],
      now: context.now,
      warn: (message) => context.logger.warn(message),
    })
  }

  #heart(): Heartbeat | undefined {
    const dispatcher = this.#dispatch
    if (this.#options.withoutHeartbeat === true || dispatcher === undefined) return undefined
    return new Heartbeat({
      interval: this.#options.heartbeatInterval ?? 2,
      version: workerVersion,
      send: (type, fields) => dispatcher.send(type, fields),
      active: () => this.#state.active,
      processed: () => this.#state.processed,
    })
  }

  #traceServices(): TraceServices {
    const context = this.#context
    const { settings } = context
    return {
      app: this.#app,
      hostname: this.hostname,
      results: resultsOf(context, this.hostname),
      chords: chordsOf(context),
      sender: senderOf(context),
      events: this.events,
      log: traceLog(context),
      defaults: context.defaults,
      inheritPriority: settings.taskInheritParentPriority,
      chordJoinTimeout: settings.resultChordJoinTimeout,
      publishBoundMs: Math.max(21_000, (settings.publishTimeoutMs ?? 0) + 5000),
      task: (name) => this.#strategies.get(name)?.task,
      pause: (ms) => this.#pause(ms),
      onInternalError: () => undefined,
    }
  }

  #taskConsumer(): TaskConsumer {
    const { settings } = this.#context
    const retry = settings.brokerConnectionRetry
    const retryFirst = settings.brokerConnectionRetryOnStartup ?? retry
    const most = settings.brokerConnectionMaxRetries
    const limit = most === null || most === 0 ? undefined : most
    return new TaskConsumer({
      broker: this.#broker,
      connection: this.#connection,
      queues: () => this.#queues.values(),
      state: this.#state,
      services: this.#services,
      reception: this.#reception,
      dispatcher: this.#dispatcher,
      credit: this.#credit,
      unconfirmed: this.#unconfirmed,
      reducePrefetch: settings.workerEnablePrefetchCountReduction,
      cancelOnLoss: settings.workerCancelLongRunningTasksOnConnectionLoss,
      watchdogMs: this.#options.watchdogMs,
      maxAttempts: { first: retryFirst ? limit : 1, later: retry ? limit : 1 },
      onConnected: (connection) => this.#connected(connection),
      onReady: () => this.#hooks.onReady(),
      onLost: (error) => {
        this.#heartbeat?.pause()
        this.#hooks.onLost(error)
      },
      onFatal: (error) => this.#hooks.onFatal(error),
    })
  }

  async #connected(connection: BrokerConnection): Promise<void> {
    if (this.#options.purge === true) {
      for (const queue of this.#queues.values()) await connection.purge(queue.name)
    }
    const mingled = this.#mingle()
    if (this.#context.settings.workerMingle === 'wait') await mingled
    this.#heartbeat?.start()
    const { settings } = this.#context
    const control = this.#broker.capabilities.remoteControl && settings.workerEnableRemoteControl
    if (!control || this.#options.withoutRemoteControl === true) return
    this.#pidbox ??= new Pidbox(this.#commandTarget())
    await this.#pidbox.open(connection)
  }

  /** Asks the others for their revoked ids and clocks. Trouble with it is no reason not to start. */
  async #mingle(): Promise<void> {
    const { settings } = this.#context
    if (this.#options.withoutMingle === true || settings.workerMingle === 'off') return
    if (!this.#broker.capabilities.remoteControl || !settings.workerEnableRemoteControl) return
    try {
      const replies = await this.#app.control.broadcast('hello', {
        arguments: { from_node: this.hostname, revoked: this.#revocations.ids.ids() },
        reply: true,
        timeoutMs: 1000,
        signal: this.#leaving.signal,
      })
      for (const reply of replies) {
        for (const [node, value] of Object.entries(reply)) {
          if (node === this.hostname || typeof value !== 'object' || value === null) continue
          const { clock, revoked } = value as { readonly clock?: unknown; readonly revoked?: unknown }
          if (typeof clock === 'number') this.#context.clock.adjust(clock)
          mergeRevoked({ revocations: this.#revocations }, revoked)
        }
      }
    } catch (error) {
      if (this.#leaving.signal.aborted) return
      this.#services.log.warn('The other workers could not be asked for their revoked ids.', { error })
    }
  }

  #commandTarget(): ConstructorParameters<typeof Pidbox>[0] {
    const toggle = (change: (dispatcher: EventDispatcher) => boolean) => (): { readonly changed: boolean } | undefined => {
      if (this.#dispatch === undefined) return undefined
      const changed = change(this.#dispatch)
      this.events.refresh()
      return { changed }
    }
    return {
      context: this.#context,
      hostname: this.hostname,
      state: this.#state,
      revocations: this.#revocations,
      strategies: this.#strategies,
      dispatcher: this.#dispatcher,
      reception: this.#reception,
      credit: this.#credit,
      pool: this.pool,
      startedAt: this.#startedAt,
      queues: () => this.#queues.values(),
      addQueue: async (queue) => {
        this.#queues.set(queue.name, queue)
        await this.#consumer.add(queue)
      },
      cancelQueue: async (name) => {
        this.#queues.delete(name)
        await this.#consumer.cancel(name)
      },
      enableEvents: toggle((dispatcher) => dispatcher.groups.size > 0 && dispatcher.addGroup('task')),
      disableEvents: toggle((dispatcher) => dispatcher.removeGroup('task')),
      sendHeartbeat: () => this.#dispatch?.send('worker-heartbeat', { freq: 5, ...softwareInfo(workerVersion) }),
      resizePool: async (by) => {
        await (by > 0 ? this.pool.grow(by) : this.pool.shrink(-by))
        this.#credit.resize(this.pool.size)
        this.#dispatcher.slotsChanged()
      },
      shutdown: () => this.#hooks.onShutdown(),
    }
  }

  // ---- waiting -------------------------------------------------------------------------------------------------------

  #pause(ms: number): Promise<boolean> {
    if (this.#pausesEnded) return Promise.resolve(false)
    return new Promise<boolean>((resolve) => {
      const end = (completed: boolean): void => {
        clearTimeout(timer)
        this.#pauses.delete(end)
        resolve(completed)
      }
      const timer = setTimeout(() => end(true), ms)
      this.#pauses.add(end)
    })
  }

  #endPauses(): void {
    this.#pausesEnded = true
    for (const end of this.#pauses) end(false)
  }
}

function poolFor(options: WorkerOptions): Pool {
  const { pool } = options
  if (pool === 'solo') return soloPool()
  if (pool === undefined || typeof pool === 'string') return asyncPool()
  assertContract(pool, 'pool')
  return pool
}

function listOf(names: string | readonly string[] | undefined): readonly string[] {
  if (names === undefined) return []
  return (typeof names === 'string' ? names.split(',') : names).map((name) => name.trim()).filter((name) => name !== '')
}
