/** Periodic tasks across languages, on one Redis: a ct beat with a Celery worker, a Celery beat with a ct worker, and each as a node of the fleet. */
import { join } from 'node:path'
import { startCelery, startPythonWorker, tryPython } from '@ct-tools/interop'
import { freshRedis, guardedDirectory } from '@ct-tools/services'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApp, interval, type App, type TaskContext } from './index.ts'

const ready = await tryPython('5.7')

describe.skipIf(!ready)('beats of both languages', () => {
  let redis: Awaited<ReturnType<typeof freshRedis>>
  let app: App

  beforeAll(async () => {
    redis = await freshRedis()
    app = createApp({ name: 'interop_tasks', broker: redis.url, backend: redis.url, environment: {} })
  })
  afterAll(async () => {
    await app.close()
    await redis[Symbol.asyncDispose]()
  })

  it('BEAT-1, D57-18: a ct beat drives a Celery worker: arguments, options and headers arrive', async () => {
    await using worker = await startPythonWorker({
      version: '5.7',
      broker: redis.url,
      backend: redis.url,
      queues: ['py'],
      setup: [
        '@app.task(bind=True, name="seen")',
        'def seen(self, *args, **kwargs):',
        '    headers = self.request.headers or {}',
        '    return [list(args), kwargs, headers.get("celery_beat_task"), headers.get("periodic_task_name"), headers.get("ct_scheduled_at"), self.request.id]',
      ].join('\n'),
    })
    const ids: string[] = []
    const beat = app.beat({
      store: 'broker',
      changesMs: 50,
      entries: {
        seen: {
          task: 'seen',
          schedule: interval({ milliseconds: 300 }),
          args: [1, 'zwei'],
          kwargs: { drei: [3.5, null] },
          options: { queue: 'py', expires: 60 },
        },
      },
    })
    beat.on('sent', ({ taskId }) => ids.push(taskId))
    await beat.start()
    await worker.waitForLog(/Task seen\[\S+\] succeeded[^]*Task seen\[\S+\] succeeded/, 20_000)
    await beat.stop()
    const [first] = ids
    const result = await app.asyncResult(first!).get({ timeoutMs: 20_000 })
    expect(result).toEqual([
      [1, 'zwei'],
      { drei: [3.5, null] },
      true,
      'seen',
      expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$/),
      first,
    ])
  }, 90_000)

  it('BEAT-12, D57-12: a Celery beat drives a ct worker, which runs every message; its node answers our ping', async () => {
    const seen: { id: string; beat: unknown }[] = []
    const enough = Promise.withResolvers<void>()
    app.task('ct.tick', { bind: true }, (task: TaskContext) => {
      seen.push({ id: task.request.id, beat: task.request.headers?.['celery_beat_task'] })
      if (seen.length === 3) enough.resolve()
    })
    await using worker = app.worker({ queues: ['ticks'] })
    await worker.start()
    await using beat = await startCelery(
      {
        version: '5.7',
        broker: redis.url,
        backend: redis.url,
        args: [
          'beat',
          '-l',
          'INFO',
          '-s',
          join(guardedDirectory('pybeat'), 'schedule'),
          '--enable-remote-control',
          '-n',
          'pybeat@%n',
        ],
        setup:
          'app.conf.beat_schedule = {"tick": {"task": "ct.tick", "schedule": 0.5, "options": {"queue": "ticks"}}}',
      },
      'beat: Starting...',
    )
    await enough.promise
    expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length)
    expect(seen.every((one) => one.beat === true)).toBe(true)
    let nodes: readonly string[] = []
    while (!nodes.some((name) => name.startsWith('pybeat@')))
      nodes = Object.keys((await app.control.inspect({ timeoutMs: 500 }).ping()) ?? {})
    await beat.stop()
  }, 90_000)

  it('PAIN-30: a ct worker drops the second copy of a firing that has a result, and runs everything else', async () => {
    let runs = 0
    app.task('ct.once', () => ++runs)
    app.task('ct.last', () => 'last')
    const queue = 'once'
    const headers = { celery_beat_task: true, ct_scheduled_at: '2026-03-01T12:00:00+00:00' }
    await using worker = app.worker({ queues: [queue], concurrency: 1 })
    await worker.start()
    const send = async (options: object): Promise<unknown> =>
      (await app.sendTask('ct.once', { queue, ...options })).get({ timeoutMs: 20_000 })
    expect(await send({ taskId: 'firing-1', headers })).toBe(1)
    await send({ taskId: 'firing-1', headers })
    await send({ taskId: 'firing-1', headers })
    // Without the header the same id runs again, as in Celery; another firing does.
    expect(await send({ taskId: 'firing-2', headers })).toBe(2)
    await app.sendTask('ct.once', { queue, taskId: 'firing-1' })
    expect(await (await app.sendTask('ct.last', { queue })).get({ timeoutMs: 20_000 })).toBe('last')
    expect(runs).toBe(3)
  }, 60_000)
})
