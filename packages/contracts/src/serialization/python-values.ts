import { EncodeError, DecodeError } from '../errors.ts'
import { formatOffset, isoformat, pad, parseIso, parseTimeParts } from './isoformat.ts'
import { jsonSource } from './json-symbols.ts'
import { jsonNumber, pythonFloatRepr } from './python-float.ts'

/**
 * The Python types that JSON and JavaScript have no word for, as kombu's JSON envelopes carry them
 * (`kombu/utils/json.py` 5.7). Decoding gives these classes, encoding them gives the same bytes back.
 *
 * | envelope | JavaScript |
 * |---|---|
 * | `datetime` | {@link PyDateTime}, which is a `Date` |
 * | `date` | {@link PyDate} |
 * | `time` | {@link PyTime} |
 * | `decimal` | {@link PyDecimal} |
 * | `uuid` | {@link PyUuid} |
 * | `bytes`, `base64` | `Uint8Array` |
 */

function envelope(marker: string, text: string): string {
  return `{"__type__": "${marker}", "__value__": "${text}"}`
}

/** A number that must be a float in Python: `float(1)` is written `1.0` where the number 1 is written `1`. */
export class PyFloat {
  readonly value: number

  constructor(value: number) {
    if (typeof value !== 'number') throw new EncodeError('float() takes a number')
    this.value = value
  }

  get [jsonSource](): string {
    return Number.isFinite(this.value) ? pythonFloatRepr(this.value) : jsonNumber(this.value)
  }

  valueOf(): number {
    return this.value
  }

  toString(): string {
    return pythonFloatRepr(this.value)
  }

  toJSON(): number {
    return this.value
  }
}

/** Marks a number as Python `float` for the wire: `float(1)` is written `1.0`. Arithmetic on it works as on the number. */
export function float(value: number): PyFloat {
  return new PyFloat(value)
}

/**
 * A Python `datetime`: a `Date` that also keeps what `Date` cannot hold, microseconds and the offset, or that the time was naive (no offset; its
 * instant is then taken as UTC). Setting the date by a `Date` method drops them: it is then written like any `Date`, in UTC.
 */
export class PyDateTime extends Date {
  /** The text as Python’s `isoformat()` gives it. */
  readonly #iso: string
  readonly #epochMs: number
  /** 0 to 999999. */
  readonly microsecond: number
  /** `+02:00`, or null when the time was naive. */
  readonly offset: string | null

  /** Takes any ISO 8601 text that Celery reads. Error: `CT_DECODE`. */
  constructor(text: string) {
    const iso = parseIso(text)
    super(iso.epochMs)
    this.#epochMs = iso.epochMs
    this.microsecond = iso.microsecond
    this.offset = iso.offsetMicros === null ? null : formatOffset(iso.offsetMicros)
    this.#iso =
      `${pad(iso.year, 4)}-${pad(iso.month, 2)}-${pad(iso.day, 2)}T` +
      clock(iso.hour, iso.minute, iso.second, iso.microsecond) +
      (this.offset ?? '')
  }

  isoformat(): string {
    return this.getTime() === this.#epochMs ? this.#iso : isoformat(this)
  }

  get [jsonSource](): string {
    return envelope('datetime', this.isoformat())
  }
}

/** A Python `date`, without time and zone. */
export class PyDate {
  readonly year: number
  readonly month: number
  readonly day: number

  /** `month` counts from 1. Error: `CT_DECODE` when there is no such day. */
  constructor(year: number, month: number, day: number) {
    const text = `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`
    parseIso(text)
    this.year = year
    this.month = month
    this.day = day
  }

  /** Takes a date or a date and time, of which it keeps the date. */
  static parse(text: string): PyDate {
    const iso = parseIso(text)
    return new PyDate(iso.year, iso.month, iso.day)
  }

  toString(): string {
    return `${pad(this.year, 4)}-${pad(this.month, 2)}-${pad(this.day, 2)}`
  }

  toJSON(): string {
    return this.toString()
  }

  get [jsonSource](): string {
    return envelope('date', this.toString())
  }
}

/** A Python `time`, without a date; the offset is rare. */
export class PyTime {
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly microsecond: number
  /** `+02:00`, or null. */
  readonly offset: string | null

  /** Takes `HH[:MM[:SS[.ffffff]]]` with an optional offset. Error: `CT_DECODE`. */
  constructor(text: string) {
    const time = parseTimeParts(text.startsWith('T') ? text.slice(1) : text)
    if (time === null || time.hour === 24) {
      throw new DecodeError(`${JSON.stringify(text.slice(0, 64))} is not an ISO 8601 time of day`, {
        details: { reason: 'time' },
      })
    }
    this.hour = time.hour
    this.minute = time.minute
    this.second = time.second
    this.microsecond = time.microsecond
    this.offset = time.offsetMicros === null ? null : formatOffset(time.offsetMicros)
  }

  toString(): string {
    return clock(this.hour, this.minute, this.second, this.microsecond) + (this.offset ?? '')
  }

  toJSON(): string {
    return this.toString()
  }

  get [jsonSource](): string {
    return envelope('time', this.toString())
  }
}

const decimalText = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?|s?nan\d*)$/i

/** A Python `Decimal`, kept as its exact text. Calculate with a library of your choice: `new Big(String(value))`. */
export class PyDecimal {
  readonly text: string

  /** Error: `CT_DECODE` when Python’s `Decimal` would not take the text. */
  constructor(text: string) {
    if (!decimalText.test(text)) {
      throw new DecodeError(`${JSON.stringify(text.slice(0, 64))} is not a decimal number`, {
        details: { reason: 'decimal' },
      })
    }
    this.text = text
  }

  toString(): string {
    return this.text
  }

  toJSON(): string {
    return this.text
  }

  get [jsonSource](): string {
    return envelope('decimal', this.text)
  }
}

/** A Python `UUID`. `String(uuid)` is the usual form with dashes, lower case. */
export class PyUuid {
  /** 32 lower-case hex digits. */
  readonly hex: string

  /** Takes a UUID with or without dashes, braces or `urn:uuid:`. Error: `CT_DECODE`. */
  constructor(text: string) {
    const hex =
      text.length > 64
        ? ''
        : text
            .replace('urn:', '')
            .replace('uuid:', '')
            .replace(/^[{}]+|[{}]+$/g, '')
            .replaceAll('-', '')
    if (!/^[0-9a-fA-F]{32}$/.test(hex)) {
      throw new DecodeError(`${JSON.stringify(text.slice(0, 64))} is not a UUID`, {
        details: { reason: 'uuid' },
      })
    }
    this.hex = hex.toLowerCase()
  }

  toString(): string {
    const hex = this.hex
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }

  toJSON(): string {
    return this.toString()
  }

  get [jsonSource](): string {
    return `{"__type__": "uuid", "__value__": {"hex": "${this.hex}"}}`
  }
}

function clock(hour: number, minute: number, second: number, microsecond: number): string {
  const text = `${pad(hour, 2)}:${pad(minute, 2)}:${pad(second, 2)}`
  return microsecond === 0 ? text : text + '.' + pad(microsecond, 6)
}
