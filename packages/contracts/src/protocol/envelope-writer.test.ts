import { describe, expect, it } from 'vitest'
import { buildTaskMessage, encodeEnvelope, EnvelopeWriter } from './index.ts'
import type { TaskMessageInput } from './index.ts'

const kinds: readonly Partial<TaskMessageInput>[] = [
  {},
  { args: ['é"\\', "it's"], kwargs: { 'k"': 1 } },
  { rootId: 'root', parentId: 'parent', correlationId: 'other' },
  { timeLimit: 10 },
  { timeLimit: 10, softTimeLimit: 5.5, retries: 1 },
  { group: 'g', groupIndex: 3 },
  { expires: '2030-01-01T00:00:00+00:00', eta: '2030-01-01T00:00:00Z' },
  { headers: { tenant: 'a' } },
  { headers: { lang: 'js' } },
  { headers: { shadow: 'x', argsrepr: '(…)' } },
  { stampedHeaders: ['stamp'], stamps: { stamp: 1 } },
  { properties: { MessageGroupId: 'g' } },
  { priority: 5, deliveryMode: 1, replyTo: 'somebody' },
  { ignoreResult: true, origin: '"id": "' },
]

describe('EnvelopeWriter', () => {
  it('WIRE-1: writes what encodeEnvelope writes, message after message', () => {
    const [writer, inPieces] = [new EnvelopeWriter(), new EnvelopeWriter()]
    let several = 0
    for (let n = 0; n < 600; n += 1) {
      const input: TaskMessageInput = {
        task: n % 7 === 0 ? 'other' : 'tasks.add',
        id: n % 11 === 0 ? `"${n}"` : `id-${n}`,
        args: [n, 1],
        origin: 'gen1@host',
        replyTo: 'oid',
        ...kinds[(n >> 2) % kinds.length],
      }
      const message = buildTaskMessage(input)
      const address = {
        exchange: n % 5 === 0 ? 'x' : '',
        routingKey: n % 3 === 0 ? 'celery' : 'ü',
        deliveryTag: `tag-${n}`,
        ...(n % 13 === 0 ? { redelivered: true } : {}),
      }
      expect(writer.encode(message, address)).toBe(encodeEnvelope(message, address))
      const pieces = inPieces.encodePieces(message, address)
      expect(pieces.join('')).toBe(encodeEnvelope(message, address))
      if (pieces.length > 1) several += 1
    }
    expect(several).toBeGreaterThan(20)
  })

  it('takes nothing for granted of messages that others have made', () => {
    const writer = new EnvelopeWriter()
    const message = buildTaskMessage({ task: 't', id: 'a', origin: 'o' })
    const address = { exchange: '', routingKey: 'q', deliveryTag: 'd' }
    const odd = [
      { ...message.headers, retries: -0 },
      { ...message.headers, timelimit: null },
      { ...message.headers, timelimit: [null, { a: 1 }] },
      { ...message.headers, stamps: { a: 1 } },
      { ...message.headers, stamps: [] },
      { ...message.headers, id: undefined },
      { ...message.headers, root_id: null },
      { ...message.headers, stamps: undefined, more: 1 },
      Object.fromEntries(Object.entries(message.headers).reverse()),
    ]
    for (const headers of odd) {
      for (const one of [message, { ...message, headers }, message, { ...message, headers }])
        expect(writer.encode(one, address)).toBe(encodeEnvelope(one, address))
    }
  })
})
