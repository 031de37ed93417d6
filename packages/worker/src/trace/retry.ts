/** What a retry sends again (celery/app/task.py 5.7, `signature_from_request`). */
import { retryArguments, type ErrorClass, type TaskRetryOptions } from '@ct/client'
import { resolveRawJson, type RawJson, type Retry } from '@ct/contracts'
import type { Request } from '../request/index.ts'

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
  const notBefore =
    when === null
      ? undefined
      : when instanceof Date
        ? when.getTime()
        : when > 0
          ? now + when * 1000
          : undefined
  return {
    request,
    ...changedArguments(request, options),
    retries: request.message.retries + 1,
    notBefore,
    options,
  }
}

/** What the retry leaves as it was keeps its source text. */
function changedArguments(
  { body, strategy }: Request,
  { args, kwargs }: TaskRetryOptions,
): Pick<RetryCopy, 'args' | 'kwargs'> {
  const asGiven = { args: args ?? body.argsSource, kwargs: kwargs ?? body.kwargsSource }
  if ((args === undefined) === (kwargs === undefined)) return asGiven
  // From a slot elsewhere they come as text.
  const given = {
    args: resolveRawJson(args) as TaskRetryOptions['args'],
    kwargs: resolveRawJson(kwargs) as TaskRetryOptions['kwargs'],
  }
  const moved = retryArguments(strategy.task.parameterNames, body, given)
  const before = Object.keys(given.kwargs ?? body.kwargs).length
  return Object.keys(moved.kwargs).length === before ? asGiven : moved
}

export function matches(classes: readonly ErrorClass[], error: unknown): boolean {
  return classes.some((one) => error instanceof one)
}
