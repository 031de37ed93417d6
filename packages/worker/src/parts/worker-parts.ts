/**
 * Everything a worker is made of, wired: who knows whom is decided here and nowhere else. {@link PartsLife} starts and stops them.
 */
import {
  delaysNatively,
  nodePath,
  ReconnectingConnection,
  type App,
  type CommandWorker,
  type EventDispatcher,
  type WorkerRecord,
} from '@ct/client'
import { BrokerUnavailableError, type Broker, type BrokerConnection } from '@ct/contracts'
import { DispatchedTaskEvents, publishRetryCopy } from '../app-services.ts'
import type { Autoscaler } from '../autoscaler.ts'
import { WorkerSteps } from '../bootsteps/index.ts'
import { attemptsFor, codecsFor, concurrencyFor, queuesFor } from '../choices.ts'
import { openChordsFor, type OpenChords } from '../chords/index.ts'
import {
  Credit,
  Dispatcher,
  HoldLimit,
  LostSettlements,
  Reception,
  ReceptionSignals,
  TaskConsumer,
  Unconfirmed,
} from '../consumer/index.ts'
import { deduplication, type Deduplication } from '../deduplication.ts'
import { gossips, heartbeatFor, workerDispatcher, type Heartbeat } from '../events/index.ts'
import { Gossip } from '../gossip.ts'
import { LoopWatch } from '../loop-watch.ts'
import type { WorkerOptions } from '../options.ts'
import { Pauses } from '../pauses.ts'
import { Revocations, WorkerState } from '../request/index.ts'
import { StateFile } from '../state-file.ts'
import { traceServices } from '../trace-services.ts'
import { Tracer, type TraceServices } from '../trace/index.ts'
import type { Worker } from '../worker.ts'
import { commandTarget } from './command-target.ts'
import { ConnectionParts } from './connection-parts.ts'
import { ConsumedQueues } from './consumed-queues.ts'
import { KnownTasks } from './known-tasks.ts'
import { OpenRequests } from './open-requests.ts'
import { stepParent } from './step-parent.ts'
import { WorkerPool } from './worker-pool.ts'

export interface PartsHooks {
  readonly worker: CommandWorker
  readonly onShutdown: () => void
  readonly onLost: (error: Error) => void
  readonly onReady: () => void
  readonly onFatal: (error: Error) => void
  readonly onNode: (what: 'nodeJoin' | 'nodeLeave' | 'nodeLost', worker: WorkerRecord) => void
}

export class WorkerParts {
  readonly app: App
  readonly hostname: string
  /** Epoch ms. */
  readonly madeAt: number
  readonly workerPool: WorkerPool
  readonly tasks: KnownTasks
  readonly queues: ConsumedQueues
  readonly state = new WorkerState()
  readonly revocations: Revocations
  readonly pauses = new Pauses()
  readonly dispatch: EventDispatcher | undefined
  readonly events: DispatchedTaskEvents
  readonly heartbeat: Heartbeat | undefined
  readonly gossip: Gossip | undefined
  readonly openChords: OpenChords | undefined
  readonly services: TraceServices
  readonly credit: Credit
  readonly requests: OpenRequests
  readonly autoscaler: Autoscaler | undefined
  readonly loopWatch: LoopWatch | undefined
  readonly dispatcher: Dispatcher
  readonly holdLimit: HoldLimit
  readonly reception: Reception
  readonly consumer: TaskConsumer
  readonly connection: ReconnectingConnection<BrokerConnection>
  readonly onConnection: ConnectionParts
  readonly steps: WorkerSteps
  readonly stateFile: StateFile | undefined
  readonly #options: WorkerOptions
  readonly #hooks: PartsHooks
  readonly #broker: Broker

  constructor(worker: Worker, options: WorkerOptions, hooks: PartsHooks) {
    const { app, hostname } = worker
    const { context, settings } = app
    this.app = app
    this.hostname = hostname
    this.#options = options
    this.#hooks = hooks
    this.#broker = context.readBroker
    this.madeAt = context.now()
    this.workerPool = new WorkerPool({
      app,
      hostname,
      options,
      onResized: () => this.dispatcher.slotsChanged(),
    })
    this.tasks = new KnownTasks({ app, options, services: () => this.services })
    this.queues = new ConsumedQueues(queuesFor(hostname, options, context), () => this.consumer)
    this.revocations = new Revocations({ now: context.now })
    this.dispatch = workerDispatcher(context, options, hostname)
    this.events = new DispatchedTaskEvents(this.dispatch)
    this.heartbeat = heartbeatFor(app, this.dispatch, options, this.state, hostname)
    this.gossip = this.#makeGossip()
    this.openChords = openChordsFor(context, () => this.services)
    this.services = this.#makeServices()
    const deduplicate = deduplication(this.services, settings.workerDeduplicateSuccessfulTasks)
    const unconfirmed = this.#makeUnconfirmed()
    this.credit = this.#makeCredit()
    this.requests = new OpenRequests({
      state: this.state,
      credit: this.credit,
      unconfirmed,
      lostSettlements: new LostSettlements(() => this.services.log),
      capabilities: this.#broker.capabilities,
      pauses: this.pauses,
      isConnected: () => this.consumer.connected,
    })
    const tracer = new Tracer({
      services: this.services,
      publishRetry: (copy) => publishRetryCopy(context, copy),
      onSuccess: deduplicate?.remember,
      onEnd: (request, error) => this.requests.ended(request, error),
      now: context.now,
    })
    this.autoscaler = this.workerPool.autoscaler({
      quantity: () => this.state.in('reserved', 'active').length,
      onMax: (max) => this.credit.resize(max),
      log: (message) => this.services.log.info(message),
    })
    this.loopWatch = this.#makeLoopWatch()
    this.connection = this.#makeConnection()
    this.dispatcher = this.#makeDispatcher(tracer, deduplicate)
    this.holdLimit = new HoldLimit({
      capabilities: this.#broker.capabilities,
      state: this.state,
      log: this.services.log,
      now: context.now,
      connection: () => this.connection.current,
      isStopping: () => this.dispatcher.isStopped,
      release: (request) => this.requests.release(request),
      onSettled: (request, error) => this.requests.ended(request, error),
    })
    this.reception = new Reception({
      codecs: codecsFor(context),
      strategies: this.tasks.strategies,
      state: this.state,
      services: this.services,
      tracer,
      revocations: this.revocations,
      dispatcher: this.dispatcher,
      credit: this.credit,
      unconfirmed,
      holdLimit: this.holdLimit,
      signals: new ReceptionSignals(worker),
      parks: settings.maxDeliveries !== null,
      time: context.time,
    })
    this.onConnection = new ConnectionParts({
      app,
      hostname,
      options,
      capabilities: this.#broker.capabilities,
      queues: this.queues,
      revocations: this.revocations,
      heartbeat: this.heartbeat,
      gossip: this.gossip,
      steps: () => this.steps,
      commandTarget: () => commandTarget(this, hooks),
    })
    this.steps = new WorkerSteps(worker, options, () => stepParent(worker, this))
    this.consumer = this.#makeConsumer(unconfirmed)
    this.stateFile = this.#makeStateFile()
  }

  #makeServices(): TraceServices {
    const services = traceServices(this.app.context, {
      hostname: this.hostname,
      events: this.events,
      task: (name) => this.tasks.strategies.get(name)?.task,
      pause: (ms) => this.pauses.pause(ms),
      openChords: this.openChords,
    })
    return { ...services, runsTasks: this.workerPool.pool.capabilities.sharesMemory }
  }

  #makeUnconfirmed(): Unconfirmed {
    return new Unconfirmed((taskId, error) => {
      const text = `Task ${taskId} had ended before its connection was lost; its message came again`
      if (error === undefined) this.services.log.info(`${text} and is settled now.`)
      else this.services.log.warn(`${text} and could not be settled.`, { error })
    })
  }

  #makeCredit(): Credit {
    const { context, settings } = this.app
    const { autoscale, prefetchMultiplier, maxClaim } = this.#options
    const disablePrefetch = settings.workerDisablePrefetch
    return new Credit({
      multiplier: disablePrefetch ? 1 : (prefetchMultiplier ?? settings.workerPrefetchMultiplier),
      concurrency: autoscale?.max ?? concurrencyFor(this.workerPool.pool, this.#options, context),
      maxClaim: maxClaim ?? settings.maxClaim,
      grows: !disablePrefetch && context.defaults === 'ct',
      etaTaskLimit: settings.workerEtaTaskLimit ?? undefined,
      onChange: (credit, claim) => this.consumer.setCredit(credit, claim),
    })
  }

  #makeLoopWatch(): LoopWatch | undefined {
    if (this.workerPool.pool.capabilities.isolatesCpu) return undefined
    return new LoopWatch({
      active: () => this.state.in('active'),
      warn: (message, fields) => this.services.log.warn(message, fields),
    })
  }

  #makeDispatcher(tracer: Tracer, deduplicate: Deduplication | undefined): Dispatcher {
    return new Dispatcher({
      pool: this.workerPool.pool,
      state: this.state,
      services: this.services,
      tracer,
      revocations: this.revocations,
      deduplicate,
      marksUnstarted: this.#broker.capabilities.marksUnstarted === true,
      onSettled: (request, error) => this.requests.ended(request, error),
      onReserved: this.autoscaler === undefined ? undefined : () => this.autoscaler?.reserved(),
      onEnded: this.loopWatch?.ended,
      onReturned: (request) => this.requests.release(request),
    })
  }

  #makeConnection(): ReconnectingConnection<BrokerConnection> {
    return new ReconnectingConnection<BrokerConnection>({
      connect: (connect) => this.#broker.connect(connect),
      describe: () => `the broker ${this.#broker.describe().url}`,
      connectTimeoutMs: (this.app.settings.brokerConnectionTimeout ?? 4) * 1000,
      unavailable: (message, cause) => new BrokerUnavailableError(message, { cause }),
    })
  }

  #makeConsumer(unconfirmed: Unconfirmed): TaskConsumer {
    const { context, settings } = this.app
    return new TaskConsumer({
      broker: this.#broker,
      connection: this.connection,
      queues: () => this.queues.wanted(),
      delays: () => delaysNatively(this.#broker, context.queues),
      state: this.state,
      services: this.services,
      reception: this.reception,
      dispatcher: this.dispatcher,
      credit: this.credit,
      unconfirmed,
      onSettledLate: (request, error) => this.requests.ended(request, error),
      reducePrefetch: settings.workerEnablePrefetchCountReduction,
      cancelOnLoss: settings.workerCancelLongRunningTasksOnConnectionLoss,
      watchdogMs: this.#options.watchdogMs,
      reopen: (queue) => this.onConnection.reopener(queue),
      channelErrorRetry: settings.brokerChannelErrorRetry,
      maxAttempts: attemptsFor(context),
      onConnected: (connection) => this.onConnection.open(connection),
      onReady: () => this.#hooks.onReady(),
      onLost: (error) => {
        this.onConnection.lost()
        this.#hooks.onLost(error)
      },
      onFatal: (error) => {
        this.requests.giveUp(error)
        this.#hooks.onFatal(error)
      },
    })
  }

  #makeGossip(): Gossip | undefined {
    const { context } = this.app
    if (this.dispatch === undefined || !gossips(context, this.#options)) return undefined
    const { onNode } = this.#hooks
    return new Gossip({
      context,
      hostname: this.hostname,
      dispatcher: this.dispatch,
      heartbeatInterval: this.#options.heartbeatInterval ?? 2,
      electionHandlers: this.#options.electionHandlers ?? {},
      onNodeJoin: (worker) => onNode('nodeJoin', worker),
      onNodeLeave: (worker) => onNode('nodeLeave', worker),
      onNodeLost: (worker) => onNode('nodeLost', worker),
    })
  }

  #makeStateFile(): StateFile | undefined {
    const { context, settings } = this.app
    const path = this.#options.stateDb ?? settings.workerStateDb
    if (path === null) return undefined
    return new StateFile({
      stamps: this.revocations.stamps,
      path: nodePath(path, this.hostname),
      revoked: this.revocations.ids,
      clock: context.clock,
      logger: () => context.logger,
    })
  }
}
