import { DecodeError } from '../errors.ts'
import { decodeEnvelopeValue, defaultJsonOptions, maxIntegerDigits } from './json-types.ts'
import type { JsonOptions } from './json-types.ts'

const numberToken = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y
const stringEnd = /["\\\x00-\x1f]/g

/**
 * The careful reader: all that `JSON.parse` reads, and Python's bare `NaN`, `Infinity`, `-Infinity`; integers that are not safe become `bigint`;
 * kombu's envelopes become values, innermost first; depth is bounded. Error: `CT_DECODE` with `details.offset`.
 */
export function parseJson(text: string, options: JsonOptions = defaultJsonOptions): unknown {
  const parser = new Parser(text, options)
  return parser.document()
}

/** Throws `CT_DECODE` unless the text is one JSON value within the default depth. Envelopes are not looked into. */
export function assertJsonCarefully(text: string): void {
  const parser = new Parser(text, defaultJsonOptions, false)
  parser.document()
}

class Parser {
  readonly #text: string
  readonly #options: JsonOptions
  readonly #envelopes: boolean
  #at = 0
  #depth = 0

  constructor(text: string, options: JsonOptions, envelopes = true) {
    this.#text = text
    this.#options = options
    this.#envelopes = envelopes
  }

  document(): unknown {
    this.#blank()
    let value: unknown
    try {
      value = this.#value()
    } catch (error) {
      // The caller's own stack may be so deep that even our bounded nesting does not fit.
      if (error instanceof RangeError) throw this.#fail('nesting too deep for the stack', 'depth', error)
      throw error
    }
    this.#blank()
    if (this.#at < this.#text.length) throw this.#fail('more text after the value')
    return value
  }

  #value(): unknown {
    switch (this.#text.charCodeAt(this.#at)) {
      case 34: // "
        return this.#string()
      case 123: // {
        return this.#object()
      case 91: // [
        return this.#array()
      case 116: // t
        return this.#word('true', true)
      case 102: // f
        return this.#word('false', false)
      case 110: // n
        return this.#word('null', null)
      case 78: // N
        return this.#word('NaN', NaN)
      case 73: // I
        return this.#word('Infinity', Infinity)
      default:
        return this.#number()
    }
  }

  #word(word: string, value: unknown): unknown {
    if (!this.#text.startsWith(word, this.#at)) throw this.#fail('not a JSON value')
    this.#at += word.length
    return value
  }

  #number(): number | bigint {
    if (this.#text.startsWith('-Infinity', this.#at)) {
      this.#at += 9
      return -Infinity
    }
    numberToken.lastIndex = this.#at
    const match = numberToken.exec(this.#text)
    if (match === null) throw this.#fail('not a JSON value')
    const token = match[0]
    const number = Number(token)
    if (match[1] === undefined && match[2] === undefined && !Number.isSafeInteger(number)) {
      if (token.length > maxIntegerDigits)
        throw this.#fail(`an integer of more than ${maxIntegerDigits} digits`)
      this.#at += token.length
      return BigInt(token)
    }
    this.#at += token.length
    return number
  }

  #string(): string {
    const text = this.#text
    const start = this.#at + 1
    stringEnd.lastIndex = start
    for (;;) {
      const match = stringEnd.exec(text)
      if (match === null) throw this.#fail('a string that does not end')
      const code = text.charCodeAt(match.index)
      if (code === 34) {
        this.#at = match.index + 1
        return text.slice(start, match.index)
      }
      if (code !== 92) {
        this.#at = match.index
        throw this.#fail('a control character inside a string')
      }
      return this.#escapedString(start, match.index)
    }
  }

  #escapedString(start: number, firstEscape: number): string {
    const text = this.#text
    let end = firstEscape
    for (;;) {
      end = text.indexOf('"', end)
      if (end < 0) throw this.#fail('a string that does not end')
      let slashes = 0
      while (text.charCodeAt(end - 1 - slashes) === 92) slashes += 1
      if (slashes % 2 === 0) break
      end += 1
    }
    this.#at = end + 1
    try {
      return JSON.parse(text.slice(start - 1, end + 1)) as string
    } catch {
      this.#at = start - 1
      throw this.#fail('a string with a bad escape or control character')
    }
  }

  #array(): unknown[] {
    this.#enter()
    const items: unknown[] = []
    this.#blank()
    if (this.#text.charCodeAt(this.#at) === 93) {
      this.#leave()
      return items
    }
    for (;;) {
      items.push(this.#value())
      this.#blank()
      const code = this.#text.charCodeAt(this.#at)
      if (code === 93) {
        this.#leave()
        return items
      }
      if (code !== 44) throw this.#fail('expected , or ]')
      this.#at += 1
      this.#blank()
    }
  }

  #object(): unknown {
    this.#enter()
    const object: Record<string, unknown> = {}
    let marked = false
    this.#blank()
    if (this.#text.charCodeAt(this.#at) === 125) {
      this.#leave()
      return object
    }
    for (;;) {
      if (this.#text.charCodeAt(this.#at) !== 34) throw this.#fail('expected a key')
      const key = this.#string()
      this.#blank()
      if (this.#text.charCodeAt(this.#at) !== 58) throw this.#fail('expected :')
      this.#at += 1
      this.#blank()
      const value = this.#value()
      if (key === '__proto__') {
        Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
      } else {
        object[key] = value
        if (key === '__type__') marked = true
      }
      this.#blank()
      const code = this.#text.charCodeAt(this.#at)
      if (code === 125) break
      if (code !== 44) throw this.#fail('expected , or }')
      this.#at += 1
      this.#blank()
    }
    this.#leave()
    if (marked && this.#envelopes && isEnvelope(object)) {
      return decodeEnvelopeValue(object['__type__'], object['__value__'], this.#options.types)
    }
    return object
  }

  #enter(): void {
    this.#at += 1
    this.#depth += 1
    if (this.#depth > this.#options.maxDepth) {
      throw this.#fail(`nesting deeper than ${this.#options.maxDepth}`, 'depth')
    }
  }

  #leave(): void {
    this.#at += 1
    this.#depth -= 1
  }

  #blank(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return
      this.#at += 1
    }
  }

  #fail(problem: string, reason = 'json', cause?: unknown): DecodeError {
    return new DecodeError(`not JSON as Python reads it: ${problem} at offset ${this.#at}`, {
      ...(cause === undefined ? {} : { cause }),
      details: { reason, offset: this.#at },
    })
  }
}

/** Exactly the two keys `__type__` and `__value__`. */
export function isEnvelope(object: object): boolean {
  return (
    Object.hasOwn(object, '__type__') &&
    Object.hasOwn(object, '__value__') &&
    Object.keys(object).length === 2
  )
}
