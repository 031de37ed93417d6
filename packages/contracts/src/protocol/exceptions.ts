import { CeleryError } from '../errors.ts'
import type { CeleryErrorOptions, ErrorCode } from '../errors.ts'
import { readSignature } from './signature-dict.ts'
import type { SignatureSource } from './signature-dict.ts'

/** How an exception is known to Python peers. */
export interface PythonException {
  /** Qualified class name, e.g. `ValueError`. */
  readonly excType: string
  /** Python module of the class, e.g. `builtins`. */
  readonly excModule: string
  /** Constructor arguments. */
  readonly args: readonly unknown[]
}

export interface TaskErrorOptions extends CeleryErrorOptions {
  /** Traceback text of the worker that raised it. */
  readonly traceback?: string | null
}

/**
 * Base of everything a task can end with (celery/exceptions.py, billiard/exceptions.py). Each class carries the name under which
 * Python knows it, and the traceback when it came from another worker.
 */
export class TaskError extends CeleryError implements PythonException {
  readonly excType: string
  readonly excModule: string
  readonly args: readonly unknown[]
  readonly traceback: string | null

  constructor(code: ErrorCode, message: string, python: PythonException, options: TaskErrorOptions = {}) {
    super(code, message, options)
    this.excType = python.excType
    this.excModule = python.excModule
    this.args = python.args
    this.traceback = options.traceback ?? null
  }
}

function celery(excType: string, args: readonly unknown[]): PythonException {
  return { excType, excModule: 'celery.exceptions', args }
}

function billiard(excType: string, args: readonly unknown[]): PythonException {
  return { excType, excModule: 'billiard.exceptions', args }
}

/**
 * An exception that a task raised elsewhere, of a kind ct has no class for. `name` is the remote class name, so `error.name === 'ValueError'`
 * works; `args` are its arguments as decoded. Code `CT_REMOTE`.
 */
export class RemoteError extends TaskError {
  constructor(message: string, python: PythonException, options?: TaskErrorOptions) {
    super('CT_REMOTE', message, python, options)
    Object.defineProperty(this, 'name', { value: python.excType, configurable: true, writable: true })
  }
}

/** The worker does not know a task of that name. Code `CT_NOT_REGISTERED`. */
export class NotRegistered extends TaskError {
  readonly taskName: string
  constructor(taskName: string, options?: TaskErrorOptions) {
    super(
      'CT_NOT_REGISTERED',
      `no task named ${JSON.stringify(taskName)} is registered`,
      celery('NotRegistered', [taskName]),
      options,
    )
    this.taskName = taskName
  }
}

/** The task was revoked, terminated, or expired before it ran. Code `CT_REVOKED`. */
export class TaskRevokedError extends TaskError {
  readonly reason: string
  constructor(
    reason: 'revoked' | 'expired' | 'terminated' | (string & {}) = 'revoked',
    options?: TaskErrorOptions,
  ) {
    super('CT_REVOKED', reason, celery('TaskRevokedError', [reason]), options)
    this.reason = reason
  }
}

/** A member of a chord failed, or the chord could not be joined. Code `CT_CHORD`. */
export class ChordError extends TaskError {
  constructor(message: string, options?: TaskErrorOptions) {
    super('CT_CHORD', message, celery('ChordError', [message]), options)
  }
}

/** The task used up its retries. Code `CT_MAX_RETRIES`. */
export class MaxRetriesExceededError extends TaskError {
  constructor(message: string, options?: TaskErrorOptions) {
    super('CT_MAX_RETRIES', message, celery('MaxRetriesExceededError', [message]), options)
  }
}

/** A task message that fits no task, e.g. keyword arguments that are no mapping. Code `CT_INVALID_MESSAGE`. */
export class InvalidTaskError extends TaskError {
  constructor(message: string, options?: TaskErrorOptions) {
    super('CT_INVALID_MESSAGE', message, celery('InvalidTaskError', [message]), options)
  }
}

/** `AsyncResult.get` waited longer than it was allowed to. Code `CT_RESULT_TIMEOUT`, retryable. */
export class TimeoutError extends TaskError {
  constructor(message = 'The operation timed out.', options?: TaskErrorOptions) {
    super('CT_RESULT_TIMEOUT', message, celery('TimeoutError', [message]), { retryable: true, ...options })
  }
}

/** The hard time limit ended the task. Code `CT_TIME_LIMIT`. */
export class TimeLimitExceeded extends TaskError {
  readonly seconds: number | null
  constructor(seconds: number | null = null, options?: TaskErrorOptions) {
    const args = seconds === null ? [] : [seconds]
    super(
      'CT_TIME_LIMIT',
      `the hard time limit was exceeded${inSeconds(seconds)}`,
      billiard('TimeLimitExceeded', args),
      options,
    )
    this.seconds = seconds
  }
}

/** The soft time limit was reached: the reason of `task.signal`, thrown where the task waits. Code `CT_SOFT_TIME_LIMIT`. */
export class SoftTimeLimitExceeded extends TaskError {
  readonly seconds: number | null
  constructor(seconds: number | null = null, options?: TaskErrorOptions) {
    const args = seconds === null ? [] : [seconds]
    super(
      'CT_SOFT_TIME_LIMIT',
      `the soft time limit was exceeded${inSeconds(seconds)}`,
      billiard('SoftTimeLimitExceeded', args),
      options,
    )
    this.seconds = seconds
  }
}

function inSeconds(seconds: number | null): string {
  return seconds === null ? '' : ` (${seconds} s)`
}

/** The process or thread that ran the task is gone. Code `CT_WORKER_LOST`, retryable. */
export class WorkerLostError extends TaskError {
  constructor(message: string, options?: TaskErrorOptions) {
    super('CT_WORKER_LOST', message, billiard('WorkerLostError', [message]), { retryable: true, ...options })
  }
}

/** The process that ran the task was ended on request, by that signal. Code `CT_REVOKED`. */
export class Terminated extends TaskError {
  readonly signal: string | number
  constructor(signal: string | number, options?: TaskErrorOptions) {
    super('CT_REVOKED', `terminated by ${signal}`, billiard('Terminated', [signal]), options)
    this.signal = signal
  }
}

export interface RetryOptions extends TaskErrorOptions {
  /** What made the task want a retry; stored as the result of state RETRY. */
  readonly exc?: unknown
  /** When it runs again: seconds from now or an instant. */
  readonly when?: number | Date | null
  /** What core publishes; opaque here. */
  readonly sig?: unknown
}

/** Control flow: thrown by `task.retry()`. Code `CT_RETRY`. */
export class Retry extends TaskError {
  readonly exc: unknown
  readonly when: number | Date | null
  readonly sig: unknown
  constructor(message: string | null = null, options: RetryOptions = {}) {
    const when = options.when ?? null
    const human =
      when === null ? 'Retry' : when instanceof Date ? `Retry at ${when.toISOString()}` : `Retry in ${when}s`
    super('CT_RETRY', message ?? human, celery('Retry', message === null ? [] : [message]), options)
    this.exc = options.exc ?? null
    this.when = when
    this.sig = options.sig
  }
}

/** Control flow: throw it and the outcome of the task is not stored; the message is acked. Code `CT_IGNORE`. */
export class Ignore extends TaskError {
  constructor(reason?: string, options?: TaskErrorOptions) {
    super(
      'CT_IGNORE',
      reason ?? 'the task asked that its outcome be ignored',
      celery('Ignore', reason === undefined ? [] : [reason]),
      options,
    )
  }
}

/**
 * Control flow: thrown by `task.replace()`. The replacement is sent when the error reaches the worker; of the task itself nothing is stored, as
 * with {@link Ignore}. Code `CT_IGNORE`.
 */
export class Replace extends Ignore {
  /** What runs instead, as it travels, with the task's id at its end. Data, so that it can leave a thread or process. */
  readonly signature: SignatureSource
  constructor(signature: SignatureSource) {
    super(`the task replaced itself by ${readSignature(signature).task}`)
    this.signature = signature
  }
}

/** Control flow: throw it and the message is rejected, put back into the queue when `requeue`. Code `CT_REJECT`. */
export class Reject extends TaskError {
  readonly reason: unknown
  readonly requeue: boolean
  constructor(reason: unknown = null, requeue = false, options?: TaskErrorOptions) {
    super(
      'CT_REJECT',
      reason === null ? 'the task rejected its message' : String(reason),
      celery('Reject', [reason, requeue]),
      options,
    )
    this.reason = reason
    this.requeue = requeue
  }
}
