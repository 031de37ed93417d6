/** What the whole server does: memory alarms that block publishers, and `consumer_timeout`. On a server of its own. */
import { rmSync } from 'node:fs'
import { PrivateRabbit, freePort, makeCertificates, tryServices } from '@ct-tools/services'
import { createApp, type App, type AppOptions } from '@ct/client'
import { recordingLogger, type RecordingLogger } from '@ct/testing'
import { createWorker } from '@ct/worker'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { amqpBroker } from './index.ts'

const ready = PrivateRabbit.isInstalled && (await tryServices(['rabbitmq'])) !== undefined

describe.skipIf(!ready)('a RabbitMQ server', () => {
  let server: PrivateRabbit
  const closing: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    // Held messages are looked at every channel_tick_interval.
    server = await PrivateRabbit.start({
      rabbit: ['{consumer_timeout, 2000}', '{channel_tick_interval, 500}'],
    })
  }, 60_000)
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  function app(name: string, logger: RecordingLogger, options: AppOptions = {}): App {
    const broker = amqpBroker({ url: server.url })
    const made = createApp({
      name: 'proj',
      broker,
      logger,
      taskDefaultQueue: name,
      taskIgnoreResult: true,
      ...options,
    })
    closing.push(async () => {
      await made.close()
      await broker.close()
    })
    return made
  }

  it('TRANS-25, PAIN-4: a message that is held beyond consumer_timeout is told of by name, and the worker goes on', async () => {
    const log = recordingLogger()
    const mine = app('held', log)
    const runs: string[] = []
    const end = Promise.withResolvers<void>()
    const task = mine.task('proj.t', async (name: string) => {
      runs.push(name)
      if (name === 'long') await end.promise
    })
    const worker = createWorker(mine, { withoutMingle: true, concurrency: 1, hostname: 'held@h' })
    closing.push(() => worker.stop())
    await worker.start()
    await task.delay('long')
    await vi.waitFor(() => expect(runs).toEqual(['long']))
    await task.delay('waits')
    const told = await vi.waitFor(
      () => {
        const lines = log.lines('warn').filter((line) => line.includes('consumer_timeout'))
        expect(lines.length).toBe(1)
        return lines
      },
      { timeout: 15_000 },
    )
    expect(told[0]).toMatch(
      /held longer than RabbitMQ's consumer_timeout \(2 s\).*come again.*consumerTimeout/,
    )
    end.resolve()
    // What was not started runs once; the long one is recognised when it comes again, and settled.
    await vi.waitFor(() => expect(runs).toContain('waits'))
    await task.delay('after')
    await vi.waitFor(() => expect(runs).toContain('after'))
    expect(worker.status).toBe('running')
    expect(runs).toEqual(['long', 'waits', 'after'])
    const connection = await mine.context.producer.connection()
    await vi.waitFor(async () => expect(await connection.queueSize('held')).toBe(0))
  }, 30_000)

  it('TRANS-25: with the value known, a far ETA is not held, and comes on time', async () => {
    const log = recordingLogger()
    const broker = amqpBroker({ url: server.url, consumerTimeout: 2 })
    closing.push(() => broker.close())
    const mine = app('far', log, { broker })
    const ran = vi.fn()
    mine.task('proj.t', ran)
    const worker = createWorker(mine, { withoutMingle: true, hostname: 'far@h' })
    closing.push(() => worker.stop())
    await worker.start()
    await mine.sendTask('proj.t', { countdown: 4 })
    await vi.waitFor(() => expect(ran).toHaveBeenCalledTimes(1))
    expect(log.lines('warn').filter((line) => !line.includes('stood still'))).toEqual([])
  }, 30_000)

  it('TRANS-21, PAIN-11: a server short of memory blocks publishers: told, bounded, and over when it is over', async () => {
    const log = recordingLogger()
    const mine = app('blocked', log, { publishTimeoutMs: 1_500 })
    const task = mine.task('proj.t', () => {})
    await task.delay()
    await server.control('set_vm_memory_high_watermark', 'absolute', '1')
    try {
      const refused = await task.applyAsync([], { retry: false }).catch((error: unknown) => error)
      expect(refused).toMatchObject({ code: 'CT_PUBLISH', details: { maybeDelivered: true } })
      await vi.waitFor(() =>
        expect(log.lines('warn').join('\n')).toMatch(/The broker blocks publishing: .*memory/),
      )
    } finally {
      await server.control('set_vm_memory_high_watermark', '0.4')
    }
    await vi.waitFor(() => expect(log.lines('info').join('\n')).toContain('takes messages again'), {
      timeout: 15_000,
    })
    await task.delay()
  }, 60_000)
})

it.skipIf(!ready)(
  'TRANS-1, SEC-51: EXTERNAL: the certificate alone says who we are',
  async () => {
    const { caFile, certFile, keyFile, clientCertFile, clientKeyFile, folder } = await makeCertificates()
    const port = await freePort()
    const files = `{cacertfile, "${caFile}"}, {certfile, "${certFile}"}, {keyfile, "${keyFile}"}`
    try {
      await using server = await PrivateRabbit.start({
        rabbit: [
          "{auth_mechanisms, ['EXTERNAL', 'PLAIN']}",
          '{ssl_cert_login_from, common_name}',
          `{ssl_listeners, [{"127.0.0.1", ${port}}]}`,
          `{ssl_options, [${files}, {verify, verify_peer}, {fail_if_no_peer_cert, false}]}`,
        ],
        plugins: ['rabbitmq_auth_mechanism_ssl'],
      })
      await server.control('add_user', 'ct test client', 'never used')
      await server.control('set_permissions', '-p', '/', 'ct test client', '.*', '.*', '.*')
      const ours = { sslCaCerts: caFile, loginMethod: 'EXTERNAL' } as const
      await using broker = amqpBroker({
        url: `amqps://localhost:${port}//`,
        ...ours,
        sslCertfile: clientCertFile,
        sslKeyfile: clientKeyFile,
      })
      const connection = await broker.connect({ onNotice: () => {} })
      const queue = { name: 'q', durable: true, exclusive: false, autoDelete: false, bindings: [] }
      await connection.declare([queue])
      expect(await connection.queueSize('q')).toBe(0)
      await using nobody = amqpBroker({ url: `amqps://localhost:${port}//`, ...ours })
      await expect(nobody.connect({ onNotice: () => {} })).rejects.toMatchObject({ code: 'CT_BROKER' })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  60_000,
)
