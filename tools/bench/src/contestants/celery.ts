import { setTimeout as sleep } from 'node:timers/promises'
import { python, startPythonWorker } from '@ct-tools/interop'
import { Redis } from 'ioredis'
import type { Contestant } from '../contestant.ts'

/** Celery's own worker with its default pool and two processes; prefetch and everything else at its defaults. */
export const celery: Contestant = {
  name: 'Celery',
  about:
    'celery 5.7.0, prefork with 2 processes, default options, no events; rate from the first stored result to the last',
  concurrencies: [2],

  async fill(redisUrl, tasks) {
    await using client = await python('5.7', { broker: redisUrl, backend: redisUrl })
    await client.exec(
      'with app.producer_pool.acquire(block=True) as p:\n  for i in range(n): add.apply_async((i, 1), producer=p)\n0',
      { n: tasks },
    )
  },

  async drain(redisUrl, tasks, concurrency) {
    const redis = new Redis(redisUrl)
    const results = async (): Promise<number> => {
      const keys = Number(/db0:keys=(\d+)/.exec(await redis.info('keyspace'))?.[1] ?? 0)
      // Beside the results there are the queue, its binding and the unacked bookkeeping, which come and go.
      return Math.max(0, keys - 4)
    }
    await using _worker = await startPythonWorker({
      version: '5.7',
      broker: redisUrl,
      backend: redisUrl,
      concurrency,
    })
    while ((await results()) === 0) await sleep(5)
    const start = performance.now()
    const before = await results()
    while ((await redis.llen('celery')) > 0 || (await redis.hlen('unacked')) > 0) await sleep(10)
    const seconds = ((performance.now() - start) / 1000) * (tasks / (tasks - before))
    redis.disconnect()
    return { seconds }
  },
}
