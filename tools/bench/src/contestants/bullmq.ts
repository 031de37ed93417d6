import { Queue, QueueEvents, Worker } from 'bullmq'
import { type Contestant, countdown, fromCallers, timed } from '../contestant.ts'

const name = 'bench'

function connection(redisUrl: string): { host: string; port: number; maxRetriesPerRequest: null } {
  const url = new URL(redisUrl)
  return { host: url.hostname, port: Number(url.port), maxRetriesPerRequest: null }
}

interface Numbers {
  readonly x: number
  readonly y: number
}

function makeWorker(redisUrl: string, concurrency: number): Worker<Numbers, number> {
  return new Worker<Numbers, number>(name, async (job) => job.data.x + job.data.y, {
    connection: connection(redisUrl),
    concurrency,
    autorun: false,
  })
}

/** BullMQ at its defaults: jobs and results kept, no telemetry, no rate limit. */
export const bullmq: Contestant = {
  name: 'BullMQ',
  about: 'bullmq 6.7.0, default options, completed jobs kept',
  concurrencies: [1, 10, 50, 100],

  async fill(redisUrl, tasks) {
    const queue = new Queue<Numbers>(name, { connection: connection(redisUrl) })
    for (let n = 0; n < tasks; n += 1000) {
      await queue.addBulk(
        Array.from({ length: Math.min(1000, tasks - n) }, (_, i) => ({
          name: 'add',
          data: { x: n + i, y: 1 },
        })),
      )
    }
    await queue.close()
  },

  async drain(redisUrl, tasks, concurrency) {
    const worker = makeWorker(redisUrl, concurrency)
    await worker.waitUntilReady()
    const done = countdown(tasks)
    worker.on('completed', () => done.hit())
    const result = await timed(async () => {
      void worker.run()
      await done.reached
    })
    await worker.close(true)
    return result
  },

  async send(redisUrl, tasks, callers) {
    const queue = new Queue<Numbers>(name, { connection: connection(redisUrl) })
    await queue.waitUntilReady()
    const result = await timed(() => fromCallers(tasks, callers, (n) => queue.add('add', { x: n, y: 1 })))
    await queue.close()
    return result
  },

  async sendMany(redisUrl, tasks, batch) {
    const queue = new Queue<Numbers>(name, { connection: connection(redisUrl) })
    await queue.waitUntilReady()
    const result = await timed(async () => {
      for (let n = 0; n < tasks; n += batch) {
        await queue.addBulk(
          Array.from({ length: batch }, (_, i) => ({ name: 'add', data: { x: n + i, y: 1 } })),
        )
      }
    })
    await queue.close()
    return result
  },

  async serve(redisUrl, concurrency) {
    const worker = makeWorker(redisUrl, concurrency)
    await worker.waitUntilReady()
    void worker.run()
    return { stop: () => worker.close() }
  },

  async roundTrips(redisUrl, tasks) {
    const queue = new Queue<Numbers>(name, { connection: connection(redisUrl) })
    const events = new QueueEvents(name, { connection: connection(redisUrl) })
    await events.waitUntilReady()
    const milliseconds: number[] = []
    for (let n = 0; n < tasks; n += 1) {
      const start = performance.now()
      const job = await queue.add('add', { x: n, y: 1 })
      // Waiting may go on for ever when the event overtakes the answer to `add`; such a task is left out.
      const finished = await job.waitUntilFinished(events, 1000).then(
        () => true,
        () => false,
      )
      if (finished) milliseconds.push(performance.now() - start)
    }
    await events.close()
    await queue.close()
    return { milliseconds }
  },
}
