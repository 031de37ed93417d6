/** `rpc://` as an app meets it: whose results, for how long, and what is not there. */
import { freshVhost, tryServices, type FreshVhost } from '@ct-tools/services'
import { chord, createApp, group, type App, type AppOptions } from '@ct/client'
import { createWorker, type Worker } from '@ct/worker'
import { connect } from 'amqplib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Line } from '../../test/line.ts'
import { BacklogLimitExceeded, amqpBroker, rpcBackend, type RpcBackendOptions } from '../index.ts'

const ready = await tryServices(['rabbitmq'])

interface QueueInfo {
  readonly name: string
  readonly durable: boolean
  readonly auto_delete: boolean
  readonly exclusive: boolean
  readonly arguments: Readonly<Record<string, unknown>>
}

describe.skipIf(ready === undefined)('rpc://', () => {
  let vhost: FreshVhost
  const closing: (() => Promise<unknown>)[] = []

  beforeEach(async () => {
    vhost = await freshVhost()
  })
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close()
    await vhost.release()
  })

  function app(backend: RpcBackendOptions = {}, options: AppOptions = {}): App {
    const store = rpcBackend({ url: vhost.url, ...backend })
    const broker = amqpBroker({ url: vhost.url })
    const made = createApp({ name: 'proj', broker, backend: store, ...options })
    closing.push(async () => {
      await made.close()
      await store.close()
      await broker.close()
    })
    return made
  }

  async function work(on: App): Promise<Worker> {
    on.task('proj.double', (value: number) => value * 2)
    const worker = createWorker(on, { withoutMingle: true })
    closing.push(() => worker.stop())
    await worker.start()
    return worker
  }

  async function replyQueue(of: App): Promise<QueueInfo | undefined> {
    const path = `/queues/${vhost.vhost}/${encodeURIComponent(of.context.oid)}`
    return (await vhost.management.call('GET', path)) as QueueInfo | undefined
  }

  it('BACK-20, BACK-22, WIRE-64, PAIN-74, WIRE-36: the reply queue is as 5.7 declares it, and results go to the caller alone', async () => {
    const [caller, other] = [app({ resultExpires: 120 }), app()]
    await work(app())
    const sent = await caller.sendTask('proj.double', { args: [21] })
    expect(await replyQueue(caller)).toMatchObject({
      durable: true,
      auto_delete: true,
      exclusive: false,
      arguments: { 'x-expires': 120_000 },
    })
    await (await other.sendTask('proj.double', { args: [1] })).get({ timeoutMs: 20_000 })
    expect(await sent.get({ timeoutMs: 20_000 })).toBe(42)
    expect(await other.asyncResult(sent.id).state()).toBe('PENDING')
    expect(caller.context.oid).not.toBe(other.context.oid)
  })

  it('BACK-23, PAIN-10: a result that had to go because nobody asked says so; the others are there', async () => {
    const caller = app({ maxCached: 2 })
    await work(app())
    const sent = await Promise.all(
      [1, 2, 3].map((value) => caller.sendTask('proj.double', { args: [value] })),
    )
    // All have come once three were received; which of them went depends on their order.
    const outcomes = await vi.waitFor(async () => {
      const all = await Promise.allSettled(sent.map((one) => one.state()))
      expect(all.filter((one) => one.status === 'rejected').length).toBe(1)
      expect(all.filter((one) => one.status === 'fulfilled' && one.value === 'SUCCESS').length).toBe(2)
      return all
    })
    const gone = outcomes.findIndex((one) => one.status === 'rejected')
    await expect(sent[gone]!.get({ timeoutMs: 20_000 })).rejects.toThrow(BacklogLimitExceeded)
    const both = await Promise.allSettled(sent.map((one) => one.get({ timeoutMs: 20_000 })))
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    await sent[gone]!.forget()
    expect(await sent[gone]!.state()).toBe('PENDING')
  })

  it('BACK-24: no groups are saved and no chords are counted', async () => {
    const caller = app()
    const double = caller.task('proj.double', (value: number) => value * 2)
    const sum = caller.task('proj.sum', (values: number[]) => values.length)
    await work(app())
    const result = await group([double.s(1), double.s(2)]).applyAsync()
    expect(await result.get({ timeoutMs: 20_000 })).toEqual([2, 4])
    await expect(result.save()).rejects.toMatchObject({ code: 'CT_UNSUPPORTED' })
    await expect(chord([double.s(1), double.s(2)], sum.s()).applyAsync()).rejects.toMatchObject({
      code: 'CT_UNSUPPORTED',
    })
  })

  it('BACK-25: after a loss the reply queue is there again under its name, and results come', async () => {
    const line = await Line.to(vhost.url)
    closing.push(() => line.close())
    const caller = app({ url: line.url })
    await work(app())
    expect(await (await caller.sendTask('proj.double', { args: [1] })).get({ timeoutMs: 20_000 })).toBe(2)
    const { oid } = caller.context
    await line.cut()
    expect(await (await caller.sendTask('proj.double', { args: [2] })).get({ timeoutMs: 20_000 })).toBe(4)
    expect(caller.context.oid).toBe(oid)
    expect(await replyQueue(caller)).toBeDefined()
  })

  it('BACK-25: a reply queue that somebody deletes is made again, and results come', async () => {
    const caller = app()
    await work(app())
    expect(await (await caller.sendTask('proj.double', { args: [1] })).get({ timeoutMs: 20_000 })).toBe(2)
    const path = `/queues/${vhost.vhost}/${encodeURIComponent(caller.context.oid)}`
    await vhost.management.call('DELETE', path)
    // What was sent before the caller heard of it has no answer.
    const doubled = async (): Promise<unknown> => {
      const sent = await caller.sendTask('proj.double', { args: [2] })
      return await sent.get({ timeoutMs: 1000 }).catch((error: Error) => error.message)
    }
    await expect.poll(doubled).toBe(4)
    expect(await replyQueue(caller)).toMatchObject({ durable: true })
  })

  it('BACK-26, SET-111, SET-112: result_exchange and result_exchange_type are taken and change nothing', async () => {
    const caller = app({}, { resultExchange: 'elsewhere', resultExchangeType: 'topic' })
    await work(app())
    expect(await (await caller.sendTask('proj.double', { args: [4] })).get({ timeoutMs: 20_000 })).toBe(8)
    const exchanges = (await vhost.management.call(
      'GET',
      `/exchanges/${vhost.vhost}?columns=name`,
    )) as QueueInfo[]
    expect(exchanges.map(({ name }) => name)).not.toContain('elsewhere')
  })

  it('RES-69, SET-115: result messages are persistent when resultPersistent says so', async () => {
    const plain = await connect(vhost.url)
    closing.push(() => plain.close())
    const channel = await plain.createChannel()
    await channel.assertQueue('answers', { durable: true })
    const modeOf = async (options: RpcBackendOptions): Promise<unknown> => {
      const worker = await work(app(options))
      const answer = Promise.withResolvers<unknown>()
      const { consumerTag } = await channel.consume(
        'answers',
        (message) => answer.resolve(message?.properties.deliveryMode),
        { noAck: true },
      )
      channel.publish('', 'celery', Buffer.from('[[4], {}, {}]'), {
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        correlationId: 'x',
        replyTo: 'answers',
        headers: { id: 'x', task: 'proj.double', lang: 'js' },
      })
      const mode = await answer.promise
      await channel.cancel(consumerTag)
      await worker.stop()
      return mode
    }
    expect(await modeOf({})).toBe(1)
    expect(await modeOf({ resultPersistent: true })).toBe(2)
  })

  it('BACK-21: a client of direct reply-to is answered too', async () => {
    await work(app())
    const plain = await connect(vhost.url)
    closing.push(() => plain.close())
    const channel = await plain.createChannel()
    const answer = Promise.withResolvers<unknown>()
    await channel.consume(
      'amq.rabbitmq.reply-to',
      (message) => answer.resolve([message?.properties.correlationId, message?.content.toString()]),
      { noAck: true },
    )
    channel.publish('', 'celery', Buffer.from('[[4], {}, {}]'), {
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      correlationId: 'direct',
      replyTo: 'amq.rabbitmq.reply-to',
      headers: { id: 'direct', task: 'proj.double', lang: 'js' },
    })
    expect(await answer.promise).toEqual(['direct', expect.stringMatching(/"result": ?8/)])
  })
})
