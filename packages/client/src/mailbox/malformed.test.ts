import { isCeleryError, SerializerRegistry } from '@ct/contracts'
import { describe, expect, it } from 'vitest'
import { readEvents } from '../events/index.ts'
import type { ControlCodec } from './index.ts'
import { readControlMessage, readReply } from './index.ts'

const serializers = new SerializerRegistry()
const accept = serializers.accept(['json'])
const codec: ControlCodec = { serializers, serializer: 'json', accept }

/** mulberry32: the same numbers on every run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

const originals = [
  '{"method": "ping", "arguments": {}, "destination": null, "pattern": null, "matcher": null, "ticket": "t", "reply_to": {"exchange": "e", "routing_key": "k"}}',
  '{"w1@h": {"ok": "pong"}}',
  '[{"type": "task-sent", "clock": 3, "uuid": "x"}, {"type": "task-received"}]',
  '{"method": "revoke", "arguments": {"__proto__": {"polluted": true}, "constructor": 1}, "destination": ["a"]}',
]
const splices = [
  'null',
  '[]',
  '{}',
  '"',
  '\\',
  '1e999',
  '-',
  '\u0000',
  '{"__type__":"bytes","__value__":3}',
  '[[[[[[',
  '"destination":3,',
]

/** One of the originals, damaged. */
function damaged(random: () => number): Buffer {
  const text = originals[Math.floor(random() * originals.length)]!
  const at = Math.floor(random() * text.length)
  const cut = Math.floor(random() * 12)
  const splice = splices[Math.floor(random() * splices.length)]!
  const bytes = Buffer.from(text.slice(0, at) + splice + text.slice(at + cut))
  if (random() < 0.3) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
  return bytes
}

describe('what comes from outside', () => {
  it('CTRL-2 EVT-4: 3,000 damaged messages: read, or refused with an error of ours', () => {
    const random = seeded(20_261_124)
    const others: unknown[] = []
    let refused = 0
    for (let i = 0; i < 3000; i++) {
      const message = {
        body: damaged(random),
        contentType: random() < 0.9 ? 'application/json' : 'application/x-python-serialize',
        contentEncoding: 'utf-8',
        headers: { clock: random() < 0.5 ? 'x' : null },
        properties: {},
      }
      for (const read of [
        () => readControlMessage(message, codec),
        () => readReply(message, codec),
        () => readEvents(message, serializers, accept),
      ]) {
        try {
          read()
        } catch (error) {
          refused++
          if (!isCeleryError(error)) others.push([message.body.toString(), error])
        }
      }
    }
    expect(others).toEqual([])
    expect(refused).toBeGreaterThan(1000)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})
