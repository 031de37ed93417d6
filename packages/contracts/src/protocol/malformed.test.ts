import { describe, expect, it } from 'vitest'
import { caught, fixtures, mutate, seeded } from '../../test/fixtures.ts'
import { malformedMessages } from '@ct-tools/malformed'
import { CompressorRegistry } from '../compression/index.ts'
import { ContentDisallowedError, DecodeError, InvalidMessageError } from '../errors.ts'
import { SerializerRegistry } from '../serialization/index.ts'
import {
  decodeEnvelope,
  readSignature,
  readTaskBody,
  readTaskEmbed,
  readTaskMessage,
  stepsOfChain,
} from './index.ts'
import type { MessageCodecs } from './index.ts'

const serializers = new SerializerRegistry()
const codecs: MessageCodecs = {
  serializers,
  compressors: new CompressorRegistry(),
  accept: serializers.accept(['json']),
  maxBytes: 1_000_000,
}
const rounds = process.env['CT_NIGHTLY'] !== undefined ? 300_000 : 8000
/** Work of seconds, and of many more on a busy machine. */
const timeout = process.env['CT_NIGHTLY'] !== undefined ? 1_200_000 : 120_000

/** Walks all steps a worker takes; returns the reason it stopped for, or null. Anything but our three errors fails the test. */
function reasonOf(envelope: string | Uint8Array): unknown {
  const error = caught(() => walk(envelope), InvalidMessageError, DecodeError, ContentDisallowedError)
  if (error === undefined) return null
  expect(error.message.length).toBeLessThan(400)
  return error.details['reason']
}

function walk(envelope: string | Uint8Array): void {
  const message = readTaskMessage(decodeEnvelope(envelope), codecs)
  expect(message.id).toBeTypeOf('string')
  void message.customHeaders
  const { embed, argsSource, kwargsSource } = readTaskBody(message, codecs)
  expect([argsSource, kwargsSource]).toHaveLength(2)
  expect(readTaskEmbed(message, codecs)).toEqual(embed)
  const chord = embed.chord === null ? [] : [embed.chord]
  for (const source of [
    ...(embed.callbacks ?? []),
    ...(embed.errbacks ?? []),
    ...stepsOfChain(embed.chain ?? []),
    ...chord,
  ])
    readSignature(source)
}

describe('malformed messages', () => {
  it('D57-200..202: the corpus breaks every layer, more than a hundred ways', () => {
    expect(malformedMessages.length).toBeGreaterThan(150)
    expect(new Set(malformedMessages.map((message) => message.name)).size).toBe(malformedMessages.length)
  })

  it.each(malformedMessages.map((message) => [message.name, message] as const))('%s', (_name, message) => {
    expect(reasonOf(message.envelope)).toBe(message.reason)
  })

  it('random edits of real messages: one of our errors or a message, quickly', { timeout }, () => {
    const random = seeded(7)
    const seeds = fixtures.messages.flatMap(([, envelopes]) => envelopes).map((text) => Buffer.from(text))
    for (let round = 0; round < rounds; round += 1) {
      reasonOf(mutate(seeds[Math.floor(random() * seeds.length)]!, random, '[]{}",:0123456789null_ABCxyz=\\'))
    }
  })

  it('random edits of real bodies', { timeout }, () => {
    const random = seeded(8)
    const seeds = fixtures.messages
      .flatMap(([, envelopes]) => envelopes)
      .map((text) => JSON.parse(text) as { body: string })
    for (let round = 0; round < rounds; round += 1) {
      const message = seeds[Math.floor(random() * seeds.length)]!
      const body = mutate(Buffer.from(message.body, 'base64'), random, '[]{}",:0123456789null_ABCxyz=\\')
      reasonOf(JSON.stringify({ ...message, body: Buffer.from(body).toString('base64') }))
    }
  })

  it('random values in the places of headers', () => {
    const random = seeded(9)
    const whole = JSON.parse(fixtures.messages[0]![1][0]!) as { headers: Record<string, unknown> }
    const values = [
      null,
      true,
      0,
      -1,
      1.5,
      1e300,
      '',
      'x',
      [],
      [1],
      {},
      { a: 1 },
      ['x'],
      [null, null],
      '2024-05-01',
      { __type__: 'date', __value__: '2024-05-01' },
    ]
    const keys = Object.keys(whole.headers)
    for (let round = 0; round < rounds / 4; round += 1) {
      const headers = { ...whole.headers }
      for (let edit = 0; edit < 2; edit += 1)
        headers[keys[Math.floor(random() * keys.length)]!] = values[Math.floor(random() * values.length)]
      reasonOf(JSON.stringify({ ...whole, headers }))
    }
  })
})
