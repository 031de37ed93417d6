/**
 * What a run came to, as it crosses from a slot elsewhere to the worker: values as the bytes that will be stored, errors as Python's view of
 * them (celery/app/trace.py 5.7, `get_pickleable_exception`). What needs the task's own classes (`throws`, `autoretryFor`) is decided in
 * the slot; what it means is decided in the worker, which unpacks an {@link Outcome} as if the task had run there.
 */
import { automaticRetry, type TaskRetryOptions } from '@ct/client'
import {
  CeleryError,
  decodeException,
  EncodeError,
  encodeException,
  Ignore,
  jsonSerializer,
  pyRepr,
  pythonTraceback,
  RawJson,
  Reject,
  Replace,
  Retry,
  type ExceptionDocument,
  type ResultHandle,
  type Serializer,
} from '@ct/contracts'
import type { Request } from '../request/index.ts'
import { failureAction, type FailureAction } from './failure-action.ts'
import type { Outcome } from './outcome.ts'
import { matches } from './retry.ts'
import { markOfSlot } from './slot-error.ts'
import { taskRequest } from './task-request.ts'
import { thrown } from './thrown.ts'

interface PackedError {
  /** An {@link ExceptionDocument}, encoded. */
  readonly document: Uint8Array
  readonly traceback: string
  /** Where the task threw it, for the worker's log. */
  readonly stack?: string
  readonly expected: boolean
  readonly action: FailureAction | undefined
}

type Packed =
  | { readonly kind: 'returned'; readonly value: Uint8Array | null; readonly repr?: string }
  | { readonly kind: 'threw'; readonly error: PackedError }
  | {
      readonly kind: 'retry'
      readonly message: string
      readonly exc: PackedError | null
      /** Seconds from now, or epoch ms. */
      readonly when: number | { readonly at: number } | null
      readonly options: Omit<TaskRetryOptions, 'args' | 'kwargs' | 'exc'>
      readonly args?: Uint8Array
      readonly kwargs?: Uint8Array
    }
  | { readonly kind: 'ignore' }
  /** The signature, as JSON. */
  | { readonly kind: 'replace'; readonly signature: Uint8Array }
  | {
      readonly kind: 'reject'
      readonly reason: string | null
      readonly requeue: boolean
      readonly traceback: string
    }

export type PackedOutcome = Packed & {
  readonly children?: readonly ResultHandle[]
  readonly carried?: Readonly<Record<string, string>>
}

export interface PackOptions {
  readonly serializer: Serializer
  /** Results are stored by this app. */
  readonly resultsEnabled: boolean
  readonly hostname: string
  /** The worker will show what was returned. */
  readonly wantsRepr: boolean
}

// ---- in the slot -------------------------------------------------------------------------------------------------------

export function packOutcome(request: Request, outcome: Outcome, options: PackOptions): PackedOutcome {
  const packed =
    outcome.kind === 'returned'
      ? packValue(request, outcome.value, options)
      : packThrown(request, outcome, options)
  const { children, carried } = request
  return {
    ...packed,
    ...(children === undefined || children.length === 0 ? {} : { children }),
    ...(carried === undefined || Object.keys(carried).length === 0 ? {} : { carried }),
  }
}

function packValue(request: Request, value: unknown, options: PackOptions): Packed {
  const { serializer, resultsEnabled, wantsRepr } = options
  const repr = wantsRepr
    ? { repr: pyRepr(value, { maxLength: request.strategy.options.resultreprMaxsize }) }
    : {}
  try {
    return { kind: 'returned', value: bytes(serializer, value ?? null), ...repr }
  } catch (error) {
    // What nobody stores and nobody is sent need not be encodable.
    const wanted = (resultsEnabled && !request.ignoreResult) || !request.isPlain
    if (!wanted) return { kind: 'returned', value: null, ...repr }
    return { kind: 'threw', error: packError(request, error, serializer) }
  }
}

function packThrown(
  request: Request,
  outcome: Exclude<Outcome, { kind: 'returned' }>,
  options: PackOptions,
): Packed {
  const { serializer, hostname } = options
  const error = outcome.kind === 'threw' ? outcome.error : new CeleryError('CT_INTERNAL', outcome.reason)
  if (error instanceof Retry) return packRetry(request, error, serializer)
  if (error instanceof Replace) return packReplace(request, error, serializer)
  if (error instanceof Ignore) return { kind: 'ignore' }
  if (error instanceof Reject) {
    const { reason, requeue } = error
    return {
      kind: 'reject',
      reason: reason === null || typeof reason === 'string' ? reason : pyRepr(reason),
      requeue,
      traceback: pythonTraceback(error),
    }
  }
  const { task, options: taskOptions } = request.strategy
  const retry =
    taskOptions.autoretryFor.length === 0
      ? undefined
      : automaticRetry({ task, request: taskRequest(request, hostname) }, error)
  if (retry !== undefined) return packRetry(request, retry, serializer)
  return { kind: 'threw', error: packError(request, error, serializer) }
}

function packError(request: Request, error: unknown, serializer: Serializer): PackedError {
  const canEncode = (value: unknown): boolean => {
    try {
      serializer.encode(value)
      return true
    } catch {
      return false
    }
  }
  const stack = error instanceof Error ? error.stack : undefined
  return {
    document: bytes(serializer, encodeException(error, canEncode)),
    traceback: pythonTraceback(error),
    ...(stack === undefined ? {} : { stack }),
    expected: matches(request.strategy.options.throws, error),
    action: failureAction(request.strategy.options, error),
  }
}

function packRetry(request: Request, retry: Retry, serializer: Serializer): Packed {
  const { args, kwargs, exc: _exc, ...options } = (retry.sig ?? {}) as TaskRetryOptions
  const { exc, when } = retry
  return {
    kind: 'retry',
    message: retry.message,
    exc: exc === undefined || exc === null ? null : packError(request, thrown(exc), serializer),
    when: when instanceof Date ? { at: when.getTime() } : when,
    options,
    ...(args === undefined ? {} : { args: bytes(jsonSerializer, args) }),
    ...(kwargs === undefined ? {} : { kwargs: bytes(jsonSerializer, kwargs) }),
  }
}

function packReplace(request: Request, replace: Replace, serializer: Serializer): Packed {
  try {
    return { kind: 'replace', signature: bytes(jsonSerializer, replace.signature) }
  } catch (error) {
    return { kind: 'threw', error: packError(request, error, serializer) }
  }
}

/** On a buffer of its own, so that it can change hands. */
function bytes(serializer: Serializer, value: unknown): Uint8Array {
  return new Uint8Array(serializer.encode(value))
}

// ---- in the worker -----------------------------------------------------------------------------------------------------

export interface UnpackOptions {
  readonly serializer: Serializer
  readonly json: boolean
}

/** Never throws: what cannot be read is a failure of the task. */
export function unpackOutcome(request: Request, value: unknown, options: UnpackOptions): Outcome {
  try {
    const packed = value as PackedOutcome
    if (packed.children !== undefined) (request.children ??= []).push(...packed.children)
    if (packed.carried !== undefined) request.carried = { ...packed.carried }
    return unpack(request, packed, options)
  } catch (cause) {
    return {
      kind: 'threw',
      error: new EncodeError('what the slot came to could not be read', { cause }),
    }
  }
}

function unpack(request: Request, packed: Packed, options: UnpackOptions): Outcome {
  switch (packed.kind) {
    case 'returned': {
      request.resultRepr = packed.repr
      return { kind: 'returned', value: packed.value === null ? null : valueOf(packed.value, options) }
    }
    case 'threw':
      return { kind: 'threw', error: errorOf(packed.error, options) }
    case 'retry': {
      const { message, exc, when, args, kwargs } = packed
      const sig = {
        ...packed.options,
        ...(args === undefined ? {} : { args: rawJson(args) }),
        ...(kwargs === undefined ? {} : { kwargs: rawJson(kwargs) }),
      }
      const moment = typeof when === 'object' && when !== null ? new Date(when.at) : when
      return {
        kind: 'threw',
        error: new Retry(message, { exc: exc === null ? null : errorOf(exc, options), when: moment, sig }),
      }
    }
    case 'ignore':
      return { kind: 'threw', error: new Ignore() }
    case 'replace':
      return { kind: 'threw', error: new Replace(rawJson(packed.signature)) }
    case 'reject':
      return {
        kind: 'threw',
        error: new Reject(packed.reason, packed.requeue, { traceback: packed.traceback }),
      }
  }
}

/** JSON stays as it was written: it is only passed on. */
function valueOf(encoded: Uint8Array, { serializer, json }: UnpackOptions): unknown {
  return json ? rawJson(encoded) : serializer.decode(encoded)
}

function rawJson(encoded: Uint8Array): RawJson {
  return RawJson.trusted(Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength).toString('utf8'))
}

function errorOf(packed: PackedError, { serializer }: UnpackOptions): CeleryError {
  const { document, traceback, stack, expected, action } = packed
  const decoded = serializer.decode(document) as ExceptionDocument
  const error = decodeException(decoded, traceback)
  // Made here, but thrown there: its own stack would be that of this function.
  error.stack = stack ?? `${error.name}: ${error.message}`
  markOfSlot(error, { expected, action })
  return error
}
