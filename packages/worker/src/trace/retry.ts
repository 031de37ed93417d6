/** Retries: asked for by the task, or by `autoretryFor` (celery/app/autoretry.py, task.py 5.7). */
import { CeleryError, Retry, type RawJson } from '@ct/contracts'
import type { ErrorClass, ResolvedTaskOptions, TaskRetryOptions } from '@ct/client'
import type { Request } from '../request/index.ts'
import { retryCountdown } from './back-off.ts'

/** All that a retry changes; everything else of the message is sent again as it was. */
export interface RetryCopy {
  readonly request: Request
  readonly args: RawJson | readonly unknown[]
  readonly kwargs: RawJson | Readonly<Record<string, unknown>>
  readonly retries: number
  /** Epoch ms; undefined: at once. */
  readonly notBefore: number | undefined
  readonly options: TaskRetryOptions
}

export function retryCopy(request: Request, retry: Retry, now: number): RetryCopy {
  const options = (retry.sig ?? {}) as TaskRetryOptions
  const when = retry.when
  const notBefore = when === null ? undefined : when instanceof Date ? when.getTime() : when > 0 ? now + when * 1000 : undefined
  return {
    request,
    args: options.args ?? request.body.argsSource,
    kwargs: options.kwargs ?? request.body.kwargsSource,
    retries: request.message.retries + 1,
    notBefore,
    options,
  }
}

/**
 * The retry that `autoretryFor` asks for, or undefined when the error is the outcome: it does not match, or retries are used up. Control
 * flow (`Retry`, `Ignore`, `Reject`) is never wrapped.
 */
export function automaticRetry(options: ResolvedTaskOptions, request: Request, error: unknown): Retry | undefined {
  if (options.autoretryFor.length === 0 || isControlFlow(error)) return undefined
  if (matches(options.dontAutoretryFor, error) || !matches(options.autoretryFor, error)) return undefined
  const { retries } = request.message
  const { maxRetries = options.maxRetries } = options.retryKwargs
  if (maxRetries !== null && retries + 1 > maxRetries) return undefined
  return new Retry(null, { exc: error, when: retryCountdown(options, retries), sig: { exc: error } })
}

export function matches(classes: readonly ErrorClass[], error: unknown): boolean {
  return classes.some((one) => error instanceof one)
}

export function isControlFlow(error: unknown): boolean {
  return (
    error instanceof CeleryError && (error.code === 'CT_RETRY' || error.code === 'CT_IGNORE' || error.code === 'CT_REJECT')
  )
}
