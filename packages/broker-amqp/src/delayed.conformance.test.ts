/** Native delayed delivery as an app meets it: found out by its queues, used by client and worker, and what happens where it cannot be. */
import { freshVhost, tryServices, type FreshVhost } from '@ct-tools/services'
import { createApp, Exchange, Queue, Reject, type App, type AppOptions, type Logger } from '@ct/client'
import { createWorker, type Worker, type WorkerOptions } from '@ct/worker'
import { connect, type Channel, type ChannelModel } from 'amqplib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { amqp } from './index.ts'

const ready = await tryServices(['rabbitmq'])

interface QueueInfo {
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
}

describe.skipIf(ready === undefined)('native delayed delivery', () => {
  let vhost: FreshVhost
  let plain: ChannelModel
  let channel: Channel
  let lines: string[]
  const apps: App[] = []
  const workers: Worker[] = []

  beforeEach(async () => {
    vhost = await freshVhost()
    plain = await connect(vhost.url)
    plain.on('error', () => {})
    channel = await plain.createChannel()
    channel.on('error', () => {})
    lines = []
  })
  afterEach(async () => {
    for (const worker of workers.splice(0)) await worker.stop()
    for (const one of apps.splice(0)) await one.close()
    await plain.close().catch(() => {})
    await vhost.release()
  })

  function app(options: AppOptions = {}): App {
    const write = (message: string): void => void lines.push(message)
    const logger: Logger = {
      debug: () => {},
      info: write,
      warn: write,
      error: write,
      critical: write,
      child: () => logger,
    }
    const made = createApp({
      name: 'proj',
      adapters: [amqp],
      broker: vhost.url,
      logger,
      taskIgnoreResult: true,
      ...options,
    })
    apps.push(made)
    return made
  }

  async function work(on: App, options: WorkerOptions = {}): Promise<Worker> {
    const worker = createWorker(on, { withoutMingle: true, ...options })
    workers.push(worker)
    await worker.start()
    return worker
  }

  async function delayQueues(): Promise<readonly QueueInfo[]> {
    const found = (await vhost.management.call(
      'GET',
      `/queues/${vhost.vhost}?columns=name,arguments`,
    )) as QueueInfo[]
    return found.filter(({ name }) => name.startsWith('celery_delayed_'))
  }

  async function waiting(): Promise<number> {
    let sum = 0
    for (const level of [0, 1, 2, 3]) {
      const name = `celery_delayed_${level}`
      sum += (await channel.checkQueue(name)).messageCount
    }
    return sum
  }

  it('ROUTE-40, ROUTE-41, ROUTE-43: a quorum queue makes tasks with a countdown, and their retries, wait at RabbitMQ', async () => {
    const mine = app({ taskDefaultQueue: 'slow', taskDefaultQueueType: 'quorum' })
    const runs: { readonly at: number; readonly key: unknown }[] = []
    const task = mine.task('proj.t', { bind: true, maxRetries: 2 }, (self) => {
      runs.push({ at: Date.now(), key: self.request.deliveryInfo.routingKey })
      if (runs.length < 3) throw self.retry({ countdown: 1.5 })
    })
    const worker = await work(mine)
    const sent = Date.now()
    await task.applyAsync([], { countdown: 2.2 })
    expect(await waiting()).toBe(1)
    expect(worker.counts.received).toBe(0)
    await vi.waitFor(() => expect(runs.length).toBe(3), { timeout: 15_000 })
    expect(runs[0]!.at - sent).toBeGreaterThanOrEqual(2_200)
    // The worker waits out what a whole second cannot say.
    expect(runs[2]!.at - sent).toBeGreaterThanOrEqual(5_200)
    expect(runs.map(({ key }) => key)).toEqual(['slow', 'slow', 'slow'])
    expect((await delayQueues()).length).toBe(28)
    expect((await delayQueues()).map((queue) => queue.arguments['x-queue-type'])).not.toContain('classic')
  }, 40_000)

  it('ROUTE-40: without a quorum queue nothing is declared, and the worker holds them', async () => {
    const mine = app()
    const done = vi.fn()
    const task = mine.task('proj.t', done)
    const worker = await work(mine)
    await task.applyAsync([], { countdown: 1 })
    await vi.waitFor(() => expect(worker.counts.received).toBe(1))
    expect(done).not.toHaveBeenCalled()
    await vi.waitFor(() => expect(done).toHaveBeenCalled())
    expect(await delayQueues()).toEqual([])
  })

  it('ROUTE-42, SET-26: brokerNativeDelayedDeliveryQueueType says of which type the queues of the delay are', async () => {
    const mine = app({ taskDefaultQueueType: 'quorum', brokerNativeDelayedDeliveryQueueType: 'classic' })
    mine.task('proj.t', () => {})
    await work(mine)
    const queues = await delayQueues()
    expect(queues.length).toBe(28)
    expect(queues.find(({ name }) => name === 'celery_delayed_3')?.arguments).toEqual({
      'x-queue-type': 'classic',
      'x-overflow': 'reject-publish',
      'x-message-ttl': 8000,
      'x-dead-letter-exchange': 'celery_delayed_2',
    })
    const wrong = app({ taskDefaultQueueType: 'quorum', brokerNativeDelayedDeliveryQueueType: 'stream' })
    expect(() => wrong.context.broker).toThrow(/quorum or classic/)
  })

  it('ROUTE-41: through topic, fanout and headers exchanges too; a named direct exchange leaves it to the worker', async () => {
    const exchange = (type: string): Exchange => new Exchange(`x.${type}`, { type })
    const mine = app({
      taskQueues: [
        new Queue('topical', {
          exchange: exchange('topic'),
          routingKey: 'a.*',
          queueArguments: { 'x-queue-type': 'quorum' },
        }),
        new Queue('fanned', { exchange: exchange('fanout'), routingKey: 'f' }),
        new Queue('headed', { exchange: exchange('headers'), routingKey: 'h' }),
        new Queue('direct', { exchange: exchange('direct'), routingKey: 'd' }),
      ],
      taskDefaultQueue: 'topical',
      taskDefaultExchange: 'x.topic',
      taskDefaultExchangeType: 'topic',
      taskDefaultRoutingKey: 'a.b',
    })
    const ran: (readonly [string, unknown])[] = []
    const task = mine.task('proj.t', { bind: true }, (self, name: string) => {
      ran.push([name, self.request.deliveryInfo.exchange])
    })
    const worker = await work(mine, { queues: ['topical', 'fanned', 'headed', 'direct'] })
    await task.applyAsync(['topic'], { countdown: 1.5, exchange: 'x.topic', routingKey: 'a.b' })
    await task.applyAsync(['fanout'], { countdown: 1.5, queue: 'fanned' })
    await task.applyAsync(['headers'], { countdown: 1.5, queue: 'headed' })
    expect(worker.counts.received).toBe(0)
    expect(await waiting()).toBe(3)
    await task.applyAsync(['direct'], { countdown: 1.5, exchange: 'x.direct', routingKey: 'd' })
    await vi.waitFor(() => expect(worker.counts.received).toBe(1))
    await vi.waitFor(() => expect(ran.length).toBe(4))
    expect(ran.toSorted()).toEqual([
      ['direct', 'x.direct'],
      ['fanout', 'x.fanout'],
      ['headers', 'x.headers'],
      ['topic', 'x.topic'],
    ])
  }, 30_000)

  it('ROUTE-44: where the topology is refused, client and worker say so once, go on, and the worker holds the task', async () => {
    // Somebody uses the name for something else.
    await channel.assertQueue('celery_delayed_27', { durable: true, maxPriority: 5 })
    const mine = app({ taskDefaultQueueType: 'quorum' })
    const done = vi.fn()
    const task = mine.task('proj.t', done)
    const worker = await work(mine)
    expect(lines.filter((line) => line.includes('cannot be declared')).length).toBe(1)
    await task.applyAsync([], { countdown: 1.2 })
    await task.applyAsync([], { countdown: 1.2 })
    await vi.waitFor(() => expect(worker.counts.received).toBe(2))
    expect(lines.filter((line) => line.includes('are held by the workers')).length).toBe(1)
    await vi.waitFor(() => expect(done).toHaveBeenCalledTimes(2))
    // Who insists is told instead.
    const strict = app({
      taskDefaultQueueType: 'quorum',
      brokerTransportOptions: { native_delayed_delivery: true },
    })
    const sent = strict.task('proj.t', done).applyAsync([], { countdown: 5, retry: false })
    await expect(sent).rejects.toThrow(/celery_delayed_27|topology of delayed delivery/)
  })

  it('D57-36: what somebody deletes of the topology costs one publish and is made again', async () => {
    const mine = app({ taskDefaultQueueType: 'quorum' })
    const done = vi.fn()
    const task = mine.task('proj.t', done)
    await work(mine)
    await task.applyAsync([], { countdown: 1.2 })
    for (let level = 0; level < 28; level++) await channel.deleteExchange(`celery_delayed_${level}`)
    await channel.deleteExchange('celery_delayed_delivery')
    await task.applyAsync([], { countdown: 1.2 })
    await vi.waitFor(() => expect(done).toHaveBeenCalled())
  }, 20_000)

  it('TRANS-25: an ETA beyond half of consumer_timeout waits at RabbitMQ although it was not delayed by its sender', async () => {
    const sender = app({ brokerTransportOptions: { nativeDelayedDelivery: false } })
    const mine = app({ brokerTransportOptions: { consumerTimeout: 4 } })
    const done = vi.fn()
    const task = mine.task('proj.t', done)
    const worker = await work(mine)
    const sent = Date.now()
    await sender.sendTask('proj.t', { countdown: 6, priority: 3, expires: 60 })
    await sender.sendTask('proj.t', { countdown: 1 })
    // The first one makes the 28 queues.
    await vi.waitFor(
      () => expect(lines.filter((line) => line.includes('waits at the broker until')).length).toBe(1),
      { timeout: 15_000 },
    )
    await vi.waitFor(async () => expect(await waiting()).toBe(1))
    await vi.waitFor(() => expect(done).toHaveBeenCalledTimes(1))
    await vi.waitFor(() => expect(done).toHaveBeenCalledTimes(2))
    expect(Date.now() - sent).toBeGreaterThanOrEqual(6_000)
    expect(worker.counts.received).toBe(3)
    await vi.waitFor(async () => expect((await channel.checkQueue('celery')).messageCount).toBe(0))
    void task
  }, 20_000)

  it('TRANS-25: time limits and ETAs that consumer_timeout cuts short are told at the start', async () => {
    const mine = app({ brokerTransportOptions: { consumerTimeout: 60, nativeDelayedDelivery: false } })
    mine.task('proj.long', { timeLimit: 61 }, () => {})
    mine.task('proj.early', { timeLimit: 61, acksLate: false }, () => {})
    mine.task('proj.short', { timeLimit: 60 }, () => {})
    await work(mine)
    const told = lines.filter((line) => line.includes('consumer_timeout'))
    expect(told.length).toBe(2)
    expect(told[0]).toContain('proj.long (61 s)')
    expect(told[0]).not.toMatch(/proj\.early|proj\.short/)
    expect(told[1]).toContain('ETA')
    lines.length = 0
    // Nothing to say with what RabbitMQ and ct do by themselves.
    const usual = app()
    usual.task('proj.usual', { timeLimit: 300 }, () => {})
    await work(usual, { queues: ['other'], hostname: 'second@%h' })
    expect(lines.filter((line) => line.includes('consumer_timeout'))).toEqual([])
  })

  it('TRANS-25: a message that is nearly held too long is told of once', async () => {
    const mine = app({ brokerTransportOptions: { consumerTimeout: 1 } })
    let end = (): void => {}
    const running = new Promise<void>((resolve) => (end = resolve))
    mine.task('proj.t', () => running)
    await work(mine)
    await mine.sendTask('proj.t')
    await vi.waitFor(
      () => expect(lines.filter((line) => line.includes('has been held for')).length).toBe(1),
      {
        timeout: 15_000,
      },
    )
    await new Promise((resolve) => setTimeout(resolve, 300))
    end()
    expect(lines.filter((line) => line.includes('has been held for')).length).toBe(1)
  })

  it('WORK-64: workerEtaTaskLimit bounds what is held for its ETA', async () => {
    const mine = app({ workerEtaTaskLimit: 5, workerPrefetchMultiplier: 1 })
    const done = vi.fn()
    const task = mine.task('proj.t', done)
    const worker = await work(mine, { concurrency: 2 })
    await Promise.all(Array.from({ length: 12 }, () => task.applyAsync([], { countdown: 1.5 })))
    await vi.waitFor(() => expect(worker.counts.received).toBe(5))
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(worker.counts.received).toBe(5)
    await vi.waitFor(() => expect(done).toHaveBeenCalledTimes(12))
  })

  it('ROUTE-29, WORK-73: a task that is put back again and again is parked by RabbitMQ’s own count; one that is rejected is dead-lettered', async () => {
    await channel.assertExchange('dead', 'fanout')
    await channel.assertQueue('morgue')
    await channel.bindQueue('morgue', 'dead', '')
    // As the worker would; looking for a queue that is not there costs the channel.
    await channel.assertQueue('risky.parked')
    const queueArguments = { 'x-queue-type': 'quorum', 'x-dead-letter-exchange': 'dead' }
    const mine = app({ taskQueues: [new Queue('risky', { queueArguments })], taskDefaultQueue: 'risky' })
    const runs: unknown[] = []
    mine.task('proj.poison', () => {
      runs.push('poison')
      throw new Reject('not here', true)
    })
    mine.task('proj.reject', () => {
      throw new Reject('not at all', false)
    })
    await work(mine)
    await mine.sendTask('proj.poison')
    await vi.waitFor(async () => expect((await channel.checkQueue('risky.parked')).messageCount).toBe(1), {
      timeout: 15_000,
    })
    expect(runs.length).toBe(5)
    await mine.sendTask('proj.reject')
    await vi.waitFor(async () => expect((await channel.checkQueue('morgue')).messageCount).toBe(1))
    expect((await channel.checkQueue('risky')).messageCount).toBe(0)
    const [parked] = await (await mine.context.producer.connection()).parked.list('risky')
    expect(parked?.history).toMatchObject({ starts: 5, queue: 'risky' })
  }, 30_000)
})
