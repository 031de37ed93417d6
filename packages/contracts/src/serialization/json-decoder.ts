import { Buffer, isAscii, isUtf8 } from 'node:buffer'
import { DecodeError } from '../errors.ts'
import { assertJsonCarefully, parseJson } from './json-parser.ts'
import { defaultJsonOptions } from './json-types.ts'
import type { JsonOptions } from './json-types.ts'

/**
 * Reads JSON as kombu 5.7 does. Objects are plain, `__proto__` included as an own property; integers that are not safe are `bigint`;
 * envelopes become the classes of `python-values.ts` (`Date`, `Uint8Array`, …); `NaN`, `Infinity` and `-Infinity` are read;
 * a repeated key's last value counts. Error: `CT_DECODE`.
 *
 * What `JSON.parse` alone would get wrong is looked for first; nearly every text has nothing of it. Python's bare words need no test:
 * `JSON.parse` refuses them.
 */
export function decodeJson(text: string, options: JsonOptions = defaultJsonOptions): unknown {
  const value = decodePlainJson(text, options)
  // Either it holds one of Python's words or types, or the careful reader says what is wrong and where.
  return value === undefined ? parseJson(text, options) : value
}

/** As {@link decodeJson}, of text for which `JSON.parse` will do; else undefined. */
export function decodePlainJson(text: string, options: JsonOptions = defaultJsonOptions): unknown {
  if (mayHoldEnvelope(text) || mayHoldBigInteger(text) || tooDeep(text, options.maxDepth)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Throws `CT_DECODE` unless the text is one JSON value, or one of Python's, within the default depth. Envelopes are not looked into. */
export function assertJson(text: string): void {
  if (!mayHoldBigInteger(text) && !tooDeep(text, defaultJsonOptions.maxDepth)) {
    try {
      JSON.parse(text)
      return
    } catch {
      // As above.
    }
  }
  assertJsonCarefully(text)
}

/** UTF-8 bytes to text. Error: `CT_DECODE` when they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  const buffer =
    bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (isAscii(buffer)) return buffer.toString('latin1')
  if (!isUtf8(buffer)) throw new DecodeError('the bytes are not UTF-8', { details: { reason: 'utf-8' } })
  return buffer.toString('utf8')
}

/** The word `__type__`, also with any of its letters escaped, which Python never writes but reads. */
function mayHoldEnvelope(text: string): boolean {
  return text.includes('__type__') || (text.includes('\\u00') && /\\u00(?:5[fF]|7[049]|65)/.test(text))
}

/**
 * Sixteen digits in a row that are not a fraction: every smaller integer is safe. Any such run crosses a position of the stride, so only every
 * sixteenth character is looked at.
 */
function mayHoldBigInteger(text: string): boolean {
  let at = 15
  while (at < text.length) {
    if (isDigit(text.charCodeAt(at))) {
      let start = at
      while (start > 0 && isDigit(text.charCodeAt(start - 1))) start -= 1
      let end = at + 1
      while (isDigit(text.charCodeAt(end))) end += 1
      if (end - start >= 16 && (start === 0 || text.charCodeAt(start - 1) !== 46)) return true
      at = end + 15
    } else at += 16
  }
  return false
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

/**
 * `JSON.parse` has no depth limit, but everything that later walks the value has one. Counting every bracket, those in strings
 * too, finds nearly all texts shallow; only the others go to the careful reader, which counts properly.
 */
function tooDeep(text: string, maxDepth: number): boolean {
  if (text.length <= maxDepth * 2) return false
  let depth = 0
  for (let at = 0; at < text.length; at += 1) {
    // [ ] { } are 0x5b 0x5d 0x7b 0x7d
    const code = text.charCodeAt(at) | 0x20
    if (code === 0x7b) {
      depth += 1
      if (depth > maxDepth) return true
    } else if (code === 0x7d && depth > 0) depth -= 1
  }
  return false
}
