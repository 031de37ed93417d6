/** A step of a chain has a short way through the script; whatever is otherwise goes the long way, and both lead to the same keys (B25, B27). */
import type {
  BrokerConnection,
  Delivery,
  OutgoingMessage,
  QueueDeclaration,
  ResultWrite,
} from '@ct/contracts'
import { expect, it } from 'vitest'
import { redisScene } from '../../test/redis-scene.ts'
import { redisBackend } from '../backend/backend.ts'
import { redisBroker } from './broker.ts'

const { server, opened } = await redisScene()

const queue: QueueDeclaration = {
  name: 'q',
  durable: true,
  exclusive: false,
  autoDelete: false,
  bindings: [],
}

function message(id: string, to = 'q'): OutgoingMessage {
  return {
    body: Buffer.from('[[], {}, {}]'),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: { id, task: 't' },
    properties: { correlationId: id },
    exchange: '',
    routingKey: to,
  }
}

const documentOf = (taskId: string, state = 'SUCCESS'): string =>
  `{"status": "${state}", "result": "größe", "task_id": "${taskId}"}`

function result(taskId: string, expiresInMs?: number): ResultWrite {
  const document = Buffer.from(documentOf(taskId))
  return { taskId, state: 'SUCCESS', ready: true, document, expiresInMs }
}

/** The first message is held, nothing waits. */
async function started(): Promise<{
  held: Delivery
  next: () => Promise<Delivery>
  broker: BrokerConnection
}> {
  const broker = redisBroker({ url: server.url })
  const backend = redisBackend({ url: server.url })
  opened.push(broker, backend)
  const onNotice = (): void => undefined
  expect(broker.settlesWith(backend)).toBe(true)
  const connection = await broker.connect({ onNotice })
  await backend.connect({ onNotice })
  const got: Delivery[] = []
  let wake = (): void => undefined
  const consumer = await connection.openConsumer({
    credit: 10,
    onDelivery: (delivery) => {
      got.push(delivery)
      wake()
    },
  })
  const next = async (): Promise<Delivery> => {
    while (got.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    return got.shift()!
  }
  await consumer.subscribe([{ queue }])
  await connection.publish(message('first'))
  const held = await next()
  await server.command('CONFIG', 'RESETSTAT')
  return { held, next, broker: connection }
}

async function calls(command: string): Promise<number> {
  const stats = String(await server.command('INFO', 'commandstats'))
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
}

const text = async (...command: [string, ...string[]]): Promise<string> =>
  String(await server.command(...command))
const filed = async (): Promise<unknown[]> => [
  await server.command('ZCARD', 'unacked_index'),
  await server.command('HLEN', 'unacked'),
  await server.command('LLEN', 'q'),
]

it('B25, B27: stores the result for its time, tells it, acknowledges, and holds what follows', async () => {
  const { held, next } = await started()
  await held.settle({ action: 'ack', results: [result('a', 60_000)], messages: [message('second')] })
  const second = await next()
  expect(second.headers['id']).toBe('second')
  expect(await text('GET', 'celery-task-meta-a')).toBe(documentOf('a'))
  const left = Number(await server.command('PTTL', 'celery-task-meta-a'))
  expect(left).toBeGreaterThan(30_000)
  expect(left).toBeLessThanOrEqual(60_000)
  expect(await server.command('HEXISTS', 'unacked', held.tag)).toBe(0)
  expect(await filed()).toEqual([1, 1, 0])
  expect(await server.command('HEXISTS', 'unacked', second.tag)).toBe(1)
  expect(Number(await server.command('ZSCORE', 'unacked_index', second.tag)) * 1000).toBeCloseTo(
    Date.now(),
    -5,
  )
  // Told by the short way: the look at the result that may be there is the same as that at the lists.
  expect(await calls('exists')).toBeGreaterThan(0)
  expect([await calls('publish'), await calls('lpush')]).toEqual([1, 0])
  await second.settle({ action: 'ack', results: [result('b')], messages: [message('third')] })
  const third = await next()
  expect(await server.command('PTTL', 'celery-task-meta-b')).toBe(-1)
  await third.settle({ action: 'ack' })
  expect(await server.command('EXISTS', 'unacked', 'unacked_index', 'q')).toBe(0)
})

it.each(['SUCCESS', 'STARTED'])(
  'R5, B27: a state %s that is stored already is judged as ever',
  async (state) => {
    const { held, next } = await started()
    await server.command('SET', 'celery-task-meta-a', documentOf('a', state).replace('größe', 'older'))
    await held.settle({ action: 'ack', results: [result('a')], messages: [message('second')] })
    expect((await next()).headers['id']).toBe('second')
    expect((await text('GET', 'celery-task-meta-a')).includes('older')).toBe(state === 'SUCCESS')
    expect(await filed()).toEqual([1, 1, 0])
  },
)

it('B27: of a message that somebody else has by now the result is stored, and nothing follows', async () => {
  const { held, next, broker } = await started()
  await server.command('ZREM', 'unacked_index', held.tag)
  await held.settle({ action: 'ack', results: [result('a')], messages: [message('never')] })
  expect(await text('GET', 'celery-task-meta-a')).toBe(documentOf('a'))
  expect(await server.command('ZCARD', 'unacked_index')).toBe(0)
  expect(await server.command('LLEN', 'q')).toBe(0)
  // It goes on taking.
  await broker.publish(message('other'))
  expect((await next()).headers['id']).toBe('other')
})

it('B27: where something waits, what follows goes behind it', async () => {
  const { held, next, broker } = await started()
  const settled = held.settle({ action: 'ack', results: [result('a')], messages: [message('second')] })
  // On the same connection of the server, before it or after it.
  await Promise.all([settled, server.command('LPUSH', 'q', 'rubbish'), broker.publish(message('third'))])
  expect([(await next()).headers['id'], (await next()).headers['id']].toSorted()).toEqual(['second', 'third'])
  expect(await filed()).toEqual([2, 2, 0])
})

it('B27: what follows to a queue that nobody here takes from is in its list', async () => {
  const { held } = await started()
  await held.settle({ action: 'ack', results: [result('a')], messages: [message('far', 'elsewhere')] })
  expect(await server.command('LLEN', 'elsewhere')).toBe(1)
  expect(await server.command('EXISTS', 'unacked', 'unacked_index')).toBe(0)
})
