/** Judge: amqplib's own encoder, fed with `encodeTable`. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { float, RawJson, type OutgoingMessage } from '@ct/contracts'
import { describe, expect, it } from 'vitest'
import { encodeTable } from './field-table.ts'
import { FrameWriter } from './frame-writer.ts'

interface Definitions {
  readonly BasicPublish: number
  readonly BasicProperties: number
  readonly BasicAck: number
  encodeMethod(id: number, channel: number, fields: object): Buffer
  encodeProperties(id: number, channel: number, size: number, fields: object): Buffer
}

const require = createRequire(import.meta.url)
// Its insides are not exported.
const inside = (name: string): unknown => require(join(dirname(require.resolve('amqplib')), 'lib', name))
const defs = inside('defs') as Definitions
const { makeBodyFrame } = inside('frame') as {
  makeBodyFrame(channel: number, payload: Buffer): Buffer
}

function message(more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    exchange: '',
    routingKey: 'celery',
    body: Buffer.from('[[], {}, {}]'),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: {},
    properties: {},
    ...more,
  }
}

function theirs(channel: number, frameMax: number, sent: OutgoingMessage, messageId?: string): Buffer {
  const { properties, headers, contentType, contentEncoding } = sent
  const fields = {
    ticket: 0,
    exchange: sent.exchange,
    routingKey: sent.routingKey,
    mandatory: sent.mandatory ?? false,
  }
  const body = Buffer.from(sent.body)
  const pieces: Buffer[] = []
  for (let from = 0; from < body.length; from += frameMax - 8)
    pieces.push(makeBodyFrame(channel, body.subarray(from, from + frameMax - 8)))
  return Buffer.concat([
    defs.encodeMethod(defs.BasicPublish, channel, fields),
    defs.encodeProperties(defs.BasicProperties, channel, body.length, {
      deliveryMode: 2,
      ...properties,
      contentType,
      contentEncoding,
      headers: encodeTable(headers),
      messageId,
    }),
    ...pieces,
  ])
}

function ours(channel: number, frameMax: number, sent: OutgoingMessage, messageId?: string): Buffer {
  const writer = new FrameWriter()
  writer.message(channel, frameMax, sent, messageId)
  return writer.take()
}

const hostile: Record<string, unknown> = Object.create(null) as Record<string, unknown>
hostile['__proto__'] = { a: 1 }
hostile['!'] = 'text'
hostile['nested'] = { '!': 'int8', value: 5 }

const messages: readonly (readonly [string, OutgoingMessage])[] = [
  ['the least', message()],
  ['no body', message({ body: new Uint8Array() })],
  [
    'every property',
    message({
      exchange: 'e'.repeat(255),
      exchangeType: 'topic',
      routingKey: 'ключ',
      mandatory: true,
      properties: { correlationId: 'c', replyTo: 'r', deliveryMode: 1, priority: 9, expiration: '60000' },
    }),
  ],
  [
    'a task',
    message({
      headers: {
        lang: 'js',
        task: 'proj.add',
        id: 'x',
        retries: 0,
        timelimit: [null, 30],
        eta: null,
        stamps: {},
        ignore_result: false,
        utf: 'żółć 🐇 \0',
        empty: '',
        long: 'y'.repeat(5000),
        missing: undefined,
      },
    }),
  ],
  [
    'numbers',
    message({
      headers: {
        zero: 0,
        minus: -1,
        int: 2 ** 31 - 1,
        least: -(2 ** 31),
        long: 2 ** 31,
        below: -(2 ** 31) - 1,
        safe: Number.MAX_SAFE_INTEGER,
        half: 0.5,
        huge: 1e300,
        nan: NaN,
        infinity: -Infinity,
        big: 2n ** 63n - 1n,
        negative: -(2n ** 63n),
        one: float(1),
      },
    }),
  ],
  [
    'others',
    message({
      headers: {
        date: new Date(1_700_000_000_500),
        bytes: new Uint8Array([1, 2, 3]),
        raw: RawJson.from('{"a": [1.0, 9007199254740993]}'),
        yes: true,
      },
    }),
  ],
  [
    'nested and hostile',
    message({ headers: { hostile, list: [[], {}, [undefined, 'x', [1, { a: null }]]] } }),
  ],
]

describe('FrameWriter', () => {
  it.each(messages)('WIRE-1: writes the same bytes as amqplib: %s', (_, sent) => {
    expect(ours(7, 131_072, sent).equals(theirs(7, 131_072, sent))).toBe(true)
    expect(ours(0x1234, 131_072, sent, 'an-id').equals(theirs(0x1234, 131_072, sent, 'an-id'))).toBe(true)
  })

  it('WIRE-1: cuts bodies into frames, and grows for the largest', () => {
    for (const size of [4088, 4089, 8176, 300_000, 3_000_000]) {
      const sent = message({ body: Buffer.alloc(size, 'ab') })
      expect(ours(1, 4096, sent).equals(theirs(1, 4096, sent))).toBe(true)
    }
    expect(ours(1, Infinity, message({ body: Buffer.alloc(300_000) })).length).toBeGreaterThan(300_000)
  })

  it('WIRE-1: several messages and acknowledgements stand one after the other', () => {
    const writer = new FrameWriter()
    const sent = messages.map(([, one]) => one)
    for (const one of sent) writer.message(1, 131_072, one, undefined)
    writer.ack(1, 5, false)
    writer.ack(1, 2 ** 40, true)
    const expected = Buffer.concat([
      ...sent.map((one) => theirs(1, 131_072, one)),
      defs.encodeMethod(defs.BasicAck, 1, { deliveryTag: 5, multiple: false }),
      defs.encodeMethod(defs.BasicAck, 1, { deliveryTag: 2 ** 40, multiple: true }),
    ])
    expect(writer.take().equals(expected)).toBe(true)
    expect(writer.take().length).toBe(0)
  })

  it('WIRE-1: what AMQP cannot hold is refused with its place, and leaves nothing behind', () => {
    const cyclic: Record<string, unknown> = {}
    cyclic['a'] = { b: cyclic }
    const bad: readonly (readonly [Partial<OutgoingMessage>, RegExp])[] = [
      [{ headers: { a: [{ b: 2n ** 63n }] } }, /a\[0\]\.b does not fit into 64 bits/],
      [{ headers: { f: () => 1 } }, /at f is a function/],
      [{ headers: { cyclic } }, /cyclic/],
      [{ headers: { ['n'.repeat(256)]: 1 } }, /name longer than 255 bytes/],
      [{ routingKey: 'k'.repeat(256) }, /routing key "k{40}"… is longer than 255 bytes/],
      [{ properties: { correlationId: 'ż'.repeat(128) } }, /correlation id/],
      [{ headers: { long: 'x'.repeat(140_000) } }, /headers take 140\d\d\d bytes, and RabbitMQ takes 131064/],
    ]
    const writer = new FrameWriter()
    for (const [more, words] of bad) {
      expect(() => writer.message(1, 131_072, message(more), undefined)).toThrow(words)
      expect(writer.length).toBe(0)
    }
  })
})
