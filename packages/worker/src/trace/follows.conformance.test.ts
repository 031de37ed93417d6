/** What follows from a task, on a Redis where it goes with the ack: what is refused ends as ever, and nothing is sent twice. */
import { freshRedis, tryServices, type FreshRedis } from '@ct-tools/services'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { chain, chord, createApp, type App, type AsyncResult, type Signature } from '@ct/client'
import type { Broker } from '@ct/contracts'
import { chaosBroker, expectTaskSent, recordingLogger, spyBroker } from '@ct/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createWorker, type Worker } from '../index.ts'

const present = (await tryServices(['redis'])) !== undefined

describe.skipIf(!present)('what follows from a task', () => {
  let redis: FreshRedis
  let app: App
  let worker: Worker
  const calls: (readonly [task: string, ...args: unknown[]])[] = []
  const of = (task: string): number => calls.filter(([name]) => name === task).length

  beforeEach(async () => {
    redis = await freshRedis()
    calls.length = 0
  })
  afterEach(async () => {
    await worker.stop()
    await app.close()
    await redis.release()
  })

  async function start(backend: boolean, broker: Broker = redisBroker({ url: redis.url })): Promise<void> {
    app = createApp({
      name: 'follows',
      broker,
      ...(backend ? { backend: redisBackend({ url: redis.url }) } : {}),
      taskCreateMissingQueues: false,
      logger: recordingLogger(),
    })
    for (const name of ['work', 'next', 'errback'])
      app.task(`follows.${name}`, { typing: false }, (...args: unknown[]) => {
        calls.push([name, ...args])
        return name
      })
    app.task('follows.fail', () => {
      throw new Error('boom')
    })
    worker = createWorker(app, { withoutMingle: true, withoutHeartbeat: true, withoutGossip: true })
    await worker.start()
  }

  const sig = (name: string, options: Record<string, unknown> = {}): Signature =>
    app.signature(`follows.${name}`, options) as Signature

  it('D57-165: a link to a queue that is refused fails the task, which runs once; its error callback is called once', async () => {
    await start(true)
    const task = sig('work')
    task.link(sig('next'))
    task.link(sig('next', { queue: 'nowhere' }))
    task.linkError(sig('errback', { immutable: true }))
    const result = (await task.applyAsync()) as AsyncResult
    await expect(result.get({ timeoutMs: 20_000 })).rejects.toThrow('nowhere')
    await expect.poll(() => of('errback')).toBe(1)
    expect(of('work')).toBe(1)
    expect(await (await (sig('next').applyAsync() as Promise<AsyncResult>)).get({ timeoutMs: 20_000 })).toBe(
      'next',
    )
    expect(of('errback')).toBe(1)
  })

  it('D57-168: a chain that fails calls its error callback without a result backend too', async () => {
    await start(false)
    const canvas = chain(sig('fail'), sig('next')) as unknown as Signature
    canvas.linkError(sig('errback', { immutable: true }))
    await canvas.applyAsync()
    await expect.poll(() => of('errback')).toBe(1)
    expect(of('next')).toBe(0)
  })

  it('D57-62: the steps of a chain come one after the other, each once, and leave nothing behind', async () => {
    await start(true)
    const steps = Array.from({ length: 30 }, () => sig('next'))
    const canvas = (chain as unknown as (...all: readonly Signature[]) => Signature)(...steps)
    const result = (await canvas.applyAsync()) as AsyncResult
    expect(await result.get({ timeoutMs: 20_000 })).toBe('next')
    expect(of('next')).toBe(30)
    const connection = await redis.connect()
    await expect.poll(() => connection.command('EXISTS', 'unacked', 'unacked_index', 'celery')).toBe(0)
    connection.close()
  })

  it('a spy sees what goes with the ack', async () => {
    const broker = spyBroker(redisBroker({ url: redis.url }))
    await start(true, broker)
    const result = (await chain(sig('work'), sig('next')).applyAsync()) as AsyncResult
    await result.get({ timeoutMs: 20_000 })
    expectTaskSent(broker, 'follows.work')
    expectTaskSent(broker, 'follows.next', { args: ['work'] })
  })

  it('goes with the ack over a broker with faults too, while it has none', async () => {
    const broker = chaosBroker(redisBroker({ url: redis.url }), { seed: 1 })
    await start(true, broker)
    const counted = (await chord([sig('work'), sig('work')], sig('next')).applyAsync()) as AsyncResult
    expect(await counted.get({ timeoutMs: 20_000 })).toBe('next')
    const result = (await chain(sig('work'), sig('next')).applyAsync()) as AsyncResult
    broker.chaos.failNext('publish')
    expect(await result.get({ timeoutMs: 20_000 })).toBe('next')
    expect(broker.chaos.counts.publish).toBe(0)
    await worker.stop()
    expect(await (await app.context.producer.connection()).queueSize('celery')).toBe(0)
  })
})
