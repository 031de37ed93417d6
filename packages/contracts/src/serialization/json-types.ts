import { Buffer, isUtf8 } from 'node:buffer'
import { CeleryError, DecodeError } from '../errors.ts'
import { PyDate, PyDateTime, PyDecimal, PyTime, PyUuid } from './python-values.ts'

/**
 * A type of the user's own for JSON, as kombu's `register_type`. Both ends must know the marker.
 *
 * @example { marker: 'money', type: Money, encode: (m) => m.cents, decode: (cents) => new Money(cents as number) }
 */
export interface JsonType<T = never> {
  /** `__type__` on the wire; null writes the encoded value bare, and nothing is converted back. */
  readonly marker: string | null
  readonly type: abstract new (...args: never[]) => unknown
  encode(value: T): unknown
  decode?(value: unknown): unknown
}

/** What JSON text is read and written with. Made by {@link jsonOptions}. */
export interface JsonOptions {
  /** How deep arrays and objects may nest. Default 1000, about where Python's own reader gives up. */
  readonly maxDepth: number
  /** What to do with NaN and ±Infinity: `token` writes Python's bare words, `error` refuses. Default `token`. Reading accepts them always. */
  readonly nonFinite: 'token' | 'error'
  readonly types: readonly JsonType[]
}

export const defaultJsonOptions: JsonOptions = Object.freeze({
  maxDepth: 1000,
  nonFinite: 'token',
  types: [],
})

/** Python refuses to convert integers of more digits between text and number; so a longer one could not be read there. */
export const maxIntegerDigits = 4300

/** Turns the two members of an envelope into a value. Error: `CT_DECODE`, also for an unknown marker, as in kombu. */
export function decodeEnvelopeValue(marker: unknown, value: unknown, types: readonly JsonType[]): unknown {
  for (const type of types) {
    if (type.marker === marker && type.decode !== undefined) return userDecode(type, value)
  }
  switch (marker) {
    case 'datetime':
      return new PyDateTime(text(marker, value))
    case 'date':
      return PyDate.parse(text(marker, value))
    case 'time':
      return new PyTime(text(marker, value))
    case 'decimal':
      return new PyDecimal(
        typeof value === 'number' || typeof value === 'bigint' ? String(value) : text(marker, value),
      )
    case 'uuid':
      return decodeUuid(value)
    case 'bytes':
      return decodeBytes(text(marker, value))
    case 'base64':
      return decodeBase64(text(marker, value))
    default:
      throw new DecodeError(
        `unknown JSON type marker ${JSON.stringify(String(marker)).slice(0, 80)}; register it on both sides`,
        { details: { reason: 'marker' } },
      )
  }
}

/** The JSON envelope's two members for bytes: text where they are UTF-8, else base64. */
export function encodeBytes(bytes: Uint8Array): {
  readonly marker: 'bytes' | 'base64'
  readonly value: string
} {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return isUtf8(buffer)
    ? { marker: 'bytes', value: buffer.toString('utf8') }
    : { marker: 'base64', value: buffer.toString('base64') }
}

function text(marker: string, value: unknown): string {
  if (typeof value === 'string') return value
  throw new DecodeError(`a JSON value of type ${marker} must hold a text`, { details: { reason: 'marker' } })
}

function decodeUuid(value: unknown): PyUuid {
  if (typeof value === 'object' && value !== null && 'hex' in value && Object.keys(value).length === 1) {
    return new PyUuid(text('uuid', value.hex))
  }
  throw new DecodeError('a JSON value of type uuid must hold {"hex": "…"}', { details: { reason: 'marker' } })
}

function decodeBytes(value: string): Uint8Array {
  if (!value.isWellFormed()) {
    throw new DecodeError('a JSON value of type bytes holds half a surrogate pair', {
      details: { reason: 'marker' },
    })
  }
  return new TextEncoder().encode(value)
}

function decodeBase64(value: string): Uint8Array {
  // Python drops characters outside the alphabet and then insists on whole groups of four.
  const clean = value.replace(/[^A-Za-z0-9+/=]+/g, '')
  if (clean.length % 4 !== 0)
    throw new DecodeError('a JSON value of type base64 is cut off', { details: { reason: 'marker' } })
  return Uint8Array.from(Buffer.from(clean, 'base64'))
}

function userDecode(type: JsonType, value: unknown): unknown {
  try {
    return type.decode?.(value)
  } catch (cause) {
    if (cause instanceof CeleryError) throw cause
    throw new DecodeError(`the decoder of the JSON type ${String(type.marker)} failed: ${String(cause)}`, {
      cause,
      details: { reason: 'marker' },
    })
  }
}
