/** Connections: who they say they are, how they notice that nobody answers, what an idle one costs, and what RabbitMQ 4 would not allow. */
import { tryServices } from '@ct-tools/services'
import { createApp, type App, type AppOptions } from '@ct/client'
import { recordingLogger } from '@ct/testing'
import { createWorker, type Worker, type WorkerOptions } from '@ct/worker'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Line } from '../test/line.ts'
import { messageTo, queueNamed, RabbitScene } from '../test/rabbit-scene.ts'
import { amqp, amqpBroker } from './index.ts'

const ready = await tryServices(['rabbitmq'])

interface ConnectionInfo {
  readonly vhost: string
  readonly timeout: number
  readonly auth_mechanism: string
  readonly client_properties: Readonly<Record<string, unknown>>
}

interface QueueInfo {
  readonly name: string
  readonly durable: boolean
  readonly exclusive: boolean
}

describe.skipIf(ready === undefined)('a session with RabbitMQ', () => {
  let scene: RabbitScene
  const closing: (() => Promise<unknown>)[] = []

  beforeEach(async () => {
    scene = await RabbitScene.open()
  })
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close()
    await scene.close()
  })

  function app(options: AppOptions = {}): App {
    const made = createApp({ name: 'proj', adapters: [amqp], broker: scene.vhost.url, ...options })
    closing.push(() => made.close())
    return made
  }

  function workerOf(on: App, options: WorkerOptions = {}): Worker {
    const worker = createWorker(on, { withoutMingle: true, ...options })
    closing.push(() => worker.stop())
    return worker
  }

  it('TRANS-27, TRANS-28: a password may be asked for at each connect, and operators see who we are', async () => {
    const { username, password } = new URL(scene.vhost.url)
    const bare = new URL(scene.vhost.url)
    bare.password = ''
    bare.username = username
    const ask = vi.fn(async () => await Promise.resolve(decodeURIComponent(password)))
    const broker = amqpBroker({
      url: bare.href,
      password: ask,
      heartbeat: 17,
      connectionName: 'orders-1',
      clientProperties: { team: 'orders' },
    })
    closing.push(() => broker.close())
    await (await broker.connect({ onNotice: () => {} })).close()
    await broker.connect({ onNotice: () => {} })
    expect(ask).toHaveBeenCalledTimes(2)
    // The management plugin hears of it within five seconds.
    const ours = await vi.waitFor(
      async () => {
        const all = (await scene.vhost.management.call('GET', '/connections')) as readonly ConnectionInfo[]
        const found = all.find((one) => one.client_properties['connection_name'] === 'orders-1')
        expect(found?.timeout).toBe(17)
        return found
      },
      { timeout: 15_000, interval: 250 },
    )
    expect(ours?.auth_mechanism).toBe('PLAIN')
    expect(ours?.client_properties).toMatchObject({
      product: 'ct',
      team: 'orders',
      capabilities: {
        consumer_cancel_notify: true,
        'connection.blocked': true,
        authentication_failure_close: true,
      },
    })
  }, 30_000)

  it('TRANS-20, WORK-91: a server that answers no more is noticed by its missing heartbeats', async () => {
    const line = await Line.to(scene.vhost.url)
    closing.push(() => line.close())
    const { notices } = await scene.connect({ url: line.url, heartbeat: 1 })
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    expect(notices).toEqual([])
    line.freeze()
    await vi.waitFor(() => expect(notices).toMatchObject([{ kind: 'connection-lost' }]))
  }, 15_000)

  it('TRANS-20, D57-180: a worker and its app stop although the server answers no more', async () => {
    const line = await Line.to(scene.vhost.url)
    closing.push(() => line.close())
    const on = app({ broker: line.url, publishTimeoutMs: 2_000, taskIgnoreResult: true })
    const worker = workerOf(on)
    await worker.start()
    line.freeze()
    // Its missing heartbeats would be noticed after two minutes.
    await worker.stop()
    await on.close()
    expect(worker.status).toBe('stopped')
  }, 40_000)

  it('TRANS-21: without confirms, what the socket does not take any more is told of when the line is gone', async () => {
    const line = await Line.to(scene.vhost.url)
    closing.push(() => line.close())
    const { connection } = await scene.connect({ url: line.url, confirmPublish: false, heartbeat: 1 })
    await connection.declare([queueNamed('much')])
    line.freeze()
    const body = Buffer.alloc(20_000, 'x')
    const sending = Array.from({ length: 3_000 }, () => connection.publish(messageTo('much', { body })))
    const outcomes = await Promise.allSettled(sending)
    const refused = outcomes.filter(({ status }) => status === 'rejected')
    expect(refused.length).toBeGreaterThan(1_000)
    expect(refused[0]).toMatchObject({ reason: { code: 'CT_PUBLISH', details: { maybeDelivered: true } } })
  }, 30_000)

  it('TRANS-20: an idle worker sends nothing but heartbeats', async () => {
    const line = await Line.to(scene.vhost.url)
    closing.push(() => line.close())
    const mine = app({ broker: line.url, brokerHeartbeat: 2 })
    mine.task('proj.t', () => {})
    // What it would do every half minute it does every second here.
    const real = setInterval
    const often = vi
      .spyOn(globalThis, 'setInterval')
      .mockImplementation(((run: () => void, ms: number) =>
        real(run, ms >= 10_000 ? 1000 : ms)) as typeof setInterval)
    await workerOf(mine, { withoutHeartbeat: true }).start()
    often.mockRestore()
    await mine.sendTask('proj.t', { ignoreResult: true })
    await new Promise((resolve) => setTimeout(resolve, 500))
    const before = line.sent
    await new Promise((resolve) => setTimeout(resolve, 4_000))
    // Eight bytes each, at most one a second for each of two connections.
    expect((line.sent - before) % 8).toBe(0)
    expect(line.sent - before).toBeLessThanOrEqual(2 * 5 * 8)
  }, 15_000)

  it('D57-72, D57-177: all connections of a worker and its app have the heartbeat that was set', async () => {
    const mine = app({ workerSendTaskEvents: true, backend: 'rpc://', brokerHeartbeat: 7 })
    const task = mine.task('proj.t', (value: number) => value)
    await workerOf(mine, { taskEvents: true }).start()
    expect(await (await task.delay(1)).get({ timeoutMs: 20_000 })).toBe(1)
    const { vhost, management } = scene.vhost
    const heartbeats = await vi.waitFor(
      async () => {
        const path = `/vhosts/${vhost}/connections?columns=timeout,client_properties`
        const all = (await management.call('GET', path)) as readonly {
          readonly timeout?: number
          readonly client_properties?: { readonly product?: string }
        }[]
        const ours = all.filter((one) => one.client_properties?.product === 'ct')
        expect(ours).toHaveLength(3)
        return ours.map((one) => one.timeout)
      },
      { timeout: 15_000, interval: 250 },
    )
    expect(heartbeats).toEqual([7, 7, 7])
  }, 30_000)

  it('WORK-61, PAIN-23: nothing is used that RabbitMQ 4 has dropped: no transient queue for everybody, no channel-wide prefetch', async () => {
    const mine = app({ workerSendTaskEvents: true, backend: 'rpc://' })
    const task = mine.task('proj.t', (value: number) => value)
    await workerOf(mine, { taskEvents: true }).start()
    expect(await (await task.delay(1)).get({ timeoutMs: 20_000 })).toBe(1)
    expect(await mine.control.ping({ timeoutMs: 20_000, limit: 1 })).toHaveLength(1)
    const { vhost, management } = scene.vhost
    const path = `/queues/${vhost}?columns=name,durable,exclusive`
    const queues = (await management.call('GET', path)) as readonly QueueInfo[]
    expect(queues.length).toBeGreaterThanOrEqual(3)
    expect(queues.filter(({ durable, exclusive }) => !durable && !exclusive)).toEqual([])
    const prefetches = await vi.waitFor(
      async () => {
        const channels = (await management.call('GET', `/vhosts/${vhost}/channels`)) as readonly {
          readonly global_prefetch_count: number
          readonly consumer_count: number
        }[]
        expect(channels.filter((one) => one.consumer_count > 0).length).toBeGreaterThanOrEqual(2)
        return channels.map((one) => one.global_prefetch_count)
      },
      { timeout: 15_000, interval: 250 },
    )
    expect(new Set(prefetches)).toEqual(new Set([0]))
  }, 30_000)

  it('WORK-87, SET-16: a refused queue ends the start; with brokerChannelErrorRetry it is waited for until it can be consumed', async () => {
    await scene.channel.assertQueue('work', { durable: true, maxPriority: 5 })
    const strict = workerOf(app({ logger: recordingLogger() }), { queues: ['work'], hostname: 'strict@h' })
    await expect(strict.start()).rejects.toThrow(/queue "work".*PRECONDITION.FAILED.*x-max-priority/s)
    const log = recordingLogger()
    const patient = workerOf(app({ logger: log, brokerChannelErrorRetry: true }), {
      queues: ['work'],
      hostname: 'patient@h',
    })
    const started = patient.start()
    await vi.waitFor(() => expect(log.lines('warn').join('\n')).toContain('trying again'))
    await scene.channel.deleteQueue('work')
    await started
    expect(patient.status).toBe('running')
    expect(log.lines('warn').length).toBeLessThanOrEqual(3)
  }, 20_000)

  it('CTRL-3, PAIN-68: a node whose name is taken says so, not hot, and starts when the other one is gone', async () => {
    const first = workerOf(app(), { hostname: 'twin@h' })
    await first.start()
    const log = recordingLogger()
    const second = workerOf(app({ logger: log }), { hostname: 'twin@h' })
    const started = second.start()
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    const told = log.lines('warn')
    expect(told[0]).toContain('A node named twin@h is already using this process mailbox')
    expect(told.length).toBeLessThanOrEqual(3)
    await first.stop()
    await started
    expect(second.status).toBe('running')
  }, 20_000)

  it('TRANS-24, CTRL-1: a worker whose control queue was deleted listens again', async () => {
    // As a fleet with Celery 5.6 has it; an exclusive queue nobody else can delete.
    const mine = app({ logger: recordingLogger(), controlQueueExclusive: false })
    await workerOf(mine, { hostname: 'ear@h' }).start()
    await scene.channel.deleteQueue('ear@h.celery.pidbox')
    await vi.waitFor(async () => expect(await mine.control.ping({ timeoutMs: 300 })).toHaveLength(1), {
      timeout: 15_000,
    })
  }, 20_000)
})
