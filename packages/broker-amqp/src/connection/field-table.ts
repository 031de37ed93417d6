/**
 * JSON-like values ⇄ AMQP field tables (headers, arguments), with the types py-amqp 5.3 writes and reads: text `S`, integers `I` or `l`,
 * fractions `d`, boolean `t`, null `V`, lists `A`, tables `F`, bytes `x`, moments `T`. amqplib alone would write small integers in one or
 * two bytes, and would take an object with the key `!` for one of its own type markers.
 */
import { EncodeError, isRawJson, PyFloat, resolveRawJson } from '@ct/contracts'
import { deepestTable } from './unreadable-headers.ts'

type Encodable =
  | null
  | boolean
  | string
  | Buffer
  | readonly Encodable[]
  | { readonly [name: string]: unknown }

/** Error: `CT_ENCODE` with the path of the value. */
export function encodeTable(table: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return encodeFields(table, '', 0)
}

function encodeFields(
  table: Readonly<Record<string, unknown>>,
  path: string,
  depth: number,
): Record<string, unknown> {
  if (depth > 100) throw refused('is cyclic or nested deeper than 100', path)
  // amqplib walks inherited names too.
  const encoded = Object.create(null) as Record<string, unknown>
  for (const name of Object.keys(table)) {
    const value = table[name]
    if (value === undefined) continue
    // The headers of every task are texts; their paths are not needed.
    if (typeof value === 'string' && name.length < 64) {
      encoded[name] = value
      continue
    }
    const where = path === '' ? name : `${path}.${name}`
    if (Buffer.byteLength(name) > 255) throw refused('has a name longer than 255 bytes', where)
    encoded[name] = encodeValue(value, where, depth)
  }
  return encoded
}

function encodeValue(value: unknown, path: string, depth: number): Encodable {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return encodeNumber(value)
    case 'bigint':
      if (BigInt.asIntN(64, value) !== value) throw refused('does not fit into 64 bits', path)
      return { '!': 'int64', value }
    case 'object':
      break
    default:
      throw refused(`is a ${typeof value}`, path)
  }
  if (value === null) return null
  if (isRawJson(value)) return encodeValue(resolveRawJson(value), path, depth)
  if (value instanceof PyFloat) return { '!': 'double', value: value.value }
  if (Array.isArray(value)) {
    if (depth > 100) throw refused('is cyclic or nested deeper than 100', path)
    return value.map((item, index) => encodeValue(item ?? null, `${path}[${index}]`, depth + 1))
  }
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (value instanceof Date) return { '!': 'timestamp', value: Math.floor(value.getTime() / 1000) }
  // Wrapped, so that amqplib takes a key `!` of theirs for data.
  return { '!': 'object', value: encodeFields(value as Readonly<Record<string, unknown>>, path, depth + 1) }
}

function encodeNumber(value: number): Encodable {
  if (!Number.isSafeInteger(value)) return { '!': 'double', value }
  return { '!': value >= -0x8000_0000 && value < 0x8000_0000 ? 'int32' : 'int64', value }
}

function refused(why: string, path: string): EncodeError {
  return new EncodeError(`The value at ${path} ${why}; AMQP headers cannot hold it`, { details: { path } })
}

/**
 * What amqplib has read, made plain: moments as `Date`, decimals as text, `__proto__` as the name it is. What is nested so deep that it could not be
 * sent on (when the message is parked, say) is cut off: null.
 */
export function decodeTable(table: Readonly<Record<string, unknown>> | undefined): Record<string, unknown> {
  if (table === undefined) return {}
  return decodeFields(table, 0)
}

function decodeFields(table: Readonly<Record<string, unknown>>, depth: number): Record<string, unknown> {
  if (isPlainTable(table, depth)) return table as Record<string, unknown>
  const prototype: unknown = Object.getPrototypeOf(table)
  const decoded: Record<string, unknown> = {}
  if (isOdd(prototype)) define(decoded, '__proto__', decodeValue(prototype, depth))
  for (const [name, value] of Object.entries(table)) define(decoded, name, decodeValue(value, depth))
  return decoded
}

/** amqplib assigns: a table named __proto__ has become the prototype. */
function isOdd(prototype: unknown): boolean {
  return prototype !== Object.prototype && prototype !== null
}

/** Nothing to be changed in it: most tables, of tasks too, are so. */
function isPlainTable(table: Readonly<Record<string, unknown>>, depth: number): boolean {
  if (isOdd(Object.getPrototypeOf(table))) return false
  for (const name in table) if (!isPlainValue(table[name], depth)) return false
  return true
}

function isPlainValue(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return true
  if (depth >= deepestTable) return false
  if (Array.isArray(value)) return value.every((item) => isPlainValue(item, depth + 1))
  return !Object.hasOwn(value, '!') && isPlainTable(value as Readonly<Record<string, unknown>>, depth + 1)
}

function decodeValue(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  if (depth >= deepestTable) return null
  if (Array.isArray(value)) return value.map((item) => decodeValue(item, depth + 1))
  const marked = value as { readonly '!'?: unknown; readonly value?: unknown }
  if (marked['!'] === 'timestamp' && typeof marked.value === 'number') return new Date(marked.value * 1000)
  if (marked['!'] === 'decimal' && typeof marked.value === 'object') return decimal(marked.value)
  return decodeFields(value as Record<string, unknown>, depth + 1)
}

function decimal(value: unknown): string {
  const { places, digits } = value as { readonly places: number; readonly digits: number }
  const text = String(digits).padStart(places + 1, '0')
  return places === 0 ? text : `${text.slice(0, -places)}.${text.slice(-places)}`
}

function define(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
}
