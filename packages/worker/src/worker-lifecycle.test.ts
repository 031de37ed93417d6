/** How a worker starts and stops, and what it does when its connection dies. */
import { memoryBackend } from '@ct/broker-memory'
import { EventReceiver, type Logger } from '@ct/client'
import { ConfigurationError } from '@ct/contracts'
import { fakeClock } from '@ct/testing'
import { describe, expect, it, vi } from 'vitest'
import { createWorker } from './index.ts'
import { fragileBroker, makeApp, recordingLogger, soon, startWorker } from '../test/memory-worker.ts'

describe('a broker that gives messages back when the connection dies', () => {
  it('D57-67: what was held for its ETA is dropped with the connection, and runs once when its message has come again', async () => {
    const { broker, cut } = fragileBroker(`worker-test-fragile3-${process.pid}`)
    const clock = fakeClock()
    const { app } = makeApp({
      time: clock,
      broker,
      backend: memoryBackend({ name: `worker-test-fragile3-${process.pid}` }),
    })
    let runs = 0
    const later = app.task('later', () => ++runs)
    const worker = await startWorker(app)
    const result = await later.applyAsync([], { countdown: 60 })
    await expect.poll(() => worker.counts.received).toBe(1)
    await cut()
    await expect.poll(() => worker.counts.received).toBe(2)
    // Both are due now, what was held first and what came again.
    await clock.advance(60_000)
    expect(await result.get()).toBe(1)
    expect(await (await later.delay()).get()).toBe(2)
    expect(runs).toBe(2)
  })

  it('WORK-88, WORK-89: a running task goes on and is settled by its message that came again; the rest is fetched again', async () => {
    const { broker, cut } = fragileBroker(`worker-test-fragile-${process.pid}`)
    const { app } = makeApp({
      broker,
      backend: memoryBackend({ name: `worker-test-fragile-${process.pid}` }),
    })
    const runs: number[] = []
    const go = Promise.withResolvers<void>()
    const slow = app.task('slow', async (n: number) => {
      runs.push(n)
      await go.promise
      return n
    })
    const worker = await startWorker(app, { concurrency: 2, prefetchMultiplier: 2 })
    const results = await Promise.all([1, 2, 3, 4].map((n) => slow.delay(n)))
    await expect.poll(() => worker.counts.active).toBe(2)
    await cut()
    await expect.poll(() => worker.status).toBe('running')
    await expect.poll(() => worker.counts.received).toBeGreaterThan(5)
    go.resolve()
    for (const [index, result] of results.entries()) expect(await result.get(soon)).toBe(index + 1)
    expect(runs.toSorted()).toEqual([1, 2, 3, 4])
    const connection = await app.context.producer.connection()
    expect(await connection.queueSize('celery')).toBe(0)
  })

  it('a task that ended while there was no connection is settled when its message comes again', async () => {
    const { broker, cut } = fragileBroker(`worker-test-fragile2-${process.pid}`)
    const { app, lines } = makeApp({
      broker,
      backend: memoryBackend({ name: `worker-test-fragile2-${process.pid}` }),
    })
    let runs = 0
    const go = Promise.withResolvers<void>()
    const slow = app.task('slow', async () => {
      runs += 1
      await go.promise
      return 'once'
    })
    const worker = await startWorker(app)
    const result = await slow.delay()
    await expect.poll(() => worker.counts.active).toBe(1)
    const cutting = cut()
    go.resolve()
    await cutting
    expect(await result.get(soon)).toBe('once')
    expect(runs).toBe(1)
    expect(lines.every(({ level }) => level !== 'critical')).toBe(true)
  })
})

describe('starting and stopping', () => {
  it('WORK-15: a warm stop waits for what runs and gives back what has not started', async () => {
    const { app } = makeApp()
    const go = Promise.withResolvers<void>()
    let started = 0
    const slow = app.task('slow', async () => {
      started += 1
      await go.promise
      return 'done'
    })
    const worker = await startWorker(app, { concurrency: 1 })
    const first = await slow.delay()
    await Promise.all([slow.delay(), slow.applyAsync([], { countdown: 60 })])
    await expect.poll(() => worker.counts.received).toBe(3)
    const stopped = worker.stop()
    await expect.poll(() => worker.status).toBe('warm')
    go.resolve()
    await stopped
    expect(started).toBe(1)
    expect(await first.get(soon)).toBe('done')
    expect(worker.exitCode).toBe(0)
    const connection = await app.context.producer.connection()
    expect(await connection.queueSize('celery')).toBe(2)
  })

  it('WORK-16, WORK-17: soft waits a while, then cold gives unfinished late-ack tasks back', async () => {
    const { app } = makeApp({ workerSoftShutdownTimeout: 0.05 })
    const reasons: unknown[] = []
    const endless = app.task('endless', { bind: true }, async (task) => {
      await new Promise((resolve) => {
        task.signal.addEventListener('abort', resolve)
      })
      reasons.push(task.signal.reason)
    })
    const cancelled: string[] = []
    const worker = await startWorker(app)
    worker.on('taskCancelled', ({ uuid }) => cancelled.push(uuid))
    const modes: string[] = []
    worker.on('stopping', (mode) => modes.push(mode))
    const { id } = await endless.delay()
    await expect.poll(() => worker.counts.active).toBe(1)
    const stopped = worker.stop()
    await expect.poll(() => worker.status).toBe('warm')
    await worker.stop({ mode: 'soft' })
    await stopped
    expect(modes).toEqual(['warm', 'soft', 'cold'])
    expect(cancelled).toEqual([id])
    expect(worker.exitCode).toBe(1)
    expect(reasons).toMatchObject([{ code: 'CT_ABORTED' }])
    const connection = await app.context.producer.connection()
    expect(await connection.queueSize('celery')).toBe(1)
  })

  it('WORK-15: await using stops the worker; stop is idempotent and legal before start', async () => {
    const { app } = makeApp()
    app.task('t', () => 1)
    const never = createWorker(app)
    await never.stop()
    expect(never.status).toBe('stopped')
    await expect(never.start()).rejects.toThrow('The worker was stopped. Make another one.')
    const worker = createWorker(app, { withoutMingle: true })
    {
      await using running = worker
      await running.start()
      expect(running.status).toBe('running')
    }
    expect(worker.status).toBe('stopped')
    await worker.stop()
  })

  it('WORK-5: queues can be chosen and excluded', async () => {
    const { app } = makeApp({ taskQueues: { one: {}, two: {}, three: {} } as never })
    expect(createWorker(app, { queues: 'one,two' }).queues).toEqual(['one', 'two'])
    expect(createWorker(app, { excludeQueues: ['two'] }).queues).toEqual(['one', 'three'])
    expect(() => createWorker(app, { excludeQueues: ['one', 'two', 'three'] })).toThrow(ConfigurationError)
  })

  it('refuses unknown options with a suggestion, and wrong values', () => {
    const { app } = makeApp()
    expect(() => createWorker(app, { concurency: 5 } as never)).toThrow(/concurrency/)
    expect(() => createWorker(app, { concurrency: 0 })).toThrow(ConfigurationError)
    expect(() => createWorker(app, { pool: 'prefork' as never })).toThrow(/pool/)
  })

  it.each([
    { queues: 42 },
    { queues: [null] },
    { excludeQueues: 42 },
    { hostname: 42 },
    { pool: {} },
    { pool: null },
    { autoscale: null },
    { autoscale: { max: 1, min: 2 } },
    { modules: 'x' },
    { taskEvents: 1 },
    { heartbeatInterval: 1e12 },
    { watchdogMs: Infinity },
  ])('refuses the option %j', (options) => {
    const { app } = makeApp()
    expect(() => createWorker(app, options as never)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/CT_CONFIGURATION|CT_ADAPTER/) }),
    )
  })

  it('EVT-8, EVT-20…27: task events reach listeners, and the broker only when asked for', async () => {
    const { app } = makeApp()
    const t = app.task('t', () => 1)
    const worker = await startWorker(app)
    const seen: string[] = []
    worker.on('taskReceived', () => seen.push('received'))
    worker.on('taskStarted', () => seen.push('started'))
    worker.on('taskSucceeded', ({ result }) => seen.push(`succeeded ${result}`))
    worker.on('taskSucceeded', () => {
      throw new Error('a listener’s own trouble')
    })
    await (await t.delay()).get(soon)
    await expect.poll(() => seen).toEqual(['received', 'started', 'succeeded 1'])
  })

  it('TASK-17: a task with sendEvents: false is in no event', async () => {
    const { app } = makeApp()
    const quiet = app.task('quiet', { sendEvents: false }, () => 1)
    const loud = app.task('loud', () => 2)
    const worker = await startWorker(app)
    const seen: string[] = []
    worker.on('taskReceived', ({ name }) => seen.push(String(name)))
    worker.on('taskSucceeded', ({ result }) => seen.push(String(result)))
    await (await quiet.delay()).get(soon)
    await (await loud.delay()).get(soon)
    await expect.poll(() => seen).toEqual(['loud', '2'])
  })

  it('TASK-33: resultreprMaxsize is how much of a result logs and events show', async () => {
    const { app, lines } = makeApp()
    const long = app.task('long', { resultreprMaxsize: 20 }, () => 'x'.repeat(100))
    const worker = await startWorker(app)
    const shown: unknown[] = []
    worker.on('taskSucceeded', ({ result }) => shown.push(result))
    expect(await (await long.delay()).get(soon)).toHaveLength(100)
    await expect.poll(() => shown.map((text) => String(text).length)).toEqual([expect.closeTo(20, -1)])
    await vi.waitFor(() => expect(lines.at(-1)?.message).toMatch(/succeeded in .*: '?x{10,20}\.\.\./))
  })

  it('TASK-118: a task sends events of its own', async () => {
    const { app } = makeApp()
    const work = app.task('work', { bind: true }, async (task) => {
      await task.sendEvent('halfway', { percent: 50 })
      return task.request.id
    })
    const got = Promise.withResolvers<object>()
    const { broker, serializers, clock } = app.context
    const handlers = { 'task-halfway': got.resolve }
    const receiver = new EventReceiver({ broker: () => broker, serializers, clock, handlers })
    try {
      await receiver.start()
      await startWorker(app, { taskEvents: true })
      const id = await (await work.delay()).get(soon)
      expect(await got.promise).toMatchObject({ uuid: id, percent: 50 })
    } finally {
      await receiver.close()
    }
  })

  it("TASK-123: log lines of a task, its own and the worker's, carry its name, its id and the id of its root", async () => {
    const said: unknown[] = []
    const logger = (fields: object): Logger => ({
      ...recordingLogger([]),
      info: (message, more) =>
        void (/^here|^Task talk/.test(message) && said.push([message.slice(0, 4), { ...fields, ...more }])),
      child: (more) => logger({ ...fields, ...more }),
    })
    const { app } = makeApp({ logger: logger({}) })
    const talk = app.task('talk', { bind: true }, (task) => task.log.info('here'))
    await startWorker(app)
    const result = await talk.applyAsync([], { rootId: 'root-1' })
    await result.get(soon)
    await expect.poll(() => said.length).toBe(3)
    const fields = { taskId: result.id, taskName: 'talk', rootId: 'root-1' }
    expect(said).toEqual([
      ['Task', fields],
      ['here', fields],
      ['Task', fields],
    ])
  })

  it('CTRL-20: revoked before it starts', async () => {
    const clock = fakeClock()
    const { app } = makeApp({ time: clock })
    const ran: number[] = []
    const t = app.task('t', (n: number) => void ran.push(n))
    const worker = await startWorker(app)
    const held = await t.applyAsync([1], { countdown: 60 })
    await expect.poll(() => worker.counts.received).toBe(1)
    await app.control.revoke(held.id, { reply: true, limit: 1, timeoutMs: 20_000 })
    await clock.advance(60_000)
    await expect(held.get()).rejects.toMatchObject({ code: 'CT_REVOKED' })
    await (await t.delay(2)).get()
    expect(ran).toEqual([2])
  })

  it('WORK-41, §4.2 pool_grow: concurrency bounds what runs at a time', async () => {
    const { app } = makeApp()
    const go = Promise.withResolvers<void>()
    const slow = app.task('slow', () => go.promise)
    const worker = await startWorker(app, { concurrency: 2 })
    const results = await Promise.all([1, 2, 3, 4].map(() => slow.delay()))
    await expect.poll(() => worker.counts.active).toBe(2)
    await app.control.broadcast('pool_grow', {
      arguments: { n: 1 },
      reply: true,
      limit: 1,
      timeoutMs: 20_000,
    })
    await expect.poll(() => worker.counts.active).toBe(3)
    go.resolve()
    for (const result of results) await result.get(soon)
  })
})
