/** Messages that no Celery would send, as AMQP can carry them, put before a ct worker. */
import { freshVhost, tryServices } from '@ct-tools/services'
import { createApp, type Logger } from '@ct/client'
import { recordingLogger } from '@ct/testing'
import { createWorker } from '@ct/worker'
import { connect, type Options } from 'amqplib'
import { expect, it, vi } from 'vitest'
import { publishRaw, rawDepth, rawField, rawText } from '../test/raw-headers.ts'
import { amqpBroker } from './index.ts'

const ready = await tryServices(['rabbitmq'])

const good = { lang: 'py', task: 'proj.t', id: '41b1c752-31fe-4c53-aa75-cdc1a6582df5', retries: 0 }
const json = { contentType: 'application/json', contentEncoding: 'utf-8' }
const body = '[[], {}, null]'
const moment = { '!': 'timestamp', value: 1_700_000_000 }

const corpus: readonly (readonly [string, Options.Publish, (string | Buffer)?])[] = [
  ['nothing at all', {}, ''],
  ['no content type', { headers: good }],
  ['no headers, no task', json],
  ['content type not accepted', { ...json, contentType: 'application/x-python-serialize', headers: good }],
  ['body not JSON', { ...json, headers: good }, '{not json'],
  ['body not UTF-8', { ...json, headers: good }, Buffer.from([0x5b, 0xff, 0xfe, 0x5d])],
  ['body of the wrong shape', { ...json, headers: good }, '{"a": 1}'],
  ['id a timestamp', { ...json, headers: { ...good, id: moment } }],
  ['id bytes', { ...json, headers: { ...good, id: Buffer.from('x') } }],
  ['task a list', { ...json, headers: { ...good, task: ['proj.t'] } }],
  ['task a table', { ...json, headers: { ...good, task: { name: 'proj.t' } } }],
  ['eta a timestamp', { ...json, headers: { ...good, eta: moment } }],
  [
    'eta a decimal',
    { ...json, headers: { ...good, eta: { '!': 'decimal', value: { places: 1, digits: 5 } } } },
  ],
  ['expires a table', { ...json, headers: { ...good, expires: { a: { b: { c: [1] } } } } }],
  ['retries a fraction', { ...json, headers: { ...good, retries: 1.5 } }],
  ['retries a text', { ...json, headers: { ...good, retries: '3' } }],
  ['timelimit a table', { ...json, headers: { ...good, timelimit: { soft: 1 } } }],
  ['stamps a long text', { ...json, headers: { ...good, stamps: 's'.repeat(60_000) } }],
  ['task unknown', { ...json, headers: { ...good, task: 'proj.nobody' } }],
  ['compression a lie', { ...json, headers: { ...good, compression: 'application/x-gzip' } }],
]

it.skipIf(ready === undefined)(
  'WORK-72, WORK-73, WORK-74: each costs one log line and is parked; the worker lives',
  async () => {
    await using vhost = await freshVhost()
    const lines: string[] = []
    const write = (message: string): void => void lines.push(message)
    const logger: Logger = {
      debug: () => {},
      info: () => {},
      warn: write,
      error: write,
      critical: write,
      child: () => logger,
    }
    const app = createApp({
      name: 'proj',
      broker: amqpBroker({ url: vhost.url }),
      logger,
      taskDefaultQueue: 'bad',
      taskIgnoreResult: true,
    })
    let runs = 0
    const task = app.task('proj.t', () => void runs++)
    const worker = createWorker(app, { withoutMingle: true })
    const other = await connect(vhost.url)
    try {
      await worker.start()
      const channel = await other.createConfirmChannel()
      for (const [name, options, text = body] of corpus) {
        const before = lines.length
        channel.publish('', 'bad', Buffer.from(text), options)
        await channel.waitForConfirms()
        await vi.waitFor(() =>
          expect(lines.length, `${name}: ${lines.slice(before).join(' | ')}`).toBe(before + 1),
        )
      }
      await vi.waitFor(async () =>
        expect((await channel.checkQueue('bad.parked')).messageCount).toBe(corpus.length),
      )
      await task.delay()
      await vi.waitFor(() => expect(runs).toBe(1))
      expect(lines.length).toBe(corpus.length)
      expect((await channel.checkQueue('bad')).messageCount).toBe(0)
    } finally {
      await other.close()
      await worker.stop()
      await app.close()
    }
  },
  30_000,
)

it.skipIf(ready === undefined)(
  'WIRE-1, WORK-72: headers that amqplib cannot decode end no connection: py-amqp’s long integers are read, what is too deep is parked',
  async () => {
    await using vhost = await freshVhost()
    const log = recordingLogger()
    const app = createApp({
      name: 'proj',
      broker: amqpBroker({ url: vhost.url }),
      logger: log,
      taskDefaultQueue: 'odd',
      taskIgnoreResult: true,
    })
    const seen: unknown[] = []
    const task = app.task('proj.t', { bind: true }, ({ request }) => void seen.push(request.headers))
    const worker = createWorker(app, { withoutMingle: true })
    const other = await connect(vhost.url)
    try {
      await worker.start()
      const channel = await other.createConfirmChannel()
      const names = [rawField('task', 'S', rawText('proj.t')), rawField('id', 'S', rawText('a1'))]
      const long = Buffer.from('0000010000000000', 'hex')
      const list = Buffer.concat([Buffer.from('L'), long, Buffer.from('t\x01')])
      await publishRaw(channel, 'odd', [
        ...names,
        rawField('big', 'L', long),
        rawField('below', 'L', Buffer.from('ffffff0000000000', 'hex')),
        rawField('in', 'F', rawText(rawField('list', 'A', rawText(list)))),
      ])
      await vi.waitFor(() => expect(seen).toHaveLength(1))
      expect(seen[0]).toMatchObject({ big: 2 ** 40, below: -(2 ** 40), in: { list: [2 ** 40, true] } })

      await publishRaw(channel, 'odd', [...names, rawDepth(14_000)])
      const parked = await vi.waitFor(async () => {
        const looking = await other.createChannel()
        looking.on('error', () => {})
        const found = await looking.get('odd.parked', { noAck: true })
        expect(found).not.toBe(false)
        return found
      }, 10_000)
      expect(JSON.stringify(parked)).toMatch(/ct-unreadable-headers.*call stack/)

      // Deep, and no trouble to amqplib: the task runs, and what could not be sent on is cut off.
      await publishRaw(channel, 'odd', [...names, rawDepth(500)])
      await vi.waitFor(() => expect(seen).toHaveLength(2))
      await task.delay()
      await vi.waitFor(() => expect(seen).toHaveLength(3))
      expect(log.lines('warn').join('\n')).not.toContain('is lost')
    } finally {
      await other.close()
      await worker.stop()
      await app.close()
    }
  },
  30_000,
)
