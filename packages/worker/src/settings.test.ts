/** What each setting that a worker reads does to a worker. */
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import {
  createApp,
  EventReceiver,
  type App,
  type AppOptions,
  type AsyncResult,
  type Logger,
} from '@ct/client'
import {
  BrokerUnavailableError,
  jsonSerializer,
  type Broker,
  type BrokerConnection,
  type ConnectOptions,
  type Consumer,
  type ConsumerOptions,
  type Serializer,
  type Settlement,
} from '@ct/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import { createWorker, type Worker, type WorkerOptions } from './index.ts'
import { traceServices } from './trace-services.ts'

let hubs = 0
const open: { worker?: Worker; app: App }[] = []
const soon = { timeoutMs: 20_000 }

function silentLogger(lines: string[]): Logger {
  const add = (message: string): void => void lines.push(message)
  const logger: Logger = {
    debug: () => {},
    info: add,
    warn: add,
    error: add,
    critical: add,
    child: () => logger,
  }
  return logger
}

function makeApp(options: AppOptions = {}): { app: App; lines: string[]; hub: string } {
  const hub = `worker-settings-${process.pid}-${++hubs}`
  const lines: string[] = []
  const app = createApp({
    name: 'proj',
    broker: memoryBroker({ name: hub }),
    backend: memoryBackend({ name: hub }),
    logger: silentLogger(lines),
    environment: {},
    ...options,
  })
  open.push({ app })
  return { app, lines, hub }
}

async function startWorker(app: App, options: WorkerOptions = {}): Promise<Worker> {
  const worker = createWorker(app, { withoutMingle: true, hostname: 'w@test', ...options })
  open.push({ app, worker })
  await worker.start()
  return worker
}

/** A memory broker that records how messages of the task queue are settled, that can be cut, and whose connecting can fail. */
function watchedBroker(hub: string): {
  readonly broker: Broker
  readonly settled: string[]
  readonly connects: { count: number; fail: boolean }
  readonly credits: number[]
  cut(): Promise<void>
} {
  const settled: string[] = []
  const credits: number[] = []
  const connects = { count: 0, fail: false }
  const live = new Set<() => Promise<void>>()
  const bound = (target: object, key: string | symbol): unknown => {
    const value: unknown = Reflect.get(target, key)
    return typeof value === 'function' ? (value.bind(target) as unknown) : value
  }
  const watched = async (opening: Promise<Consumer>): Promise<Consumer> => {
    const consumer = await opening
    const setCredit = consumer.setCredit.bind(consumer)
    return Object.defineProperty(consumer, 'setCredit', {
      value: (credit: number) => {
        credits.push(credit)
        setCredit(credit)
      },
    })
  }
  const connectionOf = (connection: BrokerConnection): BrokerConnection =>
    new Proxy(connection, {
      get(target, key) {
        if (key !== 'openConsumer') return bound(target, key)
        return (options: ConsumerOptions) => {
          credits.push(options.credit)
          return watched(
            target.openConsumer({
              ...options,
              onDelivery: (delivery) => {
                const settle = delivery.settle.bind(delivery)
                Object.defineProperty(delivery, 'settle', {
                  value: (settlement: Settlement) => {
                    if (delivery.queue === 'celery') settled.push(settlement.action)
                    return settle(settlement)
                  },
                })
                options.onDelivery(delivery)
              },
            }),
          )
        }
      },
    })
  const inner = memoryBroker({ name: hub })
  const broker = new Proxy(inner, {
    get(target, key) {
      if (key === 'capabilities') return { ...target.capabilities, nativeDelay: null }
      if (key !== 'connect') return bound(target, key)
      return async (options: ConnectOptions) => {
        connects.count += 1
        if (connects.fail) throw new BrokerUnavailableError('away')
        const connection = await target.connect(options)
        live.add(async () => {
          options.onNotice({ kind: 'connection-lost', error: new BrokerUnavailableError('cut') })
          await connection.close()
        })
        return connectionOf(connection)
      }
    },
  })
  return {
    broker,
    settled,
    connects,
    credits,
    cut: async () => {
      const all = [...live]
      live.clear()
      await Promise.all(all.map((one) => one()))
    },
  }
}

function watchedApp(options: AppOptions = {}): ReturnType<typeof makeApp> & ReturnType<typeof watchedBroker> {
  const hub = `worker-settings-watched-${process.pid}-${++hubs}`
  const watched = watchedBroker(hub)
  return {
    ...makeApp({ broker: watched.broker, backend: memoryBackend({ name: hub }), ...options }),
    ...watched,
  }
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}

/** How many wait in `celery`, parked ones not among them. */
async function waiting(app: App): Promise<number> {
  return (await app.context.producer.connection()).queueSize('celery')
}

afterEach(async () => {
  for (const { worker } of open) await worker?.stop({ mode: 'cold' })
  for (const { app } of open) await app.close()
  open.length = 0
})

describe('chords', () => {
  it('RES-72, SET-108: resultChordJoinTimeout is how long a worker waits for the values of a header', () => {
    const joinTimeout = (options: AppOptions): number => {
      const { app } = makeApp(options)
      const own = { hostname: 'w@test', task: () => undefined, pause: () => Promise.resolve(true) }
      return traceServices(app.context, { ...own, events: { enabled: false, send: () => undefined } })
        .chordJoinTimeout
    }
    expect([joinTimeout({}), joinTimeout({ resultChordJoinTimeout: 0.5 })]).toEqual([3, 0.5])
  })
})

describe('how a task is settled', () => {
  it.each([
    [true, 1],
    [false, 0],
  ])('SET-128: taskAcksLate %s: a task that a cold stop interrupts leaves %i message', async (late, left) => {
    const { app } = makeApp({ taskAcksLate: late })
    const endless = app.task('endless', { bind: true }, async (task) => {
      await new Promise((resolve) => {
        task.signal.addEventListener('abort', resolve)
      })
    })
    const worker = await startWorker(app)
    await endless.delay()
    await expect.poll(() => worker.counts.active).toBe(1)
    await worker.stop({ mode: 'cold' })
    expect(await waiting(app)).toBe(left)
  })

  it.each([
    [{ taskAcksOnFailure: false }, 'fail', 'reject'],
    [{ taskAcksOnFailure: true }, 'fail', 'ack'],
    [{ taskAcksOnFailure: false }, 'hang', 'ack'],
    [{ taskAcksOnTimeout: false }, 'hang', 'requeue'],
    [{ taskAcksOnTimeout: false }, 'fail', 'ack'],
    [{ taskAcksOnFailureOrTimeout: false }, 'fail', 'reject'],
    [{ taskAcksOnFailureOrTimeout: false }, 'hang', 'requeue'],
  ] as const)(
    'SET-129, SET-130, SET-131: %j: a late-acked task to %s ends in %s',
    async (settings, how, end) => {
      const { app, settled } = watchedApp({ taskAcksLate: true, ...settings })
      const over = Promise.withResolvers<void>()
      const t = app.task('t', { timeLimit: how === 'hang' ? 0.03 : 60 }, async (what: string) => {
        if (what === 'fail') throw new TypeError('failed')
        await over.promise
      })
      await startWorker(app)
      expect(await failureOf((await t.delay(how)).get(soon))).toMatchObject(
        how === 'fail' ? { message: 'failed' } : { code: 'CT_TIME_LIMIT' },
      )
      await expect.poll(() => settled[0]).toBe(end)
      over.resolve()
    },
  )
})

describe('what is stored', () => {
  it('SET-148, SET-162: taskIgnoreResult stores nothing; taskStoreErrorsEvenIfIgnored stores failures', async () => {
    const ended = async (options: AppOptions): Promise<readonly string[]> => {
      const { app } = makeApp(options)
      const t = app.task('t', (fail: boolean) => {
        if (fail) throw new Error('no')
      })
      const worker = await startWorker(app)
      const ids = [(await t.delay(false)).id, (await t.delay(true)).id]
      await expect.poll(() => worker.counts.processed).toBe(2)
      await worker.stop()
      return (await app.context.results.getMetas(ids)).map(({ status }) => status)
    }
    expect(await ended({})).toEqual(['SUCCESS', 'FAILURE'])
    expect(await ended({ taskIgnoreResult: true })).toEqual(['PENDING', 'PENDING'])
    expect(await ended({ taskIgnoreResult: true, taskStoreErrorsEvenIfIgnored: true })).toEqual([
      'PENDING',
      'FAILURE',
    ])
  })

  it.each([true, false])('SET-164: taskTrackStarted %s', async (taskTrackStarted) => {
    const { app } = makeApp({ taskTrackStarted })
    const go = Promise.withResolvers<void>()
    const t = app.task('t', () => go.promise)
    const worker = await startWorker(app)
    const result = await t.delay()
    await expect.poll(() => worker.counts.active).toBe(1)
    await expect.poll(() => result.state()).toBe(taskTrackStarted ? 'STARTED' : 'PENDING')
    go.resolve()
    await result.get(soon)
  })

  it('SET-114: resultExtended stores name, arguments, worker and queue', async () => {
    const { app } = makeApp({ resultExtended: true })
    const t = app.task('t', (x: number) => x)
    await startWorker(app)
    const result = await t.delay(3)
    await result.get(soon)
    expect((await app.context.results.getMeta(result.id)).extended).toEqual({
      name: 't',
      args: [3],
      kwargs: {},
      worker: 'w@test',
      queue: 'celery',
      retries: 0,
    })
  })

  it('SET-116: resultSerializer encodes results', async () => {
    let encoded = 0
    const counted: Serializer = {
      ...jsonSerializer,
      decode: (bytes) => jsonSerializer.decode(bytes),
      name: 'counted',
      contentType: 'application/x-counted',
      encode: (value: unknown) => {
        encoded += 1
        return jsonSerializer.encode(value)
      },
    }
    const { app } = makeApp({
      serializers: [counted],
      resultSerializer: 'counted',
      acceptContent: ['json', 'counted'],
    })
    const t = app.task('t', () => 'value')
    await startWorker(app)
    expect(await (await t.delay()).get(soon)).toBe('value')
    expect(encoded).toBeGreaterThan(0)
  })
})

describe('what a worker takes', () => {
  it('SET-1: content outside acceptContent is refused and does no harm', async () => {
    const text: Serializer = {
      ...jsonSerializer,
      name: 'text',
      contentType: 'text/x-mine',
      encode: (value) => jsonSerializer.encode(value),
      decode: (bytes) => jsonSerializer.decode(bytes),
    }
    const { app, lines, hub } = makeApp({ acceptContent: ['json'], serializers: [text] })
    const t = app.task('t', () => 1)
    const worker = await startWorker(app)
    const sender = makeApp({
      broker: memoryBroker({ name: hub }),
      serializers: [text],
      taskSerializer: 'text',
    }).app
    await sender.sendTask('t', { args: [] })
    await expect.poll(() => worker.counts.refused).toBe(1)
    expect(lines.join('\n')).toContain('text/x-mine')
    expect(await (await t.delay()).get(soon)).toBe(1)
  })

  it('SET-169: workerConcurrency bounds what runs at a time', async () => {
    const { app } = makeApp({ workerConcurrency: 2 })
    const go = Promise.withResolvers<void>()
    const t = app.task('t', () => go.promise)
    const worker = await startWorker(app)
    const results = await Promise.all([1, 2, 3].map(() => t.delay()))
    await expect.poll(() => worker.counts.received).toBe(3)
    expect(worker.counts.active).toBe(2)
    go.resolve()
    for (const result of results) await result.get(soon)
  })

  it.each([
    [{ workerPrefetchMultiplier: 3 }, 6],
    [{ workerPrefetchMultiplier: 0 }, Infinity],
    [{ workerPrefetchMultiplier: 3, workerDisablePrefetch: true }, 2],
  ])('SET-174, SET-189: with %j two slots ask for %d messages', async (settings, credit) => {
    const { app, credits } = watchedApp({ ...settings, defaults: 'celery', taskAcksLate: true })
    app.task('t', () => 1)
    await startWorker(app, { concurrency: 2, withoutGossip: true, withoutRemoteControl: true })
    expect(new Set(credits)).toEqual(new Set([credit]))
  })

  it('SET-145, SET-175: taskDefaultRateLimit spaces starts, workerDisableRateLimits does not', async () => {
    const spread = async (options: AppOptions): Promise<number> => {
      const { app } = makeApp({ taskDefaultRateLimit: '10/s', ...options })
      const starts: number[] = []
      const t = app.task('t', () => void starts.push(performance.now()))
      const worker = await startWorker(app)
      await Promise.all([t.delay(), t.delay()])
      await expect.poll(() => starts.length).toBe(2)
      await worker.stop()
      return starts[1]! - starts[0]!
    }
    // What is measured begins a moment after its token was taken.
    expect(await spread({})).toBeGreaterThan(40)
    const { app } = makeApp({ taskDefaultRateLimit: '1/h', workerDisableRateLimits: true })
    const t = app.task('t', () => 1)
    await startWorker(app)
    for (const result of await Promise.all([t.delay(), t.delay()])) expect(await result.get(soon)).toBe(1)
  })

  it('SET-160, SET-163: taskTimeLimit and taskSoftTimeLimit are those of tasks that have none', async () => {
    const over = Promise.withResolvers<void>()
    const run = async (taskTimeLimit: number, patient: boolean): Promise<AsyncResult<string>> => {
      const { app } = makeApp({ taskTimeLimit, taskSoftTimeLimit: 0.02 })
      const t = app.task('t', { bind: true }, async (task) => {
        await new Promise((resolve) => {
          task.signal.addEventListener('abort', resolve)
        })
        if (patient) await over.promise
        return 'soft'
      })
      await startWorker(app)
      return await t.delay()
    }
    // Limits close to each other are over at the same time where a machine stands still.
    expect(await (await run(60, false)).get(soon)).toBe('soft')
    expect(await failureOf((await run(0.05, true)).get(soon))).toMatchObject({ code: 'CT_TIME_LIMIT' })
    over.resolve()
  })

  it('SET-173, ROUTE-46, WIRE-15, WIRE-65: workerDirect adds a queue of the worker’s own, which a task can be sent to', async () => {
    const { app } = makeApp({ workerDirect: true })
    const t = app.task('t', { bind: true }, (task) => task.request.deliveryInfo.routingKey)
    const worker = await startWorker(app)
    expect(worker.queues).toEqual(['celery', 'w@test.dq2'])
    const result = await t.applyAsync([], { exchange: 'C.dq2', routingKey: 'w@test' })
    expect(await result.get(soon)).toBe('w@test')
  })
})

describe('connections', () => {
  it.each([
    [{ brokerConnectionRetryOnStartup: false }, 1],
    [{ brokerConnectionRetry: false }, 1],
    [{ brokerConnectionRetry: true, brokerConnectionMaxRetries: 2 }, 2],
  ])('SET-17, SET-18, SET-19: with %j a start tries %i times', async (settings, times) => {
    const { app, connects } = watchedApp(settings)
    app.task('t', () => 1)
    connects.fail = true
    expect(await failureOf(startWorker(app))).toMatchObject({ code: 'CT_BROKER_UNAVAILABLE' })
    expect(connects.count).toBe(times)
  })

  it.each([
    [true, 4],
    [false, 8],
  ])('SET-176, WORK-90: workerEnablePrefetchCountReduction %s', async (reduces, most) => {
    const { app, connects, credits, cut } = watchedApp({ workerEnablePrefetchCountReduction: reduces })
    const held = app.task('held', () => new Promise(() => {}))
    const worker = await startWorker(app, { concurrency: 2, prefetchMultiplier: 4 })
    await held.delay()
    await expect.poll(() => worker.counts.active).toBe(1)
    expect(credits.at(-1)).toBe(8)
    const before = connects.count
    await cut()
    await expect.poll(() => connects.count).toBeGreaterThan(before)
    await expect.poll(() => worker.status).toBe('running')
    await expect.poll(() => credits.at(-1)).toBe(most)
    await worker.stop({ mode: 'cold' })
  })

  it.each([
    [true, [true]],
    [false, [false]],
  ])('SET-168: workerCancelLongRunningTasksOnConnectionLoss %s', async (cancels, expected) => {
    const { app, connects, cut } = watchedApp({
      workerCancelLongRunningTasksOnConnectionLoss: cancels,
      taskAcksLate: true,
    })
    const go = Promise.withResolvers<void>()
    const aborted: boolean[] = []
    const hooks: string[] = []
    const t = app.task(
      't',
      { bind: true, onRetry: (error) => hooks.push((error as Error).message) },
      async (task) => {
        await go.promise
        aborted.push(task.signal.aborted)
      },
    )
    const { results } = app.context
    const store = results.store.bind(results)
    const states: string[] = []
    Object.defineProperty(results, 'store', {
      value: (writes: Parameters<typeof store>[0]) => {
        states.push(...writes.map(({ state }) => state))
        return store(writes)
      },
    })
    const worker = await startWorker(app)
    await t.delay()
    await expect.poll(() => worker.counts.active).toBe(1)
    const before = connects.count
    await cut()
    await expect.poll(() => connects.count).toBeGreaterThan(before)
    go.resolve()
    await expect.poll(() => aborted.slice(0, 1)).toEqual(expected)
    // It waits in the state RETRY until its message has come again.
    expect(states.filter((state) => state === 'RETRY')).toEqual(cancels ? ['RETRY'] : [])
    expect(hooks).toEqual(cancels ? ['cancelled by Celery'] : [])
  })

  it('SET-177: without workerEnableRemoteControl nobody answers', async () => {
    const { app } = makeApp({ workerEnableRemoteControl: false })
    app.task('t', () => 1)
    await startWorker(app)
    expect(await app.control.ping({ timeoutMs: 150 })).toEqual([])
    const { app: other } = makeApp()
    other.task('t', () => 1)
    await startWorker(other)
    expect(await other.control.ping({ timeoutMs: 20_000, limit: 1 })).toEqual([{ 'w@test': { ok: 'pong' } }])
  })

  it('SET-193: workerSendTaskEvents sends task events', async () => {
    const seen = async (workerSendTaskEvents: boolean): Promise<readonly string[]> => {
      const { app } = makeApp({ workerSendTaskEvents })
      const t = app.task('t', () => 1)
      const types: string[] = []
      const { broker, serializers, clock } = app.context
      const receiver = new EventReceiver({
        broker: () => broker,
        serializers,
        clock,
        handlers: { '*': ({ type }) => void types.push(type) },
      })
      await receiver.start()
      const worker = await startWorker(app)
      await (await t.delay()).get(soon)
      await worker.stop()
      await expect.poll(() => types).toContain('worker-offline')
      await receiver.close()
      return types.filter((type) => type.startsWith('task-'))
    }
    expect(await seen(true)).toEqual(['task-received', 'task-started', 'task-succeeded'])
    expect(await seen(false)).toEqual([])
  })
})

describe('stopping', () => {
  it('SET-194: workerSoftShutdownTimeout is how long a soft stop waits for tasks', async () => {
    const { app } = makeApp({ workerSoftShutdownTimeout: 5 })
    const go = Promise.withResolvers<void>()
    const t = app.task('t', () => go.promise)
    const worker = await startWorker(app)
    const result = await t.delay()
    await expect.poll(() => worker.counts.active).toBe(1)
    const stopped = worker.stop({ mode: 'soft' })
    await expect.poll(() => worker.status).toBe('soft')
    go.resolve()
    await stopped
    expect(worker.exitCode).toBe(0)
    expect(await result.state()).toBe('SUCCESS')
  })
})
