/** Abortable tasks between ct and Python's `celery.contrib.abortable`, in both directions. */
import { python, startPythonWorker, tryPython } from '@ct-tools/interop'
import { freshRedis, tryServices, type FreshRedis } from '@ct-tools/services'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApp, type App } from './index.ts'

const ready = (await tryServices(['redis'])) !== undefined && (await tryPython('5.7'))

/** Ends when it is aborted; says STARTED by itself, so that the other side can wait for it. */
const pythonTask = `
import time
from celery.contrib.abortable import AbortableTask

@app.task(bind=True, base=AbortableTask, name='py.abortable')
def abortable(self):
    self.update_state(state='STARTED')
    for _ in range(400):
        if self.is_aborted():
            return 'python stopped'
        time.sleep(0.05)
    return 'never told'
`

describe.skipIf(!ready)('abortable tasks', () => {
  let redis: FreshRedis
  let app: App
  beforeAll(async () => {
    redis = await freshRedis()
    app = createApp({
      name: 'node',
      broker: redisBroker({ url: redis.url }),
      backend: redisBackend({ url: redis.url }),
      environment: {},
    })
  })
  afterAll(async () => {
    await app.close()
    await redis.release()
  })

  it('TEST-45: ct aborts a Python AbortableTask', async () => {
    await using worker = await startPythonWorker({
      version: '5.7',
      broker: redis.url,
      backend: redis.url,
      setup: pythonTask,
      queues: ['py'],
      pool: 'solo',
    })
    const result = await app.sendTask<string>('py.abortable', { queue: 'py' })
    for await (const { status } of result.iterate({ timeoutMs: 20_000 })) if (status === 'STARTED') break
    await result.abort()
    expect(await result.get({ timeoutMs: 20_000 })).toBe('python stopped')
    await worker.stop()
  })

  it('TEST-45: Python’s AbortableAsyncResult aborts a ct task, and each reads the other’s ABORTED', async () => {
    const begun = Promise.withResolvers<string>()
    app.task('node.abortable', { bind: true }, async (task) => {
      begun.resolve(task.request.id)
      while (!(await task.isAborted())) await new Promise((resolve) => setTimeout(resolve, 20))
      return 'node stopped'
    })
    await using worker = app.worker({ queues: 'node', withoutMingle: true })
    await worker.start()
    await using client = await python('5.7', { broker: redis.url, backend: redis.url })
    const result = await app.sendTask<string>('node.abortable', { queue: 'node' })
    const id = await begun.promise
    const handle = `__import__('celery.contrib.abortable', fromlist=['x']).AbortableAsyncResult(_id, backend=app.backend)`
    expect(await client.exec(`${handle}.is_aborted()`, { _id: id })).toBe(false)
    await client.exec(`(${handle}.abort(), None)[1]`, { _id: id })
    expect(await result.get({ timeoutMs: 20_000 })).toBe('node stopped')
    // Nobody works these, so the state stays.
    await app.asyncResult('by-node').abort()
    expect(await client.exec(`${handle}.is_aborted()`, { _id: 'by-node' })).toBe(true)
    await client.exec(`(${handle}.abort(), None)[1]`, { _id: 'by-python' })
    expect(await app.asyncResult('by-python').isAborted()).toBe(true)
  })
})
