/** Workers whose tasks run in threads and in child processes: everything a task may do there, over a real Redis. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freshRedis, RedisConnection, type FreshRedis } from '@ct-tools/services'
import { chord, type AnySignature, type AsyncResult, type Signature } from '@ct/client'
import { processesPool } from '@ct/pool-processes'
import { threadsPool } from '@ct/pool-threads'
import { recordingLogger } from '@ct/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type * as poolTasks from './pool-tasks.ts'
import { createWorker, type Worker, type WorkerOptions } from '../src/index.ts'

const soon = { timeoutMs: 20_000 }
const module = new URL('./pool-tasks.ts', import.meta.url)
const execArgv = ['--max-old-space-size=96', ...process.execArgv]

let redis: FreshRedis
let control: RedisConnection
let tasks: typeof poolTasks
const log = recordingLogger()

beforeAll(async () => {
  redis = await freshRedis()
  control = await RedisConnection.openUrl(redis.url)
  process.env['CT_POOL_TEST_BROKER'] = redis.url
  process.env['CT_POOL_TEST_BACKEND'] = redis.url
  tasks = await import('./pool-tasks.ts')
  tasks.app.logTo(log)
})
afterAll(async () => {
  await tasks.app.close()
  control.close()
  await redis.release()
})

const pools = {
  threads: () => threadsPool({ resourceLimits: { maxOldGenerationSizeMb: 96 } }),
  processes: () => processesPool({ execArgv }),
}

describe.each(['threads', 'processes'] as const)('tasks in %s', (name) => {
  let worker: Worker
  let started = false

  async function start(options: WorkerOptions = {}): Promise<Worker> {
    await stop()
    worker = createWorker(tasks.app, {
      pool: pools[name](),
      modules: [module],
      concurrency: 1,
      withoutMingle: true,
      withoutHeartbeat: true,
      hostname: `w-${name}@here`,
      ...options,
    })
    started = true
    await worker.start()
    return worker
  }

  /** One worker for those tests that need no other. */
  async function common(): Promise<void> {
    if (!started) await start()
  }

  async function stop(): Promise<void> {
    if (started) await worker.stop({ mode: 'cold' })
    started = false
  }

  afterEach(() => {
    log.records.length = 0
    tasks.hooks.length = 0
  })
  beforeAll(async () => {
    await control.command('FLUSHDB')
  })
  afterAll(stop)

  const send = (task: string, ...args: unknown[]): Promise<AsyncResult<unknown>> =>
    tasks.app.sendTask(task, { args })
  const run = async (task: string, ...args: unknown[]): Promise<unknown> =>
    (await send(task, ...args)).get(soon)
  const failure = async (task: string, ...args: unknown[]): Promise<Error> => {
    const error = await run(task, ...args).then(
      (value) => new Error(`it returned ${String(value)}`),
      (reason: unknown) => reason as Error,
    )
    return error
  }
  const logged = (): string => log.records.map(({ message }) => message).join('\n')

  it('WORK-42, WORK-47, WORK-75: run elsewhere; arguments bind, values and numbers come back as they are', async () => {
    await common()
    expect(await run('who')).not.toBe(`${process.pid}/0`)
    const result = await tasks.app.sendTask('add', { kwargs: { y: 2, x: 40 } })
    expect(await result.get(soon)).toBe(42)
    expect((await failure('add', 1)).message).toContain("missing 1 required positional argument: 'y'")
    const value = { text: 'ü', big: 2n ** 70n, list: [1.5, null, true], at: new Date(0) }
    expect(await run('echo', value)).toEqual({ ...value, at: expect.anything() as unknown })
  })

  it('TASK-115, TASK-116: a task in a slot is replaced, and adds to its chord', async () => {
    await common()
    expect(await run('replaced', 'task', 1)).toBe(101)
    expect(await run('replaced', 'chain', 1)).toBe(102)
    expect(await run('replaced', 'group', 1)).toEqual([101, 201])
    expect((await failure('replaced', 'cannot', 1)).message).toMatch(/function/)
    const sig = (name: string, ...args: unknown[]): AnySignature => tasks.app.signature(name, { args })
    const header = [sig('replaced', 'chain', 1), sig('joined', 2)]
    const sum = (await (chord(header, sig('xsum')) as Signature).applyAsync()) as AsyncResult<number>
    expect(await sum.get(soon)).toBe(102 + 2 + 1002)
  })

  it('TASK-79: an error is stored under its own name, with its traceback; throws is decided by its class', async () => {
    await common()
    const error = await failure('fail', 'own')
    expect(error).toMatchObject({
      name: 'TeaPotError',
      message: 'short and stout',
      excModule: 'ct.exceptions',
    })
    expect((error as { traceback?: string }).traceback).toMatch(
      /pool-tasks\.ts", line \d+.*\nct\.exceptions\.TeaPotError: short and stout/s,
    )
    expect(logged()).toContain("raised unexpected: TeaPotError('short and stout')")
    expect((await failure('fail', 'expected')).name).toBe('ValueError')
    await expect.poll(logged).toContain("raised expected: ValueError('out of range')")
    expect((await failure('fail', 'string')).message).toBe('just a text')
    expect((await failure('fail', 'nothing')).message).toBe('the task threw undefined')
    // Nobody knows where they were thrown: the log does not show where they were found.
    const stackOf = (line: string): unknown =>
      (log.records.find(({ message }) => message.includes(line))!.fields['error'] as Error).stack
    await expect.poll(logged).toContain('the task threw undefined')
    expect(stackOf("Exception('just a text')")).toBe('Exception: just a text')
    expect(stackOf('the task threw undefined')).toBe('Error: the task threw undefined')
    expect((await failure('unencodable')).name).toMatch(/EncodeError/)
  })

  it('PAIN-36: requeueFor is decided by the class of the error, in the slot', async () => {
    await common()
    expect(await run('busy')).toBe(2)
    expect(logged()).toMatch(/busy\[[-0-9a-f]+\] reject requeue=True/)
  })

  it('TASK-95, TASK-20: retry, with other arguments, by itself', async () => {
    await common()
    expect(await run('retried')).toEqual([2, 36, 'node'])
    expect(await run('retried-otherwise', 21)).toBe(42)
    expect((await failure('auto')).name).toBe('ValueError')
  })

  it('TASK-101, TASK-102: ignore and reject', async () => {
    await common()
    const ignored = await send('ignored')
    expect((await failure('rejected')).name).toBe('Reject')
    await expect.poll(logged).toContain(`Task ignored[${ignored.id}] ignored`)
    expect(await ignored.state()).toBe('PENDING')
  })

  it('TASK-16, RES-2: states of its own, tasks sent from inside, children, log lines', async () => {
    await common()
    const result = await send('progress', 'gate')
    expect(await result.get(soon)).toBe('progressed')
    expect(await control.command('LLEN', 'elsewhere')).toBe(1)
    const started = await send('started')
    expect(await started.get(soon)).toBe(`w-${name}@here`)
    const parent = await send('parent')
    const [id, first, child] = (await parent.get(soon)) as [string, string, string]
    expect(id).toBe(parent.id)
    const children = (await parent.children()) as unknown as { readonly id: string }[]
    expect(children.map((one) => one.id)).toEqual([first])
    expect(await tasks.app.asyncResult(child).get(soon)).toBe(6)
    await run('log', 'hello')
    const line = log.records.find(({ message }) => message === 'hello')
    expect(line?.fields).toMatchObject({ size: 3, pid: expect.any(Number) as unknown })
    expect(log.records.find(({ message }) => message === 'of the app')?.fields?.['error']).toMatchObject({
      message: 'in a field',
    })
  })

  it('TASK-86, SIG-19: hooks after the run are called in the worker, before it in the slot; the slot has its signals', async () => {
    await common()
    expect(await run('hooked', false)).toEqual({ one: 1.5 })
    expect((await failure('hooked', true)).message).toBe('hooked')
    await expect.poll(() => tasks.hooks.length).toBe(4)
    expect(tasks.hooks).toEqual([
      ['success', { one: 1.5 }],
      ['after', 'SUCCESS', { one: 1.5 }],
      ['failure', 'TeaPotError'],
      ['after', 'FAILURE', 'hooked'],
    ])
    const told = (await run('told')) as string[]
    expect(told.slice(0, 2)).toEqual(['fork', expect.stringMatching(/^init \d+\/\d+$/)])
    expect(told).toContain('before')
    expect(told.at(-1)).toBe('prerun')
  })

  it('TASK-7, D57-179, TASK-104, PAIN-26: the hard limit ends a task that computes; the slot is replaced', async () => {
    await common()
    const result = await tasks.app.sendTask('spin', { timeLimit: 0.3 })
    const error = await result.get(soon).catch((reason: unknown) => reason as Error)
    expect(error).toMatchObject({ name: 'TimeLimitExceeded', seconds: 0.3 })
    expect(logged()).toContain(`Hard time limit (0.3s) exceeded for spin[${result.id}]`)
    expect(await run('add', 1, 1)).toBe(2)
  })

  it('TASK-8, TASK-104, PAIN-26: the soft limit fires the signal of the task, which ends as it likes', async () => {
    await common()
    const result = await tasks.app.sendTask('wait', { softTimeLimit: 0.2 })
    expect(await result.get(soon)).toBe('aborted: SoftTimeLimitExceeded')
  })

  it('CTRL-20, WORK-54, TASK-104: revoke with terminate ends a task that computes', async () => {
    await common()
    const result = await send('spin')
    await expect.poll(() => worker.counts.active, { timeout: 20_000 }).toBe(1)
    await result.revoke({ terminate: true })
    const error = await result.get(soon).catch((reason: unknown) => reason as Error)
    expect(error).toMatchObject({ name: 'TaskRevokedError', reason: 'terminated' })
    expect(await run('add', 1, 1)).toBe(2)
  })

  it('WORK-44, TASK-12, SET-155, TASK-104, D57-114, PAIN-7, D57-65: a lost slot: WorkerLostError, or back to its queue and parked in the end', async () => {
    await stop()
    await start()
    const { app } = tasks
    const lost = await app.sendTask('exit', { args: [3] })
    await expect
      .poll(async () => await control.command('LLEN', 'node.parked'), { timeout: 60_000, interval: 200 })
      .toBe(1)
    expect(logged()).toMatch(/goes back to its queue: Worker exited prematurely: exitcode 3\./)
    expect(logged()).toMatch(/was started 5 times and never ended/)
    await expect(lost.get(soon)).rejects.toMatchObject({
      name: 'WorkerLostError',
      message: expect.stringMatching(
        /was started 5 times and never ended .*parked in node\.parked/,
      ) as string,
    })
    expect(await failure('lost')).toMatchObject({
      name: 'WorkerLostError',
      message: 'Worker exited prematurely: exitcode 3.',
    })
    // D57-64, D57-114: sent again as a retry.
    expect(await run('lost-and-retried')).toBe(1)
    await stop()
  }, 90_000)

  it('WORK-44, PAIN-9: what a task leaves behind: a late rejection is logged, a late error fails its task, a busy loop costs the slot', async () => {
    await stop()
    await start()
    expect(await run('late-rejection')).toBe('fine')
    await expect
      .poll(logged)
      .toMatch(/A promise of task late-rejection\[.*\] was rejected, and nobody awaited it: nobody waits/)
    const before = await run('who')
    expect(await run('who')).toBe(before)
    expect(await failure('late-throw')).toMatchObject({ name: 'TeaPotError', message: 'in a timer' })
    expect(await run('who')).not.toBe(before)
    await stop()
  })

  it('WORK-45, WORK-46, PAIN-42: slots are renewed after so many tasks, and when they have grown', async () => {
    await stop()
    await start({ maxTasksPerChild: 2 })
    const seen = [await run('who'), await run('who'), await run('who'), await run('who')]
    expect(new Set(seen).size).toBe(2)
    await stop()
    await start({ maxMemoryPerChild: 400_000 })
    expect(await run('grow', 1)).toBe(await run('who'))
    const large = await run('grow', 450)
    expect(await run('who')).not.toBe(large)
    await stop()
  })

  it('WORK-53, CTRL-27, CTRL-28, CTRL-29, D57-70: autoscale, grow and shrink, restart', async () => {
    process.env['AUTOSCALE_KEEPALIVE'] = '0.5'
    await start({ autoscale: { max: 3, min: 1 } })
    const { control: remote } = tasks.app
    const one = { destination: [`w-${name}@here`], timeoutMs: 20_000, limit: 1 }
    expect(worker.pool.size).toBe(1)
    const results = await Promise.all([send('wait'), send('wait'), send('wait'), send('wait')])
    await expect.poll(() => worker.counts.active, { timeout: 45_000 }).toBe(3)
    expect(worker.pool.size).toBe(3)
    const stats = (await remote.inspect(one).stats())?.[`w-${name}@here`] as
      | { autoscaler?: unknown }
      | undefined
    expect(stats?.autoscaler).toEqual({ max: 3, min: 1, current: 3, qty: 4 })
    for (const result of results) await result.revoke({ terminate: true })
    await expect.poll(() => worker.pool.size, { timeout: 45_000 }).toBe(1)
    delete process.env['AUTOSCALE_KEEPALIVE']
    await stop()

    await start()
    const before = await run('who')
    await remote.broadcast('pool_grow', { arguments: { n: 1 }, ...one, reply: true })
    expect(worker.pool.size).toBe(2)
    await remote.broadcast('pool_shrink', { arguments: { n: 1 }, ...one, reply: true })
    expect(worker.pool.size).toBe(1)
    const refused = async (method: string, n: number): Promise<string> =>
      JSON.stringify(await remote.broadcast(method, { arguments: { n }, ...one, reply: true }))
    expect(await refused('pool_grow', 1_000_000)).toMatch(/ValueError\('there is memory for some \d+ more/)
    expect(await refused('pool_grow', -1)).toContain('n must not be negative')
    expect(await refused('pool_shrink', -1)).toContain('n must not be negative')
    expect(await refused('pool_shrink', 1)).toContain("Can't shrink pool")
    expect(worker.pool.size).toBe(1)
    await remote.broadcast('pool_restart', { ...one, reply: true })
    expect(await run('who')).not.toBe(before)
    await stop()
  }, 120_000)

  it('a warm stop waits for what runs', async () => {
    await start()
    const result = await send('burn', 400)
    await expect.poll(() => worker.counts.active, { timeout: 20_000 }).toBe(1)
    await worker.stop()
    started = false
    expect(await result.get(soon)).toBe('burn')
    expect(worker.exitCode).toBe(0)
  })

  /** Two tasks that are claimed together: the second one is handed ahead, as a `burn` is known to be short. */
  async function together(first: unknown[], second: string): Promise<AsyncResult<unknown>[]> {
    for (let n = 0; n < 8; n++) await run('burn', 0)
    const [burn, echo] = await tasks.app.sendMany([
      tasks.app.signature('burn', { args: first }),
      tasks.app.signature('echo', { args: [second] }),
    ])
    await expect.poll(() => worker.counts.active, { timeout: 20_000 }).toBe(1)
    return [burn!, echo!]
  }

  it('CTRL-20, WORK-42: a task that was handed ahead to a slot is revoked', async () => {
    await stop()
    await start()
    const [burn, ahead] = await together([1500], 'revoked')
    await ahead!.revoke()
    expect(await burn!.get(soon)).toBe('burn')
    await expect
      .poll(() => log.lines('info').join(), { timeout: 20_000 })
      .toContain(`Discarding revoked task: echo[${ahead!.id}]`)
    expect(await ahead!.status()).toBe('REVOKED')
    expect(await run('echo', 'next')).toBe('next')
    await stop()
  })

  it('WORK-16: a cold stop gives back what a slot had in hand and had not begun, unmarked; it runs once, elsewhere', async () => {
    await start()
    const [, ahead] = await together([3000], 'given back')
    await worker.stop({ mode: 'cold' })
    started = false
    expect(await ahead!.status()).toBe('PENDING')
    expect(await control.command('LLEN', 'node')).toBe(2)
    const waiting = (await control.command('LRANGE', 'node', 0, -1)) as string[]
    expect(waiting.find((message) => message.includes(ahead!.id))).not.toMatch(/"redelivered": ?true/)
    await start()
    expect(await ahead!.get(soon)).toBe('given back')
    // A slot whose event loop an earlier task keeps busy: what it was given it has not begun.
    const folder = mkdtempSync(join(tmpdir(), 'ct-busy-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const begun = join(folder, 'begun')
    expect(await run('leave-busy', begun)).toBe('left')
    await expect.poll(() => existsSync(begun), { timeout: 20_000 }).toBe(true)
    const stuck = await send('echo', 'stuck')
    await expect.poll(() => worker.pool.active, { timeout: 20_000 }).toBe(1)
    log.records.length = 0
    await worker.stop({ mode: 'cold' })
    started = false
    expect(log.lines('error').join()).not.toContain(stuck.id)
    expect(await stuck.status()).toBe('PENDING')
    await start()
    expect(await stuck.get(soon)).toBe('stuck')
    await stop()
    await control.command('FLUSHDB')
  })

  it('modules: without them it does not start, and says why', async () => {
    const lonely = createWorker(tasks.app, { pool: pools[name](), withoutMingle: true })
    await expect(lonely.start()).rejects.toThrow(/needs to know the modules that define the tasks/)
  })
})
