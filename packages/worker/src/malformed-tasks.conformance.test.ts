/**
 * Every message of the corpus, given to a running worker between two good ones: one log line with its reason, counted, parked or discarded as
 * docs/reference/malformed-messages.md says, and nothing else happens.
 */
import { randomUUID } from 'node:crypto'
import { freshRedis, RedisConnection } from '@ct-tools/services'
import { memoryBackend, memoryBroker, memoryHub } from '@ct/broker-memory'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { createApp, type App, type AppOptions } from '@ct/client'
import { recordingLogger, type LogRecord, type RecordingLogger } from '@ct/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { malformedMessages } from '@ct-tools/malformed'
import { createWorker, type Worker } from './index.ts'

/** What may stand in `ct parked list` as the reason of a message that could be read as an envelope. */
const refusals = ['unknown-message', 'invalid-task', 'unknown-task', 'content-disallowed', 'decode-error']

interface Server {
  readonly options: Pick<AppOptions, 'broker' | 'backend'>
  put(queue: string, text: string): Promise<void>
  /** Messages that somebody holds. */
  held(): Promise<number>
  close(): Promise<void>
}

async function onRedis(): Promise<Server> {
  const redis = await freshRedis()
  const raw = await RedisConnection.openUrl(redis.url)
  return {
    options: { broker: redisBroker({ url: redis.url }), backend: redisBackend({ url: redis.url }) },
    async put(queue, text) {
      await raw.command('LPUSH', queue, text)
    },
    async held() {
      return (
        Number(await raw.command('HLEN', 'unacked')) + Number(await raw.command('ZCARD', 'unacked_index'))
      )
    },
    async close() {
      raw.close()
      await redis[Symbol.asyncDispose]()
    },
  }
}

async function inMemory(): Promise<Server> {
  const name = randomUUID()
  const hub = memoryHub(name)
  return {
    options: { broker: memoryBroker({ name }), backend: memoryBackend({ name }) },
    async put(queue, payload) {
      hub.put({ queue, payload, priority: 0, notBefore: undefined, expiresInMs: undefined, extra: undefined })
    },
    // What a connection still held would be back in the queue after it: that is looked at when the worker has stopped.
    held: async () => 0,
    close: async () => {},
  }
}

/** What only bytes can say, and what lies in the lists of an application that is none of ours. */
const rawItems: readonly (readonly [string, string])[] = [
  ['a Sidekiq job', '{"class":"HardJob","args":[1],"jid":"b4a577edbccf1d805744efa9","retry":true}'],
  ['a BullMQ job id', '42'],
  ['a megabyte of nothing', ' '.repeat(1_000_000)],
  ['a deep object', '{"a":'.repeat(50_000) + '1' + '}'.repeat(50_000)],
  ['the right words in the wrong places', '{"x":"\\"properties\\" \\"delivery_info\\" \\"headers\\""}'],
  [
    '__proto__ as the envelope',
    '{"__proto__":{"headers":{},"properties":{"delivery_info":{}}},"body":"e30="}',
  ],
  ['lone surrogates', '{"body":"\\ud800","headers":{},"properties":{"delivery_info":{}}}'],
]

const named = malformedMessages.map((message) => [message.name, message] as const)
const broken = named.filter(([, { reason }]) => reason !== null)
const odd = named.filter(([, { reason }]) => reason === null)

describe.each([
  ['Redis', onRedis, 'ct'],
  ['memory', inMemory, 'ct'],
  ['memory, defaults of Celery', inMemory, 'celery'],
] as const)('TASK-80: malformed task messages on %s', (_label, open, defaults) => {
  let server: Server
  let app: App
  let worker: Worker
  let log: RecordingLogger
  let runs = 0
  const add = (): Promise<{ get(options: object): Promise<unknown> }> =>
    app.sendTask('proj.add', { args: [1, 1] })

  beforeAll(async () => {
    server = await open()
    log = recordingLogger()
    // A busy machine is not what the messages are judged by.
    const { warn } = log
    log.warn = (message, fields) => {
      if (!message.startsWith('The event loop stood still')) warn(message, fields)
    }
    app = createApp({
      name: 'proj',
      ...server.options,
      defaults,
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
  })
  afterAll(async () => {
    await worker?.stop()
    await app?.close()
    await server?.close()
  })

  async function parkedCount(): Promise<number> {
    const connection = await app.context.producer.connection()
    return (await connection.parked.count(['celery'])).get('celery') ?? 0
  }

  /** Between two good tasks, one after the other in the queue. Resolves to what the log said, and what was parked. */
  async function between(text: string, isRun: boolean): Promise<{ lines: LogRecord[]; parked: string[] }> {
    log.records.length = 0
    const [before, refused] = [runs, worker.counts.refused]
    const first = await add()
    await server.put('celery', text)
    const second = await add()
    expect(await first.get({ timeoutMs: 15_000 })).toBe(2)
    expect(await second.get({ timeoutMs: 15_000 })).toBe(2)
    await expect.poll(() => [runs - before, worker.counts.refused - refused]).toEqual(isRun ? [3, 0] : [2, 1])
    const connection = await app.context.producer.connection()
    const kept =
      !isRun && (defaults === 'ct' || log.records.some(({ fields }) => fields['reason'] === 'malformed'))
    await expect.poll(() => parkedCount()).toBe(kept ? 1 : 0)
    await expect.poll(() => server.held()).toBe(0)
    const parked = await connection.parked.list('celery')
    await connection.parked.drop(
      'celery',
      parked.map(({ id }) => id),
    )
    expect(worker.status).toBe('running')
    expect(await connection.queueSize('celery')).toBe(0)
    const lines = log.records.filter(({ level }) => level !== 'debug' && level !== 'info')
    return { lines, parked: parked.map(({ history }) => history.reason) }
  }

  it.each(broken)('%s', async (_name, { envelope, reason }) => {
    const { lines, parked } = await between(envelope, false)
    expect(lines.map(({ message }) => message)).toHaveLength(1)
    const [{ message, fields }] = lines as [LogRecord]
    const unreadable = fields['reason'] === 'malformed'
    expect(message).toMatch(/^(Received|Can't decode) .* from celery.*: .+\./s)
    expect(message.length).toBeLessThan(1000)
    expect(['malformed', ...refusals]).toContain(fields['reason'])
    // What is no envelope says its reason in words.
    const detail = fields['detail']
    expect(unreadable ? typeof detail : detail).toBe(unreadable ? 'string' : reason)
    expect(parked).toEqual(unreadable || defaults === 'ct' ? [fields['reason']] : [])
    const fate =
      defaults === 'ct' || unreadable ? /parked in celery\.parked\.$/ : /settled with (ack|reject)\.$/
    expect(message).toMatch(fate)
  })

  it.each(odd)('%s: read all the same', async (_name, { envelope }) => {
    const { lines, parked } = await between(envelope, true)
    expect([lines, parked]).toEqual([[], []])
  })

  it.each(rawItems)('%s', async (_name, text) => {
    const { lines, parked } = await between(text, false)
    expect(lines).toHaveLength(1)
    expect(lines[0]!.fields['reason']).toMatch(/malformed|unknown-message/)
    expect(parked.length).toBeLessThanOrEqual(1)
  })

  it('WORK-72, PAIN-44: an unregistered task is told to its caller', async () => {
    log.records.length = 0
    const result = await app.sendTask('proj.nobody')
    await expect(result.get({ timeoutMs: 15_000 })).rejects.toThrow(/nobody/)
    await expect.poll(() => log.lines('warn')).toHaveLength(1)
    await expect.poll(() => parkedCount()).toBe(defaults === 'ct' ? 1 : 0)
    const connection = await app.context.producer.connection()
    const parked = await connection.parked.list('celery')
    expect(parked.map(({ history }) => history.reason)).toEqual(defaults === 'ct' ? ['unknown-task'] : [])
    await connection.parked.drop(
      'celery',
      parked.map(({ id }) => id),
    )
  })

  it('the whole corpus at once, among good tasks: all of those end, all of it is counted', async () => {
    log.records.length = 0
    const refused = worker.counts.refused
    const results = []
    for (const [, { envelope }] of broken) {
      results.push(await add())
      await server.put('celery', envelope)
    }
    for (const result of results) expect(await result.get({ timeoutMs: 20_000 })).toBe(2)
    await expect.poll(() => worker.counts.refused - refused).toBe(broken.length)
    await expect.poll(() => log.lines('warn').length).toBe(broken.length)
    await expect.poll(() => server.held()).toBe(0)
    const connection = await app.context.producer.connection()
    // With Celery's defaults only what is no envelope is kept, since nobody else could look at it.
    const kept =
      defaults === 'ct' ? broken.length : log.lines('warn').filter((line) => line.includes('parked')).length
    await expect.poll(() => parkedCount()).toBe(kept)
    const parked = await connection.parked.list('celery', { limit: 1000 })
    expect(await connection.parked.drop('celery', [...new Set(parked.map(({ id }) => id))])).toBeGreaterThan(
      0,
    )
    await worker.stop()
    expect(await connection.queueSize('celery')).toBe(0)
  })
})
