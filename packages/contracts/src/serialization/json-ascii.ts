import { Buffer } from 'node:buffer'

/** Beyond it one look at the whole is cheaper than one at each character. */
const long = 256
const hexBytes: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
)

/**
 * JSON text with every character from DEL on as `\uXXXX`, as Python writes it. Such characters can stand only inside strings, so the value
 * stays the same.
 */
export function escapeBeyondAscii(json: string): string {
  if (json.length > long && Buffer.byteLength(json) === json.length && !json.includes('\x7f')) return json
  let text = ''
  let start = 0
  for (let at = 0; at < json.length; at += 1) {
    const code = json.charCodeAt(at)
    if (code < 0x7f) continue
    text += json.slice(start, at) + '\\u' + hexBytes[code >> 8]! + hexBytes[code & 0xff]!
    start = at + 1
  }
  return start === 0 ? json : text + json.slice(start)
}
