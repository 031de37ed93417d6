/** What kombu's transport options and queue arguments do, on a real server. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { BrokerConnection, Delivery, Notice } from '@ct/contracts'
import { expect, it } from 'vitest'
import { message, queue, redisScene } from '../../test/redis-scene.ts'
import type { RedisBrokerOptions } from '../options/broker-options.ts'
import { redisBroker } from './broker.ts'

const { server, opened } = await redisScene()

async function connect(options: RedisBrokerOptions = {}, notices: Notice[] = []): Promise<BrokerConnection> {
  const broker = redisBroker({ url: server.url, ...options })
  opened.push(broker)
  return broker.connect({ onNotice: (notice) => notices.push(notice) })
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 5000
  while (!(await what())) {
    if (Date.now() > end) throw new Error('waited 5 s in vain')
    await sleep(2)
  }
}

async function order(options: RedisBrokerOptions): Promise<string> {
  const connection = await connect(options)
  const ids = ['b1', 'a1', 'c1', 'b2', 'a2', 'c2']
  await connection.publishMany(ids.map((id) => message(id[0] ?? '', id)))
  const got: string[] = []
  const consumer = await connection.openConsumer({
    credit: 1,
    onDelivery: (delivery) => {
      got.push(String(delivery.headers['id']))
      void delivery.settle({ action: 'ack' })
    },
  })
  await consumer.subscribe([{ queue: queue('b') }, { queue: queue('a') }, { queue: queue('c') }])
  await until(() => got.length === 6)
  await connection.close()
  return got.join(' ')
}

it('TRANS-38: round_robin takes turns', async () => {
  expect(await order({})).toBe('b1 a1 c1 b2 a2 c2')
})

it('TRANS-38, PAIN-57: sorted goes by name, priority by the order of subscription, each emptying a queue first', async () => {
  expect(await order({ queueOrderStrategy: 'sorted' })).toBe('a1 a2 b1 b2 c1 c2')
  expect(await order({ queueOrderStrategy: 'priority' })).toBe('b1 b2 a1 a2 c1 c2')
})

it('TRANS-39: without ack emulation nothing is filed, and what is put back is put back', async () => {
  const connection = await connect({ ackEmulation: false })
  expect(connection.leaseMs).toBeUndefined()
  await connection.publishMany([message('q', 'a'), message('q', 'b')])
  const got: Delivery[] = []
  const consumer = await connection.openConsumer({ credit: 2, onDelivery: (delivery) => got.push(delivery) })
  await consumer.subscribe([{ queue: queue('q') }])
  await until(() => got.length === 2)
  expect(await server.command('EXISTS', 'unacked', 'unacked_index')).toBe(0)
  await got[0]?.settle({ action: 'ack' })
  await consumer.stop()
  await got[1]?.settle({ action: 'requeue' })
  expect(await connection.queueSize('q')).toBe(1)
  expect(await consumer.extendLeases(got)).toEqual([])
  expect(await consumer.adopt(got)).toEqual(got)
})

it('TRANS-12, B4, ROUTE-34: what no binding wants is dropped, told when mandatory, or goes to the dead letter queue', async () => {
  const lost = message('nowhere', 'a', { exchange: 'ex' })
  const connection = await connect()
  await connection.publish(lost)
  expect(await server.command('KEYS', '*')).toEqual([])
  const told = connection.publish({ ...lost, mandatory: true })
  await expect(told).rejects.toMatchObject({
    code: 'CT_PUBLISH',
    retryable: false,
    details: { maybeDelivered: false, reason: 'unroutable' },
  })
  const careful = await connect({ deadletterQueue: 'dead' })
  await careful.publish(lost)
  expect(await careful.queueSize('dead')).toBe(1)
})

it('B5: messages of one turn keep their order, through exchanges and past them', async () => {
  const connection = await connect()
  const exchange = { name: 'ex', type: 'direct', durable: true, autoDelete: false }
  await connection.declare([queue('q', { bindings: [{ exchange, routingKey: 'k' }] })])
  const sent = Array.from({ length: 30 }, (_, index) => `m${index}`)
  await Promise.all(
    sent.map((id, index) =>
      connection.publish(index % 3 === 0 ? message('k', id, { exchange: 'ex' }) : message('q', id)),
    ),
  )
  const got: string[] = []
  const consumer = await connection.openConsumer({
    credit: 100,
    onDelivery: ({ headers }) => got.push(String(headers['id'])),
  })
  await consumer.subscribe([{ queue: queue('q') }])
  await until(() => got.length === 30)
  expect(got).toEqual(sent)
})

it('B7: each copy of a message has a delivery tag of its own', async () => {
  const connection = await connect()
  const exchange = { name: 'ex', type: 'direct', durable: true, autoDelete: false }
  await connection.declare(
    ['one', 'two'].map((name) => queue(name, { bindings: [{ exchange, routingKey: 'k' }] })),
  )
  await connection.publish(message('k', 'a', { exchange: 'ex' }))
  const tags = await Promise.all(
    ['one', 'two'].map(async (name) => {
      const [text] = (await server.command('LRANGE', name, 0, -1)) as string[]
      return (JSON.parse(text ?? '{}') as { properties: { delivery_tag: string } }).properties.delivery_tag
    }),
  )
  expect(new Set(tags).size).toBe(2)
})

it('TRANS-44, D57-31: a queue with x-expires expires when nobody uses it; its bindings have a deadline', async () => {
  const connection = await connect()
  const exchange = { name: 'ex', type: 'direct', durable: true, autoDelete: false }
  const expiring = queue('e', {
    bindings: [{ exchange, routingKey: 'k' }],
    arguments: { 'x-expires': 60_000 },
  })
  await connection.declare([expiring])
  await connection.publishMany([message('e', 'a'), message('k', 'b', { exchange: 'ex' }), message('e', 'c')])
  const ttl = async (): Promise<number> => Number(await server.command('PTTL', 'e'))
  expect(await ttl()).toBeGreaterThan(50_000)
  await server.command('PEXPIRE', 'e', 5000)
  const got: Delivery[] = []
  const consumer = await connection.openConsumer({ credit: 1, onDelivery: (delivery) => got.push(delivery) })
  await consumer.subscribe([{ queue: expiring }])
  await until(async () => got.length === 1 && (await ttl()) > 50_000)
  expect(await server.command('EXISTS', '_kombu.binding_permanent.ex')).toBe(0)
  expect(Number(await server.command('ZSCORE', '_kombu.binding_deadlines', 'ex'))).toBeGreaterThan(
    Date.now() + 3_500_000,
  )
})

it('B12: an exclusive auto-delete queue goes with its consumer, binding and messages', async () => {
  const connection = await connect()
  const exchange = { name: 'reply', type: 'direct', durable: false, autoDelete: false }
  const own = queue('own', { exclusive: true, autoDelete: true, bindings: [{ exchange, routingKey: 'k' }] })
  const consumer = await connection.openConsumer({ credit: 1, onDelivery: () => {} })
  await consumer.subscribe([{ queue: own, noAck: true }])
  await consumer.cancel(['own'])
  await connection.publish(message('own', 'late'))
  await consumer.close()
  expect(await server.command('KEYS', '_kombu*')).toEqual([])
})

it('B8: 20,000 messages are acked, requeued and released in one turn each without upsetting the server', async () => {
  const notices: Notice[] = []
  const connection = await connect({}, notices)
  const count = 20_000
  await connection.publishMany(Array.from({ length: count }, (_, index) => message('q', `m${index}`)))
  const got: Delivery[] = []
  const consumer = await connection.openConsumer({
    credit: Infinity,
    onDelivery: (delivery) => got.push(delivery),
  })
  await consumer.subscribe([{ queue: queue('q') }])
  await until(() => got.length === count)
  for (const delivery of got.splice(0)) void delivery.settle({ action: 'requeue' })
  await until(() => got.length === count)
  await consumer.stop()
  const half = got.splice(0, count / 2)
  for (const delivery of half) void delivery.settle({ action: 'ack' })
  await consumer.flush()
  expect(await server.command('HLEN', 'unacked')).toBe(count / 2)
  await consumer.close()
  expect(await connection.queueSize('q')).toBe(count / 2)
  expect(await server.command('EXISTS', 'unacked', 'unacked_index')).toBe(0)
  // Released ones lie in their old order.
  const [next] = (await server.command('LRANGE', 'q', -1, -1)) as string[]
  expect(next).toContain(`"id": "${String(got[0]?.headers['id'])}"`)
  expect(notices).toEqual([])
})

it('B18: a message of large size is parked and retried whole', async () => {
  const connection = await connect()
  const body = Buffer.alloc(3 * 1024 * 1024, 7)
  await connection.publish(message('q', 'large', { body }))
  const got: Delivery[] = []
  const consumer = await connection.openConsumer({ credit: 1, onDelivery: (delivery) => got.push(delivery) })
  await consumer.subscribe([{ queue: queue('q') }])
  await until(() => got.length === 1)
  await got[0]?.settle({ action: 'park', reason: 'test', starts: 2 })
  const [parked] = await connection.parked.list('q')
  expect(Buffer.from(parked?.body ?? []).equals(body)).toBe(true)
  expect(await connection.parked.retry('q', [parked?.id ?? ''])).toBe(1)
  await until(() => got.length === 2)
  expect(Buffer.from(got[1]?.body ?? []).equals(body)).toBe(true)
})

it('B17: who lost the lease settles nothing, and leaves the count of starts alone', async () => {
  const late = await connect()
  const got: Delivery[] = []
  const onDelivery = (delivery: Delivery): void => void got.push(delivery)
  await (await late.openConsumer({ credit: 1, onDelivery })).subscribe([{ queue: queue('q') }])
  await late.publish(message('q', 'long'))
  await until(() => got.length === 1)
  expect(await got[0]?.countStart()).toBe(1)
  // Its process computes: nobody renews the lease, and somebody else puts the message back.
  const [tag] = (await server.command('HKEYS', 'unacked')) as string[]
  await server.command('ZADD', 'unacked_index', 1, tag ?? '')
  const next = await connect({ visibilityTimeout: 1 })
  await (await next.openConsumer({ credit: 1, onDelivery })).subscribe([{ queue: queue('q') }])
  await until(() => got.length === 2)
  expect(await got[1]?.countStart()).toBe(2)
  await got[0]?.settle({ action: 'ack' })
  expect(await server.command('HVALS', 'ct.starts')).toEqual(['2'])
  expect(await server.command('HLEN', 'unacked')).toBe(1)
  await got[1]?.settle({ action: 'ack' })
  expect(await server.command('KEYS', '*')).toEqual([])
})

async function holdForAGoneWorker(tag: string, exchange: string, key: string): Promise<void> {
  const envelope = { body: '', headers: {}, properties: {} }
  await server.command('HSET', 'unacked', tag, JSON.stringify([envelope, exchange, key]))
  await server.command('ZADD', 'unacked_index', 1, tag)
}

it('TRANS-33: whoever dies while it restores does not keep the others from it for Celery’s five minutes', async () => {
  await holdForAGoneWorker('tag', 'ex', 'key')
  // Bindings that cannot be read: it ends there, and its lock stays, as a death would leave it.
  await server.command('SET', '_kombu.binding.ex', 'no set')
  const consumer = await (await connect()).openConsumer({ credit: 1, onDelivery: () => {} })
  await consumer.subscribe([{ queue: queue('other') }])
  await until(async () => Number(await server.command('PTTL', 'unacked_mutex')) > 0)
  expect(Number(await server.command('PTTL', 'unacked_mutex'))).toBeLessThanOrEqual(10_000)
  expect(await server.command('HLEN', 'unacked')).toBe(1)
})

it('TRANS-33: an overdue message that its list does not take stays, and hinders no other', async () => {
  await holdForAGoneWorker('a', '', 'taken')
  await holdForAGoneWorker('b', '', 'q')
  await server.command('SET', 'taken', 'no list')
  const notices: Notice[] = []
  const consumer = await (
    await connect({ unackedRestoreInterval: 0.1 }, notices)
  ).openConsumer({ credit: 1, onDelivery: () => {} })
  await consumer.subscribe([{ queue: queue('other') }])
  await until(async () => (await server.command('LLEN', 'q')) === 1)
  expect(await server.command('HKEYS', 'unacked')).toEqual(['a'])
  await until(() => notices.some(({ kind }) => kind === 'warning'))
  expect(notices).toContainEqual({ kind: 'warning', message: expect.stringContaining('WRONGTYPE') as string })
  await server.command('DEL', 'taken')
  await until(async () => (await server.command('LLEN', 'taken')) === 1)
  expect(await server.command('EXISTS', 'unacked', 'unacked_index')).toBe(0)
})

it.each(['unacked', 'unacked_index', 'unacked_mutex', 'ct.starts', '_kombu.binding.celery'])(
  'no queue can be called %s: its list would be a key of ours',
  async (name) => {
    const connection = await connect()
    const refusal = { code: 'CT_UNSUPPORTED' }
    await expect(connection.declare([queue(name)])).rejects.toMatchObject(refusal)
    await expect(connection.publish(message(name, 'a'))).rejects.toMatchObject(refusal)
    const [first, second] = await connection.publishMany([message(name, 'b'), message('q', 'c')])
    expect(first).toMatchObject(refusal)
    expect(second).toBeUndefined()
    const consumer = await connection.openConsumer({ credit: 1, onDelivery: () => {} })
    await expect(consumer.subscribe([{ queue: queue(name) }])).rejects.toMatchObject(refusal)
    expect(await server.command('EXISTS', name)).toBe(0)
  },
)
