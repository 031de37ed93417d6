import {
  argsRepr,
  Ignore,
  kwargsRepr,
  MaxRetriesExceededError,
  PyDateTime,
  Reject,
  Retry,
} from '@ct/contracts'
import type { RegisteredTask } from './registered-task.ts'
import type { TaskRetryOptions } from './task-context.ts'
import type { ErrorClass } from './task-options.ts'
import type { TaskRequest } from './task-request.ts'

/** What deciding about a retry needs of a running task. */
export interface RetryScope {
  readonly task: Pick<RegisteredTask, 'name' | 'options'>
  readonly request: TaskRequest
}

/**
 * What `task.retry()` does (celery/app/task.py 5.7, `Task.retry`). Throws `exc`, or `MaxRetriesExceededError` (`CT_MAX_RETRIES`), when
 * retries are used up or the task was called as a function.
 */
export function prepareRetry(scope: RetryScope, options: TaskRetryOptions = {}): Retry {
  const { task, request } = scope
  const { exc } = options
  if (request.calledDirectly) {
    if (exc !== undefined) throw exc
    return new Retry('Task can be retried')
  }
  const most = options.maxRetries ?? task.options.retryKwargs.maxRetries ?? task.options.maxRetries
  if (most !== null && request.retries + 1 > most) {
    if (exc !== undefined) throw exc
    throw new MaxRetriesExceededError(
      `Can't retry ${task.name}[${request.id}] args:${argsRepr(request.args)} kwargs:${kwargsRepr(request.kwargs)}`,
    )
  }
  const eta = options.eta
  const countdown = eta === undefined ? (options.countdown ?? task.options.defaultRetryDelay) : undefined
  // Text is read as everywhere: without an offset it is UTC.
  const when = countdown ?? (eta instanceof Date ? eta : new PyDateTime(eta!))
  return new Retry(null, { exc, when, sig: options })
}

/**
 * The retry that an error leads to by itself (`autoretryFor`; celery/app/autoretry.py 5.7), or undefined: it fails the task.
 * `random` gives numbers from 0 up to 1.
 */
export function automaticRetry(
  scope: RetryScope,
  error: unknown,
  random: () => number = Math.random,
): Retry | undefined {
  const { options } = scope.task
  if (options.autoretryFor.length === 0) return undefined
  if (error instanceof Retry || error instanceof Ignore || error instanceof Reject) return undefined
  if (matches(error, options.dontAutoretryFor) || !matches(error, options.autoretryFor)) return undefined
  const countdown = options.retryBackoff > 0 ? backoffSeconds(scope, random) : options.retryKwargs.countdown
  try {
    return prepareRetry(scope, { exc: error, ...(countdown === undefined ? {} : { countdown }) })
  } catch {
    return undefined
  }
}

/** Full jitter: any whole number of seconds up to the delay (TASK-23…25). */
function backoffSeconds({ task: { options }, request }: RetryScope, random: () => number): number {
  const delay = Math.min(
    options.retryBackoffMax,
    Math.max(1, Math.trunc(options.retryBackoff)) * 2 ** request.retries,
  )
  return options.retryJitter ? Math.floor(random() * (Math.trunc(delay) + 1)) : delay
}

function matches(error: unknown, classes: readonly ErrorClass[]): boolean {
  return classes.some((errorClass) => error instanceof errorClass)
}
