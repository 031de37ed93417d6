/**
 * Every signal of Celery 5.7 (celery/signals.py; the app's own of celery/app/base.py; those of celery/contrib/testing/worker.py): its name
 * in camelCase, and what its handlers get. Where Python passes `traceback` as an object, here it is the text that is stored with a failure.
 */
import type { QueueDeclaration } from '@ct/contracts'
import type { App } from '../app/app.ts'
import type { Logger } from '../app/logger.ts'
import type { Settings } from '../app/settings/index.ts'
import type { RegisteredTask, TaskRequest } from '../task/index.ts'
import type { RetryPolicy } from '../routing/index.ts'

/** A worker, as handlers see it; `@ct/worker` has its full type. */
export interface SignalWorker {
  readonly app: App
  readonly hostname: string
  readonly concurrency: number
  /** Names of the queues it consumes from. */
  readonly queues: readonly string[]
  readonly tasks: readonly string[]
  /** Takes messages from this queue too. Before the worker starts it only joins the list. */
  addConsumer(queue: string): Promise<void>
  cancelConsumer(queue: string): Promise<void>
  stop(options?: { readonly mode?: 'warm' | 'soft' | 'cold' }): Promise<void>
}

/** What raised, as Celery's `ExceptionInfo`. */
export interface ExceptionInfo {
  /** Name of the error's class. */
  readonly type: string
  readonly exception: unknown
  /** As Python writes it. */
  readonly traceback: string
}

type Args = readonly unknown[]
type Kwargs = Readonly<Record<string, unknown>>

/** Properties of the message that is sent; handlers of `beforeTaskPublish` may change them. */
export interface PublishedProperties {
  correlationId?: string
  replyTo?: string
  deliveryMode?: 1 | 2
  priority?: number
  expiration?: string
  extra?: Record<string, unknown>
}

/** A message that is no task, or none that the worker may run. */
export interface RejectedMessage {
  readonly queue: string
  readonly body: Uint8Array
  readonly contentType: string
  readonly contentEncoding: string
  readonly headers: unknown
  readonly properties: Readonly<Record<string, unknown>>
  readonly deliveryInfo: {
    readonly exchange: string
    readonly routingKey: string
    readonly redelivered: boolean
  }
}

interface LogSetUp {
  readonly sender: null
  /** Python's number: 10 debug, 20 info, 30 warning … */
  readonly loglevel: number
  /** Path; null: standard error. */
  readonly logfile: string | null
  readonly format: 'text' | 'json'
  readonly colorize: boolean
}

interface LoggerSetUp extends LogSetUp {
  readonly logger: Logger
}

interface OfWorker {
  readonly sender: SignalWorker
}

interface OfApp {
  readonly sender: App
}

interface OfTask {
  readonly sender: RegisteredTask
}

/** A pool, as handlers see it. */
export interface SignalPool {
  readonly name: string
  readonly size: number
}

/** Beat's service, as handlers see it. */
export interface SignalBeat {
  readonly app: App
}

export interface SignalMap {
  // ---- publishing: in the process that sends ----
  /**
   * SIG-1: before a task is sent; `sender` is its name. `headers`, `properties`, and what is inside `body` may be changed: that is what is
   * sent. `argsrepr` and `kwargsrepr` in the headers are then those of before.
   */
  beforeTaskPublish: {
    readonly sender: string
    /** `[args, kwargs, embed]`; decoded when somebody looks. */
    readonly body: [unknown[], Record<string, unknown>, Record<string, unknown>]
    readonly exchange: string
    readonly routingKey: string
    readonly headers: Record<string, unknown>
    readonly properties: PublishedProperties
    readonly declare: QueueDeclaration[]
    /** The setting and the call's own, merged (D57-132). */
    readonly retryPolicy: RetryPolicy
  }
  /** SIG-2: the broker has the message. */
  afterTaskPublish: {
    readonly sender: string
    readonly body: readonly [Args, Kwargs, Readonly<Record<string, unknown>>]
    readonly headers: Readonly<Record<string, unknown>>
    readonly exchange: string
    readonly routingKey: string
  }
  /** SIG-3: as `afterTaskPublish`; deprecated by Celery. */
  taskSent: {
    readonly sender: string
    readonly taskId: string
    readonly task: string
    readonly args: Args
    readonly kwargs: Kwargs
    readonly eta: string | null
    readonly taskset: string | null
  }
  // ---- tasks: in the worker ----
  /** SIG-4: a task was received that is neither revoked nor expired. */
  taskReceived: OfWorker & { readonly request: TaskRequest }
  /** SIG-5: before the task runs, where it runs. Its code starts when the handlers have ended. */
  taskPrerun: OfTask & {
    readonly taskId: string
    readonly task: RegisteredTask
    readonly args: Args
    readonly kwargs: Kwargs
  }
  /** SIG-6: after all that a run comes to; `state` is null when nobody waited for it any more. */
  taskPostrun: OfTask & {
    readonly taskId: string
    readonly task: RegisteredTask
    readonly args: Args
    readonly kwargs: Kwargs
    /** What it returned, or the error, `Retry`, `Ignore` or `Reject` that it threw. */
    readonly retval: unknown
    /** `SUCCESS`, `FAILURE`, `RETRY`, `IGNORED`, `REJECTED`, or null. */
    readonly state: string | null
  }
  /** SIG-7: the success is stored. `runtime` in seconds (D57-130). */
  taskSuccess: OfTask & { readonly result: unknown; readonly runtime: number }
  /** SIG-8: the copy is published; also for tasks that a shutdown cancelled, without `reason` and `einfo`. */
  taskRetry: OfTask & {
    readonly request: TaskRequest
    readonly reason: unknown
    readonly einfo: ExceptionInfo | null
  }
  /** SIG-9: the failure is stored: an error, a hard time limit, a lost process, a `Reject` without requeue. */
  taskFailure: OfTask & {
    readonly taskId: string
    readonly exception: unknown
    readonly args: Args
    readonly kwargs: Kwargs
    readonly traceback: string
    readonly einfo: ExceptionInfo
  }
  /** SIG-10: the worker itself failed at a task's ending. */
  taskInternalError: OfTask & {
    readonly taskId: string
    readonly args: Args
    readonly kwargs: Kwargs
    readonly request: TaskRequest
    readonly exception: unknown
    readonly traceback: string
    readonly einfo: ExceptionInfo
  }
  /** SIG-11: revoked, expired or terminated. */
  taskRevoked: OfTask & {
    readonly request: TaskRequest
    readonly terminated: boolean
    readonly signum: number | null
    readonly expired: boolean
  }
  /** SIG-12: a message that is no task, or a wrong one; `exc` is null where it is no task at all. */
  taskRejected: OfWorker & { readonly message: RejectedMessage; readonly exc: unknown }
  /** SIG-13: no task of that name is registered. */
  taskUnknown: OfWorker & {
    readonly name: string
    readonly id: string
    readonly message: RejectedMessage
    readonly exc: unknown
  }
  // ---- the worker's life ----
  /** SIG-14: first of all; `sender` is the node name, so that a host can be configured by name: `conf` is then changed by `app.configure`. */
  celerydInit: {
    readonly sender: string
    readonly instance: SignalWorker
    readonly conf: Settings
    readonly options: Readonly<Record<string, unknown>>
  }
  /** SIG-15: the queues are chosen; `instance.addConsumer` adds more. */
  celerydAfterSetup: { readonly sender: string; readonly instance: SignalWorker; readonly conf: Settings }
  /** SIG-16: the modules with tasks are to be imported. What a handler throws ends the start. */
  importModules: OfApp
  /** SIG-17: before anything of the worker is made. */
  workerInit: OfWorker
  /** SIG-18: before a child process or thread of the pool is made. */
  workerBeforeCreateProcess: { readonly sender: SignalPool }
  /** SIG-19: where tasks run, before the first one: in each child; once in pools without. `sender` is the node name (D57-131). */
  workerProcessInit: { readonly sender: string }
  /** SIG-20 */
  workerProcessShutdown: { readonly sender: string; readonly pid: number; readonly exitcode: number }
  /** SIG-21: tasks are consumed, for the first time. */
  workerReady: OfWorker
  /** SIG-22: the process was told to stop by a signal; `sender` is the node name. */
  workerShuttingDown: {
    readonly sender: string
    readonly sig: string
    readonly how: 'Warm' | 'Cold'
    readonly exitcode: number
  }
  /** SIG-23: the worker has stopped. */
  workerShutdown: OfWorker
  /** SIG-24: with each heartbeat event; `interval` in seconds. */
  heartbeatSent: { readonly sender: { readonly hostname: string; readonly interval: number } }
  // ---- logging and the command line ----
  /** SIG-25: with a handler, the command line leaves logging alone. What it throws ends the start (D57-133). */
  setupLogging: LogSetUp
  /** SIG-26 */
  afterSetupLogger: LoggerSetUp
  afterSetupTaskLogger: LoggerSetUp
  /** SIG-30: options of `app.userOptions.preload` have been read; `sender` is the name of the command. */
  userPreloadOptions: {
    readonly sender: string
    readonly app: App
    readonly options: Readonly<Record<string, unknown>>
  }
  // ---- beat ----
  /** SIG-27: beat starts; the second one besides when it runs inside a worker. */
  beatInit: { readonly sender: SignalBeat }
  beatEmbeddedInit: { readonly sender: SignalBeat }
  // ---- the async pool, which is what Celery has eventlet for ----
  /** SIG-28 */
  eventletPoolStarted: { readonly sender: SignalPool }
  eventletPoolPreshutdown: { readonly sender: SignalPool }
  eventletPoolPostshutdown: { readonly sender: SignalPool }
  /** SIG-29: each job. */
  eventletPoolApply: {
    readonly sender: SignalPool
    readonly target: RegisteredTask
    readonly args: Args
    readonly kwargs: Kwargs
  }
  // ---- the app ----
  /** SIG-31, APP-65: before the settings are read for the first time. */
  onConfigure: OfApp
  /** The settings are read. A handler that is connected later is not called. */
  onAfterConfigure: OfApp & { readonly source: Settings }
  /** All tasks are registered: a worker or beat starts, or somebody called `app.finalize()`. */
  onAfterFinalize: OfApp
  /** In a child process or thread of a pool, before its first task. */
  onAfterFork: OfApp
  // ---- workers in tests ----
  /** SIG-32 */
  testWorkerStarting: OfApp
  testWorkerStarted: OfApp & { readonly worker: SignalWorker; readonly consumer: SignalWorker }
  testWorkerStopped: OfApp & { readonly worker: SignalWorker }
}

export type SignalName = keyof SignalMap
