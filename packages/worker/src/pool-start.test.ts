/** What settings and names make of a pool. */
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import {
  chain,
  chord,
  createApp,
  type AnySignature,
  type App,
  type AppOptions,
  type AsyncResult,
} from '@ct/client'
import type { Pool, PoolJob, PoolJobEvents, PoolStartOptions } from '@ct/contracts'
import { recordingLogger } from '@ct/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { asyncPool, createWorker, type Worker, type WorkerOptions } from './index.ts'

const open: (App | Worker)[] = []
let hubs = 0
const soon = { timeoutMs: 20_000 }

async function start(
  options: WorkerOptions,
  settings: AppOptions = {},
): Promise<{ readonly app: App; readonly worker: Worker }> {
  const hub = { name: `pool-start-${process.pid}-${++hubs}` }
  const app = createApp({
    name: 'proj',
    broker: memoryBroker(hub),
    backend: memoryBackend(hub),
    environment: {},
    ...settings,
  })
  app.task('proj.add', (x: number, y: number) => x + y)
  app.task('proj.wait', () => new Promise(() => {}))
  app.task('proj.early', { acksLate: false }, () => 1)
  app.task('proj.first', (values: readonly number[]) => values[0])
  const worker = createWorker(app, { withoutMingle: true, hostname: 'w@h', ...options })
  open.push(worker, app)
  await worker.start()
  return { app, worker }
}

afterEach(async () => {
  for (const one of open.splice(0)) await ('stop' in one ? one.stop({ mode: 'cold' }) : one.close())
})

/** The pool of the event loop, which tells what it was started with and what it was given. */
function watchedPool(): {
  readonly pool: Pool
  readonly started: () => PoolStartOptions
  readonly jobs: readonly PoolJob[]
} {
  const inner = asyncPool()
  let given: PoolStartOptions | undefined
  const jobs: PoolJob[] = []
  const pool = new Proxy(inner, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (key === 'submit')
        return (job: PoolJob, events: PoolJobEvents) => {
          jobs.push(job)
          return target.submit(job, events)
        }
      if (key !== 'start') return typeof value === 'function' ? (value.bind(target) as unknown) : value
      return (options: PoolStartOptions) => {
        given = options
        return target.start(options)
      }
    },
  })
  return { pool, started: () => given!, jobs }
}

describe('what a pool is started with', () => {
  it('SET-183…185, SET-190, WORK-43: the settings of children; what the worker is told wins', async () => {
    const one = watchedPool()
    const settings = {
      workerMaxTasksPerChild: 7,
      workerMaxMemoryPerChild: 12_000,
      workerProcAliveTimeout: 3,
      workerLostWait: 2,
    }
    await start({ pool: one.pool, concurrency: 2 }, settings)
    expect(one.started()).toMatchObject({
      size: 2,
      maxTasksPerChild: 7,
      maxMemoryPerChildKb: 12_000,
      aliveTimeoutMs: 3000,
      lostWaitMs: 2000,
    })
    const two = watchedPool()
    await start({ pool: two.pool, maxTasksPerChild: 8, maxMemoryPerChild: 9000 }, settings)
    expect(two.started()).toMatchObject({ maxTasksPerChild: 8, maxMemoryPerChildKb: 9000 })
  })
})

it('WORK-42: a pool may be late to hear of tasks that nobody waits for: not of early acks, nor where something follows', async () => {
  const { pool, jobs } = watchedPool()
  const { app } = await start({ pool })
  const add = (...args: number[]): AnySignature => app.signature('proj.add', { args })
  const said = async (send: () => Promise<unknown>): Promise<unknown[]> => {
    const before = jobs.length
    await ((await send()) as AsyncResult<unknown>).get(soon)
    return jobs.slice(before).map(({ patient }) => patient)
  }
  expect(await said(() => add(1, 2).applyAsync())).toEqual([true])
  expect(await said(() => app.sendTask('proj.early'))).toEqual([false])
  expect(await said(() => chain(add(1, 2), add(3)).applyAsync())).toEqual([false, true])
  expect(await said(() => add(1, 2).applyAsync({ linkError: add(3) }))).toEqual([false])
  expect(await said(() => chord([add(1, 2)], app.signature('proj.first')).applyAsync())).toEqual([
    false,
    true,
  ])
})

describe('what slots say outside of jobs', () => {
  it('log lines are the worker’s, and so is why one did not close in good order', async () => {
    const one = watchedPool()
    const logger = recordingLogger()
    await start({ pool: one.pool }, { logger })
    const say = (kind: string, payload: unknown): void =>
      one.started().onSlotMessage!({ kind, payload }, { index: 0, pid: 77 })
    say('log', { level: 'warn', message: 'careful', fields: { queue: 'q' } })
    say('error', { name: 'Error', message: 'the database is gone', stack: undefined })
    for (const nonsense of [undefined, null, 5, {}, { level: 'constructor' }]) {
      say('log', nonsense)
      say('error', nonsense)
    }
    expect(logger.records.slice(-2)).toMatchObject([
      { level: 'warn', message: 'careful', fields: { queue: 'q', pid: 77 } },
      { level: 'error', message: expect.stringMatching(/did not close.*the database is gone/) },
    ])
  })
})

describe.each(['gevent', 'eventlet'] as const)('WORK-49, WORK-50: -P %s', (pool) => {
  it('many tasks at a time, grown and shrunk, with a hard limit, terminated', async () => {
    const { app, worker } = await start({ pool, concurrency: 2 })
    expect(await (await app.sendTask('proj.add', { args: [2, 3] })).get(soon)).toBe(5)
    const inspect = app.control.inspect({ ...soon, destination: ['w@h'] })
    expect((await inspect.stats())?.['w@h']?.pool).toMatchObject({ 'max-concurrency': 2 })
    await app.control.poolGrow(1, { ...soon, destination: ['w@h'], reply: true })
    expect(worker.concurrency).toBe(3)
    await app.control.poolShrink(2, { ...soon, destination: ['w@h'], reply: true })
    expect(worker.concurrency).toBe(1)
    const late = await app.sendTask('proj.wait', { timeLimit: 0.05 })
    await expect(late.get(soon)).rejects.toMatchObject({ name: 'TimeLimitExceeded' })
    const ended = await app.sendTask('proj.wait')
    await expect.poll(() => worker.counts.active).toBe(1)
    await app.control.revoke(ended.id, { terminate: true })
    await expect(ended.get(soon)).rejects.toThrow(/terminated|revoked/i)
    expect(worker.counts.active).toBe(0)
  })
})

it('SET-186: the setting workerPool, which -P overrides', async () => {
  const set = await start({}, { workerPool: 'solo' })
  const solo = await set.app.control.inspect({ ...soon, destination: ['w@h'] }).stats()
  expect(solo?.['w@h']?.pool).toMatchObject({ 'max-concurrency': 1 })
  const chosen = await start({ pool: 'async', concurrency: 4 }, { workerPool: 'solo' })
  expect(chosen.worker.concurrency).toBe(4)
})

it('WORK-78: what is sent twice under one id runs twice', async () => {
  const { app, worker } = await start({})
  await app.sendTask('proj.add', { args: [1, 1], taskId: 'the same' })
  await app.sendTask('proj.add', { args: [1, 1], taskId: 'the same' })
  await expect.poll(() => worker.counts.processed).toBe(2)
})
