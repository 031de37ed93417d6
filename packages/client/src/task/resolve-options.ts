import { ConfigurationError } from '@ct/contracts'
import type { Options, Settings } from '../app/settings/index.ts'
import { didYouMean } from '../connection/index.ts'
import { deliveryModeNumber } from '../routing/index.ts'
import type { ResolvedTaskOptions, TaskOptions } from './task-options.ts'

/** Every option of a task, for refusing others; `bind`, `args` and `kwargs` belong to `app.task` itself. */
const known: ReadonlySet<string> = new Set<keyof TaskOptions | 'bind' | 'args' | 'kwargs'>([
  'name',
  'params',
  'serializer',
  'compression',
  'rateLimit',
  'timeLimit',
  'softTimeLimit',
  'acksLate',
  'acksOnFailure',
  'acksOnTimeout',
  'acksOnFailureOrTimeout',
  'rejectOnWorkerLost',
  'retryOnWorkerLost',
  'maxDeliveries',
  'ignoreResult',
  'storeErrorsEvenIfIgnored',
  'storeEagerResult',
  'trackStarted',
  'sendEvents',
  'maxRetries',
  'defaultRetryDelay',
  'autoretryFor',
  'dontAutoretryFor',
  'retryKwargs',
  'retryBackoff',
  'retryBackoffMax',
  'retryJitter',
  'throws',
  'expires',
  'priority',
  'queue',
  'exchange',
  'routingKey',
  'deliveryMode',
  'trail',
  'typing',
  'resultreprMaxsize',
  'shadowName',
  'beforeStart',
  'onSuccess',
  'onFailure',
  'onRetry',
  'afterReturn',
  'bind',
  'args',
  'kwargs',
])

const booleans = [
  'acksLate',
  'retryOnWorkerLost',
  'ignoreResult',
  'storeErrorsEvenIfIgnored',
  'storeEagerResult',
  'trackStarted',
  'sendEvents',
  'retryJitter',
  'trail',
  'typing',
  'acksOnFailureOrTimeout',
] as const
const numbers = [
  'timeLimit',
  'softTimeLimit',
  'maxRetries',
  'defaultRetryDelay',
  'retryBackoffMax',
  'resultreprMaxsize',
  'maxDeliveries',
] as const
const functions = ['shadowName', 'beforeStart', 'onSuccess', 'onFailure', 'onRetry', 'afterReturn'] as const

/** Refuses unknown names and wrong types with `CT_CONFIGURATION`. */
export function checkTaskOptions(label: string, options: TaskOptions): void {
  for (const key of Object.keys(options)) {
    if (known.has(key)) continue
    throw new ConfigurationError(`Task ${label} has an unknown option "${key}".${didYouMean(key, known)}`, {
      details: { task: label, option: key },
    })
  }
  const wrong = (key: string, wanted: string): ConfigurationError =>
    new ConfigurationError(`The option "${key}" of task ${label} must be ${wanted}.`, {
      details: { task: label, option: key },
    })
  for (const key of booleans)
    if (options[key] !== undefined && typeof options[key] !== 'boolean') throw wrong(key, 'true or false')
  for (const key of numbers) {
    const value = options[key]
    if (value !== undefined && value !== null && !(typeof value === 'number' && value >= 0))
      throw wrong(key, 'a number not below 0')
  }
  for (const key of functions)
    if (options[key] !== undefined && typeof options[key] !== 'function') throw wrong(key, 'a function')
  for (const key of ['autoretryFor', 'dontAutoretryFor', 'throws'] as const) {
    const value: unknown = options[key]
    if (value !== undefined && !(Array.isArray(value) && value.every((item) => typeof item === 'function'))) {
      throw wrong(key, 'a list of error classes')
    }
  }
  const { rateLimit, softTimeLimit, timeLimit, priority } = options
  if (rateLimit != null && !/^\s*\d+(\.\d+)?\s*(\/\s*[smh]\s*)?$/.test(String(rateLimit))) {
    throw wrong('rateLimit', "a number per second, or text such as '10/s', '10/m' or '10/h'")
  }
  if (softTimeLimit != null && timeLimit != null && softTimeLimit > timeLimit) {
    throw wrong('softTimeLimit', `not above timeLimit (${timeLimit} s)`)
  }
  if (priority != null && !(Number.isInteger(priority) && priority >= 0 && priority <= 255)) {
    throw wrong('priority', 'a whole number from 0 to 255')
  }
}

/** Options over annotations' absence, settings and defaults (celery/app/task.py 5.7, `from_config`). Frozen. */
export function resolveTaskOptions(
  name: string,
  given: TaskOptions,
  settings: Settings,
): ResolvedTaskOptions {
  const options = { ...given, ...annotationsFor(name, settings) }
  const onEither = options.acksOnFailureOrTimeout
  const backoff = options.retryBackoff ?? false
  return Object.freeze({
    serializer: options.serializer ?? null,
    compression: options.compression ?? null,
    rateLimit: options.rateLimit === undefined ? settings.taskDefaultRateLimit : options.rateLimit,
    timeLimit: options.timeLimit === undefined ? settings.taskTimeLimit : options.timeLimit,
    softTimeLimit: options.softTimeLimit === undefined ? settings.taskSoftTimeLimit : options.softTimeLimit,
    acksLate: options.acksLate ?? settings.taskAcksLate,
    acksOnFailure:
      options.acksOnFailure ?? onEither ?? settings.taskAcksOnFailure ?? settings.taskAcksOnFailureOrTimeout,
    acksOnTimeout:
      options.acksOnTimeout ?? onEither ?? settings.taskAcksOnTimeout ?? settings.taskAcksOnFailureOrTimeout,
    rejectOnWorkerLost: options.rejectOnWorkerLost ?? settings.taskRejectOnWorkerLost ?? false,
    retryOnWorkerLost: options.retryOnWorkerLost ?? settings.taskRetryOnWorkerLost,
    maxDeliveries: options.maxDeliveries === undefined ? settings.maxDeliveries : options.maxDeliveries,
    ignoreResult: options.ignoreResult ?? settings.taskIgnoreResult,
    storeErrorsEvenIfIgnored: options.storeErrorsEvenIfIgnored ?? settings.taskStoreErrorsEvenIfIgnored,
    storeEagerResult: options.storeEagerResult ?? settings.taskStoreEagerResult,
    trackStarted: options.trackStarted ?? settings.taskTrackStarted,
    sendEvents: options.sendEvents ?? true,
    maxRetries: options.maxRetries === undefined ? 3 : options.maxRetries,
    defaultRetryDelay: options.defaultRetryDelay ?? 180,
    autoretryFor: options.autoretryFor ?? [],
    dontAutoretryFor: options.dontAutoretryFor ?? [],
    retryKwargs: options.retryKwargs ?? {},
    retryBackoff: backoff === true ? 1 : backoff === false ? 0 : backoff,
    retryBackoffMax: options.retryBackoffMax ?? 600,
    retryJitter: options.retryJitter ?? true,
    throws: options.throws ?? [],
    expires: options.expires ?? null,
    priority: options.priority ?? settings.taskDefaultPriority,
    queue: options.queue,
    exchange: options.exchange,
    routingKey: options.routingKey,
    deliveryMode: options.deliveryMode === undefined ? undefined : deliveryModeNumber(options.deliveryMode),
    trail: options.trail ?? true,
    typing: options.typing ?? true,
    resultreprMaxsize: options.resultreprMaxsize ?? 1024,
    shadowName: options.shadowName,
    beforeStart: options.beforeStart,
    onSuccess: options.onSuccess,
    onFailure: options.onFailure,
    onRetry: options.onRetry,
    afterReturn: options.afterReturn,
  }) as ResolvedTaskOptions
}

/** `'*'` first, then the name; of a list each in turn (TASK-38). Keys may be Python's. */
function annotationsFor(name: string, settings: Settings): TaskOptions {
  const annotations = settings.taskAnnotations
  if (annotations === null) return {}
  const result: Record<string, unknown> = {}
  for (const map of Array.isArray(annotations)
    ? (annotations as readonly Options[])
    : [annotations as Options]) {
    for (const key of ['*', name]) {
      for (const [option, value] of Object.entries((map[key] ?? {}) as Options)) {
        result[option.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())] = value
      }
    }
  }
  checkTaskOptions(`${name} (taskAnnotations)`, result)
  return result
}
