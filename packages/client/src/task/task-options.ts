import type { AnySignature } from '../canvas/index.ts'
import type { TaskRequest } from './task-request.ts'

/** A class of errors, as `instanceof` wants it. */
export type ErrorClass = abstract new (...args: never[]) => unknown

/** Hooks of a task (Celery's handlers). They may be asynchronous; the worker waits for them. */
export interface TaskHooks {
  /** Before the body; throwing fails the task. */
  readonly beforeStart?: (
    taskId: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
  ) => unknown
  /** After the result was stored. */
  readonly onSuccess?: (
    value: unknown,
    taskId: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
  ) => unknown
  /** After the failure was stored. */
  readonly onFailure?: (
    error: unknown,
    taskId: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
    request: TaskRequest,
  ) => unknown
  /** After the retry was published. */
  readonly onRetry?: (
    error: unknown,
    taskId: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
    request: TaskRequest,
  ) => unknown
  /**
   * When `replace` has made what replaces the task, with ids, links and the rest of the chain: may look at it, change it in place, or return another
   * signature, which is then sent as it is.
   */
  readonly onReplace?: (replacement: AnySignature, request: TaskRequest) => AnySignature | undefined | void
  /** After SUCCESS and FAILURE, last. */
  readonly afterReturn?: (
    state: string,
    value: unknown,
    taskId: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
  ) => unknown
}

/** Options of a task. Durations are seconds; what is not given follows the app's settings. */
export interface TaskOptions extends TaskHooks {
  /** Registered name; part of the wire contract. Default: `<app name>.<function name>`. */
  readonly name?: string
  /** Parameter names, in order, for calls by keyword: `'y?'` may be left out, `'...rest'` takes the rest. */
  readonly params?: readonly string[]
  /** Serializer of the body. Default `taskSerializer`. */
  readonly serializer?: string
  readonly compression?: string | null
  /** `'10/s'`, `'10/m'`, `'10/h'`, or a number per second; per worker. */
  readonly rateLimit?: string | number | null
  /**
   * Runs at a time in one worker (ct's own): of the task, or of those of its calls for which `key` gives the same text. More of them wait in the
   * worker.
   */
  readonly concurrency?: number | TaskConcurrency | null
  /** Hard limit. */
  readonly timeLimit?: number | null
  /** Soft limit: `task.signal` fires. */
  readonly softTimeLimit?: number | null
  readonly acksLate?: boolean
  readonly acksOnFailure?: boolean | null
  readonly acksOnTimeout?: boolean | null
  /** Errors whose message goes back to its queue at once (ct's own); it is parked after `maxDeliveries` starts. Needs `acksLate`. */
  readonly requeueFor?: readonly ErrorClass[]
  /** Errors whose message is rejected, for the broker to dead-letter, whatever `acksOnFailure` says (ct's own). Needs `acksLate`. */
  readonly rejectFor?: readonly ErrorClass[]
  /** Errors whose message is acknowledged, whatever `acksOnFailure` says (ct's own). */
  readonly ackFor?: readonly ErrorClass[]
  /** @deprecated Use `acksOnFailure` and `acksOnTimeout`. */
  readonly acksOnFailureOrTimeout?: boolean
  readonly rejectOnWorkerLost?: boolean | null
  readonly retryOnWorkerLost?: boolean
  /** Starts of one message before it is parked (ct's own). Default: the setting `maxDeliveries`. */
  readonly maxDeliveries?: number | null
  readonly ignoreResult?: boolean
  readonly storeErrorsEvenIfIgnored?: boolean
  readonly storeEagerResult?: boolean
  readonly trackStarted?: boolean
  /** Default true. */
  readonly sendEvents?: boolean
  /** Retries before giving up; null = for ever. Default 3. */
  readonly maxRetries?: number | null
  /** Wait before a retry that names none. Default 180. */
  readonly defaultRetryDelay?: number
  /** Errors that lead to a retry by themselves. */
  readonly autoretryFor?: readonly ErrorClass[]
  /** Errors that do not, although `autoretryFor` matches. */
  readonly dontAutoretryFor?: readonly ErrorClass[]
  /** Options of automatic retries. */
  readonly retryKwargs?: { readonly countdown?: number; readonly maxRetries?: number | null }
  /** true = 1, or a factor: the n-th wait is factor × 2^n. Default false. */
  readonly retryBackoff?: boolean | number
  /** Longest wait of the back-off. Default 600. */
  readonly retryBackoffMax?: number
  /** Random wait between 0 and the back-off's. Default true. */
  readonly retryJitter?: boolean
  /** Expected errors: logged without stack at INFO. */
  readonly throws?: readonly ErrorClass[]
  /** Default expiry: seconds from the call, or a moment. */
  readonly expires?: number | Date | null
  readonly priority?: number | null
  readonly queue?: string
  readonly exchange?: string
  readonly routingKey?: string
  readonly deliveryMode?: 1 | 2 | 'transient' | 'persistent'
  /** Remember what the task sends, for `result.children`. Default true. */
  readonly trail?: boolean
  /** Check arguments when the task is called. Default true. */
  readonly typing?: boolean
  /** Length of the result's text in logs and events. Default 1024. */
  readonly resultreprMaxsize?: number
  /** Name shown in logs and monitors for this call. */
  readonly shadowName?: (
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
  ) => string | undefined
}

export interface TaskConcurrency {
  /** From 1. */
  readonly limit: number
  /** Of the arguments as they came: a tenant, an account. */
  readonly key?:
    | ((args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>) => string | number)
    | undefined
}

/** {@link TaskOptions} after defaults, settings and annotations; frozen. */
export interface ResolvedTaskOptions extends TaskHooks {
  /** null: what a route says, else `taskSerializer`. */
  readonly serializer: string | null
  /** null: what a route says, else `taskCompression`. */
  readonly compression: string | null
  readonly rateLimit: string | number | null
  readonly concurrency: TaskConcurrency | null
  readonly timeLimit: number | null
  readonly softTimeLimit: number | null
  readonly acksLate: boolean
  readonly acksOnFailure: boolean
  readonly acksOnTimeout: boolean
  readonly requeueFor: readonly ErrorClass[]
  readonly rejectFor: readonly ErrorClass[]
  readonly ackFor: readonly ErrorClass[]
  readonly rejectOnWorkerLost: boolean
  readonly retryOnWorkerLost: boolean
  readonly maxDeliveries: number | null
  readonly ignoreResult: boolean
  readonly storeErrorsEvenIfIgnored: boolean
  readonly storeEagerResult: boolean
  readonly trackStarted: boolean
  readonly sendEvents: boolean
  readonly maxRetries: number | null
  readonly defaultRetryDelay: number
  readonly autoretryFor: readonly ErrorClass[]
  readonly dontAutoretryFor: readonly ErrorClass[]
  readonly retryKwargs: { readonly countdown?: number; readonly maxRetries?: number | null }
  /** Factor, or 0 for none. */
  readonly retryBackoff: number
  readonly retryBackoffMax: number
  readonly retryJitter: boolean
  readonly throws: readonly ErrorClass[]
  readonly expires: number | Date | null
  readonly priority: number | null
  readonly queue: string | undefined
  readonly exchange: string | undefined
  readonly routingKey: string | undefined
  readonly deliveryMode: 1 | 2 | undefined
  readonly trail: boolean
  readonly typing: boolean
  readonly resultreprMaxsize: number
  readonly shadowName: TaskOptions['shadowName']
}
