import { Buffer } from 'node:buffer'
import { EncodeError } from '../errors.ts'
import { isoformat } from './isoformat.ts'
import { escapeBeyondAscii } from './json-ascii.ts'
import { decodeEnvelopeValue, defaultJsonOptions, encodeBytes, maxIntegerDigits } from './json-types.ts'
import type { JsonOptions } from './json-types.ts'
import { isEnvelope } from './json-parser.ts'
import { jsonHook, jsonSource } from './json-symbols.ts'
import { jsonNumber, pythonFloatRepr } from './python-float.ts'

/** Thrown on the way up, each level adding where it was; becomes an {@link EncodeError} at the top. Cheap: it has no stack. */
class Refusal {
  readonly problem: string
  readonly reason: string
  readonly cause: unknown
  readonly path: (string | number)[] = []

  constructor(problem: string, reason: string, cause?: unknown) {
    this.problem = problem
    this.reason = reason
    this.cause = cause
  }
}

/**
 * Writes JSON with the bytes kombu 5.7 writes: `", "` and `": "`, ASCII only, keys in the object's order, floats as Python prints them.
 *
 * - Whole numbers that are safe are integers, other numbers floats; `float(1)` writes `1.0`; `bigint` an integer of any size up to
 *   4300 digits. NaN and ±Infinity are Python's bare words (`nonFinite: 'error'` refuses them).
 * - `undefined` is null in arrays and at the top, and left out of objects.
 * - `Date` is a `datetime` in UTC, bytes are `bytes` or `base64`, the classes of `python-values.ts` their own envelopes, `RawJson` its text.
 * - `[jsonHook]()` and `toJSON()` give what is written instead. Other class instances are written as their own enumerable properties.
 * - A plain object that looks like an envelope is written as it is, for the reader will convert it; one it could not convert is refused.
 * - `Map`, `Set`, functions, symbols, promises, errors, cycles and too deep nesting are refused.
 *
 * Error: `CT_ENCODE`, with `details.path`.
 */
export function encodeJson(value: unknown, options: JsonOptions = defaultJsonOptions): string {
  try {
    return write(value, 0, options)
  } catch (error) {
    throw toEncodeError(error)
  }
}

/** A value as it stands within a document, `depth` levels down. Error: as {@link encodeJson}, without saying where in the document. */
export function encodeJsonMember(
  value: unknown,
  options: JsonOptions = defaultJsonOptions,
  depth: number = 1,
): string {
  try {
    return write(value, depth, options)
  } catch (error) {
    throw toEncodeError(error)
  }
}

/** {@link encodeJson} as bytes. */
export function encodeJsonBytes(value: unknown, options: JsonOptions = defaultJsonOptions): Uint8Array {
  // ASCII only, so latin1 is exact and the fastest way.
  return Buffer.from(encodeJson(value, options), 'latin1')
}

function toEncodeError(error: unknown): EncodeError {
  if (error instanceof EncodeError) return error
  if (error instanceof Refusal) {
    const path = formatPath(error.path)
    return new EncodeError(`cannot encode ${path === '' ? 'the value' : path}: ${error.problem}`, {
      ...(error.cause === undefined ? {} : { cause: error.cause }),
      details: { reason: error.reason, path },
    })
  }
  return new EncodeError(
    `cannot encode the value: ${error instanceof Error ? error.message : String(error)}`,
    {
      cause: error,
      details: { reason: error instanceof RangeError ? 'depth' : 'value', path: '' },
    },
  )
}

function formatPath(path: readonly (string | number)[]): string {
  let text = ''
  for (const step of path.length > 20 ? path.slice(0, 20) : path) {
    if (typeof step === 'number') text += `[${step}]`
    else
      text += /^[A-Za-z_$][\w$]*$/.test(step)
        ? (text === '' ? '' : '.') + step
        : `[${JSON.stringify(step.slice(0, 64))}]`
  }
  return path.length > 20 ? text + '…' : text
}

function write(value: unknown, depth: number, options: JsonOptions): string {
  switch (typeof value) {
    case 'string':
      return quote(value)
    case 'number':
      if ((value | 0) === value && (value !== 0 || 1 / value > 0)) return '' + value
      return writeNumber(value, options)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value) ? writeArray(value, depth, options) : writeObject(value, depth, options)
    case 'undefined':
      return 'null'
    case 'bigint':
      return writeBigInt(value)
    default:
      throw new Refusal(typeof value === 'symbol' ? 'it is a symbol' : describeFunction(value), typeof value)
  }
}

function writeNumber(value: number, options: JsonOptions): string {
  if (options.nonFinite === 'error' && !Number.isFinite(value)) {
    throw new Refusal(
      `it is ${pythonFloatRepr(value)}, which JSON proper has no word for (nonFinite: 'error')`,
      'non-finite',
    )
  }
  return jsonNumber(value)
}

function writeBigInt(value: bigint): string {
  const text = value.toString()
  if (text.length > maxIntegerDigits)
    throw new Refusal(`an integer of more than ${maxIntegerDigits} digits`, 'integer')
  return text
}

const plain = /^[ !#-[\]-~]*$/

/** A JSON string literal in ASCII. */
export function quote(text: string): string {
  if (plain.test(text)) return '"' + text + '"'
  // JSON.stringify escapes quotes, backslashes, controls and lone surrogates just as Python does; the rest is ours.
  return escapeBeyondAscii(JSON.stringify(text))
}

/** Keys repeat endlessly (headers, records), so their literals are kept; bounded, because keys may come from strangers. */
const keyLiterals = new Map<string, string>()

function keyLiteral(key: string): string {
  const known = keyLiterals.get(key)
  if (known !== undefined) return known
  const literal = quote(key) + ': '
  if (keyLiterals.size < 2048 && key.length <= 64) keyLiterals.set(key, literal)
  return literal
}

function writeArray(items: readonly unknown[], depth: number, options: JsonOptions): string {
  const length = items.length
  if (length === 0) return '[]'
  if (depth >= options.maxDepth) throw tooDeep(options)
  let at = 0
  try {
    let text = '[' + write(items[0], depth + 1, options)
    for (at = 1; at < length; at += 1) text += ', ' + write(items[at], depth + 1, options)
    return text + ']'
  } catch (error) {
    if (error instanceof Refusal) error.path.unshift(at)
    throw error
  }
}

const objectPrototype = Object.prototype

function writeObject(object: object, depth: number, options: JsonOptions): string {
  const prototype: unknown = Object.getPrototypeOf(object)
  if (prototype !== objectPrototype && prototype !== null) return writeInstance(object, depth, options)
  if (jsonHook in object) return writeHook(object, jsonHook, depth, options)
  return writeMembers(object, depth, options)
}

function writeMembers(object: object, depth: number, options: JsonOptions): string {
  if (depth >= options.maxDepth) throw tooDeep(options)
  const keys = Object.keys(object)
  let text = ''
  let key = ''
  try {
    for (let at = 0; at < keys.length; at += 1) {
      key = keys[at] as string
      const value = (object as Record<string, unknown>)[key]
      if (value === undefined) continue
      if (typeof value === 'function' && key === 'toJSON') return writeHook(object, 'toJSON', depth, options)
      if (key === '__type__') refuseUnreadable(object, options)
      text += (text === '' ? '{' : ', ') + keyLiteral(key) + write(value, depth + 1, options)
    }
  } catch (error) {
    if (error instanceof Refusal) error.path.unshift(key)
    throw error
  }
  return text === '' ? '{}' : text + '}'
}

/** Data shaped like an envelope is one, to every reader. One that no reader could convert would cost the whole message. */
function refuseUnreadable(object: object, options: JsonOptions): void {
  if (!isEnvelope(object)) return
  const { __type__: marker, __value__: value } = object as { __type__: unknown; __value__: unknown }
  try {
    decodeEnvelopeValue(marker, value, options.types)
  } catch (cause) {
    throw new Refusal(
      `it looks like a JSON type envelope that no reader could convert (${(cause as Error).message})`,
      'marker',
      cause,
    )
  }
}

function writeInstance(object: object, depth: number, options: JsonOptions): string {
  const source = (object as Record<symbol, unknown>)[jsonSource]
  if (typeof source === 'string') {
    if (options.nonFinite === 'error' && (source === 'NaN' || source.endsWith('Infinity')))
      writeNumber(NaN, options)
    return source
  }
  for (const type of options.types) {
    if (object instanceof type.type) {
      const value = type.encode(object as never)
      return write(
        type.marker === null ? value : { __type__: type.marker, __value__: value },
        deeper(depth, options),
        options,
      )
    }
  }
  if (jsonHook in object) return writeHook(object, jsonHook, depth, options)
  if (object instanceof Date) return writeDate(object)
  if (object instanceof Uint8Array) return writeBytes(object)
  if (typeof (object as { toJSON?: unknown }).toJSON === 'function')
    return writeHook(object, 'toJSON', depth, options)
  return writeOther(object, depth, options)
}

function writeOther(object: object, depth: number, options: JsonOptions): string {
  const tag = objectPrototype.toString.call(object).slice(8, -1)
  switch (tag) {
    case 'Number':
    case 'String':
    case 'Boolean':
    case 'BigInt':
      return write(object.valueOf(), deeper(depth, options), options)
    case 'Date': // of another realm
      return writeDate(new Date((object as Date).getTime()))
    case 'Uint8Array':
      return writeBytes(object as Uint8Array)
    case 'ArrayBuffer':
    case 'SharedArrayBuffer':
      return writeBytes(new Uint8Array(object as ArrayBuffer))
    case 'Map':
      throw new Refusal('it is a Map; use Object.fromEntries(map)', 'type')
    case 'Set':
      throw new Refusal('it is a Set; use [...set]', 'type')
    case 'Promise':
      throw new Refusal('it is a promise; await it first', 'type')
    case 'Generator':
    case 'AsyncGenerator':
      throw new Refusal('it is a generator; collect what it yields first', 'type')
    case 'Error':
      throw new Refusal(`it is an error (${String(object)}); send its message instead`, 'type')
  }
  if (ArrayBuffer.isView(object))
    throw new Refusal(`it is a ${tag}; use a Uint8Array for bytes or Array.from() for numbers`, 'type')
  if (
    object instanceof RegExp ||
    object instanceof WeakMap ||
    object instanceof WeakSet ||
    object instanceof WeakRef
  ) {
    throw new Refusal(`it is a ${tag}`, 'type')
  }
  if (typeof (object as { then?: unknown }).then === 'function')
    throw new Refusal('it is a promise; await it first', 'type')
  if (object instanceof Error)
    throw new Refusal(`it is an error (${String(object)}); send its message instead`, 'type')
  return writeMembers(object, depth, options)
}

function writeDate(date: Date): string {
  try {
    return `{"__type__": "datetime", "__value__": "${isoformat(date)}"}`
  } catch {
    throw new Refusal('it is an invalid date, or one outside the years 1 to 9999', 'date')
  }
}

function writeBytes(bytes: Uint8Array): string {
  const { marker, value } = encodeBytes(bytes)
  return `{"__type__": "${marker}", "__value__": ${quote(value)}}`
}

function writeHook(
  object: object,
  hook: typeof jsonHook | 'toJSON',
  depth: number,
  options: JsonOptions,
): string {
  const method = (object as Record<PropertyKey, unknown>)[hook]
  if (typeof method !== 'function') throw new Refusal(`its ${String(hook)} is not a function`, 'hook')
  let value: unknown
  try {
    value = method.call(object, '')
  } catch (cause) {
    throw new Refusal(`its ${String(hook)} threw: ${String(cause)}`, 'hook', cause)
  }
  return write(value, deeper(depth, options), options)
}

/** Hooks count as a level, so that one that returns itself for ever ends. */
function deeper(depth: number, options: JsonOptions): number {
  if (depth >= options.maxDepth) throw tooDeep(options)
  return depth + 1
}

function tooDeep(options: JsonOptions): Refusal {
  return new Refusal(`it is cyclic or nested deeper than ${options.maxDepth}`, 'depth')
}

function describeFunction(value: unknown): string {
  const name = (value as { name?: unknown }).name
  return typeof name === 'string' && name !== '' ? `it is a function (${name})` : 'it is a function'
}
