/**
 * The one error family of ct.
 *
 * Every error that ct throws on purpose is a {@link CeleryError}: `code` is stable and documented
 * (`docs/reference/errors.md` lists exactly {@link errorCodes}), `retryable` says whether the same call may succeed
 * later, `cause` holds what a driver threw. The message says what happened, to what, and what to do.
 *
 * Errors are branded with `Symbol.for`, so two copies of this package (or another realm) recognise each other's:
 * use {@link isCeleryError} or `instanceof`, both follow the brand.
 */

const brand = Symbol.for('ct.error')

/** Every error code of ct with one line of meaning. Adapters add theirs under `CT_BROKER`/`CT_BACKEND` through `details`. */
export const errorCodes = {
  CT_ADAPTER: 'An adapter does not fit the contracts it meets, or none is installed for a URL scheme.',
  CT_ABORTED: 'The caller’s AbortSignal fired before the operation ended.',
  CT_ALREADY_REGISTERED: 'Two different tasks were registered under one name.',
  CT_ARGUMENTS: 'Arguments do not fit the parameters of the task they were sent to.',
  CT_BACKEND: 'The result backend refused or failed an operation.',
  CT_BACKEND_UNAVAILABLE: 'The result backend could not be reached.',
  CT_BROKER: 'The broker refused or failed an operation.',
  CT_BROKER_UNAVAILABLE: 'The broker could not be reached.',
  CT_CHORD: 'A member of a chord failed, or the chord could not be joined.',
  CT_CLOSED: 'The object was used after close().',
  CT_CONFIGURATION: 'A setting or option is unknown, of the wrong type, or contradicts another.',
  CT_CONTENT_DISALLOWED: 'A message’s content type is not in the accept list.',
  CT_DECODE: 'Bytes could not be decoded.',
  CT_ENCODE: 'A value could not be encoded.',
  CT_IGNORE: 'Control flow: the task asked that its outcome be ignored.',
  CT_INTERNAL: 'A defect of ct itself; please report it.',
  CT_INVALID_MESSAGE: 'A message is malformed.',
  CT_LEASE_LOST: 'The broker gave a held message to somebody else.',
  CT_MAX_RETRIES: 'A task used up its retries.',
  CT_MESSAGE_TOO_LARGE: 'A message or result exceeds a limit.',
  CT_NOT_REGISTERED: 'No task of that name is registered here.',
  CT_PUBLISH: 'A message was not confirmed by the broker; `details.maybeDelivered` says what is known.',
  CT_QUEUE_NOT_FOUND: 'A queue is not configured and may not be created.',
  CT_REJECT: 'Control flow: the task asked that its message be rejected.',
  CT_REMOTE: 'A task failed in a worker; the error carries the remote exception.',
  CT_RESULT_TIMEOUT: 'No result arrived in the time allowed.',
  CT_RETRY: 'Control flow: the task is to be retried.',
  CT_REVOKED: 'A task was revoked, terminated or expired.',
  CT_SERIALIZER: 'No serializer or compressor of that name is registered.',
  CT_SOFT_TIME_LIMIT: 'A task ran past its soft time limit.',
  CT_TIME_LIMIT: 'A task ran past its hard time limit.',
  CT_TIMEOUT: 'An operation of ct’s own ran past its limit.',
  CT_UNSUPPORTED: 'The broker or backend does not have this capability.',
  CT_WORKER_LOST: 'The process or thread that ran a task is gone.',
} as const

export type ErrorCode = keyof typeof errorCodes

export interface CeleryErrorOptions {
  readonly cause?: unknown
  /** Whether the same call may succeed later without any change. Default: the class’s own, else false. */
  readonly retryable?: boolean
  /** Machine-readable facts, JSON-like; never secrets. */
  readonly details?: Readonly<Record<string, unknown>>
}

/** Base of all errors of ct. `instanceof CeleryError` also holds for errors of another copy of this package. */
export class CeleryError extends Error {
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: CeleryErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.retryable = options.retryable ?? false
    this.details = options.details ?? {}
    Object.defineProperty(this, brand, { value: true })
    Object.defineProperty(this, 'name', { value: new.target.name, configurable: true, writable: true })
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this === CeleryError) return isCeleryError(value)
    return Function.prototype[Symbol.hasInstance].call(this, value) || hasNameInChain(value, this.name)
  }
}

/** True for every error of ct, whichever copy of the package made it. */
export function isCeleryError(value: unknown): value is CeleryError {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[brand] === true
}

/** Of an error of ours that the same call, made again, may not meet: the other side was away, or busy. What is not of ours is no such error. */
export function isRetryable(value: unknown): value is CeleryError & { readonly retryable: true } {
  return isCeleryError(value) && value.retryable
}

/** Of an error of ours that the same call will meet again: trying again is pointless. What is not of ours may be anything, and is none. */
export function isRefusal(value: unknown): value is CeleryError & { readonly retryable: false } {
  return isCeleryError(value) && !value.retryable
}

/** Another copy's class has the same name but not the same identity; subclasses are found along the prototype chain. */
function hasNameInChain(value: unknown, className: string): boolean {
  if (!isCeleryError(value)) return false
  let proto: object | null = Object.getPrototypeOf(value) as object | null
  while (proto !== null) {
    if (proto.constructor.name === className) return true
    proto = Object.getPrototypeOf(proto) as object | null
  }
  return false
}

/** A setting or option is unknown or wrong. Code `CT_CONFIGURATION`. */
export class ConfigurationError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('CT_CONFIGURATION', message, options)
  }
}

/** An adapter does not fit. Code `CT_ADAPTER`. */
export class AdapterError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('CT_ADAPTER', message, options)
  }
}

/** Bytes could not be decoded. Code `CT_DECODE`. */
export class DecodeError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('CT_DECODE', message, options)
  }
}

/** A value could not be encoded; `details.path` says where in the value. Code `CT_ENCODE`. */
export class EncodeError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('CT_ENCODE', message, options)
  }
}

/** A content type that the accept list does not allow. Code `CT_CONTENT_DISALLOWED`. */
export class ContentDisallowedError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('CT_CONTENT_DISALLOWED', message, options)
  }
}

/** A malformed message; `details.reason` is a stable word such as `body-shape`. Code `CT_INVALID_MESSAGE`. */
export class InvalidMessageError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('CT_INVALID_MESSAGE', message, options)
  }
}

/** The broker refused an operation. Code `CT_BROKER`. */
export class BrokerError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('CT_BROKER', message, options)
  }
}

/** The broker cannot be reached; retryable. Code `CT_BROKER_UNAVAILABLE`. */
export class BrokerUnavailableError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('CT_BROKER_UNAVAILABLE', message, { retryable: true, ...options })
  }
}

/**
 * A publish that the broker did not confirm. `maybeDelivered` false: it certainly was not taken, sending again is safe;
 * true: it may have been. Code `CT_PUBLISH`.
 */
export class PublishError extends CeleryError {
  readonly maybeDelivered: boolean
  constructor(message: string, options: CeleryErrorOptions & { readonly maybeDelivered: boolean }) {
    super('CT_PUBLISH', message, {
      retryable: true,
      ...options,
      details: { ...options.details, maybeDelivered: options.maybeDelivered },
    })
    this.maybeDelivered = options.maybeDelivered
  }
}

/** A held message is somebody else's by now. Code `CT_LEASE_LOST`. */
export class LeaseLostError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('CT_LEASE_LOST', message, options)
  }
}

/** A message or result is larger than the server takes; `details` has `bytes` and `maxBytes`. Code `CT_MESSAGE_TOO_LARGE`. */
export class MessageTooLargeError extends CeleryError {
  constructor(
    message: string,
    options: CeleryErrorOptions & { readonly bytes: number; readonly maxBytes: number },
  ) {
    const { bytes, maxBytes, ...rest } = options
    super('CT_MESSAGE_TOO_LARGE', message, { ...rest, details: { bytes, maxBytes, ...options.details } })
  }
}

/** The result backend refused an operation. Code `CT_BACKEND`. */
export class BackendError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('CT_BACKEND', message, options)
  }
}

/** The result backend cannot be reached; retryable. Code `CT_BACKEND_UNAVAILABLE`. */
export class BackendUnavailableError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('CT_BACKEND_UNAVAILABLE', message, { retryable: true, ...options })
  }
}

/** Used after close(). Code `CT_CLOSED`. */
export class ClosedError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('CT_CLOSED', message, options)
  }
}

/** The caller’s signal fired. Code `CT_ABORTED`; `cause` is the signal’s reason. */
export class AbortedError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('CT_ABORTED', message, options)
  }
}

/** An operation of ct’s own took too long; retryable. Code `CT_TIMEOUT`. */
export class OperationTimeoutError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('CT_TIMEOUT', message, { retryable: true, ...options })
  }
}

/** The broker or backend lacks a capability. Code `CT_UNSUPPORTED`. */
export class UnsupportedError extends CeleryError {
  constructor(message: string, options?: CeleryErrorOptions) {
    super('CT_UNSUPPORTED', message, options)
  }
}
