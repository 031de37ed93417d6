import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { createApp, diagnostics, type App } from '@ct/client'
import { createWorker, type Worker } from '@ct/worker'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Metrics, metricTable } from './index.ts'

let app: App | undefined
let worker: Worker | undefined
let metrics: Metrics | undefined
let names = 0

afterEach(async () => {
  await worker?.stop()
  await app?.close()
  metrics?.close()
  worker = app = metrics = undefined
})

function makeApp(): App {
  const name = `metrics-${process.pid}-${++names}`
  app = createApp({
    name: 'proj',
    broker: memoryBroker({ name }),
    backend: memoryBackend({ name }),
    logger: quiet,
  })
  return app
}

/** Samples by their line up to the value. */
async function samples(of: Metrics): Promise<Readonly<Record<string, number>>> {
  const lines = (await of.registry.metrics())
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  )
}

describe('Metrics', () => {
  it('are those that the README lists, with kind and labels', async () => {
    metrics = new Metrics()
    const page = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    const rows = [
      ...page.matchAll(/^\| `(?<name>ct_\w+)` \| (?<kind>\w+) \| `(?<label>\w+)` \| (?<help>.+) \|$/gm),
    ]
    const listed = rows.map(({ groups }) => [groups!['name'], groups!['kind'], groups!['label']])
    expect(listed).toEqual(
      Object.entries(metricTable).map(([name, { kind, labels }]) => [name, kind, labels[0]]),
    )
    expect(rows.map(({ groups }) => groups!['help'])).toEqual(
      Object.values(metricTable).map(({ help }) => help),
    )
    const registered = await metrics.registry.getMetricsAsJSON()
    expect(registered.map(({ name, type }) => [name, type])).toEqual(
      listed.map(([name, kind]) => [name, kind]),
    )
  })

  it('PAIN-46: count by task what is sent, received, started, and how it ended; with runtimes and waits', async () => {
    const made = makeApp()
    metrics = new Metrics()
    metrics.watchApp(made)
    const add = made.task('proj.add', (x: number, y: number) => x + y)
    const fail = made.task('proj.fail', () => {
      throw new Error('no')
    })
    const flaky = made.task('proj.flaky', { bind: true }, (task) => {
      if (task.request.retries === 0) throw task.retry({ countdown: 0 })
      return 'done'
    })
    worker = createWorker(made, { hostname: 'w@host', withoutMingle: true, concurrency: 3 })
    metrics.watchWorker(worker)
    await worker.start()
    const watched = metrics
    await made.control.revoke('revoked', { reply: true, limit: 1, timeoutMs: 20_000 })
    const revoked = await add.applyAsync([0, 0], { taskId: 'revoked' })
    await expect(revoked.get()).rejects.toMatchObject({ code: 'CT_REVOKED' })
    await (await add.delay(1, 1)).get()
    // What callers say that it is called is no label: there would be one for each message.
    await (await add.applyAsync([2, 2], { shadow: 'add for 4711' })).get()
    await expect((await fail.delay()).get()).rejects.toThrow('no')
    await (await flaky.delay()).get()
    await expect
      .poll(async () => await samples(watched))
      .toMatchObject({
        'ct_tasks_sent_total{task="proj.add"}': 3,
        'ct_tasks_received_total{task="proj.add"}': 2,
        'ct_tasks_revoked_total{task="proj.add"}': 1,
        'ct_tasks_started_total{task="proj.add"}': 2,
        'ct_tasks_succeeded_total{task="proj.add"}': 2,
        'ct_tasks_failed_total{task="proj.fail"}': 1,
        'ct_tasks_sent_total{task="proj.flaky"}': 2,
        'ct_tasks_retried_total{task="proj.flaky"}': 1,
        'ct_tasks_succeeded_total{task="proj.flaky"}': 1,
        'ct_task_runtime_seconds_count{task="proj.add"}': 2,
        'ct_task_runtime_seconds_count{task="proj.flaky"}': 2,
        'ct_task_runtime_seconds_count{task="proj.fail"}': 1,
        'ct_task_wait_seconds_count{task="proj.add"}': 2,
      })
  })

  it('PAIN-46: a run that was cancelled, and comes again, is not part of the next one', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'Date'] })
    try {
      const made = makeApp()
      metrics = new Metrics()
      const told = new EventEmitter()
      const stand = Object.assign(told, {
        app: made,
        hostname: 'w@host',
        concurrency: 1,
        counts: { active: 0 },
      })
      metrics.watchWorker(Object.assign(stand, { health: () => ({ connected: true }) }) as unknown as Worker)
      const run = (seconds: number, end: string): void => {
        const message = { app: made, taskId: 'one', task: 'proj.add', queue: 'celery', headers: {} }
        diagnostics.taskReceive.publish(message)
        told.emit('taskReceived', { uuid: 'one', name: 'proj.add', eta: null })
        told.emit('taskStarted', { uuid: 'one' })
        vi.advanceTimersByTime(seconds * 1000)
        told.emit(end, { uuid: 'one' })
      }
      run(40, 'taskCancelled')
      run(2, 'taskSucceeded')
      run(3, 'taskSucceeded')
      expect(await samples(metrics)).toMatchObject({
        'ct_tasks_started_total{task="proj.add"}': 3,
        'ct_task_runtime_seconds_count{task="proj.add"}': 2,
        'ct_task_runtime_seconds_sum{task="proj.add"}': 5,
      })
    } finally {
      vi.useRealTimers()
    }
  })

  it('say what runs now, how much could, whether the worker is connected, and how late the event loop is', async () => {
    const made = makeApp()
    metrics = new Metrics()
    const begun = Promise.withResolvers<void>()
    const gate = Promise.withResolvers<void>()
    const wait = made.task('proj.wait', async () => {
      begun.resolve()
      await gate.promise
    })
    worker = createWorker(made, { hostname: 'w@host', withoutMingle: true, concurrency: 3 })
    metrics.watchWorker(worker)
    await worker.start()
    const called = await wait.delay()
    await begun.promise
    const busy = await samples(metrics)
    expect(busy).toMatchObject({
      'ct_worker_active{worker="w@host"}': 1,
      'ct_worker_slots{worker="w@host"}': 3,
      'ct_worker_connected{worker="w@host"}': 1,
    })
    gate.resolve()
    await called.get()
    const watched = metrics
    await expect.poll(async () => (await samples(watched))['ct_worker_active{worker="w@host"}']).toBe(0)
    await expect
      .poll(async () => Object.keys(await samples(watched)).filter((key) => key.startsWith('ct_event_loop')))
      .toEqual(['0.5', '0.99', '1'].map((quantile) => `ct_event_loop_delay_seconds{quantile="${quantile}"}`))
    await worker.stop()
    expect((await samples(metrics))['ct_worker_connected{worker="w@host"}']).toBe(0)
  })

  it('handler answers GET /metrics, and nothing else', async () => {
    metrics = new Metrics()
    const server = createServer(metrics.handler).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    try {
      const answer = await fetch(`${at}/metrics?now`, { headers: { connection: 'close' } })
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, metrics.registry.contentType])
      expect(await answer.text()).toContain('# TYPE ct_tasks_sent_total counter')
      for (const [path, method] of [
        ['/', 'GET'],
        ['/metrics', 'POST'],
      ])
        expect(
          (await fetch(`${at}${path}`, { method: method!, headers: { connection: 'close' } })).status,
        ).toBe(404)
    } finally {
      server.close()
    }
  })

  it('close ends it all: nothing is counted, the worker sends no events for it, the registry is free', async () => {
    const made = makeApp()
    metrics = new Metrics()
    metrics.watchApp(made)
    worker = createWorker(made, { hostname: 'w@host', withoutMingle: true })
    metrics.watchWorker(worker)
    expect(made.signals.afterTaskPublish.wanted).toBe(true)
    const { registry } = metrics
    metrics.close()
    expect(made.signals.afterTaskPublish.wanted).toBe(false)
    expect(await registry.metrics()).toBe('\n')
    metrics = new Metrics({ registry })
    expect(() => new Metrics({ registry })).toThrow(
      expect.objectContaining({
        code: 'CT_CONFIGURATION',
        message: expect.stringContaining('has metrics of ct already') as string,
      }) as Error,
    )
    expect(() => new Metrics({ registy: registry } as never)).toThrow('Did you mean "registry"?')
    expect(() => new Metrics({ buckets: [2, 1] })).toThrow('rising')
  })
})

const quiet = {
  debug: (): void => {},
  info: (): void => {},
  warn: (): void => {},
  error: (): void => {},
  critical: (): void => {},
  child: () => quiet,
}
