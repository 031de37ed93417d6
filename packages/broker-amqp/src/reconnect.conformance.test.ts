/** A worker and a client whose line to RabbitMQ is cut, and whose queue is deleted and made anew by somebody else. */
import { freshVhost, tryServices } from '@ct-tools/services'
import { createApp, group, Queue, type Logger } from '@ct/client'
import { createWorker } from '@ct/worker'
import { connect } from 'amqplib'
import { describe, expect, it, vi } from 'vitest'
import { Line } from '../test/line.ts'
import { amqpBroker } from './index.ts'

const ready = await tryServices(['rabbitmq'])

function recording(lines: string[]): Logger {
  const write = (message: string): void => void lines.push(message)
  const logger: Logger = {
    debug: () => {},
    info: () => {},
    warn: write,
    error: write,
    critical: write,
    child: () => logger,
  }
  return logger
}

describe.skipIf(ready === undefined)('a worker on RabbitMQ', () => {
  it('WORK-86, WORK-88: loses no task when its line is cut again and again', async () => {
    await using vhost = await freshVhost()
    const line = await Line.to(vhost.url)
    const lines: string[] = []
    const app = createApp({
      name: 'proj',
      broker: amqpBroker({ url: line.url }),
      logger: recording(lines),
      taskIgnoreResult: true,
      brokerConnectionRetry: true,
    })
    const ended = new Set<number>()
    const task = app.task('proj.count', async (number: number) => {
      await new Promise((resolve) => setTimeout(resolve, 2))
      ended.add(number)
    })
    const worker = createWorker(app, { concurrency: 10, withoutMingle: true })
    try {
      await worker.start()
      const sent: number[] = []
      for (let number = 0; number < 300; number++) {
        // What a caller is told was not taken counts as not sent; what it is told was taken must run.
        await task.delay(number).then(
          () => sent.push(number),
          () => undefined,
        )
        if (number % 100 === 50) await line.cut()
      }
      expect(sent.length).toBeGreaterThan(250)
      await vi.waitFor(() => expect(sent.filter((number) => !ended.has(number))).toEqual([]), {
        timeout: 20_000,
      })
      expect(lines.some((one) => one.includes('is lost'))).toBe(true)
    } finally {
      await worker.stop()
      await app.close()
      await line.close()
    }
  }, 60_000)

  it('TRANS-24: says clearly, and not hot, that its queue has come back with other arguments', async () => {
    await using vhost = await freshVhost()
    const lines: string[] = []
    const app = createApp({ name: 'proj', broker: amqpBroker({ url: vhost.url }), logger: recording(lines) })
    const worker = createWorker(app, { queues: ['work'], withoutMingle: true })
    const other = await connect(vhost.url)
    try {
      await worker.start()
      // Both in one go: the worker may still be faster, so until we were.
      await vi.waitFor(async () => {
        const channel = await other.createChannel()
        channel.on('error', () => {})
        const [, made] = await Promise.allSettled([
          channel.deleteQueue('work'),
          channel.assertQueue('work', { durable: true, maxPriority: 7 }),
        ])
        expect(made.status).toBe('fulfilled')
      }, 10_000)
      await vi.waitFor(() => expect(lines.join('\n')).toMatch(/work cannot be consumed/))
      const told = lines.length
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      // Tried again meanwhile, in silence.
      expect(lines.length).toBe(told)
      // Put right by an operator: nobody has to restart the worker.
      const channel = await other.createChannel()
      await channel.deleteQueue('work')
      await vi.waitFor(async () => {
        const looking = await other.createChannel()
        looking.on('error', () => {})
        expect((await looking.checkQueue('work')).consumerCount).toBe(1)
      }, 15_000)
    } finally {
      await other.close()
      await worker.stop()
      await app.close()
    }
  }, 30_000)

  it('TRANS-24, WORK-87: is not ended by a queue that has come back with other arguments when it connects again', async () => {
    await using vhost = await freshVhost()
    const line = await Line.to(vhost.url)
    const lines: string[] = []
    const app = createApp({
      name: 'proj',
      broker: amqpBroker({ url: line.url }),
      logger: recording(lines),
      taskIgnoreResult: true,
    })
    let runs = 0
    const task = app.task('proj.t', () => void runs++)
    const worker = createWorker(app, { queues: ['swapped', 'stays'], withoutMingle: true })
    const other = await connect(vhost.url)
    try {
      await worker.start()
      await vi.waitFor(async () => {
        const channel = await other.createChannel()
        channel.on('error', () => {})
        const [, made] = await Promise.allSettled([
          channel.deleteQueue('swapped'),
          channel.assertQueue('swapped', { durable: true, maxPriority: 7 }),
        ])
        expect(made.status).toBe('fulfilled')
      }, 10_000)
      const told = (): number => lines.filter((text) => text.includes('swapped cannot be consumed')).length
      await vi.waitFor(() => expect(told()).toBe(1))
      await line.cut()
      await vi.waitFor(() => expect(told()).toBe(2))
      await task.applyAsync([], { queue: 'stays' })
      await vi.waitFor(() => expect(runs).toBe(1))
      expect(worker.status).toBe('running')
      const channel = await other.createChannel()
      await channel.deleteQueue('swapped')
      await vi.waitFor(async () => {
        const looking = await other.createChannel()
        looking.on('error', () => {})
        expect((await looking.checkQueue('swapped')).consumerCount).toBe(1)
      }, 15_000)
    } finally {
      await other.close()
      await worker.stop()
      await app.close()
      await line.close()
    }
  }, 45_000)

  it('TRANS-22: a task to a queue that was deleted meanwhile is not lost: the client makes the queue again', async () => {
    await using vhost = await freshVhost()
    const app = createApp({ name: 'proj', broker: amqpBroker({ url: vhost.url }), taskIgnoreResult: true })
    const other = await connect(vhost.url)
    try {
      const channel = await other.createChannel()
      const task = app.task('proj.t', () => {})
      await task.delay()
      await channel.deleteQueue('celery')
      await task.delay()
      expect((await channel.checkQueue('celery')).messageCount).toBe(1)
      await channel.deleteQueue('celery')
      await Promise.all([task.delay(), task.delay(), group([task.s(), task.s(), task.s()]).applyAsync()])
      expect((await channel.checkQueue('celery')).messageCount).toBe(5)
      // A queue that may expire is declared each time.
      const brief = new Queue('brief', {
        expires: 60,
        exchange: 'brief',
        exchangeType: 'topic',
        routingKey: 'b',
      })
      await task.applyAsync([], { queue: brief })
      // Its time is long; what matters is that nobody tells the client when it goes. To look whether it is there would prolong its life.
      await channel.deleteQueue('brief')
      await task.applyAsync([], { queue: brief })
      expect((await channel.checkQueue('brief')).messageCount).toBe(1)
    } finally {
      await other.close()
      await app.close()
    }
  })
})
