/** Ten thousand members: messages of a fixed size each, and nothing left. */
import { freshRedis, tryServices } from '@ct-tools/services'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { chord, createApp, type AsyncResult, type Signature } from '@ct/client'
import { describe, expect, it } from 'vitest'
import { createWorker } from '../index.ts'

const present = (await tryServices(['redis'])) !== undefined

describe.skipIf(!present)('a chord of 10,000 members', () => {
  it(
    'CANVAS-65, PAIN-20: each message holds the body once, the body gets all values in order',
    { timeout: 60_000 },
    async () => {
      await using redis = await freshRedis()
      const connection = await redis.connect()
      const size = 10_000
      const app = createApp({
        name: 'huge',
        broker: redisBroker({ url: redis.url }),
        backend: redisBackend({ url: redis.url }),
      })
      const one = app.task('huge.one', (x: number) => x)
      const check = app.task('huge.check', (numbers: number[]) => [
        numbers.length,
        numbers.every((number, index) => number === index),
      ])
      try {
        const header = Array.from({ length: size }, (_, n) => one.s(n))
        const result = (await (
          chord(header, check.s() as never) as unknown as Signature
        ).applyAsync()) as AsyncResult
        expect(await connection.command('LLEN', 'celery')).toBe(size)
        const longest = String(await connection.command('LINDEX', 'celery', 0)).length
        expect(longest).toBeLessThan(2500)
        const worker = createWorker(app, { hostname: 'ct@huge', withoutMingle: true, withoutHeartbeat: true })
        await worker.start()
        try {
          expect(await result.get({ timeoutMs: 50_000 })).toEqual([size, true])
          await expect
            .poll(async () => await connection.command('KEYS', 'celery-taskset-meta-*.[jtsd]'))
            .toEqual([])
        } finally {
          await worker.stop()
        }
      } finally {
        await app.close()
        connection.close()
      }
    },
  )
})
