import { describe, expect, it } from 'vitest'
import { caught, fixtures, mutate, seeded } from '../../test/fixtures.ts'
import { DecodeError } from '../errors.ts'
import {
  decodeJson,
  decodeUtf8,
  encodeJson,
  jsonSerializer,
  RawJson,
  sliceJsonArray,
  sliceJsonObject,
  splitLastItem,
} from './index.ts'

/** `pnpm nightly` (CT_NIGHTLY) multiplies the rounds. */
const rounds = process.env['CT_NIGHTLY'] !== undefined ? 200_000 : 6000
const alphabet = '[]{}",:0123456789.eE+-\\ntfuNaI _\t\n\x01é__type__value'

describe('JSON under random input', () => {
  it('throws nothing but DecodeError, and what it reads it writes and reads again the same', () => {
    const random = seeded(1)
    const seeds = fixtures.json_exact.map((text) => Buffer.from(text))
    for (let round = 0; round < rounds; round += 1) {
      const bytes = mutate(seeds[Math.floor(random() * seeds.length)]!, random, alphabet)
      let text = 'null'
      caught(() => (text = encodeJson(jsonSerializer.decode(bytes))), DecodeError)
      expect(encodeJson(decodeJson(text))).toBe(text)
    }
  })

  it('cuts valid text into the members that the parser sees', () => {
    const random = seeded(2)
    for (let round = 0; round < rounds / 10; round += 1) {
      const items = Array.from({ length: Math.floor(random() * 5) }, () => randomValue(random, 4))
      const indent = random() < 0.3 ? Math.floor(random() * 3) : undefined
      const array = random() < 0.5 ? encodeJson(items) : JSON.stringify(items, null, indent)
      expect(sliceJsonArray(array).map((text) => decodeJson(text))).toEqual(items)
      const more = [...items, randomValue(random, 4)]
      const { rest = '[]', last } = splitLastItem(
        random() < 0.5 ? encodeJson(more) : JSON.stringify(more, null, indent),
      )
      expect([decodeJson(rest), decodeJson(last)]).toEqual([items, more.at(-1)])
      const object = Object.fromEntries(items.map((item, at) => [`k"\\${at}é`, item]))
      const text = random() < 0.5 ? encodeJson(object) : JSON.stringify(object, null, indent)
      expect(
        Object.fromEntries(sliceJsonObject(text).map(([key, member]) => [key, decodeJson(member)])),
      ).toEqual(object)
    }
  })

  it('the scanner throws nothing but DecodeError on any text, and ends', () => {
    const random = seeded(3)
    const seeds = ['[1, [2, "a]"], {"b": "}"}]', '{"a": [1, {"x": "\\""}], "b\\\\": null}', '[]', '{}'].map(
      (text) => Buffer.from(text),
    )
    for (let round = 0; round < rounds; round += 1) {
      const text = Buffer.from(
        mutate(seeds[Math.floor(random() * seeds.length)]!, random, alphabet),
      ).toString('latin1')
      for (const action of [
        () => sliceJsonArray(text),
        () => sliceJsonObject(text),
        () => splitLastItem(text),
        () => RawJson.from(text),
      ]) {
        caught(action, DecodeError)
      }
    }
  })

  it('any bytes at all: DecodeError or a value', () => {
    const random = seeded(4)
    for (let round = 0; round < rounds / 2; round += 1) {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256))
      for (const action of [() => decodeUtf8(bytes), () => jsonSerializer.decode(bytes)]) {
        caught(action, DecodeError)
      }
    }
  })

  it('hostile texts take time in proportion to their length', () => {
    const size = 200_000
    const texts = [
      '1'.repeat(size),
      '0.' + '1'.repeat(size),
      '"' + '\\'.repeat(size),
      '"' + '\\"'.repeat(size / 2),
      '['.repeat(size),
      '{"":'.repeat(size / 4),
      ' '.repeat(size),
      '[' + '1234567890123456,'.repeat(size / 17),
      '"' + '1234567890'.repeat(size / 10) + '"',
      '-'.repeat(size),
      '"' + '\\u00'.repeat(size / 4),
      '[' + '"a",'.repeat(size / 4) + 'x',
      '{' + '"a":1,'.repeat(size / 6),
      '[' + '0.1234567890123456789,'.repeat(size / 22) + '12345678901234567890]',
    ]
    for (const text of texts) {
      const start = process.cpuUsage()
      caught(() => decodeJson(text), DecodeError)
      // Linear work is some milliseconds here; quadratic would be minutes. A machine that stands still adds none.
      expect(process.cpuUsage(start).user).toBeLessThan(2_000_000)
    }
  })
})

function randomValue(random: () => number, depth: number): unknown {
  const kind = random()
  if (depth > 0 && kind < 0.3)
    return Array.from({ length: Math.floor(random() * 4) }, () => randomValue(random, depth - 1))
  if (depth > 0 && kind < 0.5) {
    return Object.fromEntries(
      Array.from({ length: Math.floor(random() * 4) }, (_, at) => [
        `key,${at}"]`,
        randomValue(random, depth - 1),
      ]),
    )
  }
  return [null, true, false, 0, 1.5, -1e-9, 'text, "quoted" ] } \\', '', 'é😀'][Math.floor(random() * 9)]
}
