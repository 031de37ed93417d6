import { ConfigurationError, isPlainObject, isRateLimit, rateLimitWanted } from '@ct/contracts'
import type { Options, Settings } from '../app/settings/index.ts'
import { didYouMean } from '../connection/index.ts'
import { deliveryModeNumber, Exchange, Queue } from '../routing/index.ts'
import type { ErrorClass, ResolvedTaskOptions, TaskOptions } from './task-options.ts'

/** Every option of a task, for refusing others; `bind`, `args` and `kwargs` belong to `app.task` itself. */
const known: ReadonlySet<string> = new Set<keyof TaskOptions | 'bind' | 'args' | 'kwargs'>([
  'name',
  'params',
  'serializer',
  'compression',
  'rateLimit',
  'concurrency',
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
  'requeueFor',
  'rejectFor',
  'ackFor',
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
  'onReplace',
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
const errorLists = [
  'autoretryFor',
  'dontAutoretryFor',
  'throws',
  'requeueFor',
  'rejectFor',
  'ackFor',
] as const
/** They go into timers, dates and messages, where Infinity means nothing; null is how to say "no limit". */
const finite: ReadonlySet<string> = new Set([
  'timeLimit',
  'softTimeLimit',
  'defaultRetryDelay',
  'retryBackoffMax',
])
const functions = [
  'shadowName',
  'beforeStart',
  'onSuccess',
  'onFailure',
  'onRetry',
  'onReplace',
  'afterReturn',
] as const

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
    if (value === Infinity && finite.has(key)) throw wrong(key, 'a finite number, or null for none')
  }
  for (const key of functions)
    if (options[key] !== undefined && typeof options[key] !== 'function') throw wrong(key, 'a function')
  for (const key of errorLists) {
    const value: unknown = options[key]
    if (value !== undefined && !(Array.isArray(value) && value.every((item) => typeof item === 'function'))) {
      throw wrong(key, 'a list of error classes')
    }
  }
  const { rateLimit, softTimeLimit, timeLimit, priority, retryBackoff, retryKwargs, params } = options
  const { queue, exchange, routingKey, deliveryMode, expires } = options
  const { args, kwargs } = options as { readonly args?: unknown; readonly kwargs?: unknown }
  if (args !== undefined && !isSchema(args)) throw wrong('args', schemaWanted)
  if (kwargs !== undefined && !isSchema(kwargs)) throw wrong('kwargs', schemaWanted)
  if (params !== undefined && !(Array.isArray(params) && params.every((name) => typeof name === 'string')))
    throw wrong('params', "a list of names such as ['x', 'y']")
  if (queue != null && typeof queue !== 'string' && !Queue.isQueue(queue))
    throw wrong('queue', 'the name of a queue, or a queue')
  if (exchange != null && typeof exchange !== 'string' && !Exchange.isExchange(exchange))
    throw wrong('exchange', 'the name of an exchange')
  if (routingKey != null && typeof routingKey !== 'string') throw wrong('routingKey', 'a text')
  if (deliveryMode != null && ![1, 2, 'transient', 'persistent'].includes(deliveryMode))
    throw wrong('deliveryMode', "1, 2, 'transient' or 'persistent'")
  if (expires != null && !isMoment(expires)) throw wrong('expires', 'seconds, or a valid date')
  if (retryBackoff !== undefined && typeof retryBackoff !== 'boolean' && !(retryBackoff >= 0))
    throw wrong('retryBackoff', 'true, false or a number of seconds not below 0')
  if (options.concurrency != null && !isConcurrency(options.concurrency))
    throw wrong(
      'concurrency',
      'a whole number from 1, or { limit, key } with a function that makes a key of the arguments',
    )
  if (retryKwargs !== undefined) checkRetryKwargs(retryKwargs, wrong)
  if (rateLimit != null && !isRateLimit(rateLimit)) throw wrong('rateLimit', rateLimitWanted)
  if (softTimeLimit != null && timeLimit != null && softTimeLimit > timeLimit) {
    throw wrong('softTimeLimit', `not above timeLimit (${timeLimit} s)`)
  }
  if (priority != null && !(Number.isInteger(priority) && priority >= 0 && priority <= 255)) {
    throw wrong('priority', 'a whole number from 0 to 255')
  }
}

const schemaWanted = 'a schema that follows Standard Schema, such as those of zod, valibot and arktype'

function isSchema(value: unknown): boolean {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return false
  const standard = (value as { readonly '~standard'?: unknown })['~standard']
  return typeof standard === 'object' && standard !== null && 'validate' in standard
}

function isMoment(value: unknown): boolean {
  return value instanceof Date ? !Number.isNaN(value.getTime()) : Number.isFinite(value)
}

function isConcurrency(value: unknown): boolean {
  if (!isPlainObject(value)) return Number.isSafeInteger(value) && (value as number) >= 1
  const { limit, key, ...others } = value
  return (
    isConcurrency(limit) &&
    !isPlainObject(limit) &&
    (key === undefined || typeof key === 'function') &&
    Object.keys(others).length === 0
  )
}

function checkRetryKwargs(
  given: NonNullable<TaskOptions['retryKwargs']>,
  wrong: (key: string, wanted: string) => ConfigurationError,
): void {
  const wanted = '{ countdown, maxRetries }, both numbers not below 0'
  if (!isPlainObject(given)) throw wrong('retryKwargs', wanted)
  for (const [key, value] of Object.entries(given)) {
    const none = key === 'maxRetries' && value === null
    if (!['countdown', 'maxRetries'].includes(key) || (!none && !((value as number) >= 0)))
      throw wrong('retryKwargs', wanted)
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
  const acksLate = options.acksLate ?? settings.taskAcksLate
  /** An early ack leaves nothing to give back: the option would do nothing, and say nothing. */
  const needsLateAck = (key: 'requeueFor' | 'rejectFor'): readonly ErrorClass[] => {
    const list = options[key] ?? []
    if (list.length > 0 && !acksLate)
      throw new ConfigurationError(
        `The option "${key}" of task ${name} needs acksLate: its message is acknowledged before it runs. Set acksLate: true.`,
        { details: { task: name, option: key } },
      )
    return list
  }
  return Object.freeze({
    serializer: options.serializer ?? null,
    compression: options.compression ?? null,
    rateLimit: options.rateLimit === undefined ? settings.taskDefaultRateLimit : options.rateLimit,
    concurrency:
      typeof options.concurrency === 'number'
        ? { limit: options.concurrency }
        : (options.concurrency ?? null),
    timeLimit: options.timeLimit === undefined ? settings.taskTimeLimit : options.timeLimit,
    softTimeLimit: options.softTimeLimit === undefined ? settings.taskSoftTimeLimit : options.softTimeLimit,
    acksLate,
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
    requeueFor: needsLateAck('requeueFor'),
    rejectFor: needsLateAck('rejectFor'),
    ackFor: options.ackFor ?? [],
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
    onReplace: options.onReplace,
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
