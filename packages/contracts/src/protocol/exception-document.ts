import { DecodeError, EncodeError } from '../errors.ts'
import type { CeleryError } from '../errors.ts'
import {
  ChordError,
  Ignore,
  InvalidTaskError,
  MaxRetriesExceededError,
  NotRegistered,
  Reject,
  RemoteError,
  Retry,
  SoftTimeLimitExceeded,
  TaskError,
  TaskRevokedError,
  Terminated,
  TimeLimitExceeded,
  TimeoutError,
  WorkerLostError,
} from './exceptions.ts'
import type { PythonException, TaskErrorOptions } from './exceptions.ts'
import { isPlainObject } from './plain-object.ts'
import { pythonIdentity } from './python-identity.ts'
import { pyRepr } from './python-repr.ts'
import { exceptionMessage } from './python-traceback.ts'

/** An exception in a result document; Python's keys. */
export interface ExceptionDocument {
  readonly exc_type: string
  readonly exc_message: readonly unknown[]
  readonly exc_module: string
}

/**
 * An error as Celery stores it (wire-messages §8.3; `prepare_exception` in celery/backends/base.py 5.7), named as `pythonIdentity` says.
 * `canEncode` tests one argument against the result serializer; one that does not pass is replaced by its repr.
 */
export function encodeException(error: unknown, canEncode: (value: unknown) => boolean): ExceptionDocument {
  const { excType, excModule, args } = pythonIdentity(error)
  return {
    exc_type: excType,
    exc_message: args.map((arg) => (canEncode(arg) ? arg : pyRepr(arg))),
    exc_module: excModule,
  }
}

type Maker = (args: readonly unknown[], message: string, options: TaskErrorOptions) => CeleryError

function textArg(args: readonly unknown[], fallback: string): string {
  return args.length === 0 ? fallback : typeof args[0] === 'string' ? args[0] : pyRepr(args[0])
}

function secondsArg(args: readonly unknown[]): number | null {
  return typeof args[0] === 'number' ? args[0] : null
}

/** Kinds ct has a class for; everything else becomes a {@link RemoteError}. */
const known: Readonly<Record<string, Maker>> = {
  'celery.exceptions.NotRegistered': (args, _message, options) =>
    new NotRegistered(textArg(args, ''), options),
  'celery.exceptions.TaskRevokedError': (args, _message, options) =>
    new TaskRevokedError(textArg(args, 'revoked'), options),
  'celery.exceptions.ChordError': (_args, message, options) => new ChordError(message, options),
  'celery.exceptions.MaxRetriesExceededError': (_args, message, options) =>
    new MaxRetriesExceededError(message, options),
  'celery.exceptions.InvalidTaskError': (_args, message, options) => new InvalidTaskError(message, options),
  'celery.exceptions.TimeoutError': (_args, message, options) => new TimeoutError(message, options),
  'celery.exceptions.Retry': (args, message, options) =>
    new Retry(args.length === 0 ? null : message, options),
  'celery.exceptions.Ignore': (args, message, options) =>
    new Ignore(args.length === 0 ? undefined : message, options),
  'celery.exceptions.Reject': (args, _message, options) =>
    new Reject(args[0] ?? null, args[1] === true, options),
  'billiard.exceptions.TimeLimitExceeded': (args, _message, options) =>
    new TimeLimitExceeded(secondsArg(args), options),
  'billiard.exceptions.SoftTimeLimitExceeded': (args, _message, options) =>
    new SoftTimeLimitExceeded(secondsArg(args), options),
  'billiard.exceptions.WorkerLostError': (_args, message, options) => new WorkerLostError(message, options),
  'billiard.exceptions.Terminated': (args, message, options) =>
    new Terminated(typeof args[0] === 'number' || typeof args[0] === 'string' ? args[0] : message, options),
  'kombu.exceptions.EncodeError': (_args, message, { traceback }) =>
    new EncodeError(message, { details: { traceback } }),
  'kombu.exceptions.DecodeError': (_args, message, { traceback }) =>
    new DecodeError(message, { details: { traceback } }),
}

/**
 * The `result` of a FAILURE, RETRY or REVOKED document as an error to throw. Kinds ct knows become their class, all others a {@link RemoteError} with
 * `excType`, `excModule`, `args` and `traceback`. Python's wrapper for exceptions it cannot rebuild is unwrapped. What other writers leave there
 * instead (null, a text, anything) becomes a {@link RemoteError} too, where Python's own reader would break. Never throws.
 */
export function decodeException(value: unknown, traceback: string | null = null): CeleryError {
  const options: TaskErrorOptions = { traceback }
  const python = readException(value)
  const message = exceptionMessage(python.excType, python.args)
  const key = `${python.excModule}.${python.excType}`
  if (Object.hasOwn(known, key)) return known[key]!(python.args, message, options)
  return new RemoteError(message === '' ? python.excType : message, python, options)
}

function readException(value: unknown): PythonException {
  if (!isPlainObject(value) || typeof value['exc_type'] !== 'string') {
    const args = value === null || value === undefined ? ['the worker stored no exception'] : [value]
    return { excType: 'Exception', excModule: 'builtins', args }
  }
  const module: unknown = value['exc_module']
  const message: unknown = value['exc_message']
  const python: PythonException = {
    excType: value['exc_type'],
    // Without a module Python makes a new class in celery.backends.base.
    excModule: typeof module === 'string' ? module : 'celery.backends.base',
    args: Array.isArray(message) ? message : message === undefined || message === null ? [] : [message],
  }
  return python.excType === 'UnpickleableExceptionWrapper' ? unwrap(python) : python
}

/** Arguments of the wrapper: module, class name, arguments (as an array, or already flattened to text), repr. */
function unwrap(wrapper: PythonException): PythonException {
  const [module, name, args, text] = wrapper.args
  if (typeof module !== 'string' || typeof name !== 'string') return wrapper
  return {
    excType: name,
    excModule: module,
    args: Array.isArray(args) ? args : typeof text === 'string' ? [text] : [],
  }
}

/** True when a value thrown is one that {@link decodeException} or a worker made. */
export function isTaskError(error: unknown): error is TaskError {
  return error instanceof TaskError
}
