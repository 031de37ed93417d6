import { Buffer } from 'node:buffer'
import { randomFillSync } from 'node:crypto'

const many = 128
const textLength = 36
/** Where the two digits of each byte stand in the text. */
const places: readonly number[] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34]
const digits = Buffer.from('0123456789abcdef')

let texts: Buffer | undefined
let random: Buffer
let next = many

/**
 * A UUID of version 4, as `crypto.randomUUID()`, whose text is put together piece by piece and then takes ten times the memory until it is
 * collected. Here the texts of many are written at once.
 */
export function newTaskId(): string {
  if (next === many) write()
  const at = textLength * next++
  return texts!.toString('latin1', at, at + textLength)
}

function write(): void {
  if (texts === undefined) {
    texts = Buffer.allocUnsafeSlow(textLength * many).fill('-')
    random = Buffer.allocUnsafeSlow(16 * many)
  }
  randomFillSync(random)
  for (let one = 0; one < many; one += 1) {
    const bytes = 16 * one
    random[bytes + 6] = (random[bytes + 6]! & 0x0f) | 0x40
    random[bytes + 8] = (random[bytes + 8]! & 0x3f) | 0x80
    const text = textLength * one
    for (let index = 0; index < 16; index += 1) {
      const byte = random[bytes + index]!
      const at = text + places[index]!
      texts[at] = digits[byte >> 4]!
      texts[at + 1] = digits[byte & 0x0f]!
    }
  }
  next = 0
}
