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

type Args = readonly unknown[]
type Kwargs = Readonly<Record<string, unknown>>

/**
 * Arguments of a retry that names only one kind of them, so that the other may be passed in another way than before (celery/app/task.py 5.7,
 * `Task.retry`): new positional arguments take the place of inherited keyword arguments of the same parameters, and the reverse.
 */
export function retryArguments(
  names: readonly string[] | undefined,
  inherited: { readonly args: Args; readonly kwargs: Kwargs },
  given: { readonly args?: Args | undefined; readonly kwargs?: Kwargs | undefined },
): { readonly args: Args; readonly kwargs: Kwargs } {
  const { args = inherited.args, kwargs = inherited.kwargs } = given
  if (names === undefined || (given.args === undefined) === (given.kwargs === undefined))
    return { args, kwargs }
  if (given.args !== undefined) {
    const taken = new Set(names.slice(0, args.length))
    return { args, kwargs: Object.fromEntries(Object.entries(kwargs).filter(([name]) => !taken.has(name))) }
  }
  const placed = [...args]
  const rest = Object.entries(kwargs).filter(([name, value]) => {
    const at = names.indexOf(name)
    if (at === -1 || at >= placed.length) return true
    placed[at] = value
    return false
  })
  return { args: placed, kwargs: Object.fromEntries(rest) }
}

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
