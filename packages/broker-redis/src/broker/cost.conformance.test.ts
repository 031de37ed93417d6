/** What the everyday costs in commands and round trips: counted by the server, so that no change makes it dearer unnoticed. */
import type { ChordProgress, OutgoingMessage, QueueDeclaration, ResultWrite } from '@ct/contracts'
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

function message(n: number, bytes = 0): OutgoingMessage {
  return {
    body: Buffer.from(`[[${n}], {}, {"chain": "${'x'.repeat(bytes)}"}]`),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: { id: `id-${n}`, task: 't' },
    properties: { correlationId: `id-${n}` },
    exchange: '',
    routingKey: 'q',
  }
}

function result(taskId: string, text: string = 'SUCCESS'): ResultWrite {
  const document = Buffer.from(`{"status": "${text}", "result": 1, "task_id": "${taskId}"}`)
  return { taskId, state: text, ready: true, document, expiresInMs: 60_000 }
}

/** Calls by command since the last look. */
async function calls(): Promise<(command: string) => number> {
  const stats = String(await server.command('INFO', 'commandstats'))
  await server.command('CONFIG', 'RESETSTAT')
  return (command) => Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
}

/** Bytes that the server has sent. */
async function answered(): Promise<number> {
  const stats = String(await server.command('INFO', 'stats'))
  return Number(/total_net_output_bytes:(\d+)/.exec(stats)?.[1])
}

async function connect() {
  const broker = redisBroker({ url: server.url })
  const backend = redisBackend({ url: server.url })
  expect(broker.settlesWith(backend)).toBe(true)
  opened.push(broker, backend)
  const notices: unknown[] = []
  const onNotice = (notice: unknown): void => void notices.push(notice)
  return {
    notices,
    broker: await broker.connect({ onNotice }),
    results: await backend.connect({ onNotice }),
  }
}

it('B4, B25: a drain takes and settles a batch with each script, one SET and one PUBLISH a task, and nothing else', async () => {
  const tasks = 1000
  const credit = 200
  const { broker, notices } = await connect()
  await calls()
  await Promise.all(Array.from({ length: tasks }, (_, n) => broker.publish(message(n))))
  const sent = await calls()
  // One turn of the event loop: as few commands as their size allows.
  expect(sent('lpush')).toBe(2)

  const settled: Promise<void>[] = []
  const last = Promise.withResolvers<void>()
  const consumer = await broker.openConsumer({
    credit,
    onDelivery: (delivery) => {
      const taskId = String(delivery.headers['id'])
      settled.push(delivery.settle({ action: 'ack', results: [result(taskId)] }))
      if (settled.length === tasks) last.resolve()
    },
  })
  await consumer.subscribe([{ queue }])
  await last.promise
  await Promise.all(settled)
  const drained = await calls()
  expect(drained('set')).toBe(tasks)
  expect(drained('publish')).toBe(tasks)
  for (const command of ['get', 'getrange', 'mget', 'lpush', 'hget']) expect(drained(command)).toBe(0)
  // Half of the credit each; a few more to begin, scripts that the server does not know yet among them, and to find the end.
  const scripts = drained('evalsha') + drained('eval')
  expect(scripts).toBeGreaterThanOrEqual(tasks / (credit / 2))
  expect(scripts).toBeLessThanOrEqual((2 * tasks) / (credit / 2) + 8)
  for (const command of ['hset', 'zadd', 'hdel', 'zrem'])
    expect(drained(command)).toBeLessThanOrEqual(scripts)
  expect(await server.command('EXISTS', 'unacked', 'unacked_index', 'q')).toBe(0)
  expect(notices).toEqual([])
})

it('R8: who has looked in vain before still hears of what was stored before he asked', async () => {
  const { results } = await connect()
  const heard = new Map<string, () => void>()
  const subscription = results.subscribe(({ taskId }) => heard.get(taskId)?.())
  for (let n = 0; n < 5; n += 1) {
    const early = new Promise<void>((resolve) => heard.set(`early-${n}`, resolve))
    const late = new Promise<void>((resolve) => heard.set(`late-${n}`, resolve))
    await subscription.add([`late-${n}`])
    await results.store([result(`early-${n}`)])
    await subscription.add([`early-${n}`])
    await early
    await results.store([result(`late-${n}`)])
    await late
  }
  await subscription.close()
})

it('B27: a step that leads to the next one costs one script of eight commands, and its text is not sent back', async () => {
  const steps = 50
  const bytes = 20_000
  const { broker } = await connect()
  const last = Promise.withResolvers<void>()
  const consumer = await broker.openConsumer({
    credit: 10,
    onDelivery: (delivery) => {
      const n = Number(/\d+/.exec(String(delivery.headers['id']))?.[0])
      const done = delivery.settle({
        action: 'ack',
        results: [result(`id-${n}`)],
        ...(n < steps ? { messages: [message(n + 1, bytes)] } : {}),
      })
      if (n === steps) done.then(last.resolve, last.reject)
    },
  })
  await consumer.subscribe([{ queue }])
  await calls()
  const before = await answered()
  await broker.publish(message(0))
  await last.promise
  const served = await calls()
  // The first alone was in its list.
  expect(served('lpush')).toBe(1)
  expect(served('rpop')).toBeLessThanOrEqual(3 * 4)
  for (const command of ['set', 'publish', 'zrem', 'hdel', 'hset', 'zadd'])
    expect(served(command)).toBe(steps + 1)
  // One for each step, a few for the first of them and for the end.
  expect(served('evalsha') + served('eval')).toBeLessThanOrEqual(steps + 6)
  expect(served('exists') + served('time')).toBeLessThanOrEqual(2 * steps + 12)
  // Who sends twenty thousand bytes a step is told of a step in a hundred or so.
  expect((await answered()) - before).toBeLessThan(steps * 500)
  expect(await server.command('EXISTS', 'unacked', 'unacked_index', 'q')).toBe(0)
})

it('B28: a part of a chord costs two commands besides those of its result, and the chord a few for each script', async () => {
  const parts = 200
  const { broker, results } = await connect()
  await results.chord!.begin({ groupId: 'g', size: parts + 1, expiresInMs: 60_000 })
  await Promise.all(Array.from({ length: parts }, (_, n) => broker.publish(message(n))))
  const counts: number[] = []
  const settled: Promise<void>[] = []
  const last = Promise.withResolvers<void>()
  const consumer = await broker.openConsumer({
    credit: 100,
    onDelivery: (delivery) => {
      const taskId = String(delivery.headers['id'])
      const part = {
        groupId: 'g',
        taskId,
        groupIndex: settled.length,
        part: Buffer.from(`[1, "${taskId}", "SUCCESS", 1]`),
        expiresInMs: 60_000,
        claimMs: 60_000,
      }
      const onRecorded = (progress: ChordProgress): void => {
        if (progress.state === 'open') counts.push(progress.count)
      }
      settled.push(delivery.settle({ action: 'ack', results: [result(taskId)], part: { part, onRecorded } }))
      if (settled.length === parts) last.resolve()
    },
  })
  await calls()
  await consumer.subscribe([{ queue }])
  await last.promise
  await Promise.all(settled)
  const served = await calls()
  // Each part is told how many there are with it.
  expect(counts).toEqual(Array.from({ length: parts }, (_, n) => n + 1))
  for (const command of ['set', 'publish', 'sadd', 'zadd'])
    expect(served(command)).toBeGreaterThanOrEqual(parts)
  const scripts = served('evalsha') + served('eval')
  expect(scripts).toBeLessThan(parts / 4)
  for (const [command, times] of [
    ['get', 3],
    ['type', 1],
    ['zcard', 1],
    ['pexpire', 5],
    ['pttl', 1],
  ] as const)
    expect(served(command)).toBeLessThanOrEqual(times * scripts)
  for (const key of ['.j', '.t', '.s', '.d'])
    expect(Number(await server.command('PTTL', `celery-taskset-meta-g${key}`)) === -1).toBe(false)
})
