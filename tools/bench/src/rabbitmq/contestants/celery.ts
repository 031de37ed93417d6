import { setTimeout as sleep } from 'node:timers/promises'
import { python, startCelery } from '@ct-tools/interop'
import { connect } from 'amqplib'
import type { RabbitContestant } from '../contestant.ts'
import { resultQueue, taskQueue } from '../message.ts'

export const celery: RabbitContestant = {
  name: 'Celery',
  about:
    'celery 5.7.0 on py-amqp, prefork with 2 processes, `rpc://`, prefetch of 4 a process, no events; rate from the first result to the last. Publishing: one process, apply_async, unconfirmed by default',
  prefetches: [8],

  async drain(url, tasks) {
    const connection = await connect(url)
    const channel = await connection.createChannel()
    const results = async (): Promise<number> => (await channel.checkQueue(resultQueue)).messageCount
    const args = ['worker', '-c', '2', '-Q', taskQueue, '--without-mingle', '--without-gossip']
    const app = { broker: url, backend: 'rpc://' }
    // It logs nothing of its tasks, as by its default; the banner ends with the queues.
    await using _worker = await startCelery({ version: '5.7', ...app, args }, /\[queues\]/)
    while ((await results()) === 0) await sleep(5)
    const [start, before] = [performance.now(), await results()]
    while ((await results()) < tasks) await sleep(20)
    const seconds = ((performance.now() - start) / 1000) * (tasks / (tasks - before))
    await connection.close()
    return { seconds }
  },

  async publish(url, tasks) {
    await using client = await python('5.7', { broker: url, backend: 'rpc://' })
    const seconds = await client.exec<number>(
      `
      import time
      with app.producer_pool.acquire(block=True) as p:
        add.apply_async((0, 1), producer=p)
        _start = time.perf_counter()
        for i in range(n): add.apply_async((i, 1), producer=p)
        _seconds = time.perf_counter() - _start
      _seconds
      `,
      { n: tasks },
      120_000,
    )
    return { seconds }
  },
}
