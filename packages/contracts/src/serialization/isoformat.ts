import { DecodeError, EncodeError } from '../errors.ts'

/** What an ISO 8601 text said. `offsetMicros` is null when the text was naive (no offset). */
export interface IsoDateTime {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  /** 0 to 999999. */
  readonly microsecond: number
  /** East of UTC in microseconds, or null. Python allows offsets down to the microsecond. */
  readonly offsetMicros: number | null
  /** Milliseconds since 1970 (microseconds are cut off); naive times count as UTC, as Celery takes them. */
  readonly epochMs: number
}

export function pad(value: number, width: number): string {
  return String(value).padStart(width, '0')
}

const yearOneMs = new Date('0001-01-01T00:00:00Z').getTime()
const yearLastMs = new Date('9999-12-31T23:59:59.999Z').getTime()

/**
 * An instant as Python’s `datetime.isoformat()` writes an aware UTC time: `2024-05-01T10:00:00.123000+00:00`, six digits of
 * fraction or none at all. Error: `CT_ENCODE` for an invalid date or a year outside 1 to 9999.
 */
export function isoformat(date: Date | number): string {
  const epochMs = typeof date === 'number' ? date : date.getTime()
  if (!(epochMs >= yearOneMs && epochMs <= yearLastMs)) {
    throw new EncodeError(
      'a date must be valid and lie in the years 1 to 9999, which is all that Python can hold',
      {
        details: { reason: 'date' },
      },
    )
  }
  const second = Math.floor(epochMs / 1000)
  if (second !== lastSecond) {
    lastSecondText = new Date(second * 1000).toISOString().slice(0, 19)
    lastSecond = second
  }
  const millis = Math.floor(epochMs) - second * 1000
  return millis === 0 ? lastSecondText + '+00:00' : lastSecondText + '.' + pad(millis, 3) + '000+00:00'
}

/** A worker writes thousands of times in the same second. */
let lastSecond = NaN
let lastSecondText = ''

const datePart = /^(\d{4})(?:(-?)(\d{2})(?:\2(\d{2}))?|(-?)W(\d{2})(?:\5([1-7]))?|-?(\d{3}))?$/
const timePart =
  /^(\d{2})(?:(:?)(\d{2})(?:\2(\d{2})(?:[.,](\d{1,}))?)?)?(Z|z|[+-]\d{2}(?::?\d{2}(?::?\d{2}(?:\.\d{1,6})?)?)?)?$/
const calendarFast = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{6}|\d{3}))?(?:Z|\+00:00)$/

/**
 * Reads ISO 8601 as `dateutil.isoparse` and Python’s `fromisoformat` do: extended and basic forms, `Z`, comma or point, dates alone, week
 * and ordinal dates, `24:00`. Digits beyond the sixth of a fraction are cut off. Error: `CT_DECODE`.
 */
export function parseIso(text: string): IsoDateTime {
  const fast = calendarFast.exec(text)
  if (fast !== null) {
    const fraction = fast[7]
    return make(text, +fast[1]!, +fast[2]!, +fast[3]!, +fast[4]!, +fast[5]!, +fast[6]!, toMicros(fraction), 0)
  }
  if (text.length > 64) throw notIso(text)
  // A date has no capital T; the separator may also be a blank, as Python writes str(datetime).
  const at = text.search(/[T ]/)
  const date = datePart.exec(at < 0 ? text : text.slice(0, at))
  if (date === null) throw notIso(text)
  const [year, month, day] = calendarDate(text, date)
  if (at < 0) return make(text, year, month, day, 0, 0, 0, 0, null)
  const time = parseTimeParts(text.slice(at + 1))
  if (time === null) throw notIso(text)
  return make(
    text,
    year,
    month,
    day,
    time.hour,
    time.minute,
    time.second,
    time.microsecond,
    time.offsetMicros,
  )
}

export interface IsoTime {
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly microsecond: number
  readonly offsetMicros: number | null
}

/** The time half of an ISO text, or null when it is none. `hour` may be 24 only for midnight. */
export function parseTimeParts(text: string): IsoTime | null {
  const match = timePart.exec(text)
  if (match === null) return null
  const hour = +match[1]!
  const minute = +(match[3] ?? 0)
  const second = +(match[4] ?? 0)
  const microsecond = toMicros(match[5])
  const offsetMicros = parseOffset(match[6])
  if (offsetMicros === undefined || hour > 24 || minute > 59 || second > 59) return null
  if (hour === 24 && (minute > 0 || second > 0 || microsecond > 0)) return null
  return { hour, minute, second, microsecond, offsetMicros }
}

/** The offset as Python prints it: `+02:00`, with seconds and microseconds only when there are any; `''` for null. */
export function formatOffset(offsetMicros: number | null): string {
  if (offsetMicros === null) return ''
  const size = Math.abs(offsetMicros)
  const seconds = Math.floor(size / 1e6)
  const micros = size % 1e6
  let text =
    (offsetMicros < 0 ? '-' : '+') +
    pad(Math.floor(seconds / 3600), 2) +
    ':' +
    pad(Math.floor(seconds / 60) % 60, 2)
  if (seconds % 60 !== 0 || micros !== 0) text += ':' + pad(seconds % 60, 2)
  if (micros !== 0) text += '.' + pad(micros, 6)
  return text
}

function toMicros(fraction: string | undefined): number {
  return fraction === undefined ? 0 : +fraction.slice(0, 6).padEnd(6, '0')
}

function parseOffset(text: string | undefined): number | null | undefined {
  if (text === undefined) return null
  if (text === 'Z' || text === 'z') return 0
  const [whole, fraction] = text.slice(1).replaceAll(':', '').split('.') as [string, string | undefined]
  const hours = +whole.slice(0, 2)
  const minutes = +whole.slice(2, 4)
  const seconds = +whole.slice(4, 6)
  if (hours > 23 || minutes > 59 || seconds > 59) return undefined
  const micros = (hours * 3600 + minutes * 60 + seconds) * 1e6 + toMicros(fraction)
  return text[0] === '-' ? 0 - micros : micros
}

function calendarDate(text: string, match: RegExpExecArray): [number, number, number] {
  const year = +match[1]!
  if (match[6] !== undefined) {
    // Week 1 is the one that holds 4 January; weeks begin on Monday.
    const week = +match[6]
    const fourth = utc(year, 1, 4)
    const monday = fourth - ((new Date(fourth).getUTCDay() + 6) % 7) * 86_400_000
    const day = new Date(monday + ((week - 1) * 7 + +(match[7] ?? 1) - 1) * 86_400_000)
    if (week < 1 || week > 53) throw notIso(text)
    return [day.getUTCFullYear(), day.getUTCMonth() + 1, day.getUTCDate()]
  }
  if (match[8] !== undefined) {
    const ordinal = +match[8]
    const day = new Date(utc(year, 1, 1) + (ordinal - 1) * 86_400_000)
    if (ordinal < 1 || day.getUTCFullYear() !== year) throw notIso(text)
    return [year, day.getUTCMonth() + 1, day.getUTCDate()]
  }
  return [year, +(match[3] ?? 1), +(match[4] ?? 1)]
}

/** `Date.UTC` without its rule that years 0 to 99 mean 1900 to 1999. */
function utc(year: number, month: number, day: number): number {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return date.getTime()
}

function make(
  text: string,
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  microsecond: number,
  offsetMicros: number | null,
): IsoDateTime {
  const midnight = year >= 100 ? Date.UTC(year, month - 1, day) : utc(year, month, day)
  const check = new Date(midnight)
  if (
    year < 1 ||
    month < 1 ||
    month > 12 ||
    check.getUTCDate() !== day ||
    check.getUTCMonth() !== month - 1 ||
    hour > 24 ||
    minute > 59 ||
    second > 59 ||
    (hour === 24 && (minute > 0 || second > 0 || microsecond > 0))
  ) {
    throw notIso(text)
  }
  if (hour === 24) {
    const next = new Date(midnight + 86_400_000)
    if (next.getUTCFullYear() > 9999) throw notIso(text)
    return make(
      text,
      next.getUTCFullYear(),
      next.getUTCMonth() + 1,
      next.getUTCDate(),
      0,
      0,
      0,
      0,
      offsetMicros,
    )
  }
  const localMicros = ((hour * 60 + minute) * 60 + second) * 1e6 + microsecond
  const epochMs = midnight + Math.floor((localMicros - (offsetMicros ?? 0)) / 1000)
  return { year, month, day, hour, minute, second, microsecond, offsetMicros, epochMs }
}

function notIso(text: string): DecodeError {
  return new DecodeError(`${JSON.stringify(text.slice(0, 64))} is not an ISO 8601 time`, {
    details: { reason: 'time' },
  })
}
