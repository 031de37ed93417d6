/** The corpus of broken task messages that every broker meets, as AMQP carries them: native headers, properties and bytes. */
import { malformedMessages } from '@ct-tools/malformed'
import { freshVhost, tryServices, type FreshVhost } from '@ct-tools/services'
import { createApp, type App } from '@ct/client'
import type { BrokerConnection, OutgoingMessage } from '@ct/contracts'
import { recordingLogger, type RecordingLogger } from '@ct/testing'
import { createWorker, type Worker } from '@ct/worker'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { amqpBroker } from './index.ts'

const ready = await tryServices(['rabbitmq'])

interface Envelope {
  readonly body?: unknown
  readonly headers?: unknown
  readonly 'content-type'?: unknown
  readonly 'content-encoding'?: unknown
}

interface Case {
  readonly name: string
  readonly reason: string | null
  readonly message: Omit<OutgoingMessage, 'exchange' | 'routingKey'>
}

/** What is broken about the envelope itself cannot be said in AMQP: there is none. */
const ofEnvelopes = /^(?:envelope|body text|properties|property|headers: a date)\b/

function asAmqp(text: string): Case['message'] | undefined {
  const envelope = JSON.parse(text) as Envelope
  const { headers = {}, body } = envelope
  const [type, encoding] = [envelope['content-type'], envelope['content-encoding']]
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers) || typeof body !== 'string')
    return undefined
  // A text is all that these two can be; kombu, too, takes a missing one for raw bytes.
  if ((type !== undefined && typeof type !== 'string') || typeof encoding !== 'string') return undefined
  return {
    body: Buffer.from(body, 'base64'),
    contentType: type ?? '',
    contentEncoding: encoding,
    headers: headers as Readonly<Record<string, unknown>>,
    properties: { deliveryMode: 2 },
  }
}

const cases: readonly Case[] = malformedMessages
  .filter(({ name }) => !ofEnvelopes.test(name))
  .flatMap(({ name, envelope, reason }) => {
    const message = asAmqp(envelope)
    return message === undefined ? [] : [{ name, reason, message }]
  })

describe.skipIf(ready === undefined)('malformed task messages on RabbitMQ', () => {
  let vhost: FreshVhost
  let app: App
  let worker: Worker
  let connection: BrokerConnection
  let log: RecordingLogger
  let runs = 0

  beforeAll(async () => {
    vhost = await freshVhost()
    log = recordingLogger()
    const broker = amqpBroker({ url: vhost.url })
    app = createApp({
      name: 'proj',
      broker,
      maxDecompressedBytes: 1_000_000,
      logger: log,
    })
    app.task('proj.add', (x: number, y: number) => {
      runs += 1
      return x + y
    })
    app.task('t', () => 'never')
    worker = createWorker(app, { withoutMingle: true, withoutHeartbeat: true })
    await worker.start()
    connection = await app.context.producer.connection()
  })
  afterAll(async () => {
    await worker.stop()
    await app.close()
    await vhost.release()
  })

  it('has the corpus', () => {
    expect(cases.length).toBeGreaterThan(120)
  })

  it.each(cases.map((one) => [one.name, one] as const))('WORK-72, WORK-73, WORK-74: %s', async (_, one) => {
    const { message, reason } = one
    log.records.length = 0
    const [before, refused] = [runs, worker.counts.refused]
    await connection.publish({ exchange: '', routingKey: 'celery', ...message })
    await app.sendTask('proj.add', { args: [1, 1], ignoreResult: true })
    const runsToo = reason === null
    await expect
      .poll(() => [runs - before, worker.counts.refused - refused], { interval: 5 })
      .toEqual(runsToo ? [2, 0] : [1, 1])
    await expect
      .poll(async () => (await connection.parked.count(['celery'])).get('celery') ?? 0, { interval: 5 })
      .toBe(runsToo ? 0 : 1)
    await connection.purge('celery.parked')
    expect(worker.status).toBe('running')
    // A busy machine is not what the messages are judged by.
    const lines = log.records.filter(
      ({ level, message }) =>
        ['warn', 'error', 'critical'].includes(level) && !message.startsWith('The event loop stood still'),
    )
    expect(lines.map(({ fields }) => fields['detail'])).toEqual(runsToo ? [] : [reason])
    const ending = runsToo ? '' : 'The message is parked in celery.parked.'
    expect(lines.map(({ message: line }) => line).join('')).toMatch(new RegExp(`${ending}$`))
  })
})
