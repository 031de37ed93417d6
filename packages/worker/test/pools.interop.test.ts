/** Python drives ct workers whose tasks run in threads and in child processes, on Redis and on RabbitMQ. */
import { python, tryPython, type PythonClient } from '@ct-tools/interop'
import { freshRedis, freshVhost, tryServices, type Fresh } from '@ct-tools/services'
import { processesPool } from '@ct/pool-processes'
import { threadsPool } from '@ct/pool-threads'
import { recordingLogger } from '@ct/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createWorker, type Worker } from '../src/index.ts'
import type * as poolTasks from './pool-tasks.ts'

const ready = await tryPython('5.7')
const rabbit = ready && (await tryServices(['rabbitmq'])) !== undefined
const scenes = [
  { broker: 'Redis', name: 'processes', present: ready, pool: processesPool },
  { broker: 'Redis', name: 'threads', present: ready, pool: threadsPool },
  { broker: 'RabbitMQ', name: 'processes', present: rabbit, pool: processesPool },
  { broker: 'RabbitMQ', name: 'threads', present: rabbit, pool: threadsPool },
] as const

describe.for(scenes)('Python calls tasks in $name on $broker', ({ broker, name, present, pool }) => {
  if (!present) {
    it.skipIf(true)('a service is missing', () => {})
    return
  }
  let line: Fresh
  let redis: Awaited<ReturnType<typeof freshRedis>>
  let tasks: typeof poolTasks
  let worker: Worker
  let client: PythonClient
  const log = recordingLogger()

  beforeAll(async () => {
    redis = await freshRedis()
    line = broker === 'Redis' ? redis : await freshVhost()
    process.env['CT_POOL_TEST_BROKER'] = line.url
    process.env['CT_POOL_TEST_BACKEND'] = redis.url
    vi.resetModules()
    tasks = await import('./pool-tasks.ts')
    tasks.app.logTo(log)
    worker = createWorker(tasks.app, {
      pool: pool(),
      modules: [new URL('./pool-tasks.ts', import.meta.url)],
      concurrency: 2,
      hostname: 'pool@ct',
      taskEvents: true,
    })
    await worker.start()
    client = await python('5.7', { broker: line.url, backend: redis.url })
  })
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]()
    await worker?.stop({ mode: 'cold' })
    await tasks?.app.close()
    if (line !== redis) await line.release()
    await redis.release()
  })

  /** Module and class of what `get` raises, and its text. */
  const raised = (task: string, options = ''): Promise<unknown> =>
    client.exec(
      `_r = app.send_task('${task}', queue='node'${options})\n` +
        `try:\n  _x = ['returned', repr(_r.get(timeout=30))]\n` +
        `except Exception as e:\n  _x = [type(e).__module__ + '.' + type(e).__name__, str(e)]\n_x`,
    )

  it('INTEROP, WORK-42: values, keyword arguments, a chord of tasks in slots, a Python body’s words for errors', async () => {
    expect(
      await client.exec(`app.send_task('add', args=[40], kwargs={'y': 2}, queue='node').get(timeout=20)`),
    ).toBe(42)
    const sum = `from celery import chord\n_h = [app.signature('add', args=[i, i], queue='node') for i in range(4)]\nchord(_h)(app.signature('xsum', queue='node')).get(timeout=30)`
    expect(await client.exec(sum)).toBe(12)
    expect(await raised('fail', `, args=['own']`)).toEqual([
      expect.stringContaining('TeaPotError'),
      'short and stout',
    ])
    expect(await raised('retried')).toEqual(['returned', expect.stringMatching(/^\[2, 36, /)])
  })

  it('TASK-7, TASK-8, D57-179: limits of a call', async () => {
    expect(await raised('spin', ', time_limit=0.5')).toEqual([
      'billiard.exceptions.TimeLimitExceeded',
      'TimeLimitExceeded(0.5,)',
    ])
    expect(await raised('wait', ', soft_time_limit=0.3')).toEqual([
      'returned',
      "'aborted: SoftTimeLimitExceeded'",
    ])
    expect(await raised('add', ', args=[1, 1]')).toEqual(['returned', '2'])
  })

  it('CTRL-20: revoke(terminate=True, signal="SIGKILL") of a task that computes', async () => {
    const revoke = `import time
_r = app.send_task('spin', queue='node')
for _ in range(200):
  if any(t['id'] == _r.id for t in (app.control.inspect(timeout=0.3).active() or {}).get('pool@ct', [])): break
  time.sleep(0.05)
_r.revoke(terminate=True, signal='SIGKILL')
try:
  _r.get(timeout=30)
except Exception as e:
  _x = [type(e).__name__, str(e), _r.state]
_x`
    expect(await client.exec(revoke)).toEqual(['TaskRevokedError', 'terminated', 'REVOKED'])
    expect(await raised('add', ', args=[1, 1]')).toEqual(['returned', '2'])
  })

  it('WORK-44, TASK-12, D57-64: a lost slot', async () => {
    expect(await raised('lost')).toEqual([
      'billiard.exceptions.WorkerLostError',
      expect.stringContaining('Worker exited prematurely: exitcode 3.'),
    ])
    expect(await raised('lost-and-retried')).toEqual(['returned', '1'])
    // Given back and begun again: in the end it is parked, and the worker lives.
    const poison = await client.exec(`app.send_task('exit', args=[5], queue='node').id`)
    await expect
      .poll(() => log.lines('error').join('\n'), { timeout: 60_000, interval: 200 })
      .toContain(`exit[${String(poison)}] was started 5 times and never ended`)
    expect(await raised('add', ', args=[1, 1]')).toEqual(['returned', '2'])
  }, 90_000)

  it('CTRL-46: inspect stats, as Celery shows its own pool', async () => {
    const shown = (await client.exec(`app.control.inspect(timeout=2).stats()['pool@ct']['pool']`)) as Record<
      string,
      unknown
    >
    expect(shown['max-concurrency']).toBe(2)
    expect(shown['implementation']).toBe(
      name === 'threads' ? 'celery.concurrency.thread:TaskPool' : 'celery.concurrency.prefork:TaskPool',
    )
  })
})
