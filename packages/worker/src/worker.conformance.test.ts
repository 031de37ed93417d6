/** A worker on a real Redis whose connections are cut, paused and restarted: nothing is lost, nothing runs twice without a reason. */
import { setTimeout as sleep } from 'node:timers/promises'
import { startPrivateRedis, type PrivateRedis } from '@ct-tools/services'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { createApp, type App, type AppOptions, type Logger } from '@ct/client'
import { parkedSuffix } from '@ct/contracts'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createWorker, type Worker, type WorkerOptions } from './index.ts'

const soon = { timeoutMs: 20_000 }

describe('a worker on Redis', () => {
  let redis: PrivateRedis
  const open: { worker?: Worker; app: App }[] = []

  beforeAll(async () => {
    redis = await startPrivateRedis({
      args: ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'],
    })
  })
  afterEach(async () => {
    for (const { worker } of open) await worker?.stop({ mode: 'cold' })
    for (const { app } of open) await app.close()
    open.length = 0
    await redis.command('FLUSHALL')
  })
  afterAll(async () => {
    await redis?.stop()
  })

  function makeApp(
    options: AppOptions = {},
    broker: { visibilityTimeout?: number } = {},
  ): { app: App; lines: string[] } {
    const lines: string[] = []
    const note = (message: string): number => lines.push(message)
    const logger: Logger = {
      debug: () => {},
      info: note,
      warn: note,
      error: note,
      critical: note,
      child: () => logger,
    }
    const app = createApp({
      name: 'proj',
      broker: redisBroker({ url: redis.url, ...broker }),
      backend: redisBackend({ url: redis.url }),
      logger,
      ...options,
    })
    open.push({ app })
    return { app, lines }
  }

  async function startWorker(app: App, options: WorkerOptions = {}): Promise<Worker> {
    const worker = createWorker(app, { withoutMingle: true, withoutHeartbeat: true, ...options })
    open.push({ app, worker })
    await worker.start()
    return worker
  }

  /** Every connection to the server but the one that asks. */
  const cut = async (): Promise<void> => {
    await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub', 'SKIPME', 'yes')
  }

  it('PAIN-48, architecture §4, B16: what runs while the connection is cut is settled by the next one and does not run twice', async () => {
    const { app } = makeApp()
    const runs: number[] = []
    const go = Promise.withResolvers<void>()
    const slow = app.task('slow', async (n: number) => {
      runs.push(n)
      await go.promise
      return n
    })
    const worker = await startWorker(app, { concurrency: 3 })
    const results = await Promise.all([1, 2, 3, 4, 5].map((n) => slow.delay(n)))
    await expect.poll(() => worker.counts.active).toBe(3)
    await cut()
    await expect.poll(() => worker.status).toBe('running')
    go.resolve()
    for (const [index, result] of results.entries()) expect(await result.get(soon)).toBe(index + 1)
    expect(runs.toSorted()).toEqual([1, 2, 3, 4, 5])
    await expect.poll(async () => await redis.command('HLEN', 'unacked')).toBe(0)
  })

  it('a task that ends while the server is away is settled when it is back', async () => {
    const { app } = makeApp()
    const go = Promise.withResolvers<void>()
    let runs = 0
    const slow = app.task('slow', async () => {
      runs += 1
      await go.promise
      return 'kept'
    })
    const worker = await startWorker(app)
    const result = await slow.delay()
    await expect.poll(() => worker.counts.active).toBe(1)
    await redis.kill()
    go.resolve()
    await sleep(300)
    await redis.restart()
    expect(await result.get({ timeoutMs: 20_000 })).toBe('kept')
    expect(runs).toBe(1)
    await expect.poll(async () => await redis.command('HLEN', 'unacked')).toBe(0)
    expect(worker.status).toBe('running')
  })

  it('TRANS-38, PAIN-1: leases of held and running messages are renewed', async () => {
    const { app } = makeApp({}, { visibilityTimeout: 1 })
    let runs = 0
    const slow = app.task('slow', async () => {
      runs += 1
      await sleep(2500)
      return 'once'
    })
    const worker = await startWorker(app)
    const result = await slow.delay()
    await expect.poll(() => worker.counts.active).toBe(1)
    const other = createApp({
      name: 'proj',
      broker: redisBroker({ url: redis.url, visibilityTimeout: 1 }),
      backend: redisBackend({ url: redis.url }),
    })
    other.task('slow', () => {
      runs += 1
      return 'twice'
    })
    await startWorker(other)
    expect(await result.get(soon)).toBe('once')
    expect(runs).toBe(1)
  })

  it('a lost lease fires the signal, and its outcome is not recorded', async () => {
    const { app, lines } = makeApp({}, { visibilityTimeout: 2 })
    const reasons: unknown[] = []
    const slow = app.task('slow', { bind: true }, async (task) => {
      await new Promise((resolve) => {
        task.signal.addEventListener('abort', resolve)
      })
      reasons.push((task.signal.reason as { code: string }).code)
      return 'not mine any more'
    })
    const worker = await startWorker(app)
    const result = await slow.delay()
    await expect.poll(() => worker.counts.active).toBe(1)
    await redis.command('DEL', 'unacked', 'unacked_index')
    await expect.poll(() => reasons).toEqual(['CT_LEASE_LOST'])
    await expect.poll(() => lines.some((line) => line.includes('not recorded'))).toBe(true)
    expect(await result.state()).toBe('PENDING')
  })

  it('WORK-63, WORK-64, PAIN-3: ETA messages are held by the worker without taking the place of others', async () => {
    const { app } = makeApp({ workerPrefetchMultiplier: 1 })
    const echo = app.task('echo', (x: number) => x)
    const worker = await startWorker(app, { concurrency: 1 })
    const held = await Promise.all([1, 2, 3, 4, 5].map((x) => echo.applyAsync([x], { countdown: 1 })))
    expect(await (await echo.delay(6)).get(soon)).toBe(6)
    await expect.poll(() => worker.counts.received).toBe(6)
    for (const [index, result] of held.entries()) expect(await result.get(soon)).toBe(index + 1)
  })

  it('WORK-15: a warm stop gives back what is not started, unmarked, for another worker', async () => {
    const { app } = makeApp()
    const go = Promise.withResolvers<void>()
    const slow = app.task('slow', { bind: true }, async (task) => {
      await go.promise
      return task.request.deliveryInfo.redelivered
    })
    const worker = await startWorker(app, { concurrency: 1 })
    const results = await Promise.all([1, 2, 3].map(() => slow.delay()))
    await expect.poll(() => worker.counts.received).toBe(3)
    const stopped = worker.stop()
    go.resolve()
    await stopped
    expect(await redis.command('HLEN', 'unacked')).toBe(0)
    await startWorker(app)
    for (const result of results) expect(await result.get(soon)).toBe(false)
  })

  it('WORK-15: what ends while the connection is away is settled by a warm stop when it is back', async () => {
    const { app } = makeApp()
    const go = Promise.withResolvers<void>()
    let runs = 0
    const slow = app.task('slow', async () => {
      runs += 1
      await go.promise
      return 'kept'
    })
    const worker = await startWorker(app, { concurrency: 1 })
    const results = await Promise.all([1, 2, 3].map(() => slow.delay()))
    await expect.poll(() => worker.counts.received).toBe(3)
    await redis.kill()
    await expect.poll(() => worker.status).toBe('reconnecting')
    const stopped = worker.stop()
    go.resolve()
    await sleep(300)
    await redis.start()
    await stopped
    expect(await results[0]!.get(soon)).toBe('kept')
    expect(await redis.command('HLEN', 'unacked')).toBe(0)
    expect(await redis.command('LLEN', 'celery')).toBe(2)
    expect(runs).toBe(1)
  })

  it.skipIf(process.env['CT_NIGHTLY'] === undefined)(
    'WORK-15: a warm stop does not wait for ever for a broker that is gone',
    { timeout: 40_000 },
    async () => {
      const { app } = makeApp()
      const go = Promise.withResolvers<void>()
      const slow = app.task('slow', () => go.promise)
      const worker = await startWorker(app)
      await slow.delay()
      await expect.poll(() => worker.counts.active).toBe(1)
      await redis.kill()
      await expect.poll(() => worker.status).toBe('reconnecting')
      const stopped = worker.stop()
      go.resolve()
      await stopped
      await redis.start()
      expect(await redis.command('HLEN', 'unacked')).toBe(1)
    },
  )

  it('TASK-78, SET-171, D57-90, D57-166: a redelivered success is not run again', async () => {
    const { app } = makeApp({ workerDeduplicateSuccessfulTasks: true })
    let runs = 0
    const t = app.task('t', () => {
      runs += 1
      return 'first'
    })
    const followed: unknown[] = []
    app.task('follow', (value: string, tag: string) => void followed.push([value, tag]))
    await startWorker(app)
    const result = await t.delay()
    expect(await result.get(soon)).toBe('first')
    const { capabilities: _capabilities } = app.context.broker
    const { prepareTask } = await import('@ct/client')
    const again = prepareTask(app.context, {
      task: 't',
      args: [],
      kwargs: {},
      options: { task_id: result.id },
    })
    const connection = await app.context.producer.connection()
    // A message with the mark that a restored one has.
    await connection.publish({ ...again.message, headers: { ...again.message.headers, redelivered: true } })
    await expect.poll(() => connection.queueSize('celery')).toBe(0)
    await expect.poll(async () => await redis.command('HLEN', 'unacked')).toBe(0)
    expect(runs).toBe(1)
    // One whose worker died after it had stored the result: what follows is sent from what is stored.
    await app.context.results.storeResult({ taskId: 'lost', state: 'SUCCESS', result: 'stored' })
    const lost = prepareTask(app.context, {
      task: 't',
      args: [],
      kwargs: {},
      options: {
        task_id: 'lost',
        link: [app.signature('follow', { args: ['link'] })],
        chain: [app.signature('follow', { args: ['chain'] })],
      },
    })
    await connection.publish({ ...lost.message, headers: { ...lost.message.headers, redelivered: true } })
    await expect.poll(() => followed.length).toBe(2)
    expect(followed.toSorted()).toEqual([
      ['stored', 'chain'],
      ['stored', 'link'],
    ])
    expect(runs).toBe(1)
  })

  it('architecture §6: redelivered messages run one at a time and are parked with their history', async () => {
    const { app } = makeApp({ maxDeliveries: 2 })
    const { Reject } = await import('@ct/contracts')
    let running = 0
    let most = 0
    const poison = app.task('poison', { bind: true }, async (task) => {
      if (task.request.deliveryInfo.redelivered) {
        running += 1
        most = Math.max(most, running)
        await sleep(20)
        running -= 1
      }
      throw new Reject('again', true)
    })
    await startWorker(app)
    await Promise.all([1, 2, 3].map(() => poison.delay()))
    const connection = await app.context.producer.connection()
    await expect.poll(() => connection.queueSize(`celery${parkedSuffix}`)).toBe(3)
    expect(most).toBe(1)
    expect((await connection.parked.list('celery')).map(({ history }) => history.starts)).toEqual([2, 2, 2])
  })
})
