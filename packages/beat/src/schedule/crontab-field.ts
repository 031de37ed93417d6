/**
 * The five fields of a crontab and their grammar (celery/schedules.py 5.7, `crontab_parser`):
 *
 *     field  = part *("," part)
 *     part   = "*" ["/" step] | value ["-" value ["/" step]]
 *     value  = number | name        names of days and months, three letters or more of them, each in its own field
 *
 * `b` below `a` in `a-b` runs on past the end of the field: `fri-mon`, `22-2`. A step takes every n-th of what it stands behind, so `1/3` on
 * the whole field of days is 1, 4, 7 and a step larger than that gives the first alone. Celery's parser looks at prefixes and at all that
 * Python takes for a number; what only passes there (`monkey`, `1-5-7`, `+5`, `jan` for a minute) is refused here.
 */
import { ConfigurationError } from '@ct/contracts'

export type CrontabFieldName = 'minute' | 'hour' | 'dayOfWeek' | 'dayOfMonth' | 'monthOfYear'

/** A number, a text of the grammar above, or several numbers. */
export type CrontabFieldInput = number | string | Iterable<number>

export interface CrontabField {
  readonly name: CrontabFieldName
  /** As it was given; numbers are joined by commas. */
  readonly text: string
  /** In order, each once. */
  readonly values: readonly number[]
}

interface FieldRule {
  readonly min: number
  readonly max: number
  readonly names: readonly string[]
  /** What is allowed, in words. */
  readonly allowed: string
}

export const weekdayNames = [
  'sunday',
  'monday',
  'tuesday',
  'wednesday',
  'thursday',
  'friday',
  'saturday',
] as const

export const monthNames = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
] as const

export const fieldRules: Readonly<Record<CrontabFieldName, FieldRule>> = {
  minute: { min: 0, max: 59, names: [], allowed: '0 to 59' },
  hour: { min: 0, max: 23, names: [], allowed: '0 to 23' },
  dayOfWeek: { min: 0, max: 6, names: weekdayNames, allowed: '0 to 6 (0 is Sunday), or sun to sat' },
  dayOfMonth: { min: 1, max: 31, names: [], allowed: '1 to 31' },
  monthOfYear: { min: 1, max: 12, names: monthNames, allowed: '1 to 12, or jan to dec' },
}

/** Error: `CT_CONFIGURATION`, with `details.field`, `details.value` and `details.allowed`. */
export function parseField(name: CrontabFieldName, input: CrontabFieldInput): CrontabField {
  if (typeof input === 'string') return fieldOf(name, input)
  const given: readonly unknown[] | undefined =
    typeof input === 'number' ? [input] : isIterable(input) ? [...input] : undefined
  if (given === undefined) throw refused(name, input, 'is neither a number, a text nor a list of numbers')
  if (given.length === 0) throw refused(name, [], 'is empty, so it would never match')
  const { min, max } = fieldRules[name]
  for (const value of given) {
    if (typeof value !== 'number' || !Number.isInteger(value))
      throw refused(name, value, 'is not a whole number')
    if (value < min || value > max) throw refused(name, value, 'is out of range')
  }
  return fieldOf(name, given.join(','))
}

function isIterable(input: unknown): input is Iterable<unknown> {
  return typeof input === 'object' && input !== null && Symbol.iterator in input
}

/** Texts come again and again; the crontabs of a beat with many entries share what they mean. */
const parsed = new Map<string, CrontabField>()
const mostParsed = 1000

function fieldOf(name: CrontabFieldName, text: string): CrontabField {
  const key = `${name} ${text}`
  const known = parsed.get(key)
  if (known !== undefined) return known
  const field = {
    name,
    text,
    values: inOrder(text.split(',').flatMap((part) => valuesOfPart(name, text, part))),
  }
  if (parsed.size >= mostParsed) parsed.clear()
  parsed.set(key, field)
  return field
}

function inOrder(values: readonly number[]): readonly number[] {
  return [...new Set(values)].toSorted((a, b) => a - b)
}

const partPattern =
  /^(?:(?<star>\*)|(?<from>[0-9]+|[a-z]+)(?:-(?<to>[0-9]+|[a-z]+))?)(?:\/(?<step>[0-9]+))?$/i

function valuesOfPart(name: CrontabFieldName, text: string, part: string): readonly number[] {
  const why = (reason: string): ConfigurationError => refused(name, text, reason)
  if (part === '') throw why('has an empty part: two commas, or one at an end')
  const groups = partPattern.exec(part)?.groups
  if (groups === undefined) throw why(reasonFor(part))
  const { star, from = '', to, step } = groups
  if (step !== undefined && star === undefined && to === undefined)
    throw why(
      `has a step behind the single value "${from}"; give a range or *, such as ${from}-${fieldRules[name].max}/${step}`,
    )
  if (step !== undefined && Number(step) === 0) throw why('has a step of 0')
  const { min, max } = fieldRules[name]
  const first = star === undefined ? valueOf(name, from, why) : min
  const last = star === undefined ? (to === undefined ? first : valueOf(name, to, why)) : max
  const length = last >= first ? last - first + 1 : max - first + 1 + (last - min + 1)
  const span = max - min + 1
  const all = Array.from({ length }, (_, index) => min + ((first - min + index) % span))
  const every = step === undefined ? 1 : Number(step)
  return all.filter((_, index) => index % every === 0)
}

function reasonFor(part: string): string {
  const shown = JSON.stringify(part)
  if (/\s/.test(part)) return `has a blank in ${shown}`
  if (/^-|[-/]-/.test(part)) return `has a negative number in ${shown}`
  if (/^[?@]|[LW#?]/.test(part)) return `has ${shown}, which other crons know and Celery does not`
  if (part.endsWith('/')) return `has no step behind the slash in ${shown}`
  return `has ${shown}, which is neither *, a value nor a range`
}

function valueOf(field: CrontabFieldName, word: string, why: (reason: string) => ConfigurationError): number {
  const { min, max, names } = fieldRules[field]
  const isNumber = /^[0-9]/.test(word)
  const lower = word.toLowerCase()
  const position = names.findIndex((name) => lower.length >= 3 && name.startsWith(lower))
  if (!isNumber && position === -1) throw why(`has ${JSON.stringify(word)}, which is no name here`)
  const value = isNumber ? Number(word) : position + min
  if (value >= min && value <= max) return value
  const sunday = field === 'dayOfWeek' && value === 7 ? '; Sunday is 0' : ''
  throw why(value === Number(word) ? `has ${word}, which is out of range${sunday}` : 'is out of range')
}

function refused(field: CrontabFieldName, value: unknown, reason: string): ConfigurationError {
  const { allowed } = fieldRules[field]
  return new ConfigurationError(
    `crontab(): ${field} ${JSON.stringify(value) ?? String(value)} ${reason}. Allowed are ${allowed}, ranges a-b, steps */n and a-b/n, and lists of them.`,
    { details: { field, value, allowed } },
  )
}
