import BeeQueue from 'bee-queue'
import { type Contestant, countdown, fromCallers, timed } from '../contestant.ts'

interface Numbers {
  readonly x: number
  readonly y: number
}

function makeQueue(redisUrl: string, settings: BeeQueue.QueueSettings): BeeQueue<Numbers> {
  return new BeeQueue<Numbers>('bench', {
    redis: { url: redisUrl } as never,
    removeOnSuccess: false,
    removeOnFailure: false,
    ...settings,
  })
}

const producer = {
  isWorker: false,
  getEvents: false,
  sendEvents: false,
  storeJobs: false,
} satisfies BeeQueue.QueueSettings

/** bee-queue with finished jobs kept; producers without events, as its README advises. */
export const beeQueue: Contestant = {
  name: 'bee-queue',
  about:
    'bee-queue 2.0.0, removeOnSuccess false; producers with getEvents, sendEvents, storeJobs false; round trips with events',
  concurrencies: [1, 10, 50, 100],

  async fill(redisUrl, tasks) {
    const queue = makeQueue(redisUrl, producer)
    await queue.ready()
    for (let n = 0; n < tasks; n += 1000) {
      await queue.saveAll(
        Array.from({ length: Math.min(1000, tasks - n) }, (_, i) => queue.createJob({ x: n + i, y: 1 })),
      )
    }
    await queue.close()
  },

  async drain(redisUrl, tasks, concurrency) {
    const queue = makeQueue(redisUrl, { getEvents: false, storeJobs: false })
    await queue.ready()
    const done = countdown(tasks)
    queue.on('succeeded', () => done.hit())
    const result = await timed(async () => {
      queue.process(concurrency, async (job: BeeQueue.Job<Numbers>) => job.data.x + job.data.y)
      await done.reached
    })
    await queue.close(1000).catch(() => undefined)
    return result
  },

  async send(redisUrl, tasks, callers) {
    const queue = makeQueue(redisUrl, producer)
    await queue.ready()
    const result = await timed(() =>
      fromCallers(tasks, callers, (n) => queue.createJob({ x: n, y: 1 }).save()),
    )
    await queue.close()
    return result
  },

  async sendMany(redisUrl, tasks, batch) {
    const queue = makeQueue(redisUrl, producer)
    await queue.ready()
    const result = await timed(async () => {
      for (let n = 0; n < tasks; n += batch) {
        await queue.saveAll(Array.from({ length: batch }, (_, i) => queue.createJob({ x: n + i, y: 1 })))
      }
    })
    await queue.close()
    return result
  },

  async serve(redisUrl, concurrency) {
    const queue = makeQueue(redisUrl, { getEvents: false, storeJobs: false })
    await queue.ready()
    queue.process(concurrency, async (job: BeeQueue.Job<Numbers>) => job.data.x + job.data.y)
    return { stop: () => queue.close(1000) }
  },

  async roundTrips(redisUrl, tasks) {
    const queue = makeQueue(redisUrl, { isWorker: false })
    await queue.ready()
    const milliseconds: number[] = []
    for (let n = 0; n < tasks; n += 1) {
      const start = performance.now()
      const job = queue.createJob({ x: n, y: 1 })
      const finished = new Promise<boolean>((resolve) => job.once('succeeded', () => resolve(true)))
      await job.save()
      // An event that overtakes the answer to `save` finds nobody who knows the job; such a task is left out.
      const lost = new Promise<boolean>((resolve) => setTimeout(resolve, 1000, false).unref())
      if (await Promise.race([finished, lost])) milliseconds.push(performance.now() - start)
    }
    await queue.close()
    return { milliseconds }
  },
}
