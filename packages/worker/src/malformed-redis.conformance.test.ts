/** What else can be wrong in a Redis that others write to: bytes, wrong types, entries of `unacked` and bindings that nobody can read. */
import { setTimeout as sleep } from 'node:timers/promises'
import { freshRedis, RedisConnection } from '@ct-tools/services'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { createApp, type App } from '@ct/client'
import { recordingLogger, type RecordingLogger } from '@ct/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createWorker, type Worker } from './index.ts'

describe('a worker on a Redis with rubbish in it', () => {
  let redis: Awaited<ReturnType<typeof freshRedis>>
  let raw: RedisConnection
  let app: App
  let worker: Worker
  let log: RecordingLogger

  beforeEach(async () => {
    redis = await freshRedis()
    raw = await RedisConnection.openUrl(redis.url)
    log = recordingLogger()
    app = createApp({
      name: 'proj',
      broker: redisBroker({ url: redis.url, visibilityTimeout: 1, unackedRestoreInterval: 0.2 }),
      backend: redisBackend({ url: redis.url }),
      logger: log,
    })
    app.task('proj.add', (x: number, y: number) => x + y)
    worker = createWorker(app, { withoutMingle: true, withoutHeartbeat: true, queues: ['celery', 'other'] })
  })
  afterEach(async () => {
    await worker.stop()
    await app.close()
    raw.close()
    await redis[Symbol.asyncDispose]()
  })

  async function works(): Promise<void> {
    const result = await app.sendTask('proj.add', { args: [1, 1] })
    expect(await result.get({ timeoutMs: 20_000 })).toBe(2)
    expect(worker.status).toBe('running')
  }

  it('B19: bytes that are no UTF-8, in an item of the right shape and without', async () => {
    await worker.start()
    const push = (lua: string): Promise<unknown> =>
      raw.command('EVAL', `redis.call('LPUSH', 'celery', ${lua})`, 0)
    await push(String.raw`'\255\254\0\1'`)
    await push(String.raw`'{"headers":{},"properties":{"delivery_info":{}},"body":"\255"}'`)
    await works()
    await expect.poll(() => log.lines('warn')).toHaveLength(2)
    for (const line of log.lines('warn'))
      expect(line).toMatch(/not even an envelope: it is not UTF-8\. .*parked/)
    expect(worker.counts.refused).toBe(2)
    expect(await raw.command('LLEN', 'celery.parked')).toBe(2)
    expect(await raw.command('HLEN', 'unacked')).toBe(0)
  })

  it('TRANS-37: a queue of the wrong type is told once; the other queues are worked', async () => {
    await raw.command('SET', 'other', 'not a list')
    await worker.start()
    await works()
    await works()
    await expect.poll(() => log.lines('warn')).toHaveLength(1)
    expect(log.lines('warn')[0]).toMatch(/cannot take messages from a queue: other: WRONGTYPE/)
  })

  it('TRANS-38: overdue entries of unacked that nobody can read move out of the way, once', async () => {
    const rubbish = ['', 'hello', '[]', '[1,2]', '{"a":1}', '["x","",""]', '[{"properties":{}},"","celery"]']
    for (const [n, entry] of rubbish.entries()) {
      await raw.command('HSET', 'unacked', `tag${n}`, entry)
      await raw.command('ZADD', 'unacked_index', 1, `tag${n}`)
    }
    await raw.command('ZADD', 'unacked_index', 1, 'without an entry')
    await worker.start()
    await expect.poll(async () => await raw.command('ZCARD', 'unacked_index')).toBe(0)
    expect(await raw.command('HLEN', 'unacked')).toBe(0)
    await works()
    await sleep(300)
    expect(log.lines('warn').filter((line) => line.includes('unacked'))).toHaveLength(rubbish.length)
    expect(await raw.command('LLEN', 'unacked.parked')).toBe(rubbish.length)
  })

  it('TRANS-35: members of a binding set that are none do not keep others from publishing', async () => {
    await worker.start()
    for (const member of ['', 'x', '\u0006\u0016', 'a\u0006\u0016b', '(\u0006\u0016(\u0006\u0016q'])
      await raw.command('SADD', '_kombu.binding.celery', member)
    const result = await app.sendTask('proj.add', { args: [1, 1], exchange: 'celery', routingKey: 'celery' })
    expect(await result.get({ timeoutMs: 20_000 })).toBe(2)
    expect(log.lines('warn').filter((line) => !line.includes('stood still'))).toEqual([])
  })
})
