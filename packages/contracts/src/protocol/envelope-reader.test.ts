import { describe, expect, it } from 'vitest'
import { isCeleryError } from '../errors.ts'
import { buildTaskMessage, decodeEnvelope, encodeEnvelope, EnvelopeReader } from './index.ts'
import type { Envelope, TaskMessageInput } from './index.ts'

/** Park–Miller, so that a failure comes again. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => (state = (state * 48_271) % 2_147_483_647) % below
}

function write(n: number, input: Partial<TaskMessageInput> = {}): string {
  const message = buildTaskMessage({
    task: 'tasks.add',
    id: `b2f6c1d0-0000-4000-8000-${String(n).padStart(12, '0')}`,
    args: [n, 1],
    origin: 'gen1@host',
    replyTo: 'oid',
    ...input,
  })
  return encodeEnvelope(message, { exchange: '', routingKey: 'celery', deliveryTag: `tag-${n}` })
}

/** What comes of it: the envelope, or the code of the error. */
function outcome(read: () => Envelope): unknown {
  try {
    return read()
  } catch (error) {
    if (!isCeleryError(error)) throw error
    return error.code
  }
}

const kinds: readonly Partial<TaskMessageInput>[] = [
  {},
  { task: 'other', kwargs: { x: 'é"\\' }, parentId: 'p' },
  { args: ["it's", 'ü'], group: 'g', groupIndex: 7, retries: 2 },
  { timeLimit: 10, softTimeLimit: 5.5, expires: '2030-01-01T00:00:00+00:00', eta: '2030-01-01T00:00:00Z' },
  { headers: { tenant: 'a', big: 12345678901234567890n, nested: { a: [1] } } },
  { headers: { flag: true, ratio: 0.5 }, priority: 9, correlationId: 'other', rootId: 'root' },
  { stampedHeaders: ['stamp'], stamps: { stamp: ['a', 'b'] } },
  { properties: { MessageGroupId: 'g' } },
]

describe('EnvelopeReader', () => {
  it('WIRE-1: reads what decodeEnvelope reads, message after message, whoever wrote them', () => {
    const reader = new EnvelopeReader()
    for (let n = 0; n < 200; n += 1) {
      const text = write(n, kinds[(n * n) % kinds.length])
      expect(reader.read(text)).toStrictEqual(decodeEnvelope(text))
    }
  })

  it('hands no message what belongs to another one', () => {
    const reader = new EnvelopeReader()
    reader.read(write(1))
    const second = reader.read(write(2))
    const limits = second.headers['timelimit'] as unknown[]
    limits[0] = 'mine'
    Object.assign(second.headers['stamps'] as object, { mine: 1 })
    Object.assign(second.headers, { mine: 1 })
    expect(reader.read(write(3))).toStrictEqual(decodeEnvelope(write(3)))
  })

  it('agrees with decodeEnvelope about texts that are broken, escaped or written in another style', () => {
    const random = randomFrom(20261128)
    const pieces = [
      '"',
      '\\',
      '\n',
      '\0',
      '\u007f',
      'é',
      '0',
      '9',
      '1e3',
      '-',
      '{}',
      ',',
      ' ',
      'null',
      '\\u0041',
      '😀',
    ]
    const seen = { read: 0, refused: 0 }
    for (let round = 0; round < 1500; round += 1) {
      const reader = new EnvelopeReader()
      const kind = kinds[random(kinds.length)]
      reader.read(write(round, kind))
      const text = write(round + 1, kind)
      const at = random(text.length)
      const piece = pieces[random(pieces.length)]!
      const broken = text.slice(0, at) + piece + text.slice(at + random(3))
      const got = outcome(() => reader.read(broken))
      expect(got).toStrictEqual(outcome(() => decodeEnvelope(broken)))
      if (typeof got === 'string') seen.refused += 1
      else seen.read += 1
    }
    expect(seen.read).toBeGreaterThan(200)
    expect(seen.refused).toBeGreaterThan(200)
  })

  it('__proto__ and repeated keys are read as ever', () => {
    const reader = new EnvelopeReader()
    const odd = [
      write(1).replace('"stamps": {}', '"stamps": {}, "__proto__": "x"'),
      write(1).replace('"shadow": null', '"id": "first", "shadow": null'),
      write(1).replace('"stamps": {}', '"stamps": {"__type__": "nope"}'),
      write(1).replaceAll('": ', '":'),
    ]
    for (const text of [...odd, ...odd]) expect(reader.read(text)).toStrictEqual(decodeEnvelope(text))
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
  })

  it('PAIN-10: goes on reading when senders are more than it remembers', () => {
    const reader = new EnvelopeReader()
    for (let n = 0; n < 300; n += 1) {
      const text = write(n, { headers: { [`h${n % 20}`]: n } })
      expect(reader.read(text)).toStrictEqual(decodeEnvelope(text))
    }
  })
})
