/** A step of a chain has a short way through the script; whatever is otherwise goes the long way, and both lead to the same keys (B25, B27). */
import type {
  BrokerConnection,
  Consumer,
  Delivery,
  OutgoingMessage,
  QueueDeclaration,
  ResultWrite,
} from '@ct/contracts'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { redisScene } from '../../test/redis-scene.ts'
import { redisBackend } from '../backend/backend.ts'
import { extendLeases } from '../scripts/extend-leases.ts'
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

function result(
  taskId: string,
  expiresInMs?: number,
  document: Buffer = Buffer.from(documentOf(taskId)),
): ResultWrite {
  return { taskId, state: 'SUCCESS', ready: true, document, expiresInMs }
}

/** The first message is held, nothing waits. */
async function started(credit: number = 10): Promise<{
  held: Delivery
  next: () => Promise<Delivery>
  /** Not asked for yet. */
  got: readonly Delivery[]
  broker: BrokerConnection
  consumer: Consumer
  /** After a loss of the connection. */
  again: () => Promise<{ readonly broker: BrokerConnection; readonly consumer: Consumer }>
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
  const open = (of: BrokerConnection): Promise<Consumer> =>
    of.openConsumer({
      credit,
      onDelivery: (delivery) => {
        got.push(delivery)
        wake()
      },
    })
  const consumer = await open(connection)
  const next = async (): Promise<Delivery> => {
    while (got.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    return got.shift()!
  }
  await consumer.subscribe([{ queue }])
  await connection.publish(message('first'))
  const held = await next()
  await server.command('CONFIG', 'RESETSTAT')
  const again: Awaited<ReturnType<typeof started>>['again'] = async () => {
    await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    const next = await broker.connect({ onNotice })
    return { broker: next, consumer: await open(next) }
  }
  return { held, next, got, broker: connection, consumer, again }
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

it.each([false, true])('B27: where something waits, it is taken too (ahead: %s)', async (ahead) => {
  const { held, next, broker } = await started()
  const settled = held.settle({
    action: 'ack',
    results: [result('a')],
    messages: [message('second')],
    ahead,
  })
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

/** Ends the first task, and lets the second begin. */
const leadOn = (held: Delivery): Promise<void> =>
  held.settle({ action: 'ack', results: [result('a')], messages: [message('second')], ahead: true })

/** Whoever waits for it is called in this turn of the event loop, before anything can be read from a socket. */
const turnOfSending = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve))

it('B27: with `ahead` what follows is handed out before the step is answered, and filed by it as ever', async () => {
  const { held, next, got } = await started()
  const settled = leadOn(held)
  await turnOfSending()
  expect(got.map(({ headers }) => headers['id'])).toEqual(['second'])
  const second = await next()
  await settled
  expect(await filed()).toEqual([1, 1, 0])
  expect(await calls('lpush')).toBe(0)
  const entry = await text('HGET', 'unacked', second.tag)
  // As it is when it went by way of its list.
  await second.settle({ action: 'release' })
  const again = await next()
  expect(again.tag).not.toBe(second.tag)
  expect(await text('HGET', 'unacked', again.tag)).toBe(entry)
  for (const field of ['body', 'headers', 'properties', 'info'] as const)
    expect({ [field]: second[field] }).toEqual({ [field]: again[field] })
  // Whatever is stored of the task already.
  await server.command('SET', 'celery-task-meta-b', documentOf('b', 'STARTED'))
  await again.settle({
    action: 'ack',
    results: [result('b')],
    messages: [message('third')],
    ahead: true,
  })
  expect(await text('GET', 'celery-task-meta-b')).toBe(documentOf('b'))
  expect(await filed()).toEqual([1, 1, 0])
  const third = await next()
  await third.settle({ action: 'ack' })
  expect(await server.command('EXISTS', 'unacked', 'unacked_index', 'q')).toBe(0)
})

it.each([false, true])(
  'B27: what ran ahead of a task that somebody else has by now leads to nothing (stored before: %s)',
  async (stored) => {
    const { held, next, got, broker } = await started()
    if (stored) await server.command('SET', 'celery-task-meta-a', documentOf('a', 'STARTED'))
    await server.command('ZREM', 'unacked_index', held.tag)
    await held.settle({
      action: 'ack',
      results: [result('a')],
      messages: [message('second')],
      ahead: true,
    })
    const second = await next()
    const follow = {
      action: 'ack',
      results: [result('b')],
      messages: [message('third')],
      ahead: true,
    } as const
    await second.settle(follow)
    expect(await text('GET', 'celery-task-meta-b')).toBe(documentOf('b'))
    expect(await server.command('EXISTS', 'unacked_index', 'q')).toBe(0)
    expect(got).toEqual([])
    // It goes on taking.
    await broker.publish(message('other'))
    expect((await next()).headers['id']).toBe('other')
  },
)

it('R5, B27: while a stored result is looked at, what follows is held and goes on', async () => {
  const { held, next } = await started()
  // Of another serializer: the script cannot tell whether it is a SUCCESS.
  await server.command('SET', 'celery-task-meta-a', 'other words')
  const settled = leadOn(held)
  const second = await next()
  await second.settle({ action: 'ack', messages: [message('third')], ahead: true })
  const third = await next()
  expect(third.headers['id']).toBe('third')
  await settled
  expect(await text('GET', 'celery-task-meta-a')).toBe(documentOf('a'))
  await third.settle({ action: 'ack' })
  expect(await server.command('EXISTS', 'unacked', 'unacked_index', 'q')).toBe(0)
})

it('B8, B27: who has room for one message only looks for what waits first', async () => {
  const { held, next, got } = await started(1)
  const settled = leadOn(held)
  await turnOfSending()
  expect(got).toEqual([])
  await settled
  expect((await next()).headers['id']).toBe('second')
})

it('B27: what is paused, more than one, or put back in the same step is not handed out ahead', async () => {
  const { held, next, got, consumer } = await started()
  const several = held.settle({
    action: 'ack',
    messages: [message('second'), message('third')],
    ahead: true,
  })
  await turnOfSending()
  expect(got).toEqual([])
  await several
  const [second, third] = [await next(), await next()]
  const settled = second.settle({ action: 'ack', messages: [message('fourth')], ahead: true })
  void third.settle({ action: 'release' })
  await turnOfSending()
  expect(got).toEqual([])
  await settled
  const [again, fourth] = [await next(), await next()]
  expect([again.headers['id'], fourth.headers['id']]).toEqual(['third', 'fourth'])
  consumer.pause(['q'])
  await again.settle({ action: 'ack', messages: [message('fifth')], ahead: true })
  expect(got).toEqual([])
  expect(await server.command('LLEN', 'q')).toBe(1)
  await fourth.settle({ action: 'ack' })
})

it('B27: what ended before it is known to be unfiled leads to nothing', async () => {
  const { held, next, got, broker } = await started(8)
  // With little room left, the next step goes out when this one is answered.
  for (const id of ['x', 'y', 'z']) {
    await broker.publish(message(id))
    await next()
  }
  await server.command('ZREM', 'unacked_index', held.tag)
  void leadOn(held)
  await turnOfSending()
  const second = await next()
  const messages = [message('third')]
  await second.settle({ action: 'ack', results: [result('b')], messages, ahead: true })
  expect(got).toEqual([])
  expect([await server.command('ZCARD', 'unacked_index'), await server.command('LLEN', 'q')]).toEqual([3, 0])
  await broker.publish(message('other'))
  expect((await next()).headers['id']).toBe('other')
})

it('B16, B27: what was taken over hands nothing out ahead: its step may fail at each attempt', async () => {
  const { held, next, got, again } = await started()
  const { broker, consumer } = await again()
  expect(await consumer.adopt([held])).toEqual([])
  await consumer.subscribe([{ queue }])
  // As idle as in the beginning.
  await broker.publish(message('other'))
  const other = await next()
  const settled = held.settle({ action: 'ack', messages: [message('second')], ahead: true })
  await turnOfSending()
  expect(got).toEqual([])
  await settled
  expect((await next()).headers['id']).toBe('second')
  const after = other.settle({ action: 'ack', messages: [message('third')], ahead: true })
  await turnOfSending()
  expect(got.map(({ headers }) => headers['id'])).toEqual(['third'])
  await after
})

it('B27: a result that no script can judge hands nothing out ahead: what is stored may have to be looked at', async () => {
  const { held, next, got } = await started()
  const document = gzipSync(documentOf('a'))
  const settled = held.settle({
    action: 'ack',
    results: [result('a', undefined, document)],
    messages: [message('second')],
    ahead: true,
  })
  await turnOfSending()
  expect(got).toEqual([])
  await settled
  expect((await next()).headers['id']).toBe('second')
})

it('B15, B27: where the server has forgotten the script, what overtakes the step does not lose what it files', async () => {
  const { held, next, got, consumer } = await started()
  await server.command('SCRIPT', 'FLUSH')
  await server.command('SCRIPT', 'LOAD', extendLeases.source)
  const settled = leadOn(held)
  await turnOfSending()
  const second = await next()
  expect(await consumer.extendLeases([second])).toEqual([second])
  await settled
  const again = await next()
  expect(again.headers['id']).toBe('second')
  await second.settle({ action: 'ack', messages: [message('never')], ahead: true })
  await again.settle({ action: 'ack', messages: [message('third')] })
  expect((await next()).headers['id']).toBe('third')
  expect(got).toEqual([])
  expect(await filed()).toEqual([1, 1, 0])
})
