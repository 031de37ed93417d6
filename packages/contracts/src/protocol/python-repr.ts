import {
  isRawJson,
  PyDate,
  PyDateTime,
  PyDecimal,
  PyFloat,
  PyTime,
  PyUuid,
  pythonFloatRepr,
} from '../serialization/index.ts'
import { pythonIdentity } from './python-identity.ts'

/** A JavaScript value as Python's `repr` would show its Python counterpart, for events and messages to people. */
export interface PythonReprOptions {
  /** The text is cut here and ends in `...`. Default 1024. */
  readonly maxLength?: number
  /** Containers below this level are shown as `[...]`. Default 6. */
  readonly maxLevels?: number
}

/** `repr(value)`: `'it'`, `[1, 2.5, None]`, `ValueError('bad', 3)`. Never throws. */
export function pyRepr(value: unknown, options: PythonReprOptions = {}): string {
  const maxLength = options.maxLength ?? 1024
  const budget = { left: maxLength }
  const text = repr(value, options.maxLevels ?? 6, budget, [])
  return text.length <= maxLength ? text : text.slice(0, Math.max(0, maxLength - 3)) + '...'
}

/** `str(value)`: as {@link pyRepr}, but a text is shown bare. */
export function pyStr(value: unknown, options: PythonReprOptions = {}): string {
  return typeof value === 'string' ? value : pyRepr(value, options)
}

/** The repr of a single value that is no container, or null when it is one. */
export function scalarRepr(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      return stringRepr(value)
    case 'number':
      return numberRepr(value)
    case 'bigint':
      return value.toString()
    case 'boolean':
      return value ? 'True' : 'False'
    case 'undefined':
      return 'None'
    case 'function':
      return `<function ${value.name || 'anonymous'}>`
    case 'symbol':
      return `<${String(value)}>`
    case 'object':
      return value === null ? 'None' : valueRepr(value)
  }
}

/** A JavaScript number as the int or float that it will be in Python. */
export function numberRepr(value: number): string {
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : pythonFloatRepr(value)
}

/** repr of the value classes Python knows; null for anything else. */
function valueRepr(value: object): string | null {
  if (value instanceof PyFloat) return String(value)
  if (value instanceof Date) return dateRepr(value)
  if (value instanceof PyDecimal) return `Decimal('${value.text}')`
  if (value instanceof PyUuid) return `UUID('${value.toString()}')`
  if (value instanceof PyDate) return `datetime.date(${value.year}, ${value.month}, ${value.day})`
  if (value instanceof PyTime)
    return `datetime.time(${clockArgs(value.hour, value.minute, value.second, value.microsecond)}${zone(value.offset)})`
  if (value instanceof Uint8Array) return bytesRepr(value)
  return null
}

function dateRepr(date: Date): string {
  if (Number.isNaN(date.getTime())) return '<invalid date>'
  const iso = date instanceof PyDateTime ? date.isoformat() : date.toISOString().replace('Z', '000+00:00')
  const match = /^([+-]?\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(.*)$/.exec(iso)
  if (match === null) return iso
  const [year, month, day, hour, minute, second, micro] = match.slice(1, 8).map((part) => Number(part ?? 0))
  return `datetime.datetime(${year}, ${month}, ${day}, ${clockArgs(hour!, minute!, second!, micro!)}${zone(match[8] || null)})`
}

/** Python leaves out seconds and microseconds when they and all that follows are zero. */
function clockArgs(hour: number, minute: number, second: number, micro: number): string {
  return (
    `${hour}, ${minute}` +
    (second !== 0 || micro !== 0 ? `, ${second}` : '') +
    (micro !== 0 ? `, ${micro}` : '')
  )
}

function zone(offset: string | null): string {
  if (offset === null) return ''
  if (offset === '+00:00') return ', tzinfo=datetime.timezone.utc'
  const sign = offset[0] === '-' ? -1 : 1
  const [hours, minutes, seconds] = offset.slice(1).split(':').map(Number)
  const total = sign * ((hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0))
  const days = Math.floor(total / 86_400)
  const rest = total - days * 86_400
  const parts = [days === 0 ? '' : `days=${days}`, rest === 0 ? '' : `seconds=${rest}`].filter(
    (part) => part !== '',
  )
  return `, tzinfo=datetime.timezone(datetime.timedelta(${parts.join(', ')}))`
}

const needsEscape = /[\\\x00-\x1f\x7f]|[^\x20-\x7e]/

function stringRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  if (!needsEscape.test(text) && (quote === '"' || !text.includes("'"))) return quote + text + quote
  let out = quote
  for (const char of text) out += escapeChar(char, quote)
  return out + quote
}

/** Characters Python's str.isprintable() denies: all of Unicode's "other" and "separator" but the blank. */
const unprintable = /[\p{C}\p{Z}]/u

function escapeChar(char: string, quote: string): string {
  const code = char.codePointAt(0)!
  if (char === quote || char === '\\') return '\\' + char
  if (char === '\n') return '\\n'
  if (char === '\r') return '\\r'
  if (char === '\t') return '\\t'
  if (code >= 0x20 && code < 0x7f) return char
  if (!unprintable.test(char)) return char
  if (code < 0x100) return '\\x' + code.toString(16).padStart(2, '0')
  if (code < 0x10000) return '\\u' + code.toString(16).padStart(4, '0')
  return '\\U' + code.toString(16).padStart(8, '0')
}

function bytesRepr(bytes: Uint8Array): string {
  const quote = bytes.includes(39) && !bytes.includes(34) ? '"' : "'"
  let out = 'b' + quote
  for (const byte of bytes.length > 4096 ? bytes.subarray(0, 4096) : bytes) {
    const char = String.fromCharCode(byte)
    out += byte >= 0x80 ? '\\x' + byte.toString(16) : escapeChar(char, quote)
  }
  return out + quote
}

function repr(value: unknown, levels: number, budget: { left: number }, parents: unknown[]): string {
  try {
    const scalar = scalarRepr(value)
    if (scalar !== null) {
      budget.left -= scalar.length
      return scalar
    }
    const object = value as object
    if (isRawJson(object)) return repr(object.decode(), levels, budget, parents)
    if (parents.includes(object)) return Array.isArray(object) ? '[...]' : '{...}'
    parents.push(object)
    try {
      return containerRepr(object, levels, budget, parents)
    } finally {
      parents.pop()
    }
  } catch {
    return '<unrepresentable>' // a getter, a proxy or a hostile toString
  }
}

function containerRepr(object: object, levels: number, budget: { left: number }, parents: unknown[]): string {
  if (object instanceof Error) {
    const { excType, args } = pythonIdentity(object)
    const shown = sequence(args, levels, budget, parents)
    return `${excType}(${shown})`
  }
  const shallow = levels <= 0 || budget.left <= 0
  if (Array.isArray(object))
    return shallow && object.length > 0 ? '[...]' : `[${sequence(object, levels, budget, parents)}]`
  if (object instanceof Set)
    return object.size === 0 ? 'set()' : shallow ? '{...}' : `{${sequence(object, levels, budget, parents)}}`
  const entries: Iterable<[unknown, unknown]> = object instanceof Map ? object : Object.entries(object)
  let out = ''
  for (const [key, value] of entries) {
    if (out !== '') out += ', '
    if (shallow || budget.left <= 0) return `{${out}...}`
    out += repr(key, levels - 1, budget, parents) + ': ' + repr(value, levels - 1, budget, parents)
  }
  return `{${out}}`
}

function sequence(
  items: Iterable<unknown>,
  levels: number,
  budget: { left: number },
  parents: unknown[],
): string {
  let out = ''
  for (const item of items) {
    if (out !== '') out += ', '
    if (budget.left <= 0) return out + '...'
    out += repr(item, levels - 1, budget, parents)
  }
  return out
}
