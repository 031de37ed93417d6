/** What else may lie in a list: nothing of it stalls or kills, and nothing gets into `unacked` that a Python peer could not restore. */
import { setTimeout as sleep } from 'node:timers/promises'
import { startPrivateRedis } from '@ct-tools/services'
import type { Delivery, Notice } from '@ct/contracts'
import { expect, it } from 'vitest'
import { redisBroker } from './broker.ts'

const good = JSON.stringify({
  body: 'W10=',
  'content-encoding': 'utf-8',
  'content-type': 'application/json',
  headers: { id: 'good', task: 't' },
  properties: {
    delivery_info: { exchange: '', routing_key: 'q' },
    body_encoding: 'base64',
    delivery_tag: 'tag',
    priority: 0,
  },
})
const shape = '"headers": {}, "properties": {"delivery_info": {}}'

/** Bytes of the latin1 text. */
const hostile: Record<string, string> = {
  empty: '',
  text: 'hello',
  number: '42',
  null: 'null',
  list: '[1, 2, 3]',
  'empty object': '{}',
  'cut off': good.slice(0, -1),
  'cut off in the middle': good.slice(0, 120),
  'two documents': `${good}${good}`,
  'shape without sense': `{${shape}, }`,
  'shape in a text': `{"a": "\\"headers\\" \\"properties\\" \\"delivery_info\\""}`,
  'not UTF-8': `{"body": "\xff\xfe", ${shape}}`,
  'body missing': `{${shape}}`,
  'body a list': `{"body": [], ${shape}}`,
  'unknown body encoding': `{"body": "", "headers": {}, "properties": {"delivery_info": {}, "body_encoding": "rot13"}}`,
  'headers a list': `{"body": "", "headers": [], "properties": {"delivery_info": {}}}`,
  'properties a text': `{"body": "", "headers": {}, "properties": "delivery_info", "x": "\\"delivery_info\\"", "delivery_info": 1}`,
  'too deep': `{"body": "", ${shape}, "x": ${'['.repeat(5000)}${']'.repeat(5000)}}`,
  'tag of another': `{"body": "", "headers": {}, "properties": {"delivery_info": {}, "delivery_tag": "tag", "x": "\\"delivery_tag\\": \\"tag\\""}, "delivery_tag": "tag"`,
}

it('B19, D57-201: hostile items are parked raw, one notice each, and the good ones among them are worked', async () => {
  await using server = await startPrivateRedis()
  await using broker = redisBroker({ url: server.url })
  const notices: Notice[] = []
  const got: Delivery[] = []
  const connection = await broker.connect({ onNotice: (notice) => notices.push(notice) })
  const names = Object.keys(hostile)
  for (const name of names) {
    await server.command(
      'EVAL',
      `redis.call('LPUSH', 'q', (string.gsub(ARGV[1], '%%(%x%x)', function(h) return string.char(tonumber(h, 16)) end)))`,
      0,
      escapeBytes(hostile[name] ?? ''),
    )
    await server.command('LPUSH', 'q', good)
  }
  const consumer = await connection.openConsumer({ credit: 3, onDelivery: (delivery) => got.push(delivery) })
  const queue = { name: 'q', durable: true, exclusive: false, autoDelete: false, bindings: [] }
  await consumer.subscribe([{ queue }])
  const done: Delivery[] = []
  for (let tries = 0; done.length < names.length && tries < 2000; tries++) {
    for (const delivery of got.splice(0)) {
      done.push(delivery)
      await delivery.settle({ action: 'ack' })
    }
    await sleep(2)
  }
  await consumer.flush()
  expect(done.every((delivery) => delivery.headers['id'] === 'good')).toBe(true)
  expect(done).toHaveLength(names.length)
  expect(notices.map(({ kind }) => kind)).toEqual(names.map(() => 'malformed'))
  expect(await server.command('LLEN', 'q.parked')).toBe(names.length)
  expect(await server.command('KEYS', '*')).toEqual(['q.parked'])
  const parked = await connection.parked.list('q')
  expect(parked).toHaveLength(names.length)
  expect(parked.filter(({ retryable }) => !retryable).length).toBeGreaterThan(names.length - 3)
  expect(
    await connection.parked.drop(
      'q',
      parked.map(({ id }) => id),
    ),
  ).toBe(names.length)
  expect(await server.command('KEYS', '*')).toEqual([])
})

it('B19: an entry of unacked that nobody can read is moved out of the way, with a notice', async () => {
  await using server = await startPrivateRedis()
  await using broker = redisBroker({ url: server.url })
  const notices: Notice[] = []
  const connection = await broker.connect({ onNotice: (notice) => notices.push(notice) })
  await server.command('HSET', 'unacked', 'a', 'nonsense', 'b', '[{"body": 1}, "", "q"]', 'c', '["x"]')
  await server.command('ZADD', 'unacked_index', 1, 'a', 2, 'b', 3, 'c', 4, 'no entry')
  await connection.openConsumer({ credit: 1, onDelivery: () => {} })
  for (let tries = 0; (await server.command('EXISTS', 'unacked_index')) === 1 && tries < 500; tries++)
    await sleep(5)
  expect(((await server.command('KEYS', '*')) as string[]).toSorted()).toEqual(['unacked.parked'])
  expect(await server.command('LLEN', 'unacked.parked')).toBe(3)
  expect(notices.filter(({ kind }) => kind === 'malformed')).toHaveLength(3)
})

/** The test's own connection speaks UTF-8 text only. */
function escapeBytes(latin1: string): string {
  return latin1.replace(/[%\x80-\xff]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
