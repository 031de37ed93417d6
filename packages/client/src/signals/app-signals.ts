import { Signal } from './signal.ts'
import type { SignalErrorHandler } from './signal.ts'
import type { SignalMap, SignalName } from './signal-map.ts'

/** The signals of an app, by name: `app.signals.taskPrerun.connect(…)`. */
export type AppSignals = { readonly [N in SignalName]: Signal<SignalMap[N]> }

/** Every signal, and what its handlers get besides `sender`. */
export const signalTable: {
  readonly [N in SignalName]: readonly Exclude<keyof SignalMap[N], 'sender'>[]
} = {
  beforeTaskPublish: ['body', 'exchange', 'routingKey', 'headers', 'properties', 'declare', 'retryPolicy'],
  afterTaskPublish: ['body', 'headers', 'exchange', 'routingKey'],
  taskSent: ['taskId', 'task', 'args', 'kwargs', 'eta', 'taskset'],
  taskReceived: ['request'],
  taskPrerun: ['taskId', 'task', 'args', 'kwargs'],
  taskPostrun: ['taskId', 'task', 'args', 'kwargs', 'retval', 'state'],
  taskSuccess: ['result', 'runtime'],
  taskRetry: ['request', 'reason', 'einfo'],
  taskFailure: ['taskId', 'exception', 'args', 'kwargs', 'traceback', 'einfo'],
  taskInternalError: ['taskId', 'args', 'kwargs', 'request', 'exception', 'traceback', 'einfo'],
  taskRevoked: ['request', 'terminated', 'signum', 'expired'],
  taskRejected: ['message', 'exc'],
  taskUnknown: ['name', 'id', 'message', 'exc'],
  celerydInit: ['instance', 'conf', 'options'],
  celerydAfterSetup: ['instance', 'conf'],
  importModules: [],
  workerInit: [],
  workerBeforeCreateProcess: [],
  workerProcessInit: [],
  workerProcessShutdown: ['pid', 'exitcode'],
  workerReady: [],
  workerShuttingDown: ['sig', 'how', 'exitcode'],
  workerShutdown: [],
  heartbeatSent: [],
  setupLogging: ['loglevel', 'logfile', 'format', 'colorize'],
  afterSetupLogger: ['logger', 'loglevel', 'logfile', 'format', 'colorize'],
  afterSetupTaskLogger: ['logger', 'loglevel', 'logfile', 'format', 'colorize'],
  userPreloadOptions: ['app', 'options'],
  beatInit: [],
  beatEmbeddedInit: [],
  eventletPoolStarted: [],
  eventletPoolPreshutdown: [],
  eventletPoolPostshutdown: [],
  eventletPoolApply: ['target', 'args', 'kwargs'],
  onConfigure: [],
  onAfterConfigure: ['source'],
  onAfterFinalize: [],
  onAfterFork: [],
  testWorkerStarting: [],
  testWorkerStarted: ['worker', 'consumer'],
  testWorkerStopped: ['worker'],
}

export const signalNames: readonly SignalName[] = Object.keys(signalTable) as SignalName[]

/** `onError` gets what handlers throw. */
export function createSignals(onError: SignalErrorHandler): AppSignals {
  return Object.freeze(
    Object.fromEntries(signalNames.map((name) => [name, new Signal(name, onError)])),
  ) as unknown as AppSignals
}

/** Ends what waits to be tried again. */
export function closeSignals(signals: AppSignals): void {
  for (const name of signalNames) signals[name].close()
}
