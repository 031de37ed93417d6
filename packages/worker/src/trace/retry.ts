/** What a retry sends again (celery/app/task.py 5.7, `signature_from_request`). */
import type { ErrorClass, TaskRetryOptions } from '@ct/client'
import type { RawJson, Retry } from '@ct/contracts'
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
    args: options.args ?? request.body.argsSource,
    kwargs: options.kwargs ?? request.body.kwargsSource,
    retries: request.message.retries + 1,
    notBefore,
    options,
  }
}

export function matches(classes: readonly ErrorClass[], error: unknown): boolean {
  return classes.some((one) => error instanceof one)
}
