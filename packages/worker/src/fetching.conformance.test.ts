/** What a worker fetches, when, and what it gives back: on a real Redis. */
import { freshRedis, startPrivateRedis, tryServices } from '@ct-tools/services'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { createApp, QueueNotFoundError, type App, type AppOptions, type Logger } from '@ct/client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createWorker, type Worker, type WorkerOptions } from './index.ts'

const present = (await tryServices(['redis'])) !== undefined
const silent: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  critical: () => {},
  child: () => silent,
}

describe.skipIf(!present)('fetching on Redis', () => {
  let redis: Awaited<ReturnType<typeof freshRedis>>
  let app: App
  const workers: Worker[] = []
  let lines: string[] = []

  beforeEach(async () => {
    redis = await freshRedis()
  })
  afterEach(async () => {
    for (const worker of workers.splice(0)) await worker.stop({ mode: 'cold' })
    await app?.close()
    await redis[Symbol.asyncDispose]()
  })

  function makeApp(options: AppOptions = {}, url = redis.url): App {
    lines = []
    const logger: Logger = {
      ...silent,
      warn: (text) => void lines.push(text),
      critical: (text) => void lines.push(text),
      child: () => logger,
    }
    app = createApp({
      name: 'proj',
      broker: redisBroker({ url }),
      backend: redisBackend({ url }),
      logger,
      ...options,
    })
    return app
  }

  async function start(options: WorkerOptions = {}): Promise<Worker> {
    const worker = createWorker(app, { withoutMingle: true, withoutHeartbeat: true, ...options })
    workers.push(worker)
    await worker.start()
    return worker
  }

  const size = async (queue: string): Promise<number> =>
    await (await app.context.producer.connection()).queueSize(queue)

  /** A task that runs until it is told to end. */
  function gate(name = 'proj.gate'): {
    readonly ends: (() => void)[]
    readonly started: () => Promise<void>
  } {
    const ends: (() => void)[] = []
    const waiting: (() => void)[] = []
    let begun = 0
    app.task(name, { bind: true }, async (task) => {
      begun += 1
      waiting.shift()?.()
      await new Promise<void>((resolve) => {
        ends.push(resolve)
        task.signal.addEventListener('abort', () => resolve())
      })
    })
    let told = 0
    return {
      ends,
      started: () => {
        told += 1
        if (begun >= told) return Promise.resolve()
        return new Promise((resolve) => {
          waiting.push(resolve)
        })
      },
    }
  }

  it('WORK-77: with workerDisablePrefetch a message is taken only when a slot is free', async () => {
    makeApp({ workerDisablePrefetch: true })
    const { ends, started } = gate()
    await start({ concurrency: 1 })
    for (let count = 0; count < 3; count++) await app.sendTask('proj.gate')
    await started()
    expect(await size('celery')).toBe(2)
    ends.shift()!()
    await started()
    expect(await size('celery')).toBe(1)
  })

  it('WORK-60: without, multiplier × concurrency are taken', async () => {
    makeApp({ defaults: 'celery', taskAcksLate: true, workerPrefetchMultiplier: 2 })
    const { started } = gate()
    await start({ concurrency: 1 })
    for (let count = 0; count < 5; count++) await app.sendTask('proj.gate')
    await started()
    await expect.poll(() => size('celery')).toBe(3)
  })

  it('WORK-66, TASK-6: a rate limit holds back those above it, and follows a change while they wait', async () => {
    makeApp()
    const ran: number[] = []
    app.task('proj.limited', { rateLimit: '1/h' }, (index: number) => void ran.push(index))
    const worker = await start()
    const handles = []
    for (let index = 0; index < 4; index++)
      handles.push(await app.sendTask('proj.limited', { args: [index] }))
    await handles[0]!.get({ timeoutMs: 20_000 })
    await expect.poll(() => worker.counts.received).toBe(4)
    expect(ran).toEqual([0])
    await app.control.broadcast('rate_limit', {
      arguments: { task_name: 'proj.limited', rate_limit: '1000/s' },
    })
    await handles[3]!.get({ timeoutMs: 20_000 })
    expect(ran).toEqual([0, 1, 2, 3])
  })

  it('WORK-65, WORK-67, D57-14: the ETA first, then the rate limit', async () => {
    makeApp()
    const ran: string[] = []
    app.task('proj.limited', { rateLimit: '1/h' }, (name: string) => void ran.push(name))
    const worker = await start()
    const first = await app.sendTask('proj.limited', { args: ['later'], countdown: 0.3 })
    const second = await app.sendTask('proj.limited', { args: ['now'] })
    await second.get({ timeoutMs: 20_000 })
    await expect.poll(() => worker.counts.received).toBe(2)
    // D57-14: due, and without a token, it is still called scheduled.
    const inspect = app.control.inspect({ timeoutMs: 20_000, limit: 1 })
    await expect.poll(async () => Object.values((await inspect.scheduled()) ?? {})).toEqual([[]])
    const [queried] = Object.values((await inspect.queryTask(first.id)) ?? {})
    expect(queried?.[first.id]?.[0]).toBe('scheduled')
    await app.control.broadcast('rate_limit', { arguments: { task_name: 'proj.limited', rate_limit: 0 } })
    await first.get({ timeoutMs: 20_000 })
    expect(ran).toEqual(['now', 'later'])
  })

  it('WORK-5, APP-77: -Q and -X choose queues; one that may not be created is refused by name', async () => {
    makeApp({ taskQueues: { celery: {}, images: {}, slow: {} } })
    app.task('proj.add', (x: number) => x)
    const worker = await start({ excludeQueues: 'slow,unheard' })
    expect(worker.queues).toEqual(['celery', 'images'])
    expect((await start({ hostname: 'two@h', queues: ['slow', 'made'] })).queues).toEqual(['slow', 'made'])
    app.configure({ taskCreateMissingQueues: false })
    expect(() => createWorker(app, { queues: ['nowhere'] })).toThrow(QueueNotFoundError)
    expect(() => createWorker(app, { queues: ['slow'], excludeQueues: ['slow'] })).toThrow(/no queue/)
  })

  it('WORK-7: workerDirect: a queue for one worker alone', async () => {
    makeApp({ workerDirect: true })
    app.task('proj.add', (x: number) => x + 1)
    const worker = await start({ hostname: 'w1@direct' })
    expect(worker.queues).toEqual(['celery', 'w1@direct.dq2'])
    const result = await app.sendTask('proj.add', { args: [1], exchange: 'C.dq2', routingKey: 'w1@direct' })
    expect(await result.get({ timeoutMs: 20_000 })).toBe(2)
  })

  it('CTRL-15, WORK-38, WORK-79, PAIN-58: consumers are added and cancelled, the worker paused and resumed, while it runs', async () => {
    makeApp()
    app.task('proj.add', (x: number) => x + 1)
    const worker = await start({ queues: 'one' })
    const add = async (queue: string): Promise<unknown> =>
      await (await app.sendTask('proj.add', { args: [1], queue })).get({ timeoutMs: 20_000 })
    await worker.addConsumer('two')
    expect([await add('one'), await add('two')]).toEqual([2, 2])
    await worker.cancelConsumer('one')
    await app.sendTask('proj.add', { args: [1], queue: 'one' })
    expect(await add('two')).toBe(2)
    expect(await size('one')).toBe(1)

    await worker.pause()
    expect([worker.paused, worker.health().paused]).toEqual([true, true])
    const waits = await app.sendTask('proj.add', { args: [5], queue: 'two' })
    await worker.addConsumer('one')
    expect([await size('one'), await size('two')]).toEqual([1, 1])
    await worker.resume()
    expect(await waits.get({ timeoutMs: 20_000 })).toBe(6)
    await expect.poll(() => size('one')).toBe(0)
  })

  it('WORK-4: purge deletes what waits before the start', async () => {
    makeApp()
    app.task('proj.add', (x: number) => x + 1)
    for (let count = 0; count < 3; count++) await app.sendTask('proj.add', { args: [count] })
    const worker = await start({ purge: true })
    const after = await app.sendTask('proj.add', { args: [7] })
    expect(await after.get({ timeoutMs: 20_000 })).toBe(8)
    expect(worker.counts.processed).toBe(1)
  })

  it('ROUTE-33, PAIN-22: priorities: the most urgent first, whatever came first', async () => {
    makeApp({ workerPrefetchMultiplier: 1, defaults: 'celery' })
    const ran: number[] = []
    app.task('proj.urgent', (level: number) => void ran.push(level))
    const handles = []
    for (const level of [9, 3, 6, 0]) {
      handles.push(await app.sendTask('proj.urgent', { args: [level], priority: level }))
    }
    await start({ concurrency: 1 })
    for (const handle of handles) await handle.get({ timeoutMs: 20_000 })
    // On Redis 0 is the most urgent.
    expect(ran).toEqual([0, 3, 6, 9])
  })

  describe('shutdown', () => {
    it('D57-167, WORK-71: what ends during a warm stop is acknowledged before a later cold one; what runs goes back', async () => {
      makeApp()
      const { ends, started } = gate()
      const worker = await start({ concurrency: 2 })
      const first = await app.sendTask('proj.gate')
      const second = await app.sendTask('proj.gate')
      await started()
      await started()
      const stopping = worker.stop()
      ends.shift()!()
      await Promise.race([first.get({ timeoutMs: 20_000 }), second.get({ timeoutMs: 20_000 })])
      await expect.poll(() => worker.counts.active).toBe(1)
      await worker.stop({ mode: 'cold' })
      await stopping
      expect(await size('celery')).toBe(1)
      expect(worker.exitCode).toBe(1)
    })

    it('WORK-16, WORK-70: with Celery’s defaults a cold stop marks what was acknowledged early as RETRY, and nobody runs it again', async () => {
      makeApp({ defaults: 'celery' })
      const { started } = gate()
      const worker = await start({ concurrency: 1 })
      const handle = await app.sendTask('proj.gate')
      await started()
      // The soft wait is 0 seconds there: QUIT is cold at once.
      await worker.stop({ mode: 'soft' })
      expect(await handle.status()).toBe('RETRY')
      expect(await size('celery')).toBe(0)
      expect(lines).not.toContainEqual(expect.stringContaining('Soft Shutdown'))
    })

    it('WORK-17, SET-178: a soft stop of a worker that runs nothing ends at once, unless workerEnableSoftShutdownOnIdle', async () => {
      makeApp({ workerSoftShutdownTimeout: 60 })
      app.task('proj.add', (x: number) => x)
      const idle = await start()
      await idle.stop({ mode: 'soft' })
      expect(lines).not.toContainEqual(expect.stringContaining('Soft Shutdown'))
      await app.close()

      makeApp({ workerSoftShutdownTimeout: 60, workerEnableSoftShutdownOnIdle: true })
      app.task('proj.add', (x: number) => x)
      const waits = await start()
      const stopped = waits.stop({ mode: 'soft' })
      await expect.poll(() => lines).toContainEqual('Initiating Soft Shutdown, terminating in 60 seconds')
      expect(waits.status).toBe('soft')
      await waits.stop({ mode: 'cold' })
      await stopped
    })

    it('WORK-18: a further request during the soft wait cancels what runs, and it goes back', async () => {
      makeApp({ workerSoftShutdownTimeout: 60 })
      const { started } = gate()
      const worker = await start({ concurrency: 1 })
      await app.sendTask('proj.gate')
      await started()
      const stopped = worker.stop({ mode: 'soft' })
      await expect.poll(() => worker.status).toBe('soft')
      await worker.stop({ mode: 'cold' })
      await stopped
      expect(await size('celery')).toBe(1)
    })

    it('WORK-20, D57-69: a server that has fallen silent does not keep a cold stop', async () => {
      await using own = await startPrivateRedis()
      makeApp({}, own.url)
      const { started } = gate()
      const worker = await start({ concurrency: 1 })
      await app.sendTask('proj.gate')
      await started()
      own.pause()
      await worker.stop({ mode: 'cold' })
      expect(worker.status).toBe('stopped')
      own.resume()
      await app.close()
    })
  })

  it('WORK-25, WORK-86: with brokerConnectionRetry off, a lost connection ends the worker: critical, exit code 1', async () => {
    await using own = await startPrivateRedis()
    makeApp({ brokerConnectionRetry: false }, own.url)
    app.task('proj.add', (x: number) => x)
    const worker = await start()
    await own.stop()
    await worker.finished()
    expect(worker.exitCode).toBe(1)
    expect(lines).toContainEqual(expect.stringContaining('The worker cannot go on'))
    await app.close()
  })

  it('WORK-85: brokerConnectionRetryOnStartup off: the first failure ends the start', async () => {
    makeApp({ brokerConnectionRetryOnStartup: false, brokerConnectionTimeout: 1 }, 'redis://127.0.0.1:1')
    app.task('proj.add', (x: number) => x)
    const worker = createWorker(app, { withoutMingle: true })
    await expect(worker.start()).rejects.toMatchObject({ code: 'CT_BROKER_UNAVAILABLE' })
    expect([worker.status, worker.exitCode]).toEqual(['stopped', 1])
  })
})
