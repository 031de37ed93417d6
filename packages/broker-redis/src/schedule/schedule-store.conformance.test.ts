/** The schedule store on a real server, by the contract's duties. */
import { setTimeout as sleep } from 'node:timers/promises'
import type {
  OutgoingMessage,
  ScheduleRun,
  ScheduleStoreConnection,
  StoredScheduleEntry,
} from '@ct/contracts'
import { expect, it } from 'vitest'
import { redisScene } from '../../test/redis-scene.ts'
import { redisBroker } from '../broker/broker.ts'
import { redisScheduleStore } from './schedule-store.ts'

const { server, opened } = await redisScene()

const broker = redisBroker({ url: server.url })

async function connect(schedule?: string): Promise<ScheduleStoreConnection> {
  const store = redisScheduleStore({ url: server.url, ...(schedule === undefined ? {} : { schedule }) })
  opened.push(store)
  expect(store.firesWith(broker)).toBe(true)
  return store.connect({ onNotice: () => {} })
}

function entry(name: string, more: Partial<StoredScheduleEntry> = {}): StoredScheduleEntry {
  return {
    name,
    task: 'proj.tick',
    schedule: { type: 'interval', every: 10 },
    args: '[1, 1.0, 12345678901234567890]',
    kwargs: '{}',
    options: '{}',
    enabled: true,
    oneOff: false,
    startAt: undefined,
    expiresAt: undefined,
    description: '',
    origin: 'run-time',
    lastRunAt: undefined,
    totalRunCount: 0,
    ...more,
  }
}

function message(more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    body: Buffer.from('x'),
    contentType: 'text/plain',
    contentEncoding: 'utf-8',
    headers: { id: 'a' },
    properties: {},
    exchange: '',
    routingKey: 'q',
    ...more,
  }
}

it('S2, S3: what was saved is loaded, and a broken entry hides no other', async () => {
  const store = await connect()
  await store.save({
    put: [entry('b', { lastRunAt: 1234, totalRunCount: 3 }), entry('a'), entry('gone')],
    remove: [],
  })
  await store.save({ remove: ['gone', 'never there'] })
  const key = 'ct.schedule.default.entries'
  await server.command(
    'HSET',
    key,
    'text',
    'nonsense',
    'list',
    '[]',
    'task',
    '{"task": 1, "schedule": {}, "origin": "run-time"}',
  )
  await server.command('HSET', 'ct.schedule.default.runs', 'b', '1234 3', 'never', 'nonsense')
  const { entries, broken } = await store.load()
  expect(entries).toEqual([entry('a'), entry('b', { lastRunAt: 1234, totalRunCount: 3 })])
  expect(broken.map(({ name }) => name).toSorted()).toEqual(['list', 'task', 'text'])
  expect((await (await connect('other')).load()).entries).toEqual([])
})

it('S4: one leads at a time, tokens grow, an older one is refused', async () => {
  const [one, two] = [await connect(), await connect()]
  const first = await one.lead({ holder: 'one', ttlMs: 60 })
  expect(await two.lead({ holder: 'two', ttlMs: 60 })).toBeUndefined()
  expect((await one.lead({ holder: 'one', ttlMs: 60 }))?.token).toBe(first?.token)
  await one.save({ put: [entry('a')], token: first?.token })
  await sleep(80)
  // Its time is over, but nobody else came.
  await one.save({ put: [entry('a')], token: first?.token })
  const second = await two.lead({ holder: 'two', ttlMs: 60_000 })
  expect(second?.token).toBeGreaterThan(first?.token ?? Infinity)
  await expect(one.save({ put: [entry('late')], token: first?.token })).rejects.toMatchObject({
    code: 'CT_LEASE_LOST',
  })
  await expect(
    one.fire({ run: { name: 'a', lastRunAt: 1, totalRunCount: 1 }, message: message(), token: first?.token }),
  ).rejects.toMatchObject({ code: 'CT_LEASE_LOST' })
  await one.resign('one')
  expect(await one.lead({ holder: 'one', ttlMs: 60 })).toBeUndefined()
  await two.resign('two')
  expect((await one.lead({ holder: 'one', ttlMs: 60 }))?.token).toBeGreaterThan(second?.token ?? Infinity)
  expect((await one.load()).entries.map(({ name }) => name)).toEqual(['a'])
  expect(await server.command('LLEN', 'q')).toBe(0)
})

it('S5, BEAT-62: whoever changes entries by hand moves the marker, and everything is read; without it nothing is seen', async () => {
  const [one, two] = [await connect(), await connect()]
  await two.save({ put: [entry('a')] })
  const { marker } = await one.load()
  const { name: _name, ...row } = entry('by hand')
  await server.command('HSET', 'ct.schedule.default.entries', 'by hand', JSON.stringify(row))
  expect(await one.changes(marker)).toMatchObject({ entries: [], marker, more: false })
  await server.command('INCR', 'ct.schedule.default.marker')
  expect(await one.changes(marker)).toBeUndefined()
  const all = await one.load()
  expect(all.entries.map(({ name }) => name)).toEqual(['a', 'by hand'])
  // From then on as before.
  await two.save({ put: [entry('c')] })
  expect((await one.changes(all.marker))?.entries.map(({ name }) => name)).toEqual(['c'])
  expect(await one.changes(marker)).toBeUndefined()
})

it('S5: the log of changes is bounded; who is further behind reads everything', async () => {
  const [one, two] = [await connect(), await connect()]
  const { marker } = await one.load()
  const { after } = await two.save({ put: [entry('a')] })
  const many = Array.from({ length: 1000 }, (_, index) => entry(`e${index}`))
  for (let round = 0; round < 10; round++) await two.save({ put: many })
  expect(await server.command('LLEN', 'ct.schedule.default.changes')).toBe(10_000)
  expect((await one.changes(after))?.more).toBe(true)
  expect(await one.changes(marker)).toBeUndefined()
  for (const broken of ['', 'x', '-1', '1e99', String(Number(after) + 1e6)])
    expect(await one.changes(broken)).toBeUndefined()
})

it('S4: a leader of before a FLUSHALL is refused by token, even where it was the first one', async () => {
  const [one, two] = [await connect(), await connect()]
  const old = (await one.lead({ holder: 'one', ttlMs: 60_000 }))!
  await server.command('FLUSHALL')
  const fresh = (await two.lead({ holder: 'two', ttlMs: 60_000 }))!
  await two.save({ put: [entry('a')], token: fresh.token })
  expect(fresh.token).toBeGreaterThan(old.token)
  expect(Math.abs(fresh.token / 1000 - Date.now())).toBeLessThan(60_000)
  const run = { name: 'a', lastRunAt: 1, totalRunCount: 1 }
  await expect(one.fire({ run, message: message(), token: old.token })).rejects.toMatchObject({
    code: 'CT_LEASE_LOST',
  })
  expect(await server.command('LLEN', 'q')).toBe(0)
})

it.each([undefined, '', 'x', '-5', '1e30'])(
  'S4: the last token is lost or written over (%s): the leader gets one that holds',
  async (content) => {
    const one = await connect()
    const old = (await one.lead({ holder: 'one', ttlMs: 60_000 }))!
    if (content === undefined) await server.command('DEL', 'ct.schedule.default.token')
    else await server.command('SET', 'ct.schedule.default.token', content)
    const fresh = (await one.lead({ holder: 'one', ttlMs: 60_000 }))!
    expect(fresh.token).toBeGreaterThan(old.token)
    await one.save({ put: [entry('a')], token: fresh.token })
    await expect(one.save({ token: old.token })).rejects.toMatchObject({ code: 'CT_LEASE_LOST' })
    expect((await one.lead({ holder: 'one', ttlMs: 60_000 }))?.token).toBe(fresh.token)
  },
)

it('S6: firing sends the task and saves the entry in one step, to queues, exchanges and fanout alike', async () => {
  const store = await connect()
  await store.save({ put: [entry('a')] })
  const run = (totalRunCount: number): ScheduleRun => ({
    name: 'a',
    lastRunAt: totalRunCount * 1000,
    totalRunCount,
  })
  await store.fire({
    run: run(1),
    message: message({ properties: { priority: 9 } }),
    token: undefined,
  })
  expect(await server.command('LLEN', 'q\x06\x169')).toBe(1)
  expect((await store.load()).entries[0]?.totalRunCount).toBe(1)
  const connection = await broker.connect({ onNotice: () => {} })
  opened.push(connection)
  const exchange = { name: 'ex', type: 'topic', durable: true, autoDelete: false }
  const queue = {
    name: 'bound',
    durable: true,
    exclusive: false,
    autoDelete: false,
    bindings: [{ exchange, routingKey: 'a.#' }],
  }
  await connection.declare([queue])
  await store.fire({
    run: run(2),
    message: message({ exchange: 'ex', routingKey: 'a.b' }),
    token: undefined,
  })
  expect(await connection.queueSize('bound')).toBe(1)
  const heard: unknown[] = []
  const consumer = await connection.openConsumer({
    credit: 1,
    onDelivery: (delivery) => heard.push(delivery.headers['id']),
  })
  const shout = { name: 'shout', type: 'fanout', durable: true, autoDelete: false }
  await consumer.subscribe([
    { queue: { ...queue, name: 'ear', bindings: [{ exchange: shout, routingKey: '' }] }, noAck: true },
  ])
  await store.fire({
    run: run(3),
    message: message({ exchange: 'shout', routingKey: '', exchangeType: 'fanout' }),
    token: undefined,
  })
  for (let tries = 0; heard.length === 0 && tries < 200; tries++) await sleep(5)
  expect(heard).toEqual(['a'])
})
