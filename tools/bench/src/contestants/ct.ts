import { redis } from '@ct/broker-redis'
import { createApp } from '@ct/core'
import { type Contestant, countdown, fromCallers, timed } from '../contestant.ts'

function makeApp(redisUrl: string, onRun: () => void = () => undefined) {
  const app = createApp({ name: 'bench', adapters: [redis], broker: redisUrl, backend: redisUrl })
  const add = app.task('bench.add', (x: number, y: number) => {
    onRun()
    return x + y
  })
  return { app, add }
}

export const ct: Contestant = {
  name: 'ct',
  about:
    '@ct/core and @ct/broker-redis as built from this checkout, default options: acks after the task with its result, results kept for a day, prefetch and claims sized by themselves, no task events',
  concurrencies: [50, 100, 200],

  async fill(redisUrl, tasks) {
    const { app, add } = makeApp(redisUrl)
    for (let n = 0; n < tasks; n += 1000) {
      await app.sendMany(Array.from({ length: Math.min(1000, tasks - n) }, (_, i) => add.s(n + i, 1)))
    }
    await app.close()
  },

  async drain(redisUrl, tasks, concurrency) {
    const done = countdown(tasks)
    const started = Promise.withResolvers<void>()
    const { app } = makeApp(redisUrl, () => {
      started.resolve()
      done.hit()
    })
    const worker = app.worker({ concurrency })
    // Peers connect before they are timed; a ct worker consumes as soon as it is connected, so its time starts with its first task.
    const starting = worker.start()
    await started.promise
    const result = await timed(async () => {
      await starting
      await done.reached
      // Ends when the last result and ack are with Redis.
      await worker.stop()
    })
    await app.close()
    return result
  },

  async send(redisUrl, tasks, callers) {
    const { app, add } = makeApp(redisUrl)
    await add.delay(0, 0)
    const result = await timed(() => fromCallers(tasks, callers, (n) => add.delay(n, 1)))
    await app.close()
    return result
  },

  async sendMany(redisUrl, tasks, batch) {
    const { app, add } = makeApp(redisUrl)
    await add.delay(0, 0)
    const result = await timed(async () => {
      for (let n = 0; n < tasks; n += batch) {
        await app.sendMany(Array.from({ length: batch }, (_, i) => add.s(n + i, 1)))
      }
    })
    await app.close()
    return result
  },

  async serve(redisUrl, concurrency) {
    const { app } = makeApp(redisUrl)
    // Its own events are a choice: what is asked here is what a worker costs that has nothing to say.
    const worker = app.worker({ concurrency, withoutHeartbeat: true })
    await worker.start()
    return {
      async stop() {
        await worker.stop()
        await app.close()
      },
    }
  },

  async roundTrips(redisUrl, tasks) {
    const { app, add } = makeApp(redisUrl)
    const milliseconds: number[] = []
    for (let n = 0; n < tasks; n += 1) {
      const start = performance.now()
      const result = await add.delay(n, 1)
      await result.get({ timeoutMs: 10_000 })
      milliseconds.push(performance.now() - start)
    }
    await app.close()
    return { milliseconds }
  },
}
