import { amqpBroker, rpcBackend } from '@ct/broker-amqp'
import { createApp } from '@ct/core'
import { countdown, fromCallers, timed } from '../../contestant.ts'
import type { RabbitContestant } from '../contestant.ts'
import { hostname, taskName } from '../message.ts'

function makeApp(url: string, onRun: () => void = () => undefined) {
  const app = createApp({ name: 'bench', broker: amqpBroker({ url }), backend: rpcBackend({ url }) })
  const add = app.task(taskName, (x: number, y: number) => {
    onRun()
    return x + y
  })
  return { app, add }
}

export const ct: RabbitContestant = {
  name: 'ct',
  about:
    '@ct/core and @ct/broker-amqp of this checkout, default options (results confirmed before the ack), `rpc://`; concurrency a quarter of the prefetch',
  prefetches: [200, 400, 1000],

  async drain(url, tasks, prefetch) {
    const done = countdown(tasks)
    const started = Promise.withResolvers<void>()
    const { app } = makeApp(url, () => {
      started.resolve()
      done.hit()
    })
    // workerPrefetchMultiplier is 4.
    const worker = app.worker({ hostname, concurrency: prefetch / 4 })
    const starting = worker.start()
    await started.promise
    const result = await timed(async () => {
      await starting
      await done.reached
      await worker.stop()
    })
    await app.close()
    return result
  },

  async publish(url, tasks, callers) {
    const { app, add } = makeApp(url)
    await add.delay(0, 0)
    const result = await timed(() => fromCallers(tasks, callers, (n) => add.delay(n, 1)))
    await app.close()
    return result
  },

  async serve(url) {
    const { app } = makeApp(url)
    const worker = app.worker({ hostname, withoutHeartbeat: true })
    await worker.start()
    return {
      async stop() {
        await worker.stop()
        await app.close()
      },
    }
  },
}
