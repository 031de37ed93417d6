import { EncodeError } from '../errors.ts'
import { escapeBeyondAscii } from './json-ascii.ts'
import { assertJson } from './json-decoder.ts'
import { parseJson } from './json-parser.ts'
import { jsonSource } from './json-symbols.ts'

/**
 * The source text of one JSON value that is forwarded without being decoded, so that `1.0`, big integers, key order and unknown
 * envelopes reach the next reader as they were written. The JSON encoder writes it verbatim (non-ASCII characters
 * escaped); values for other formats go through {@link resolveRawJson} first.
 */
export class RawJson {
  readonly text: string

  protected constructor(text: string) {
    this.text = text
  }

  /** Checks that `text` is one JSON value (Python’s `NaN`, `Infinity` and `-Infinity` included). Error: `CT_DECODE`. */
  static from(text: string): RawJson {
    assertJson(text)
    return new RawJson(text.trim())
  }

  /** For text that has just been parsed or was cut out of parsed text; an invalid text here corrupts what is sent. */
  static trusted(text: string): RawJson {
    return new RawJson(text)
  }

  get [jsonSource](): string {
    return escapeBeyondAscii(this.text)
  }

  /** The value the text stands for. Error: `CT_DECODE`. */
  decode(): unknown {
    return parseJson(this.text)
  }

  /** For `JSON.stringify` and loggers; the same as {@link RawJson.prototype.decode}. */
  toJSON(): unknown {
    return this.decode()
  }
}

const rawNames: ReadonlySet<string> = new Set(['RawJson', 'ChainText'])

/** True for {@link RawJson}, of any copy of this package. */
export function isRawJson(value: unknown): value is RawJson {
  return (
    value instanceof RawJson ||
    (typeof value === 'object' &&
      value !== null &&
      jsonSource in value &&
      rawNames.has(value.constructor.name))
  )
}

/**
 * The value with every {@link RawJson} in its arrays and plain objects decoded, for serializers of other formats; the value itself where there is none.
 * Errors: `CT_DECODE`; `CT_ENCODE` when it is cyclic or nests deeper than 1000.
 */
export function resolveRawJson(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (isRawJson(value)) return value.decode()
  if (depth > 1000)
    throw new EncodeError('the value is cyclic or nested deeper than 1000', {
      details: { reason: 'depth', path: '' },
    })
  if (Array.isArray(value)) {
    const items = value.map((item) => resolveRawJson(item, depth + 1))
    return items.some((item, at) => item !== value[at]) ? items : value
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return value
  const entries = Object.entries(value).map(
    ([key, item]) => [key, resolveRawJson(item, depth + 1), item] as const,
  )
  return entries.some(([, after, before]) => after !== before) ? Object.fromEntries(entries) : value
}
