import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { createApp, type App } from '@ct/client'
import { jsonSerializer, type Compressor, type QueueDeclaration, type Serializer } from '@ct/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import {
  expectNotSent,
  expectSent,
  fakeClock,
  forgetSent,
  sent,
  startTestWorker,
  testApp,
  testSettings,
  type TestAppOptions,
} from '../src/index.ts'

const apps: App[] = []
const queueNamed = (name: string): QueueDeclaration => ({
  name,
  durable: true,
  exclusive: false,
  autoDelete: false,
  bindings: [],
})

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

function made(options?: TestAppOptions): App {
  const app = testApp(options)
  apps.push(app)
  return app
}

describe('testApp', () => {
  it('TEST-10: Celery’s test defaults, on a broker and a result store of its own', async () => {
    const app = made()
    expect(app.name).toBe('celery.tests')
    expect(app.settings).toMatchObject({
      acceptContent: ['json'],
      enableUtc: true,
      timezone: 'UTC',
      workerLogColor: false,
      brokerHeartbeat: 0,
    })
    expect(app.context.broker.describe().transport).toBe('memory')
    expect(app.context.backend?.capabilities.driverType).toBe('memory')
    const other = made()
    expect(other.context.broker.describe().url).not.toBe(app.context.broker.describe().url)
  })

  it('TEST-10: what is given wins, broker and backend too', async () => {
    const app = made({
      name: 'proj',
      timezone: 'Europe/Berlin',
      broker: memoryBroker({ name: 'given' }),
      backend: memoryBackend({ name: 'given' }),
    })
    expect(app.name).toBe('proj')
    expect(app.timezone).toBe('Europe/Berlin')
    expect(app.context.broker.describe().hostname).toBe('given')
    expect(made({ broker: 'memory://by-url' }).context.broker.describe().hostname).toBe('by-url')
  })

  it('TEST-10: variables of the environment are not read', () => {
    process.env['CELERY_BROKER_URL'] = 'redis://elsewhere'
    try {
      expect(made().context.broker.describe().transport).toBe('memory')
    } finally {
      delete process.env['CELERY_BROKER_URL']
    }
  })

  it('an app that a module exports gets the settings of tests', async () => {
    const broker = memoryBroker({ name: 'unused' })
    const app = createApp({
      broker: 'redis://nowhere',
      adapters: [(await import('@ct/broker-memory')).memory],
      environment: {},
    })
    apps.push(app)
    app.configure(testSettings())
    const add = app.task('proj.add', (x: number, y: number) => x + y)
    await using worker = await startTestWorker(app)
    expect(worker.status).toBe('running')
    expect(await (await add.delay(1, 2)).get({ timeoutMs: 20_000 })).toBe(3)
    await broker.close()
  })

  it('sends with serializers and compressors of its own, as apps do, and what it sent is read', async () => {
    const rot: Serializer = {
      name: 'rot',
      contentType: 'application/x-rot',
      contentEncoding: 'binary',
      encode: (value) => jsonSerializer.encode(value).map((byte) => byte ^ 255),
      decode: (bytes) => jsonSerializer.decode(bytes.map((byte) => byte ^ 255)),
    }
    const none: Compressor = {
      name: 'none',
      aliases: [],
      contentType: 'application/x-none',
      compress: (bytes) => bytes,
      decompress: (bytes) => bytes,
    }
    const app = made({
      serializers: [rot],
      compressors: [none],
      taskSerializer: 'rot',
      taskCompression: 'none',
      acceptContent: ['rot', 'json'],
    })
    await app.sendTask('proj.add', { args: [1, 2] })
    expectSent(app, 'proj.add', { args: [1, 2] })
  })

  it('has what its broker has for administrators', async () => {
    const connection = await made().context.producer.connection()
    await connection.declare([queueNamed('mail')])
    expect(await connection.administration!.report('mail')).toMatchObject({ messages: 0 })
  })

  it('TEST-7: eager mode has no ETA, no expiry and no worker: it sends nothing', async () => {
    const app = made({ taskAlwaysEager: true, time: fakeClock(0) })
    const now = app.task('proj.now', () => app.now().getTime())
    expect(await (await now.applyAsync([], { countdown: 3600, expires: -1 })).get()).toBe(0)
    expect(sent(app)).toEqual([])
  })
})

describe('expectSent', () => {
  it('finds what was sent by arguments, queue, priority, headers and times', async () => {
    const clock = fakeClock()
    const app = made({ time: clock, taskRoutes: { 'mail.*': { queue: 'mail' } } })
    const send = app.task('mail.send', (to: string) => to)
    await send.applyAsync(['a@example.org'], {
      countdown: 60,
      expires: 120,
      priority: 3,
      headers: { tenant: 7 },
    })
    await send.delay('b@example.org')
    const found = expectSent(app, 'mail.send', {
      args: ['a@example.org'],
      kwargs: {},
      queue: 'mail',
      priority: 3,
      retries: 0,
      eta: new Date(clock.now() + 60_000),
      expires: new Date(clock.now() + 120_000),
      headers: { tenant: 7 },
    })
    expect(found.id).toBe(sent(app)[0]!.id)
    expectSent(app, 'mail.send', { eta: null, args: ['b@example.org'] })
    expectNotSent(app, 'mail.send', { queue: 'celery' })
    expect(() => expectSent(app, 'mail.send', { headers: { tenant: 8 } })).toThrow(
      /header tenant is 7, not 8/,
    )
    expect(() => expectSent(app, 'mail.send', { expires: new Date(0) })).toThrow(/expires is .*not .*1970/)
    forgetSent(app)
    expectNotSent(app, 'mail.send')
  })

  it('says what differs, and what was sent', async () => {
    const app = made()
    await app.sendTask('proj.add', { args: [1, 2] })
    expect(() => expectSent(app, 'proj.add', { args: [2, 2], queue: 'math' })).toThrow(
      'No task proj.add was sent with {"args":[2,2],"queue":"math"}. Others of that name:\n  args is [1,2], not [2,2]; queue is "celery", not "math"',
    )
    expect(() => expectSent(app, 'proj.sub')).toThrow('No task proj.sub was sent. Sent: \n  proj.add')
    expect(() => expectNotSent(app, 'proj.add')).toThrow('Task proj.add should not have been sent')
  })

  it('what tasks send counts too, the worker’s ping does not', async () => {
    const app = made()
    const inner = app.task('proj.inner', () => 'done')
    const outer = app.task('proj.outer', async () => void (await inner.delay()))
    await using worker = await startTestWorker(app)
    await outer.delay()
    await worker.idle()
    expect(sent(app).map(({ name }) => name)).toEqual(['proj.outer', 'proj.inner'])
  })

  it('refuses an app that is not watched', () => {
    const app = createApp({ broker: memoryBroker({ name: 'not-watched' }) })
    apps.push(app)
    expect(() => sent(app)).toThrow('Make it with testApp()')
  })
})
