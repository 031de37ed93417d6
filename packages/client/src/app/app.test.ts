import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it, vi } from 'vitest'
import { memory, memoryBackend, memoryBroker } from '@ct/broker-memory'
import { redis } from '@ct/broker-redis'
import { defineAdapter } from '@ct/contracts'
import { capturedApp } from '../../test/captured-app.ts'
import { currentApp, currentTask } from '../canvas/index.ts'
import { App, createApp } from './index.ts'
import type { Logger } from './index.ts'

function recorder(): Logger & { readonly lines: string[] } {
  const lines: string[] = []
  const line = (message: string): void => void lines.push(message)
  const logger = {
    lines,
    debug: line,
    info: line,
    warn: line,
    error: line,
    critical: line,
    child: () => logger,
  }
  return logger
}

describe('createApp', () => {
  it('APP-1: opens nothing', async () => {
    const resolve = vi.fn<() => undefined>()
    const app = createApp({
      broker: 'redis://localhost',
      backend: 'redis://localhost',
      discover: resolve,
      environment: {},
    })
    app.task('x', () => 1)
    app.signature('y')
    expect(app.settings.brokerUrl).toBe('redis://localhost')
    expect(resolve).not.toHaveBeenCalled()
    await app.close()
  })

  it('finds the adapter of a URL, else says what to install', async () => {
    const app = createApp({
      broker: 'memory://a',
      backend: 'cache+memory://a',
      adapters: [memory],
      environment: {},
    })
    expect([app.context.broker.name, app.context.backend?.name]).toEqual(['memory', 'memory'])
    await app.close()
    const asked: unknown[] = []
    const bare = createApp({
      broker: 'redis://localhost',
      discover: (wanted) => void asked.push(wanted),
      environment: {},
    })
    await expect(bare.sendTask('x')).rejects.toThrow(/npm install @ct\/broker-redis/)
    expect(asked).toContainEqual({ kind: 'broker', schemes: ['redis'] })
    expect(bare.context.backend).toBeUndefined()
    await bare.close()
  })

  it('says that there is no broker', async () => {
    await using app = createApp({ environment: {} })
    await expect(app.sendTask('x')).rejects.toThrow(
      /The app has no broker\. Give one: createApp\(\{ broker: 'redis:\/\/localhost' \}\)/,
    )
  })

  it('TRANS-6 SET-22 SET-25 SET-33 SET-35, SEC-54: an adapter is told what the settings say of it', () => {
    const told: unknown[] = []
    const adapter = defineAdapter({
      name: 'amqp',
      packageName: '@ct/broker-amqp',
      brokerSchemes: ['amqp', 'other'],
      backendSchemes: [],
      broker: (url, options) => {
        told.push(options)
        return memoryBroker({ name: url })
      },
    })
    const settings = {
      adapters: [adapter],
      environment: {},
      brokerHeartbeat: 30,
      brokerLoginMethod: 'EXTERNAL',
      brokerTransportOptions: { confirm_publish: true },
      brokerUseSsl: { ca_certs: 'ca.pem' },
    }
    const told2 = { confirmPublish: true, ssl: { caCerts: 'ca.pem' } }
    createApp({ ...settings, broker: ['amqp://a', 'amqp://b'] }).context.broker.describe()
    createApp({ ...settings, broker: 'other://a' }).context.broker.describe()
    const amqp = { heartbeat: 30, loginMethod: 'EXTERNAL', ...told2 }
    expect(told).toEqual([amqp, amqp, told2])
  })

  it('BACK-30 SET-89…94 SET-96…99 SET-106 SET-204…206, SEC-52, D57-121: the settings of the Redis result store reach it, the URL wins', () => {
    const given = {
      adapters: [redis],
      environment: {},
      redisHost: 'from-setting',
      redisPort: 7,
      redisDb: 3,
      redisUsername: 'me',
      redisBackendUseSsl: { ssl_cert_reqs: 'CERT_REQUIRED' },
    }
    const bare = createApp({ ...given, resultBackend: 'redis://' }).context.backend!.describe()
    expect(bare).toMatchObject({
      hostname: 'from-setting',
      port: 7,
      virtualHost: '3',
      userid: 'me',
      ssl: true,
    })
    const url = createApp({ ...given, resultBackend: 'rediss://you@host:8/4' }).context.backend!.describe()
    expect(url).toMatchObject({ hostname: 'host', port: 8, virtualHost: '4', userid: 'you' })

    const told: unknown[] = []
    const adapter = defineAdapter({
      name: 'redis',
      packageName: '@ct/broker-redis',
      brokerSchemes: [],
      backendSchemes: ['redis'],
      backend: (url, options) => {
        told.push(options)
        return memoryBackend({ name: url })
      },
    })
    const app = createApp({
      adapters: [adapter],
      environment: {},
      backend: 'redis://',
      redisPassword: 'secret',
      redisSocketTimeout: 9,
      redisSocketConnectTimeout: 8,
      redisSocketKeepalive: true,
      redisMaxConnections: 5,
      redisBackendHealthCheckInterval: 7,
      redisClientName: 'me',
      redisBackendCredentialProvider: String,
      resultBackendTransportOptions: { global_keyprefix: 'x', socket_timeout: 4 },
    })
    expect(app.context.backend?.name).toBe('memory')
    expect(told).toEqual([
      {
        password: 'secret',
        socketTimeout: 4,
        socketConnectTimeout: 8,
        socketKeepalive: true,
        maxConnections: 5,
        healthCheckInterval: 7,
        clientName: 'me',
        credentialProvider: String,
        globalKeyprefix: 'x',
      },
    ])
  })

  it('RES-69, SET-115: rpc:// is told the server of the broker, how long results live, and whether they are persistent', () => {
    const told: unknown[] = []
    const adapter = defineAdapter({
      name: 'amqp',
      packageName: '@ct/broker-amqp',
      brokerSchemes: ['amqp'],
      backendSchemes: ['rpc'],
      broker: (url) => memoryBroker({ name: url }),
      backend: (url, options) => {
        told.push(options)
        return memoryBackend({ name: url })
      },
    })
    const settings = { adapters: [adapter], environment: {}, broker: 'amqp://here//', backend: 'rpc://' }
    createApp(settings).context.backend?.describe()
    createApp({ ...settings, resultPersistent: true, resultExpires: 60 }).context.backend?.describe()
    createApp({ ...settings, brokerUseSsl: true, brokerHeartbeat: 7 }).context.backend?.describe()
    const brokerUrl = 'amqp://here//'
    expect(told).toEqual([
      { brokerUrl, resultExpires: 86_400 },
      { brokerUrl, resultExpires: 60, resultPersistent: true },
      { brokerUrl, resultExpires: 86_400, ssl: true, heartbeat: 7 },
    ])
  })

  it('TRANS-8 SET-24 SET-27 SET-30 SET-32 SET-36 SET-37: builds a URL from the old single settings', () => {
    const app = createApp({
      brokerTransport: 'memory',
      brokerHost: 'h',
      brokerUser: 'u',
      brokerPassword: 'p:@',
      brokerVhost: '/v',
      adapters: [memory],
      environment: {},
    })
    expect(app.context.broker.describe().hostname).toContain('h')
  })

  it('APP-27 TRANS-7 SET-31 SET-34 SET-38: a URL of the environment beats the one given, an object it does not', () => {
    const environment = { CELERY_BROKER_URL: 'memory://from-env' }
    const byUrl = createApp({ broker: 'memory://given', adapters: [memory], environment })
    expect(byUrl.context.broker.describe().url).toBe('memory://from-env')
    const byObject = createApp({ broker: memoryBroker({ name: 'object' }), environment })
    expect(byObject.context.broker.describe().url).toBe('memory://object')
    const readWrite = createApp({
      brokerUrl: 'memory://both',
      brokerReadUrl: 'memory://read',
      adapters: [memory],
      environment: {},
    })
    const write = createApp({
      brokerUrl: 'memory://both',
      brokerWriteUrl: 'memory://write',
      adapters: [memory],
      environment: {},
    })
    expect(write.context.broker.describe().url).toBe('memory://write')
    expect([readWrite.context.broker.describe().url, readWrite.context.readBroker.describe().url]).toEqual([
      'memory://both',
      'memory://read',
    ])
  })

  it('refuses at once a logger with other levels, a name that is no text, adapters that are no list', () => {
    const pino = { debug() {}, info() {}, warn() {}, error() {}, fatal() {}, child: () => pino }
    expect(() => createApp({ logger: pino as never })).toThrow(
      /has no critical\. It needs debug, info, warn, error, critical, child/,
    )
    expect(() => createApp({ logger: null as never })).toThrow(/has no debug, no info/)
    expect(() => createApp({ name: 42 as never })).toThrow(/name of an app must be text/)
    expect(() => createApp({ adapters: {} as never })).toThrow(/must be a list/)
  })

  it('refuses at once what is no broker, no backend and no adapter', () => {
    expect(() => createApp({ broker: memory as never })).toThrow(/whole adapter. Give \{ adapters: \[it\] \}/)
    expect(() => createApp({ broker: ['memory://', memoryBroker as never] })).toThrow(/Call it: memoryBroker/)
    expect(() => createApp({ backend: memoryBroker({ name: 'x' }) as never })).toThrow(
      'A result-backend is needed here, but @ct/broker-memory is a broker.',
    )
    expect(() => createApp({ adapters: [undefined as never] })).toThrow(/Look at the import/)
  })

  it('refuses a Node that is too old in a sentence', () => {
    const { withResolvers } = Promise
    try {
      Object.defineProperty(Promise, 'withResolvers', {
        value: undefined,
        configurable: true,
        writable: true,
      })
      expect(() => createApp()).toThrow(`ct needs Node 22.18 or newer; this is ${process.versions.node}.`)
    } finally {
      Object.defineProperty(Promise, 'withResolvers', {
        value: withResolvers,
        configurable: true,
        writable: true,
      })
    }
  })

  it('refuses unknown settings at once', () => {
    expect(() => createApp({ taskAckLate: true } as never)).toThrow(/Did you mean "taskAcksLate"/)
    expect(() => createApp({ defaults: 'python' as never })).toThrow(/"ct" or "celery"/)
  })

  it('APP-10, WIRE-16: has an id of its own', () => {
    const [one, two] = [new App({ environment: {} }), new App({ environment: {} })]
    expect(one.context.oid).not.toBe(two.context.oid)
    expect(one.context.oid).toBe(one.context.oid)
    expect(one.context.origin).toBe(`gen${process.pid}@${one.context.hostname}`)
  })
})

describe('configuring', () => {
  it('APP-22, APP-30, D57-123: later configuration counts, for routes too', async () => {
    await using captured = capturedApp()
    const { app } = captured
    const task = app.task('x', () => 1)
    app.configFromObject({ task_default_queue: 'from-source' })
    await task.delay()
    app.configure({ taskRoutes: { x: 'routed' } })
    await task.delay()
    app.configure({ taskRoutes: null, taskDefaultQueue: 'changed' })
    await task.delay()
    expect((await captured.sent('from-source', 'routed', 'changed')).map(({ queue }) => queue)).toEqual([
      'from-source',
      'routed',
      'changed',
    ])
    expect(() => app.configure({ brokerUrl: 'memory://other' })).toThrow(
      /brokerUrl cannot be changed any more/,
    )
    expect(() => app.configure({ taskPublishRetry: false })).toThrow(/cannot be changed/)
  })

  it('APP-2: what the app was made with beats its configuration source', () => {
    const app = createApp({ broker: 'redis://code', resultExpires: 60, environment: {} })
    app.configFromObject({ broker_url: 'redis://source', result_expires: 5, timezone: 'UTC' })
    const { brokerUrl, resultExpires, timezone } = app.settings
    expect([brokerUrl, resultExpires, timezone]).toEqual(['redis://code', 60, 'UTC'])
  })

  it('APP-29: what the app was made with does not decide which style of names its source has', () => {
    const app = createApp({ broker: 'redis://code', environment: {} })
    app.configFromObject({ CELERY_TIMEZONE: 'UTC', CELERYD_PREFETCH_MULTIPLIER: 2 })
    expect([app.settings.timezone, app.settings.workerPrefetchMultiplier]).toEqual(['UTC', 2])
  })

  it('SET-211: old names are those of the code, not of the manual', () => {
    const app = createApp({ environment: {} }).configFromObject({
      CELERY_MESSAGE_COMPRESSION: 'gzip',
      CELERY_MAX_CACHED_RESULTS: 7,
      CELERY_SEND_EVENTS: true,
      CELERY_TASK_RESULT_EXPIRES: 60,
      CELERYD_TASK_TIME_LIMIT: 30,
      CELERYD_TASK_SOFT_TIME_LIMIT: 20,
    })
    const { taskCompression, resultCacheMax, workerSendTaskEvents, resultExpires } = app.settings
    expect([taskCompression, resultCacheMax, workerSendTaskEvents, resultExpires]).toEqual([
      'gzip',
      7,
      true,
      60,
    ])
    expect([app.settings.taskTimeLimit, app.settings.taskSoftTimeLimit]).toEqual([30, 20])
  })

  it('APP-31: exchange and key follow the queue, read and write brokers follow the broker', () => {
    const app = createApp({
      broker: 'memory://one',
      adapters: [memory],
      taskDefaultQueue: 'work',
      environment: {},
    })
    const [binding] = app.context.queues.get('work').declaration.bindings
    expect([binding?.exchange.name, binding?.routingKey]).toEqual(['work', 'work'])
    expect(app.context.readBroker).toBe(app.context.broker)
  })

  it('APP-34: adds defaults below everything', () => {
    const app = createApp({ timezone: 'UTC', environment: {} }).addDefaults({
      timezone: 'Europe/Paris',
      resultExpires: 5,
    })
    expect([app.settings.timezone, app.settings.resultExpires]).toEqual(['UTC', 5])
  })

  it('APP-23, APP-26, D57-122: reads a module or a JSON file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ct-config-'))
    try {
      await writeFile(
        join(folder, 'config.mjs'),
        'export const task_default_queue = "module"\nexport const imports = ["a"]\n',
      )
      await writeFile(join(folder, 'config.json'), '{"taskDefaultQueue": "json"}')
      await writeFile(join(folder, 'default.mjs'), 'export default { CELERY_DEFAULT_QUEUE: "old" }\n')
      await writeFile(join(folder, 'list.json'), '[]')
      const read = async (path: string | URL): Promise<string> =>
        (await createApp({ environment: {} }).configFromFile(path)).settings.taskDefaultQueue
      expect(await read(join(folder, 'config.mjs'))).toBe('module')
      expect(await read(pathToFileURL(join(folder, 'config.json')))).toBe('json')
      expect(await read(join(folder, 'default.mjs'))).toBe('old')
      await expect(read(join(folder, 'none.mjs'))).rejects.toThrow(/none\.mjs could not be read/)
      await expect(read(join(folder, 'list.json'))).rejects.toThrow(/must hold an object/)
      const app = createApp({ environment: {} })
      const environment = { MY_CONFIG: join(folder, 'config.json') }
      expect(await app.configFromEnvvar('MY_CONFIG', { environment })).toBe(true)
      expect(app.settings.taskDefaultQueue).toBe('json')
      await expect(app.configFromEnvvar('OTHER', { environment })).rejects.toThrow(/OTHER is not set/)
      expect(await app.configFromEnvvar('OTHER', { environment, silent: true })).toBe(false)
      // D57-122
      const gone = { MY_CONFIG: join(folder, 'none.mjs') }
      expect(await app.configFromEnvvar('MY_CONFIG', { environment: gone, silent: true })).toBe(false)
      expect(await app.configFromFile(join(folder, 'none.mjs'), { silent: true })).toBe(app)
      await writeFile(join(folder, 'wrong.json'), '{"taskDefaultQueue": "wrong", "taskDefaultPriority": "x"}')
      await expect(app.configFromFile(join(folder, 'wrong.json'), { silent: true })).rejects.toThrow(
        /taskDefaultPriority/,
      )
      await expect(app.configFromFile(join(folder, 'list.json'))).rejects.toThrow(/must hold an object/)
      expect(app.settings.taskDefaultQueue).toBe('json')
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('APP-32: reads the environment when told to', () => {
    const app = createApp({ environment: {} }).configFromEnvironment({ CELERY_TASK_ALWAYS_EAGER: '1' })
    expect(app.settings.taskAlwaysEager).toBe(true)
  })

  it('APP-36, D57-141: warns of deprecated settings, once, whatever their value', () => {
    const logger = recorder()
    const app = createApp({ taskAcksOnFailureOrTimeout: true, logger, environment: {} })
    app.configure({ timezone: 'UTC' })
    expect(logger.lines).toEqual([
      'The setting taskAcksOnFailureOrTimeout is deprecated; use taskAcksOnFailure and taskAcksOnTimeout.',
    ])
    createApp({ taskAcksOnFailureOrTimeout: false, logger, environment: {} })
    expect(logger.lines).toHaveLength(2)
  })

  it('APP-33: describes itself without secrets', () => {
    const app = createApp({ broker: 'redis://u:secret@h', environment: {} })
    expect(app.describeSettings()).toBe('broker_url: "redis://u:**@h"')
    expect(app.describeSettings({ withDefaults: true })).toContain('task_serializer: "json"')
    expect(app.context.changes()).toEqual({ brokerUrl: 'redis://u:secret@h' })
  })
})

describe('a bug report', () => {
  it('APP-12: names versions, platform, servers and what was changed, without secrets', () => {
    const app = createApp({
      name: 'proj',
      broker: 'memory://report',
      cacheBackend: 'cache+memcached://u:secret@h',
      adapters: [memory],
      environment: {},
      timezone: 'UTC',
    })
    app.task('proj.t', () => 1)
    const text = app.bugReport()
    expect(text).toMatch(/software -> ct:\d+\.\d+\.\d+ node:2\d/)
    expect(text).toMatch(/platform -> system:\w+ arch:\w+/)
    expect(text).toContain('app      -> proj tasks:1 defaults:ct')
    expect(text).toContain('timezone: "UTC"')
    expect(text).toContain('results:disabled')
    expect(text).not.toContain('secret')
    expect(text).not.toContain('task_serializer')
  })
})

describe('closing', () => {
  it('APP-4: waits for what is being sent, then refuses more; twice is once', async () => {
    const captured = capturedApp()
    const task = captured.app.task('x', () => 1)
    await task.delay()
    const late = task.delay()
    const closing = captured.app.close()
    expect(captured.app.close()).toBe(closing)
    await closing
    await late
    await expect(task.delay()).rejects.toMatchObject({ code: 'CT_CLOSED' })
    expect(await captured.sent()).toHaveLength(2)
  })

  it('closes at the end of its scope', async () => {
    let kept: App
    {
      await using app = createApp({ broker: 'memory://scope', adapters: [memory], environment: {} })
      kept = app
      await app.sendTask('x')
    }
    await expect(kept.sendTask('x')).rejects.toMatchObject({ code: 'CT_CLOSED' })
  })
})

describe('results', () => {
  it('APP-63: makes handles by id', async () => {
    await using captured = capturedApp()
    const { app } = captured
    expect(await app.asyncResult('id').state()).toBe('PENDING')
    expect(await app.groupResult('none')).toBeUndefined()
    await app.context.results.storeResult({ taskId: 'id', state: 'SUCCESS', result: 5 })
    expect(await app.asyncResult<number>('id').get({ timeoutMs: 20_000 })).toBe(5)
  })

  it('APP-78: without a backend they are disabled, with an error that says so', async () => {
    await using captured = capturedApp({ backend: 'disabled://' })
    const result = await captured.app.sendTask('x')
    await expect(result.get({ timeoutMs: 10 })).rejects.toThrow(/Results are disabled/)
  })
})

describe('events', () => {
  it('SET-158: task-sent is sent when asked for', async () => {
    await using captured = capturedApp({ taskSendSentEvent: true })
    const { app } = captured
    const connection = await app.context.producer.connection()
    const { promise, resolve } = Promise.withResolvers<unknown>()
    const consumer = await connection.openConsumer({
      credit: 10,
      onDelivery: (delivery) => resolve(JSON.parse(new TextDecoder().decode(delivery.body))),
    })
    const exchange = { name: 'celeryev', type: 'topic', durable: true, autoDelete: false }
    await consumer.subscribe([
      {
        queue: {
          name: 'monitor',
          durable: false,
          exclusive: false,
          autoDelete: true,
          bindings: [{ exchange, routingKey: '#' }],
        },
        noAck: true,
      },
    ])
    const result = await app.task('proj.add', (x: number) => x).delay(1)
    expect(await promise).toMatchObject({
      type: 'task-sent',
      uuid: result.id,
      name: 'proj.add',
      args: '(1,)',
      queue: 'celery',
      routing_key: 'celery',
      hostname: app.context.origin,
    })
    await consumer.close()
  })
})

it('a send that was under way when the app was closed gives its handle', async () => {
  const captured = capturedApp()
  const sending = captured.app.sendTask('x')
  await captured.app.close()
  await expect((await sending).get()).rejects.toMatchObject({ code: 'CT_CLOSED' })
  await captured[Symbol.asyncDispose]()
})

it('nothing is opened after close', async () => {
  const captured = capturedApp()
  const { app } = captured
  const connect = vi.spyOn(app.context.backend!, 'connect')
  await app.close()
  await expect(app.asyncResult('x').get()).rejects.toThrow(/The app was closed/)
  await expect(app.sendTask('x')).rejects.toMatchObject({ code: 'CT_CLOSED' })
  expect(() => app.control).toThrow(/The app was closed/)
  expect(connect).not.toHaveBeenCalled()
  await captured[Symbol.asyncDispose]()
})

it('SET-158: close still reports what was under way, and nothing is left unhandled', async () => {
  const captured = capturedApp({ taskSendSentEvent: true })
  const { app } = captured
  const task = app.task('proj.add', (x: number) => x)
  await task.delay(0)
  const publish = vi.spyOn(app.context.producer, 'publish')
  const last = task.delay(1)
  await app.close()
  expect((await last).id).toEqual(expect.any(String))
  expect(publish.mock.calls.map(([message]) => message.routingKey)).toEqual(['celery', 'task.sent'])
  await captured[Symbol.asyncDispose]()
})

describe('currentTask', () => {
  it('APP-8: is of the running task alone', () => {
    expect([currentTask(), currentApp(), createApp({ environment: {} }).currentTask]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })
})
