import { createApp, group, type App } from '@ct/client'
import { afterEach, describe, expect, it } from 'vitest'
import { memoryBroker } from '@ct/broker-memory'
import { chaosBroker, startTestWorker, testApp, testManager, type TestAppOptions } from '../src/index.ts'

const apps: App[] = []

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

function made(options?: TestAppOptions): App {
  const app = testApp(options)
  apps.push(app)
  return app
}

describe('startTestWorker', () => {
  it('TEST-13, TEST-14: one slot, no heartbeat, a node of its own; it has answered a ping', async () => {
    const app = made()
    const ran: string[] = []
    app.signals.taskSuccess.connect(({ sender }) => void ran.push(sender.name))
    await using worker = await startTestWorker(app)
    expect(ran).toEqual(['celery.ping'])
    expect(worker.pool.name).toBe('solo')
    expect(worker.concurrency).toBe(1)
    expect(worker.hostname).toMatch(/^test-[0-9a-f]{8}@/)
    expect(worker.health().lastHeartbeat).toBeNull()
  })

  it('TEST-14: without an answer the start fails, and nothing is left running', async () => {
    const app = made()
    app.task('celery.ping', () => new Promise(() => undefined))
    const stopped = Promise.withResolvers<unknown>()
    app.signals.testWorkerStopped.connect((fields) => stopped.resolve(fields.sender))
    await expect(startTestWorker(app, { pingTimeoutMs: 20, shutdownTimeoutMs: 20 })).rejects.toThrow(
      /did not/,
    )
    expect(await stopped.promise).toBe(app)
  })

  it('TEST-14: a broker that takes longer than the ping may is an error of the start, and no rejection that nobody handles', async () => {
    const broker = chaosBroker(memoryBroker({ name: crypto.randomUUID() }), { seed: 1 })
    const app = made({ broker })
    app.signals.beforeTaskPublish.connect(async () => {
      broker.chaos.sleep()
      await new Promise((resolve) => setTimeout(resolve, 100))
      broker.chaos.wake()
    })
    await expect(startTestWorker(app, { pingTimeoutMs: 20 })).rejects.toMatchObject({
      code: 'CT_RESULT_TIMEOUT',
    })
  })

  it('TEST-14: several workers of one app start, whichever of them answers', async () => {
    const app = made()
    const add = app.task('proj.add', (x: number, y: number) => x + y)
    await using first = await startTestWorker(app)
    await using second = await startTestWorker(app, { pingTimeoutMs: 2_000 })
    await using third = await startTestWorker(app, { pingTimeoutMs: 2_000 })
    expect(new Set([first, second, third].map(({ hostname }) => hostname)).size).toBe(3)
    expect(await (await add.delay(2, 2)).get({ timeoutMs: 20_000 })).toBe(4)
  })

  it('TEST-14: the check can be left out, and works without a result store', async () => {
    const app = made({ backend: 'disabled://' })
    const ran: string[] = []
    app.signals.taskSuccess.connect(({ sender }) => void ran.push(sender.name))
    await (await startTestWorker(app, { performPingCheck: false }))[Symbol.asyncDispose]()
    expect(ran).toEqual([])
    await (await startTestWorker(app))[Symbol.asyncDispose]()
    expect(ran).toEqual(['celery.ping'])
  })

  it('TEST-13: a broker that is not there fails the start', async () => {
    const app = made({ broker: 'nowhere://host' })
    await expect(startTestWorker(app)).rejects.toMatchObject({ code: 'CT_ADAPTER' })
  })

  it('TEST-15: tasks that do not end in time are given up, and the end says which', async () => {
    const app = made()
    const begun = Promise.withResolvers<void>()
    const stuck = app.task('proj.stuck', { bind: true }, async (task) => {
      begun.resolve()
      await new Promise<void>((resolve) => task.signal.addEventListener('abort', () => resolve()))
    })
    const worker = await startTestWorker(app, { shutdownTimeoutMs: 20 })
    const { id } = await stuck.delay()
    await begun.promise
    await expect(worker[Symbol.asyncDispose]()).rejects.toThrow(
      `did not stop within 20 ms, so its tasks were given up: proj.stuck[${id}]`,
    )
    // The next worker of the process is not touched by that.
    await using next = await startTestWorker(made())
    expect(next.status).toBe('running')
  })

  it('TEST-16, TEST-17: results may be waited for in the test, as soon as it is started', async () => {
    const app = made()
    const add = app.task('proj.add', (x: number, y: number) => x + y)
    await using worker = await startTestWorker(app)
    await worker.ensureStarted()
    expect(await (await group([add.s(1, 1), add.s(2, 2)]).delay()).get({ timeoutMs: 20_000 })).toEqual([2, 4])
  })

  it('TEST-19: reload brings tasks that were defined since the start', async () => {
    const app = made()
    await using worker = await startTestWorker(app)
    const late = app.task('proj.late', () => 'here')
    expect(worker.tasks).not.toContain('proj.late')
    await worker.reload()
    expect(worker.tasks).toContain('proj.late')
    expect(await (await late.delay()).get({ timeoutMs: 20_000 })).toBe('here')
    // A task of another app is none of this worker's.
    made().task('proj.elsewhere', () => 0)
    await worker.reload()
    expect(worker.tasks).not.toContain('proj.elsewhere')
  })

  it('TEST-20: tells that it is starting, started and stopped', async () => {
    const app = made()
    const told: string[] = []
    const { testWorkerStarting, testWorkerStarted, testWorkerStopped } = app.signals
    testWorkerStarting.connect(({ sender }) => void told.push(`starting ${sender === app}`))
    testWorkerStarted.connect(({ worker, consumer }) => void told.push(`started ${worker === consumer}`))
    testWorkerStopped.connect(({ worker }) => void told.push(`stopped ${worker !== undefined}`))
    {
      await using worker = await startTestWorker(app)
      expect(told).toEqual(['starting true', 'started true'])
      expect(worker.app).toBe(app)
    }
    expect(told).toEqual(['starting true', 'started true', 'stopped true'])
  })

  it('idle waits for all that tasks have sent', async () => {
    const app = made()
    const ended: number[] = []
    const count = app.task('proj.count', async (n: number): Promise<void> => {
      if (n > 0) await count.delay(n - 1)
      await new Promise((resolve) => setImmediate(resolve))
      ended.push(n)
    })
    await using worker = await startTestWorker(app, { concurrency: 4 })
    await count.delay(5)
    await worker.idle()
    expect(ended.toSorted()).toEqual([0, 1, 2, 3, 4, 5])
  })
})

describe('testManager', () => {
  it('TEST-27: where tasks are, and when a worker is idle', async () => {
    const app = made()
    const gate = Promise.withResolvers<void>()
    const wait = app.task('proj.wait', async (n: number) => {
      await gate.promise
      return n
    })
    await using worker = await startTestWorker(app)
    const manager = testManager(app, { inspectTimeoutMs: 100 })
    const [first, second] = [await wait.delay(1), await wait.delay(2)]
    const ids = [first.id, second.id]
    await manager.assertReceived(ids)
    await manager.assertAccepted([first.id])
    await expect
      .poll(() => manager.queryTaskStates([...ids, 'unknown']))
      .toEqual({
        active: new Set([first.id]),
        reserved: new Set([second.id]),
        ready: new Set(['unknown']),
      })
    await expect
      .poll(async () => Object.keys((await manager.queryTasks(ids))[worker.hostname] ?? {}).toSorted())
      .toEqual(ids.toSorted())
    await manager.ensureNotForAWhile('the end', () => first.ready(), { timeoutMs: 20, intervalMs: 5 })
    await expect(
      manager.waitFor('the end', () => first.ready(), { timeoutMs: 20, intervalMs: 5 }),
    ).rejects.toThrow('Waited 20 ms in vain for the end.')
    gate.resolve()
    expect(await manager.join([first, second])).toEqual([1, 2])
    await manager.assertInProgressOrCompleted(ids)
    await manager.waitUntilIdle()
    await expect.poll(async () => (await manager.inspect().active())?.[worker.hostname]).toEqual([])
  })
})

describe('abortable tasks', () => {
  it('TEST-45: the task sees that it is aborted and ends by itself, which takes the place of ABORTED', async () => {
    const app = made()
    const begun = Promise.withResolvers<void>()
    const work = app.task('proj.work', { bind: true }, async (task) => {
      begun.resolve()
      for (let steps = 0; ; steps++) {
        if (await task.isAborted()) return 'stopped'
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    await using worker = await startTestWorker(app)
    const result = await work.delay()
    await begun.promise
    expect(await result.isAborted()).toBe(false)
    await result.abort()
    await worker.idle()
    expect(await result.get({ timeoutMs: 20_000 })).toBe('stopped')
    expect(await result.isAborted()).toBe(false)
  })

  it('TEST-45: the state is ABORTED until somebody works the task, and a SUCCESS stays', async () => {
    const app = made()
    const quick = app.task('proj.quick', { bind: true }, (task) => task.isAborted())
    const result = await quick.delay()
    await result.abort()
    expect(await result.state()).toBe('ABORTED')
    expect(await result.isAborted()).toBe(true)
    await using worker = await startTestWorker(app)
    expect(await result.get({ timeoutMs: 20_000 })).toBe(true)
    await app.asyncResult(result.id).abort()
    expect(await app.asyncResult(result.id).state()).toBe('SUCCESS')
    expect(worker.status).toBe('running')
  })

  it('TEST-45: a task that is called as a function, or has no store, is never aborted', async () => {
    const app = createApp({ environment: {} })
    apps.push(app)
    const ask = app.task('proj.ask', { bind: true }, (task) => task.isAborted())
    expect(await ask()).toBe(false)
    expect(await (await ask.apply()).get()).toBe(false)
    await expect(app.asyncResult('x').abort()).rejects.toMatchObject({ code: 'CT_CONFIGURATION' })
  })
})
