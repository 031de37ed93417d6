import { Buffer, isUtf8 } from 'node:buffer'
import { decodeUtf8, isRawJson } from '../serialization/index.ts'
import { pythonIdentity } from './python-identity.ts'
import { numberRepr, pyRepr, scalarRepr } from './python-repr.ts'

export interface SafeReprOptions {
  /** Budget of characters, overshot by a little as in Python. Default 1024 (`argsrepr_maxsize`). */
  readonly maxLength?: number
  /** Setting `task_repr_maxlevels`. Default 3. */
  readonly maxLevels?: number
}

interface Budget {
  left: number
  out: string
  /** Set once `, ...` stands; after that only the brackets that are open are closed. */
  cut: boolean
}

/**
 * The display text of task arguments, the same as celery/utils/saferepr.py 5.7 makes: depth and length are limited, strings stand in single
 * quotes with nothing but the quote escaped. Never throws.
 */
export function saferepr(value: unknown, options: SafeReprOptions = {}): string {
  const budget: Budget = { left: options.maxLength ?? 1024, out: '', cut: false }
  write(value, 0, options.maxLevels ?? 3, budget, [], false)
  return budget.out
}

/** {@link saferepr} of positional arguments, shown as the tuple they are in Python: `(1, 2)`, `(1,)`, `()`. */
export function argsRepr(args: unknown, options: SafeReprOptions = {}): string {
  // Nearly every call: a few short scalars.
  if (Array.isArray(args) && args.length <= 4) {
    const quick = quickTuple(args)
    if (quick !== null && quick.length < (options.maxLength ?? 1024)) return quick
  }
  const budget: Budget = { left: options.maxLength ?? 1024, out: '', cut: false }
  write(args, 0, options.maxLevels ?? 3, budget, [], true)
  return budget.out
}

/** {@link saferepr} of keyword arguments: `{'x': 1}`. */
export function kwargsRepr(kwargs: unknown, options: SafeReprOptions = {}): string {
  if (kwargs === null || kwargs === undefined || isEmpty(kwargs)) return '{}'
  return saferepr(kwargs, options)
}

/** A plain object without members: what nearly every call has. */
function isEmpty(value: unknown): boolean {
  try {
    if (typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return false
    for (const _ in value) return false
    return true
  } catch {
    return false // a proxy
  }
}

function quickTuple(args: readonly unknown[]): string | null {
  let text = '('
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at]
    if (at > 0) text += ', '
    if (typeof arg === 'number') text += numberRepr(arg)
    else if (typeof arg === 'string' && arg.length < 100 && !arg.includes("'")) text += "'" + arg + "'"
    else if (typeof arg === 'boolean') text += arg ? 'True' : 'False'
    else if (arg === null || arg === undefined) text += 'None'
    else return null
  }
  return args.length === 1 ? text + ',)' : text + ')'
}

/** A token that opens, separates or is a value. False when the budget was used up before it. */
function emit(token: string, budget: Budget): boolean {
  if (budget.cut) return false
  if (budget.left <= 0) {
    budget.out += ', ...'
    budget.cut = true
    return false
  }
  budget.out += token
  budget.left -= pythonLength(token)
  return true
}

/** Closing brackets are never left out; they count only while nothing is cut. */
function close(token: string, budget: Budget): void {
  budget.out += token
  if (budget.left > 0) budget.left -= token.length // brackets only
}

function write(
  value: unknown,
  level: number,
  maxLevels: number,
  budget: Budget,
  parents: object[],
  tuple: boolean,
): void {
  if (budget.cut) return
  try {
    if (typeof value === 'string') {
      emit(quoteString(value, budget.left), budget)
      return
    }
    if (value instanceof Uint8Array) {
      emit(quoteBytes(value, budget.left), budget)
      return
    }
    const scalar = scalarRepr(value)
    if (scalar !== null) {
      emit(truncate(scalar, budget.left), budget)
      return
    }
    writeContainer(value as object, level, maxLevels, budget, parents, tuple)
  } catch {
    emit('<unrepresentable>', budget) // a getter, a proxy, or forwarded text that does not parse
  }
}

function writeContainer(
  object: object,
  level: number,
  maxLevels: number,
  budget: Budget,
  parents: object[],
  tuple: boolean,
): void {
  if (isRawJson(object)) {
    write(object.decode(), level, maxLevels, budget, parents, tuple)
    return
  }
  if (object instanceof Error) {
    emit(truncate(pyRepr(object, { maxLength: 512 }) || pythonIdentity(object).excType, budget.left), budget)
    return
  }
  // Before anything is written: asking a proxy for its members may throw.
  const entries = Array.isArray(object) || object instanceof Set ? [] : entriesOf(object)
  const list = Array.isArray(object) ? object : object instanceof Set ? [...object] : null
  const [open, shut] =
    list === null || object instanceof Set
      ? ['{', '}']
      : tuple
        ? ['(', list.length === 1 ? ',)' : ')']
        : ['[', ']']
  if (object instanceof Set && object.size === 0) {
    emit('set()', budget)
  } else if (maxLevels > 0 && level >= maxLevels) {
    emit(open + '...' + shut, budget)
  } else if (parents.includes(object)) {
    emit(`<Recursion on ${list === null ? 'dict' : 'list'}>`, budget)
  } else if (emit(open, budget)) {
    parents.push(object)
    if (list === null) writeEntries(entries, level, maxLevels, budget, parents)
    else writeItems(list, level, maxLevels, budget, parents)
    parents.pop()
    close(shut, budget)
  }
}

function entriesOf(object: object): [unknown, unknown][] {
  return object instanceof Map ? [...object] : Object.entries(object)
}

function writeItems(
  items: readonly unknown[],
  level: number,
  maxLevels: number,
  budget: Budget,
  parents: object[],
): void {
  for (let at = 0; at < items.length && !budget.cut; at += 1) {
    if (at > 0 && !emit(', ', budget)) return
    write(items[at], level + 1, maxLevels, budget, parents, false)
  }
}

function writeEntries(
  entries: readonly [unknown, unknown][],
  level: number,
  maxLevels: number,
  budget: Budget,
  parents: object[],
): void {
  let first = true
  for (const [key, value] of entries) {
    if (!first && !emit(', ', budget)) return
    first = false
    if (
      !emit(
        typeof key === 'string'
          ? quoteString(key, budget.left)
          : truncate(saferepr(key, { maxLength: 256 }), budget.left),
        budget,
      )
    )
      return
    if (!emit(': ', budget)) return
    write(value, level + 1, maxLevels, budget, parents, false)
    if (budget.cut) return
  }
}

const surrogate = /[\ud800-\udfff]/

/** `len(text)`: Python counts code points. */
function pythonLength(text: string): number {
  return surrogate.test(text) ? Array.from(text).length : text.length
}

/** Cut at a word's end where there is one, with dots. */
function truncate(text: string, length: number): string {
  if (length <= 0 || text.length < length) return text
  const points = Array.from(text.slice(0, length * 2))
  if (points.length < length) return text
  const head = points.slice(0, length).join('')
  const blank = head.lastIndexOf(' ')
  return (blank < 0 ? head : head.slice(0, blank)) + '...'
}

function quoteString(text: string, left: number): string {
  return "'" + truncate(text, left).replaceAll("'", "\\'") + "'"
}

/** Bytes as their text, or as hex digits when they are none. */
function quoteBytes(bytes: Uint8Array, left: number): string {
  const long = left > 0 && bytes.length > left
  const head = long ? bytes.subarray(0, left) : bytes
  const text = isUtf8(head) ? decodeUtf8(head) : Buffer.from(head).toString('hex')
  return "b'" + text + (long ? '...' : '') + "'"
}
