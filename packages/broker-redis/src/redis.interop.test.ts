/** Together with real Python Celery on the same keys: who restores whose messages, whose results, whose chords. */
import { setTimeout as sleep } from 'node:timers/promises'
import { python, startPythonWorker, tryPython, type CeleryVersion, type PythonApp } from '@ct-tools/interop'
import { freshRedis, type FreshRedis } from '@ct-tools/services'
import type {
  BrokerConnection,
  Consumer,
  Delivery,
  Notice,
  OutgoingMessage,
  QueueDeclaration,
  ResultBackendConnection,
} from '@ct/contracts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { redisBackend, redisBroker, type RedisBackendOptions, type RedisBrokerOptions } from './index.ts'

const ready = { '5.7': await tryPython('5.7'), '5.4': await tryPython('5.4') }

let redis: FreshRedis
const opened: { close(): Promise<void> }[] = []
beforeEach(async () => {
  redis = await freshRedis()
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
  await redis.release()
})

function app(config: Record<string, unknown> = {}): PythonApp {
  const transport = { visibility_timeout: 1, unacked_restore_interval: 0.5, unacked_restore_throttle: 1 }
  return { broker: redis.url, backend: redis.url, config: { broker_transport_options: transport, ...config } }
}

function queue(
  name: string,
  bindings: QueueDeclaration['bindings'] = [],
  more: Partial<QueueDeclaration> = {},
): QueueDeclaration {
  return { name, durable: true, exclusive: false, autoDelete: false, bindings, ...more }
}

interface Ct {
  readonly connection: BrokerConnection
  readonly notices: Notice[]
  readonly got: Delivery[]
  readonly consumer: Consumer
}

async function ct(
  queues: readonly (string | QueueDeclaration)[],
  options: RedisBrokerOptions & { credit?: number; noAck?: boolean } = {},
): Promise<Ct> {
  const { credit = 10, noAck = false, ...rest } = options
  const broker = redisBroker({ url: redis.url, visibilityTimeout: 1, unackedRestoreInterval: 0.3, ...rest })
  opened.push(broker)
  const notices: Notice[] = []
  const got: Delivery[] = []
  const connection = await broker.connect({ onNotice: (notice) => notices.push(notice) })
  const consumer = await connection.openConsumer({ credit, onDelivery: (one) => got.push(one) })
  await consumer.subscribe(
    queues.map((one) => ({ queue: typeof one === 'string' ? queue(one) : one, noAck })),
  )
  return { connection, notices, got, consumer }
}

async function results(options: RedisBackendOptions = {}): Promise<ResultBackendConnection> {
  const backend = redisBackend({ url: redis.url, ...options })
  opened.push(backend)
  return backend.connect({ onNotice: () => {} })
}

async function until(what: () => boolean | Promise<boolean>, ms = 15_000): Promise<void> {
  const end = Date.now() + ms
  while (!(await what())) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain`)
    await sleep(20)
  }
}

async function dump(): Promise<string[]> {
  using connection = await redis.connect()
  return ((await connection.command('KEYS', '*')) as string[]).toSorted()
}

describe.each(['5.7', '5.4'] as const)('Celery %s', (version: CeleryVersion) => {
  const available = ready[version]

  it.skipIf(!available)(
    'TRANS-33: a Python worker restores what a dead ct worker held',
    async () => {
      await using client = await python(version, app())
      const ids = [
        await client.send('interop_tasks.late_record', ['low'], {}, { priority: 9 }),
        await client.send('interop_tasks.late_record', ['high'], {}, { priority: 0 }),
        await client.send(
          'interop_tasks.late_record',
          ['żółw'],
          { seconds: 0 },
          { queue: 'other', priority: 4 },
        ),
      ]
      const dead = await ct(['celery', 'other'], { visibilityTimeout: 3600 })
      await until(() => dead.got.length === 3)
      await dead.consumer.close({ unsettled: 'keep' })
      await dead.connection.close()
      await sleep(1100)
      await using worker = await startPythonWorker({ version, ...app(), queues: ['celery', 'other'] })
      expect(await Promise.all(ids.map((id) => client.get(id, 20)))).toEqual(['low', 'high', 'żółw'])
      expect(worker.records.map(({ redelivered }) => redelivered)).toEqual([true, true, true])
      await worker.stop()
      expect((await dump()).filter((key) => key.startsWith('unacked'))).toEqual([])
    },
    60_000,
  )

  it.skipIf(!available)(
    'TRANS-33: ct restores what a dead Python worker held',
    async () => {
      await using client = await python(version, app())
      const worker = await startPythonWorker({
        version,
        ...app(),
        concurrency: 2,
        queues: ['celery', 'other'],
      })
      const ids = [
        await client.send('interop_tasks.late_record', ['one', 60]),
        await client.send('interop_tasks.late_record', ['two', 60], {}, { queue: 'other', priority: 6 }),
      ]
      await until(() => worker.records.length === 2)
      await worker.kill()
      const heir = await ct(['celery', 'other'])
      await until(() => heir.got.length === 2)
      expect(heir.got.map((one) => one.headers['id']).toSorted()).toEqual(ids.toSorted())
      for (const one of heir.got) {
        expect(one.info.redelivered).toBe(true)
        expect(one.headers['task']).toBe('interop_tasks.late_record')
        expect(JSON.parse(String(one.body))[0]).toEqual([one.queue === 'other' ? 'two' : 'one', 60])
        await one.settle({ action: 'ack' })
      }
      // In one look or in two: their leases ran out one after the other.
      const counts = heir.notices.map((notice) => (notice.kind === 'restored' ? notice.count : 0))
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(2)
      expect((await dump()).filter((key) => key.startsWith('unacked'))).toEqual([])
    },
    60_000,
  )

  it.skipIf(!available)(
    'TRANS-33: ct restores to a topic exchange it never heard of, and keeps what nobody is bound for',
    async () => {
      await using client = await python(version, app())
      await client.exec(`
      with app.connection_for_write() as connection:
          channel = connection.default_channel
          exchange = Exchange('news', type='topic')
          Queue('sport', exchange, routing_key='news.*.sport')(channel).declare()
          producer = Producer(channel, auto_declare=False)
          producer.publish('x', exchange='news', routing_key='news.uk.sport', headers={'id': 'wanted'}, content_type='text/plain')
          message = Queue('sport')(channel).get()
          import json, time
          for tag, key in (('kept', 'news.uk.cooking'), ('wanted', 'news.uk.sport')):
              raw = {'body': '', 'content-encoding': 'utf-8', 'content-type': 'text/plain', 'headers': {'id': tag},
                     'properties': {'delivery_info': {'exchange': 'news', 'routing_key': key}, 'delivery_tag': tag, 'priority': 0}}
              channel.client.zadd('unacked_index', {tag: time.time() - 100})
              channel.client.hset('unacked', tag, json.dumps([raw, 'news', key]))
          message.ack()
    `)
      const heir = await ct(['sport'])
      await until(() => heir.got.length === 1)
      expect([heir.got[0]?.headers['id'], heir.got[0]?.info]).toEqual([
        'wanted',
        { exchange: 'news', routingKey: 'news.uk.sport', priority: 0, redelivered: true },
      ])
      await heir.got[0]?.settle({ action: 'ack' })
      await until(() => heir.notices.some(({ kind }) => kind === 'warning'))
      using connection = await redis.connect()
      expect(await connection.command('HKEYS', 'unacked')).toEqual(['kept'])
    },
    60_000,
  )
})

it.skipIf(!ready['5.7'])(
  'BACK-31, BACK-32: results travel both ways, and a SUCCESS stands, compressed or not',
  async () => {
    await using client = await python('5.7', app())
    const store = await results()
    const told: string[] = []
    const subscription = store.subscribe(({ taskId, document }) =>
      told.push(`${taskId} ${JSON.parse(String(document)).status}`),
    )
    const pythonStores = (id: string, state: string): Promise<unknown> =>
      client.exec(`app.backend.store_result(_id, 3, _state)`, { _id: id, _state: state })
    await pythonStores('early', 'SUCCESS')
    await subscription.add(['early', 'late'])
    expect(told).toEqual(['early SUCCESS'])
    await pythonStores('late', 'STARTED')
    await pythonStores('late', 'SUCCESS')
    await until(() => told.length === 3)
    expect(told.slice(1)).toEqual(['late STARTED', 'late SUCCESS'])
    const write = (taskId: string, status: string) => ({
      taskId,
      state: status,
      ready: true,
      document: Buffer.from(
        JSON.stringify({ status, result: 'ct', traceback: null, children: [], task_id: taskId }),
      ),
      expiresInMs: 60_000,
    })
    await store.store([write('early', 'FAILURE'), write('mine', 'SUCCESS')])
    expect(await client.get('early')).toBe(3)
    expect(await client.get('mine')).toBe('ct')

    await using compressing = await python('5.7', app({ result_compression: 'gzip' }))
    for (const state of ['SUCCESS', 'STARTED'])
      await compressing.exec(`app.backend.store_result(_id, 3, _id)`, { _id: state })
    await store.store([write('SUCCESS', 'FAILURE'), write('STARTED', 'SUCCESS')])
    expect(await client.get('SUCCESS')).toBe(3)
    expect(await client.get('STARTED')).toBe('ct')
  },
  60_000,
)

it.skipIf(!ready['5.7'])(
  'BACK-34, BACK-35: a chord whose parts are counted by ct and by Python',
  async () => {
    const patient = app({ broker_transport_options: {} })
    await using client = await python('5.7', patient)
    const store = await results()
    const chord = store.chord!
    const hand = await ct(['celery'], { credit: 1, visibilityTimeout: 3600 })
    const part = async (delivery: Delivery) => {
      const {
        id: taskId,
        group: groupId,
        group_index: groupIndex,
      } = delivery.headers as { id: string; group: string; group_index: number }
      const [[x, y]] = JSON.parse(String(delivery.body)) as [[number, number]]
      const document = Buffer.from(JSON.stringify({ status: 'SUCCESS', result: x + y, task_id: taskId }))
      await store.store([{ taskId, state: 'SUCCESS', ready: true, document, expiresInMs: 60_000 }])
      const text = JSON.stringify([1, taskId, 'SUCCESS', x + y])
      const progress = await chord.record({
        groupId,
        taskId,
        groupIndex,
        part: Buffer.from(text),
        expiresInMs: 60_000,
        claimMs: 6000,
      })
      return { groupId, progress }
    }

    // The first part by us, the rest and the body by Python.
    const first = await client.apply('chord([add.s(1, 1), add.s(2, 2), add.s(3, 3)], xsum.s())')
    await until(() => hand.got.length === 1)
    await hand.consumer.stop()
    expect((await part(hand.got[0]!)).progress).toMatchObject({ state: 'open', count: 1, total: 3 })
    await hand.got[0]!.settle({ action: 'ack' })
    const worker = await startPythonWorker({ version: '5.7', ...patient })
    expect(await client.get(first, 20)).toBe(12)
    // A late duplicate of our part is ignored.
    expect((await part(hand.got[0]!)).progress).toEqual({ state: 'closed' })

    // The other way round: Python has the first parts, the last one is ours.
    await worker.stop()
    const second = await client.apply('chord([add.s(1, 1), add.s(2, 2)], xsum.s())')
    const one = await ct(['celery'], { credit: 1, visibilityTimeout: 3600 })
    await until(() => one.got.length === 1)
    await one.consumer.stop()
    await using again = await startPythonWorker({ version: '5.7', ...patient })
    await until(async () => (await dump()).some((key) => key.endsWith('.j')))
    const { groupId, progress } = await part(one.got[0]!)
    await one.got[0]!.settle({ action: 'ack' })
    expect(progress.state).toBe('complete')
    const token = progress.state === 'complete' ? progress.token : ''
    const parts = (await chord.parts(groupId)).map(
      (bytes) => JSON.parse(String(bytes)) as [number, string, string, number],
    )
    expect(parts.map(([, , state, value]) => [state, value])).toEqual([
      ['SUCCESS', 2],
      ['SUCCESS', 4],
    ])
    expect(await chord.extendClaim({ groupId, token, claimMs: 20_000 })).toBe(true)
    await client.send('interop_tasks.xsum', [parts.map(([, , , value]) => value)], {}, { task_id: second })
    expect(await client.get(second, 20)).toBe(6)
    await chord.finish({ groupId, token, doneMs: 60_000 })
    expect((await dump()).filter((key) => key.includes(`taskset-meta-${groupId}`))).toEqual([
      `celery-taskset-meta-${groupId}.c`,
    ])
    await again.stop()
  },
  90_000,
)

it.skipIf(!ready['5.7'])(
  'TRANS-36, WIRE-24: remote control from Python arrives, and the reply finds its way back',
  async () => {
    await using client = await python('5.7', app())
    const exchange = { name: 'celery.pidbox', type: 'fanout', durable: false, autoDelete: false }
    const mailbox = queue('ct@here.celery.pidbox', [{ exchange, routingKey: '' }], {
      durable: false,
      autoDelete: true,
      exclusive: true,
      arguments: { 'x-expires': 10_000, 'x-message-ttl': 300_000 },
    })
    const us = await ct([mailbox], { noAck: true })
    const asked = client.exec<unknown>(`app.control.broadcast('ping', reply=True, timeout=5, limit=1)`)
    await until(() => us.got.length === 1)
    const question = JSON.parse(String(us.got[0]?.body)) as {
      method: string
      ticket: string
      reply_to: { exchange: string; routing_key: string }
    }
    expect(question.method).toBe('ping')
    const reply: OutgoingMessage = {
      body: Buffer.from(JSON.stringify({ 'ct@here': { ok: 'pong' } })),
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      headers: { ticket: question.ticket, clock: 1 },
      properties: { deliveryMode: 1 },
      exchange: question.reply_to.exchange,
      routingKey: question.reply_to.routing_key,
    }
    await us.connection.publish(reply)
    expect(await asked).toEqual([{ 'ct@here': { ok: 'pong' } }])
    // And the binding is as Python makes it: with a deadline, and gone with its consumer.
    using connection = await redis.connect()
    expect(await connection.command('SMEMBERS', '_kombu.binding.celery.pidbox')).toEqual([
      '\x06\x16\x06\x16ct@here.celery.pidbox',
    ])
    expect(
      Number(await connection.command('ZSCORE', '_kombu.binding_deadlines', 'celery.pidbox')),
    ).toBeGreaterThan(Date.now() + 3_000_000)
    await us.consumer.close()
    expect(await connection.command('EXISTS', '_kombu.binding.celery.pidbox')).toBe(0)
  },
  60_000,
)

it.skipIf(!ready['5.7'])(
  'TRANS-36: events of a Python worker arrive; broadcast tasks of a Python producer arrive although it pushes them',
  async () => {
    await using client = await python('5.7', app())
    const events = { name: 'celeryev', type: 'fanout', durable: true, autoDelete: false }
    const ear = await ct(
      [queue('celeryev.test', [{ exchange: events, routingKey: '#' }], { autoDelete: true, durable: false })],
      { noAck: true },
    )
    await using worker = await startPythonWorker({ version: '5.7', ...app(), events: true })
    await client.get(await client.send('interop_tasks.add', [2, 2]), 20)
    await until(() => ear.got.some((one) => one.info.routingKey === 'task.multi'))
    await worker.stop()

    const shout = { name: 'shout', type: 'fanout', durable: true, autoDelete: false }
    const crowd = [
      await ct([queue('bcast.one', [{ exchange: shout, routingKey: 'celery' }], { autoDelete: true })]),
      await ct([queue('bcast.two', [{ exchange: shout, routingKey: 'celery' }], { autoDelete: true })]),
    ]
    // This producer declares nothing, so it takes the exchange for a direct one.
    await client.exec(
      `app.send_task('interop_tasks.noop', exchange='shout', routing_key='celery', task_id='b')`,
    )
    await until(() => crowd.every(({ got }) => got.length === 1))
    for (const { got } of crowd) await got[0]?.settle({ action: 'ack' })
    const message = {
      body: Buffer.from('[[], {}, {}]'),
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      headers: { id: 'c' },
      properties: {},
    }
    await crowd[0]?.connection.publish({ ...message, exchange: 'shout', routingKey: 'celery' })
    await until(() => crowd.every(({ got }) => got.length === 2))
    for (const { got } of crowd) await got[1]?.settle({ action: 'ack' })
  },
  60_000,
)

it.skipIf(!ready['5.7'])(
  'D57-30, D57-33: bindings of ct and of Python are the same',
  async () => {
    await using client = await python('5.7', app())
    await client.exec(`
    with app.connection_for_write() as connection:
        Queue('t', Exchange('top', type='topic'), routing_key='a.*.b_c.#')(connection.default_channel).declare()
        Queue('d', Exchange('dir', type='direct'), routing_key='key')(connection.default_channel).declare()
        Queue('e', Exchange('exp', type='direct'), routing_key='key', expires=10)(connection.default_channel).declare()
  `)
    const before = await client.redisDump('_kombu*')
    const { connection } = await ct([])
    const exchange = (name: string, type: string) => ({ name, type, durable: true, autoDelete: false })
    const declarations = [
      queue('t', [{ exchange: exchange('top', 'topic'), routingKey: 'a.*.b_c.#' }]),
      queue('d', [{ exchange: exchange('dir', 'direct'), routingKey: 'key' }]),
      queue('e', [{ exchange: exchange('exp', 'direct'), routingKey: 'key' }], {
        arguments: { 'x-expires': 10_000 },
      }),
    ]
    await connection.declare(declarations)
    const values = (found: typeof before): unknown =>
      Object.entries(found).map(([key, { value }]) => [
        key,
        key.endsWith('deadlines') ? (value as [string, number][]).map(([name]) => name) : value,
      ])
    expect(values(await client.redisDump('_kombu*'))).toEqual(values(before))
    for (const { name } of declarations) await connection.deleteQueue(name)
    expect(Object.keys(await client.redisDump('_kombu*'))).toEqual(['_kombu.binding_deadlines'])
  },
  60_000,
)
