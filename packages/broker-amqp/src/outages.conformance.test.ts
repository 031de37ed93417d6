/** A server that dies, stands still, or throws its clients out, while a client sends and a worker works. */
import { PrivateRabbit, tryServices } from '@ct-tools/services'
import { createApp, type App } from '@ct/client'
import { isCeleryError } from '@ct/contracts'
import { recordingLogger, type RecordingLogger } from '@ct/testing'
import { createWorker, type Worker } from '@ct/worker'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { amqpBroker } from './index.ts'

const ready = PrivateRabbit.isInstalled && (await tryServices(['rabbitmq'])) !== undefined

describe.skipIf(!ready)('an outage of RabbitMQ', () => {
  let server: PrivateRabbit
  let client: App
  let worker: Worker
  let log: RecordingLogger
  let ended: Set<number>
  let sent: number[]
  let lost: unknown[]
  let next = 0
  const closing: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    server = await PrivateRabbit.start()
  }, 60_000)
  afterAll(() => server[Symbol.asyncDispose]())

  beforeEach(async () => {
    ended = new Set()
    sent = []
    lost = []
    log = recordingLogger()
    const queue = { taskDefaultQueue: `q${next}`, taskIgnoreResult: true, logger: log }
    const broker = amqpBroker({ url: server.url, heartbeat: 2 })
    const other = amqpBroker({ url: server.url, heartbeat: 2 })
    client = createApp({ name: 'proj', broker, publishTimeoutMs: 3_000, ...queue })
    const app = createApp({ name: 'proj', broker: other, ...queue })
    app.task('proj.count', async (number: number) => {
      await new Promise((resolve) => setTimeout(resolve, 2))
      ended.add(number)
    })
    worker = createWorker(app, { concurrency: 10, withoutMingle: true, hostname: `w${next++}@h` })
    closing.push(
      () => broker.close(),
      () => other.close(),
      () => client.close(),
      () => app.close(),
      () => worker.stop(),
    )
    await worker.start()
  })
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close()
  })

  /** Until `signal`: what was confirmed is in `sent`, what was not in `lost` with its error. */
  async function produce(signal: AbortSignal): Promise<void> {
    for (let number = 0; !signal.aborted; number++) {
      await client.sendTask('proj.count', { args: [number], retry: false }).then(
        () => sent.push(number),
        (error: unknown) => lost.push(error),
      )
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async function allEnd(): Promise<void> {
    await vi.waitFor(() => expect(sent.filter((number) => !ended.has(number))).toEqual([]), {
      timeout: 30_000,
      interval: 100,
    })
    expect(worker.status).toBe('running')
    expect(
      lost.every((error) => isCeleryError(error) && typeof error.details['maybeDelivered'] === 'boolean'),
    ).toBe(true)
  }

  it('WORK-86, WORK-88: killed and started again: what was confirmed ends, and nothing is looped hot', async () => {
    const stop = new AbortController()
    const producing = produce(stop.signal)
    await vi.waitFor(() => expect(ended.size).toBeGreaterThan(50))
    await server.kill()
    await server.start()
    const before = sent.length
    await vi.waitFor(() => expect(sent.length).toBeGreaterThan(before + 50), { timeout: 30_000 })
    stop.abort()
    await producing
    await allEnd()
    expect(log.lines('warn').length).toBeLessThan(60)
  }, 90_000)

  it('WORK-88, TRANS-20: standing still: publishes fail in time and say what is known, and all goes on afterwards', async () => {
    const stop = new AbortController()
    const producing = produce(stop.signal)
    await vi.waitFor(() => expect(ended.size).toBeGreaterThan(20))
    server.pause()
    try {
      await vi.waitFor(() => expect(lost.length).toBeGreaterThan(0))
      expect(lost[0]).toMatchObject({ code: 'CT_PUBLISH', details: { maybeDelivered: true } })
      await vi.waitFor(() => expect(worker.status).toBe('reconnecting'), { timeout: 15_000 })
    } finally {
      server.resume()
    }
    const before = sent.length
    await vi.waitFor(() => expect(sent.length).toBeGreaterThan(before + 50), { timeout: 30_000 })
    stop.abort()
    await producing
    await allEnd()
  }, 90_000)

  it('WORK-86: connections closed by an operator: told with his reason, and made again', async () => {
    const stop = new AbortController()
    const producing = produce(stop.signal)
    await vi.waitFor(() => expect(ended.size).toBeGreaterThan(20))
    await server.control('close_all_connections', 'closed for the test')
    await vi.waitFor(() => expect(log.lines('warn').join('\n')).toContain('closed for the test'))
    const before = ended.size
    await vi.waitFor(() => expect(ended.size).toBeGreaterThan(before + 50), { timeout: 20_000 })
    stop.abort()
    await producing
    await allEnd()
  }, 60_000)
})
