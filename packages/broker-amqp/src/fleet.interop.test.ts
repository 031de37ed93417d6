/** Python and ct in one fleet on RabbitMQ, where RabbitMQ is unlike other brokers: broadcast queues, quorum queues, control, events, direct reply-to. */
import { python, startPythonWorker, tryPython } from '@ct-tools/interop'
import { freshRedis, freshVhost, tryServices, type Fresh, type FreshVhost } from '@ct-tools/services'
import { Broadcast, createApp, Exchange, Queue, type App, type AppOptions } from '@ct/client'
import { redisBackend } from '@ct/broker-redis'
import { createWorker, type Worker, type WorkerOptions } from '@ct/worker'
import { connect } from 'amqplib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { amqp } from './index.ts'

const ready = (await tryPython('5.7')) && (await tryServices(['rabbitmq', 'redis'])) !== undefined

describe.skipIf(!ready)('Celery 5.7 and ct on RabbitMQ', () => {
  let vhost: FreshVhost
  let redis: Fresh
  const closing: (() => Promise<unknown>)[] = []

  beforeEach(async () => {
    vhost = await freshVhost()
    redis = await freshRedis()
  })
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close()
    await vhost.release()
    await redis.release()
  })

  function app(options: AppOptions = {}): App {
    const backend = redisBackend({ url: redis.url })
    const made = createApp({
      name: 'interop_tasks',
      adapters: [amqp],
      broker: vhost.url,
      backend,
      ...options,
    })
    closing.push(async () => {
      await made.close()
      await backend.close()
    })
    return made
  }

  async function work(on: App, options: WorkerOptions = {}): Promise<Worker> {
    const worker = createWorker(on, { withoutMingle: true, hostname: 'ct@fleet', ...options })
    closing.push(() => worker.stop())
    await worker.start()
    return worker
  }

  const peer = (config: Record<string, unknown> = {}, setup?: string) => ({
    broker: vhost.url,
    backend: redis.url,
    config,
    ...(setup === undefined ? {} : { setup }),
  })

  it('ROUTE-26: a broadcast task runs in every worker of both languages, whoever sends it', async () => {
    const setup = [
      'from kombu import Queue',
      'from kombu.common import Broadcast',
      `app.conf.task_queues = (Queue('celery'), Broadcast('shout'))`,
      `@app.task(name='fleet.heard', ignore_result=True)`,
      'def heard(word):',
      '    record(word=word)',
    ].join('\n')
    const mine = app({ taskQueues: [new Queue('celery'), new Broadcast('shout')] })
    const heard: string[] = []
    mine.task('fleet.heard', { ignoreResult: true }, (word: string) => void heard.push(word))
    const [client, theirs] = await Promise.all([
      python('5.7', peer({}, setup)),
      startPythonWorker({ version: '5.7', ...peer({}, setup) }),
      work(mine),
    ])
    closing.push(
      () => client[Symbol.asyncDispose](),
      () => theirs.stop(),
    )
    await mine.sendTask('fleet.heard', { args: ['from ct'], queue: 'shout' })
    await client.exec(`app.send_task('fleet.heard', ['from Python'], queue='shout')`)
    await vi.waitFor(() => expect(heard.toSorted()).toEqual(['from Python', 'from ct']))
    await vi.waitFor(() => expect(theirs.records.length).toBe(2))
    expect(theirs.records.map(({ word }) => String(word)).toSorted()).toEqual(['from Python', 'from ct'])
  }, 90_000)

  it('WORK-92, CTRL-53, WIRE-52, D57-10: mingle hands revoked ids to a Python worker that starts, and to a ct worker', async () => {
    const first = app()
    await work(first, { hostname: 'ct-one@fleet' })
    await first.control.revoke('11111111-1111-4111-8111-111111111111')
    const theirs = await startPythonWorker({ version: '5.7', ...peer(), mingle: true, loglevel: 'INFO' })
    closing.push(() => theirs.stop())
    await theirs.waitForLog(/mingle: sync with 1 nodes/)
    const second = app({ workerMingle: 'wait' })
    await work(second, { hostname: 'ct-two@fleet', withoutMingle: false })
    const revoked = await second.control.inspect().revoked()
    expect(Object.keys(revoked ?? {}).toSorted()).toEqual(
      ['ct-one@fleet', 'ct-two@fleet', theirs.nodename].toSorted(),
    )
    for (const ids of Object.values(revoked ?? {}))
      expect(ids).toEqual(['11111111-1111-4111-8111-111111111111'])
  }, 90_000)

  it('WORK-93, EVT-21: Python’s gossip sees a ct worker come and go', async () => {
    const theirs = await startPythonWorker({ version: '5.7', ...peer(), gossip: true, loglevel: 'DEBUG' })
    closing.push(() => theirs.stop())
    const worker = await work(app(), { hostname: 'ct-gossip@fleet' })
    await theirs.waitForLog('ct-gossip@fleet joined the party')
    await worker.stop()
    await theirs.waitForLog('ct-gossip@fleet left')
  }, 90_000)

  it('ROUTE-40, ROUTE-41, TASK-95: countdowns and retries of both wait in one topology of quorum queues', async () => {
    const config = {
      task_default_queue: 'slow',
      task_default_exchange: 'slow',
      task_default_exchange_type: 'topic',
      task_default_routing_key: 'slow',
      task_default_queue_type: 'quorum',
      task_create_missing_queue_type: 'quorum',
      task_create_missing_queue_exchange_type: 'topic',
    }
    const mine = app({
      taskDefaultQueue: 'slow',
      taskDefaultExchange: 'slow',
      taskDefaultExchangeType: 'topic',
      taskDefaultRoutingKey: 'slow',
      taskDefaultQueueType: 'quorum',
      taskQueues: [
        new Queue('slow', {
          exchange: new Exchange('slow', { type: 'topic' }),
          routingKey: 'slow',
          queueArguments: { 'x-queue-type': 'quorum' },
        }),
        new Queue('ct', {
          exchange: new Exchange('ct', { type: 'topic' }),
          routingKey: 'ct',
          queueArguments: { 'x-queue-type': 'quorum' },
        }),
      ],
    })
    mine.task('ct.retry', { bind: true, maxRetries: 3 }, (self, times: number) => {
      if (self.request.retries < times) throw self.retry({ countdown: 1 })
      return [self.request.retries, self.request.deliveryInfo.routingKey]
    })
    const [client, theirs, worker] = await Promise.all([
      python('5.7', peer(config)),
      startPythonWorker({ version: '5.7', ...peer(config), queues: ['slow'] }),
      work(mine, { queues: ['ct'] }),
    ])
    closing.push(
      () => client[Symbol.asyncDispose](),
      () => theirs.stop(),
    )
    // Python's own retry, through a queue that ct may have delayed for.
    const started = Date.now()
    const retried = await mine.sendTask('interop_tasks.retry_then_succeed', {
      kwargs: { times: 1, countdown: 1 },
      countdown: 2,
    })
    // From Python to ct, and two retries of ct's.
    const id = await client.send('ct.retry', [2], {}, { queue: 'ct', countdown: 2 })
    expect(worker.counts.received).toBe(0)
    expect(await client.get(id, 30)).toEqual([2, 'ct'])
    expect(Date.now() - started).toBeGreaterThan(3_500)
    await retried.get({ timeoutMs: 30_000 })
    expect(worker.counts.received).toBe(3)
  }, 120_000)

  it('WIRE-1, TASK-61: headers of one’s own with integers beyond 32 bits go from Python to ct', async () => {
    const mine = app()
    mine.task('ct.headers', { bind: true }, ({ request }) => request.headers)
    await work(mine, { queues: ['ct'] })
    const client = await python('5.7', peer())
    closing.push(() => client[Symbol.asyncDispose]())
    const read = await client.exec(
      "app.send_task('ct.headers', headers={'ms': 2**40, 'below': -2**40}, queue='ct').get(timeout=20)",
    )
    expect(read).toMatchObject({ ms: 2 ** 40, below: -(2 ** 40) })
  }, 60_000)

  it('WIRE-66, WIRE-9: the properties of a message of each', async () => {
    const mine = app()
    const [client, plain] = await Promise.all([python('5.7', peer()), connect(vhost.url)])
    closing.push(
      () => client[Symbol.asyncDispose](),
      () => plain.close(),
    )
    const channel = await plain.createChannel()
    const propertiesOf = async (): Promise<Record<string, unknown>> => {
      const got = await vi.waitFor(async () => {
        const message = await channel.get('raw', { noAck: true })
        if (message === false) throw new Error('not there yet')
        return message
      })
      // By its message_id ct counts how often a message was started.
      const { correlationId, replyTo, headers, messageId: _, ...rest } = got.properties
      expect(correlationId).toBe((headers as Record<string, unknown>)['id'])
      expect(replyTo).toMatch(/^[\da-f-]{36}$/)
      return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
    }
    const none = { contentType: 'application/json', contentEncoding: 'utf-8', deliveryMode: 2, priority: 0 }
    await client.exec(`app.send_task('t', args=(1,), queue='raw').id`)
    expect(await propertiesOf()).toEqual(none)
    await mine.sendTask('t', { args: [1], queue: 'raw' })
    expect(await propertiesOf()).toEqual(none)
    // The lasting text of `expires` is a header besides.
    const some = { ...none, deliveryMode: 1, priority: 3, expiration: expect.stringMatching(/^\d{4,5}$/) }
    await client.exec(
      `app.send_task('t', args=(1,), queue='raw', priority=3, expires=30, delivery_mode=1).id`,
    )
    expect(await propertiesOf()).toEqual(some)
    await mine.sendTask('t', { args: [1], queue: 'raw', priority: 3, expires: 30, deliveryMode: 1 })
    expect(await propertiesOf()).toEqual(some)
  }, 60_000)

  it('BACK-21: rpc:// of a Python worker answers direct reply-to as a ct worker does', async () => {
    const theirs = await startPythonWorker({ version: '5.7', ...peer(), backend: 'rpc://' })
    closing.push(() => theirs.stop())
    const plain = await connect(vhost.url)
    closing.push(() => plain.close())
    const channel = await plain.createChannel()
    const answer = Promise.withResolvers<string>()
    await channel.consume(
      'amq.rabbitmq.reply-to',
      (message) => answer.resolve(message?.content.toString() ?? ''),
      { noAck: true },
    )
    channel.publish('', 'celery', Buffer.from('[[4, 4], {}, {}]'), {
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      correlationId: 'direct',
      replyTo: 'amq.rabbitmq.reply-to',
      headers: { id: 'direct', task: 'interop_tasks.add', lang: 'js' },
    })
    expect(JSON.parse(await answer.promise)).toMatchObject({ status: 'SUCCESS', result: 8 })
  }, 60_000)
})
