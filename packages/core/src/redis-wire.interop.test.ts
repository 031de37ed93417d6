/** The same things done by Celery 5.7 and by ct on one Redis, and what both leave there: keys, members, channels. */
import { setTimeout as sleep } from 'node:timers/promises'
import { python, startPythonWorker, tryPython } from '@ct-tools/interop'
import { freshRedis, tryServices, type FreshRedis } from '@ct-tools/services'
import { redis as redisAdapter, redisBackend, redisBroker } from '@ct/broker-redis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chord, createApp, EventReceiver, group, type App, type AppOptions, type Worker } from './index.ts'
import { listen } from './fixtures/listen.ts'

const ready = (await tryServices(['redis'])) !== undefined && (await tryPython('5.7'))

let redis: FreshRedis
const opened: AsyncDisposable[] = []
const command = async (...words: string[]): Promise<unknown> => {
  using connection = await redis.connect()
  return await connection.command(...words)
}
const pythonApp = (): { broker: string; backend: string } => ({ broker: redis.url, backend: redis.url })

function ctApp(options: AppOptions = {}): App {
  const app = createApp({
    name: 'node',
    broker: redisBroker({ url: redis.url }),
    backend: redisBackend({ url: redis.url }),
    environment: {},
    ...options,
  })
  opened.push(app)
  return app
}

async function work(app: App, queue: string): Promise<Worker> {
  const worker = app.worker({ hostname: 'ct@wire', queues: queue, withoutMingle: true, concurrency: 1 })
  await worker.start()
  opened.push({ [Symbol.asyncDispose]: () => worker.stop({ mode: 'cold' }) })
  return worker
}

beforeEach(async () => {
  redis = await freshRedis()
})
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one[Symbol.asyncDispose]()
  await redis.release()
})

interface Envelope {
  readonly body: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly properties: Readonly<Record<string, unknown>> & {
    readonly delivery_info: Readonly<Record<string, unknown>>
  }
}

async function until<T>(what: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 15_000; Date.now() < end; await sleep(10)) {
    const found = await what()
    if (found !== undefined) return found
  }
  throw new Error('waited 15 s in vain')
}

describe.skipIf(!ready)('what is on Redis', () => {
  it('WIRE-20, WIRE-21, WIRE-9, TRANS-11: a message of each, on the list of its priority step', async () => {
    await using client = await python('5.7', pythonApp())
    const app = ctApp()
    for (const priority of [0, 2, 3, 7, 9]) {
      await client.exec(`app.send_task('t', args=(1, 'ü'), kwargs={'z': None}, queue='py', priority=_p)`, {
        _p: priority,
      })
      await app.sendTask('t', { args: [1, 'ü'], kwargs: { z: null }, queue: 'node', priority })
    }
    const keys = (await command('KEYS', '*')) as string[]
    const lists = (name: string): string[] =>
      keys.filter((key) => key === name || key.startsWith(`${name}\x06`)).map((key) => key.slice(name.length))
    expect(lists('node').toSorted()).toEqual(lists('py').toSorted())
    expect(lists('node').toSorted()).toEqual(['', '\x06\x163', '\x06\x166', '\x06\x169'])
    const [mine] = (await command('LRANGE', 'node', '0', '0')) as string[]
    const [theirs] = (await command('LRANGE', 'py', '0', '0')) as string[]
    const [a, b] = [JSON.parse(mine!) as Envelope, JSON.parse(theirs!) as Envelope]
    expect(Object.keys(a).toSorted()).toEqual(Object.keys(b).toSorted())
    expect(Object.keys(a.headers).toSorted()).toEqual(Object.keys(b.headers).toSorted())
    expect(Object.keys(a.properties).toSorted()).toEqual(Object.keys(b.properties).toSorted())
    expect(Buffer.from(a.body, 'base64').toString()).toBe(Buffer.from(b.body, 'base64').toString())
    const same = [
      'task',
      'argsrepr',
      'kwargsrepr',
      'timelimit',
      'retries',
      'shadow',
      'ignore_result',
    ] as const
    for (const name of same) expect(a.headers[name]).toEqual(b.headers[name])
    expect([a.headers['root_id'], a.headers['parent_id']]).toEqual([a.headers['id'], null])
    expect(a.properties.delivery_info).toEqual({ exchange: '', routing_key: 'node' })
    expect(b.properties.delivery_info).toEqual({ exchange: '', routing_key: 'py' })
  })

  it('WIRE-3, WIRE-2: root and parent of what a task sends', async () => {
    const app = ctApp()
    app.task('outer', async () => {
      await app.sendTask('inner', { queue: 'later' })
    })
    await work(app, 'celery')
    const { id } = await app.sendTask('outer')
    const text = await until(async () => ((await command('LRANGE', 'later', '0', '0')) as string[])[0])
    const { headers } = JSON.parse(text) as Envelope
    expect([headers['root_id'], headers['parent_id'], headers['lang']]).toEqual([id, id, 'py'])
  })

  it('WIRE-22, TRANS-32: a held message of each, filed alike', async () => {
    await using client = await python('5.7', pythonApp())
    const app = ctApp()
    const go = Promise.withResolvers<void>()
    app.task('hold', () => go.promise)
    await work(app, 'node')
    const worker = await startPythonWorker({ version: '5.7', ...pythonApp(), concurrency: 1, queues: ['py'] })
    const theirs = await client.send('interop_tasks.late_record', ['x', 30], {}, { queue: 'py' })
    const mine = await app.sendTask('hold', { queue: 'node', args: [] })
    const held = await until(async () => {
      const all = (await command('HGETALL', 'unacked')) as string[]
      return all.length === 4 ? all : undefined
    })
    const tags = held.filter((_, at) => at % 2 === 0)
    const entries = held.filter((_, at) => at % 2 === 1).map((text) => JSON.parse(text) as unknown[])
    const of = (id: string): unknown[] =>
      entries.find((entry) => (entry[0] as Envelope).headers['id'] === id) as unknown[]
    expect(of(mine.id).slice(1)).toEqual(['', 'node'])
    expect(of(theirs).slice(1)).toEqual(['', 'py'])
    const [a, b] = [of(mine.id)[0] as Envelope, of(theirs)[0] as Envelope]
    expect(Object.keys(a.properties).toSorted()).toEqual(Object.keys(b.properties).toSorted())
    for (const tag of tags) {
      const score = Number(await command('ZSCORE', 'unacked_index', tag))
      expect(Math.abs(score - Date.now() / 1000)).toBeLessThan(3700)
    }
    go.resolve()
    await worker.kill()
  })

  it('WIRE-23, TRANS-34: a cold stop gives back everything, what ran is marked', async () => {
    const app = ctApp()
    app.task('hang', { bind: true }, async (task) => {
      await new Promise((resolve) => {
        task.signal.addEventListener('abort', resolve)
      })
    })
    const worker = await work(app, 'node')
    const { id } = await app.sendTask('hang', { queue: 'node' })
    await expect.poll(() => worker.counts.active).toBe(1)
    const behind = await app.sendTask('hang', { queue: 'node' })
    await worker.stop({ mode: 'cold' })
    const texts = (await command('LRANGE', 'node', '0', '-1')) as string[]
    const envelopes = texts.map((text) => JSON.parse(text) as Envelope)
    const marks = new Map(
      envelopes.map(({ headers, properties }) => [
        headers['id'],
        [headers['redelivered'] ?? false, properties.delivery_info['redelivered'] ?? false],
      ]),
    )
    expect(marks).toEqual(
      new Map([
        [id, [true, true]],
        [behind.id, [false, false]],
      ]),
    )
    expect(await command('EXISTS', 'unacked', 'unacked_index')).toBe(0)
  })

  it('WIRE-25, WIRE-50, WIRE-54: broadcasts and events go to the channels that Python’s go to', async () => {
    await using client = await python('5.7', pythonApp())
    const app = ctApp({ workerSendTaskEvents: true })
    app.task('t', () => 1)
    const heard: string[] = []
    await using _listener = await listen(redis.url, `/${redis.db}.*`, (channel) => heard.push(channel))
    await work(app, 'node')
    const peer = await startPythonWorker({ version: '5.7', ...pythonApp(), events: true, queues: ['py'] })
    await app.control.broadcast('noop')
    await client.exec(`app.control.broadcast('noop')`)
    await (await app.sendTask('t', { queue: 'node' })).get({ timeoutMs: 20_000 })
    await client.get(await client.send('interop_tasks.add', [1, 1], {}, { queue: 'py' }))
    await expect.poll(() => heard.filter((one) => one.endsWith('task.multi')).length).toBeGreaterThan(1)
    await peer.stop()
    const { db } = redis
    expect(heard.filter((one) => one === `/${db}.celery.pidbox`).length).toBeGreaterThanOrEqual(2)
    expect(
      new Set(heard.map((one) => one.replace(`/${db}.`, ''))).difference(new Set(celeryChannels)),
    ).toEqual(new Set())
  })

  it('WIRE-34: a part of a chord worked by each: one key of parts, the size, and their expiry', async () => {
    await using client = await python('5.7', pythonApp())
    const app = ctApp()
    app.task('part', (n: number) => n)
    const [mine, theirs] = [
      app.signature('part', { args: [1] }).set({ queue: 'node' }),
      app.signature('interop_tasks.identity', { args: [2] }).set({ queue: 'py' }),
    ]
    const never = app.signature('part', { args: [3] }).set({ queue: 'nobody' })
    const handle = await chord([mine, theirs, never], app.signature('interop_tasks.xsum')).applyAsync()
    await work(app, 'node')
    await using worker = await startPythonWorker({ version: '5.7', ...pythonApp(), queues: ['py'] })
    const key = await until(async () => {
      const [found] = (await command('KEYS', 'celery-taskset-meta-*.j')) as string[]
      return found !== undefined && (await command('ZCARD', found)) === 2 ? found : undefined
    })
    const members = (await command('ZRANGE', key, '0', '-1', 'WITHSCORES')) as string[]
    expect([members[1], members[3]]).toEqual(['0', '1'])
    const parts = [members[0]!, members[2]!].map((text) => JSON.parse(text) as unknown[])
    expect(parts.map(([one, , state, value]) => [one, state, value])).toEqual([
      [1, 'SUCCESS', 1],
      [1, 'SUCCESS', 2],
    ])
    expect(await command('GET', key.replace(/j$/, 's'))).toBe('3')
    for (const suffix of ['j', 's']) {
      expect(Number(await command('TTL', key.replace(/j$/, suffix)))).toBeGreaterThan(86_000)
    }
    expect(handle.id).not.toBe('')
    await client.exec('1')
    await worker.stop()
  })

  it('WIRE-35, BACK-5, BACK-31: a result is told on the channel of its key, in the words that are stored', async () => {
    const app = ctApp()
    app.task('t', () => 7)
    const told: (readonly [string, string])[] = []
    await using _listener = await listen(redis.url, 'celery-task-meta-*', (channel, text) =>
      told.push([channel, text]),
    )
    await work(app, 'node')
    const result = await app.sendTask('t', { queue: 'node' })
    await result.get({ timeoutMs: 20_000 })
    const key = `celery-task-meta-${result.id}`
    // Channels belong to the whole server, not to a database of it.
    const toldOfKey = (): (readonly [string, string])[] => told.filter(([channel]) => channel === key)
    await expect.poll(() => toldOfKey().length).toBe(1)
    expect(toldOfKey()).toEqual([[key, await command('GET', key)]])
    await using client = await python('5.7', pythonApp())
    expect(await client.get(result.id)).toBe(7)
  })

  it('WIRE-33, BACK-6: a saved group, read by Python', async () => {
    const app = ctApp({ adapters: [redisAdapter] })
    app.task('t', () => 7)
    await work(app, 'node')
    const handle = await group([
      app.signature('t').set({ queue: 'node' }),
      app.signature('t').set({ queue: 'node' }),
    ]).applyAsync()
    await handle.get({ timeoutMs: 20_000 })
    await handle.save()
    const saved = JSON.parse((await command('GET', `celery-taskset-meta-${handle.id}`)) as string) as {
      result: unknown
    }
    expect(saved.result).toEqual([[handle.id, null], handle.results.map(({ id }) => [[id, null], null])])
    await using client = await python('5.7', pythonApp())
    expect(await client.exec(`GroupResult.restore(_id).get(timeout=10)`, { _id: handle.id })).toEqual([7, 7])
  })

  it('WIRE-56, EVT-29: a heartbeat of ct names its software and its figures', async () => {
    const app = ctApp()
    app.task('t', () => 1)
    const beats: Record<string, unknown>[] = []
    const { broker, serializers, clock } = app.context
    await using receiver = new EventReceiver({
      broker: () => broker,
      serializers,
      clock,
      routingKey: 'worker.#',
      handlers: { '*': (event) => void beats.push({ ...event }) },
    })
    await receiver.start()
    await work(app, 'node')
    await expect.poll(() => beats.length).toBeGreaterThan(0)
    expect(beats[0]).toMatchObject({
      hostname: 'ct@wire',
      freq: 2,
      active: 0,
      processed: 0,
      sw_ident: expect.stringMatching(/ct/) as unknown,
      utcoffset: 0,
    })
    expect(beats[0]!['loadavg']).toHaveLength(3)
  })
})

const celeryChannels = [
  'celery.pidbox',
  'celeryev/worker.online',
  'celeryev/worker.heartbeat',
  'celeryev/worker.offline',
  'celeryev/task.multi',
]
