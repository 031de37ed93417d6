import type { ResultMeta } from '@ct/contracts'
import { ConfigurationError, TimeoutError } from '@ct/contracts'
import { didYouMean } from '../connection/index.ts'

/** Options of `get`, `join` and the like. All durations are milliseconds. */
export interface WaitOptions {
  /** Undefined: wait as long as it takes. 0: look once. What is ready wins over a timeout that is over. */
  readonly timeoutMs?: number | null | undefined
  /** Gives up waiting; the task goes on. The promise rejects with `CT_ABORTED`. */
  readonly signal?: AbortSignal | undefined
  /** Throw the task's error. False: resolve to it. Default true. */
  readonly propagate?: boolean | undefined
  /** How often `onInterval` is called. Default 500. */
  readonly intervalMs?: number | undefined
  readonly onInterval?: (() => void) | undefined
  /** Each state that is told while waiting, the last included. */
  readonly onMessage?: ((meta: ResultMeta) => void) | undefined
  /** Called for each result when it is there. */
  readonly callback?: ((taskId: string, value: unknown) => void) | undefined
  /** False: wait also inside a task, where that is refused because it may block a worker for ever. Default true. */
  readonly disableSyncSubtasks?: boolean | undefined
  /** Of no effect, accepted for Celery's sake: result messages are never acknowledged. */
  readonly noAck?: boolean | undefined
}

export interface GetOptions extends WaitOptions {
  /**
   * Throw the error of a parent that failed, oldest first, instead of waiting for what can never come. Default true. Parents are looked at when the waiting
   * begins, when this task has failed, and watched from half a second on.
   */
  readonly followParents?: boolean | undefined
}

const known: ReadonlySet<string> = new Set<keyof GetOptions>([
  'timeoutMs',
  'signal',
  'propagate',
  'intervalMs',
  'onInterval',
  'onMessage',
  'callback',
  'disableSyncSubtasks',
  'noAck',
  'followParents',
])

/** Refuses with `CT_CONFIGURATION` what would make a wait endless, or none: Celery's `timeout`, times that are no numbers. */
export function checkWaitOptions(options: GetOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw new ConfigurationError(
      'Waiting for a result takes options, such as { timeoutMs: 10_000 }, in milliseconds.',
    )
  }
  for (const key in options) {
    if (known.has(key)) continue
    const advice =
      key === 'timeout' || key === 'interval' ? ` Give ${key}Ms, in milliseconds.` : didYouMean(key, known)
    throw new ConfigurationError(`Waiting for a result has no option "${key}".${advice}`, {
      details: { option: key },
    })
  }
  const { timeoutMs, intervalMs, signal } = options
  if (timeoutMs != null && !(typeof timeoutMs === 'number' && timeoutMs >= 0)) {
    throw new ConfigurationError(`timeoutMs must be a number of milliseconds; it is ${String(timeoutMs)}.`)
  }
  if (intervalMs !== undefined && !(typeof intervalMs === 'number' && intervalMs > 0)) {
    throw new ConfigurationError(
      `intervalMs must be a number of milliseconds above 0; it is ${String(intervalMs)}.`,
    )
  }
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new ConfigurationError('signal must be an AbortSignal.')
}

export function resultTimedOut(what: string, timeoutMs: number, cause?: unknown): TimeoutError {
  return new TimeoutError(
    timeoutMs === 0
      ? `${what} is not ready.`
      : `${what} was not ready within ${timeoutMs} ms. The task goes on.`,
    { details: { timeoutMs }, ...(cause === undefined ? {} : { cause }) },
  )
}
