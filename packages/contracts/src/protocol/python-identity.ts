import { isCeleryError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { PythonException } from './exceptions.ts'

/** Module string of JavaScript classes that Python has no counterpart of; Python makes an exception class of that name. */
export const foreignExceptionModule = 'ct.exceptions'

/**
 * How a JavaScript error is called in Python, so that callers there can catch it:
 *
 * | JavaScript | Python |
 * |---|---|
 * | an object with `excType`, `excModule` (and `args`), as all of `exceptions.ts` | what it says |
 * | ct's own errors | their counterparts in `kombu.exceptions`, `celery.exceptions` |
 * | `Error` | `Exception` |
 * | `TypeError` | `TypeError` |
 * | `RangeError`, `SyntaxError` (as of `JSON.parse`), `URIError` | `ValueError` |
 * | `ReferenceError` | `NameError` |
 * | `EvalError` | `RuntimeError` |
 * | system errors of Node (`ENOENT`, `ECONNREFUSED`, …) | the `OSError` of that kind, args `[errno, text]` |
 * | `TimeoutError` of `AbortSignal.timeout()` | `TimeoutError` |
 * | any other class | its own name in module `ct.exceptions` |
 * | something thrown that is no error | `Exception` with that value as its argument |
 */
export function pythonIdentity(error: unknown): PythonException {
  if (typeof error !== 'object' || error === null) return builtin('Exception', [error])
  const { excType, excModule, args } = error as Partial<PythonException>
  if (typeof excType === 'string' && excType !== '') {
    return {
      excType,
      excModule: typeof excModule === 'string' ? excModule : foreignExceptionModule,
      args: Array.isArray(args) ? args : messageArgs(error),
    }
  }
  if (isCeleryError(error)) return ofCode(error.code, error.message)
  if (!(error instanceof Error) && Object.prototype.toString.call(error) !== '[object Error]') {
    return 'message' in error && 'name' in error
      ? named(error, String(error.name))
      : builtin('Exception', [error])
  }
  return systemError(error) ?? named(error, className(error))
}

const builtinNames: Readonly<Record<string, string>> = {
  Error: 'Exception',
  TypeError: 'TypeError',
  RangeError: 'ValueError',
  SyntaxError: 'ValueError',
  URIError: 'ValueError',
  ReferenceError: 'NameError',
  EvalError: 'RuntimeError',
  TimeoutError: 'TimeoutError',
}

function named(error: object, name: string): PythonException {
  const args = messageArgs(error)
  const python = Object.hasOwn(builtinNames, name) ? builtinNames[name] : undefined
  if (python !== undefined) return builtin(python, args)
  // Python looks the name up with getattr and splits it at dots; anything but an identifier would only confuse it.
  return {
    excType: /^[A-Za-z_]\w*$/.test(name) ? name : 'Exception',
    excModule: foreignExceptionModule,
    args,
  }
}

function className(error: object): string {
  const own = (error as { name?: unknown }).name
  const constructorName: unknown = error.constructor?.name
  // A class that sets `name` means it; one that forgot still has its constructor's name.
  if (typeof own === 'string' && own !== '' && own !== 'Error') return own
  return typeof constructorName === 'string' && constructorName !== '' ? constructorName : 'Error'
}

function messageArgs(error: object): unknown[] {
  const message = (error as { message?: unknown }).message
  return typeof message === 'string' && message !== '' ? [message] : []
}

function builtin(excType: string, args: readonly unknown[]): PythonException {
  return { excType, excModule: 'builtins', args }
}

const systemNames: Readonly<Record<string, string>> = {
  ENOENT: 'FileNotFoundError',
  EEXIST: 'FileExistsError',
  EACCES: 'PermissionError',
  EPERM: 'PermissionError',
  EISDIR: 'IsADirectoryError',
  ENOTDIR: 'NotADirectoryError',
  ECONNREFUSED: 'ConnectionRefusedError',
  ECONNRESET: 'ConnectionResetError',
  ECONNABORTED: 'ConnectionAbortedError',
  EPIPE: 'BrokenPipeError',
  ETIMEDOUT: 'TimeoutError',
  ESRCH: 'ProcessLookupError',
  EINTR: 'InterruptedError',
}

function systemError(error: object): PythonException | null {
  const { code, errno, syscall, message } = error as {
    code?: unknown
    errno?: unknown
    syscall?: unknown
    message?: unknown
  }
  if (typeof code !== 'string' || typeof errno !== 'number' || typeof syscall !== 'string') return null
  return builtin(Object.hasOwn(systemNames, code) ? systemNames[code]! : 'OSError', [
    Math.abs(errno),
    String(message),
  ])
}

function ofCode(code: ErrorCode, message: string): PythonException {
  const known = codeNames[code]
  return known === undefined
    ? { excType: 'CeleryError', excModule: 'celery.exceptions', args: [message] }
    : { excType: known[1], excModule: known[0], args: [message] }
}

const codeNames: Partial<Record<ErrorCode, readonly [module: string, name: string]>> = {
  CT_ALREADY_REGISTERED: ['celery.exceptions', 'AlreadyRegistered'],
  CT_ARGUMENTS: ['builtins', 'TypeError'],
  CT_BACKEND: ['celery.exceptions', 'BackendError'],
  CT_BACKEND_UNAVAILABLE: ['celery.exceptions', 'BackendError'],
  CT_BROKER: ['kombu.exceptions', 'KombuError'],
  CT_BROKER_UNAVAILABLE: ['kombu.exceptions', 'OperationalError'],
  CT_CONFIGURATION: ['celery.exceptions', 'ImproperlyConfigured'],
  CT_CONTENT_DISALLOWED: ['kombu.exceptions', 'ContentDisallowed'],
  CT_DECODE: ['kombu.exceptions', 'DecodeError'],
  CT_ENCODE: ['kombu.exceptions', 'EncodeError'],
  CT_INVALID_MESSAGE: ['celery.exceptions', 'InvalidTaskError'],
  CT_PUBLISH: ['kombu.exceptions', 'OperationalError'],
  CT_QUEUE_NOT_FOUND: ['celery.exceptions', 'QueueNotFound'],
  CT_SERIALIZER: ['kombu.exceptions', 'SerializerNotInstalled'],
  CT_TIMEOUT: ['builtins', 'TimeoutError'],
}
