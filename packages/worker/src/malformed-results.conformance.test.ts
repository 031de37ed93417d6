/** Malformed result documents: who asks for one gets an error of ours, at once; who waits for others is not disturbed. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { freshRedis, freshVhost, RedisConnection, tryServices, type Fresh } from '@ct-tools/services'
import { amqpBroker, rpcBackend } from '@ct/broker-amqp'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { createApp, isCeleryError, type App } from '@ct/client'
import type { ResultBackend } from '@ct/contracts'
import { recordingLogger, type RecordingLogger } from '@ct/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createWorker, type Worker } from './index.ts'

const whole = {
  status: 'SUCCESS',
  result: 4,
  traceback: null,
  children: [],
  date_done: '2026-01-01T00:00:00+00:00',
  task_id: 'x',
}
const changed = (change: object): string => JSON.stringify({ ...whole, ...change })

/** Unreadable: `CT_DECODE` or another of our errors. */
const unreadable: readonly (readonly [string, string])[] = [
  ['empty', ''],
  ['not JSON', 'hello'],
  ['cut off', JSON.stringify(whole).slice(0, -3)],
  ['more behind it', `${JSON.stringify(whole)}x`],
  ['null', 'null'],
  ['number', '5'],
  ['text', '"SUCCESS"'],
  ['array', '[]'],
  ['empty object', '{}'],
  ['no status', changed({ status: undefined })],
  ['status number', changed({ status: 5 })],
  ['status null', changed({ status: null })],
  ['nested deep', '['.repeat(100_000)],
  ['unknown marker', changed({ result: { __type__: 'nope', __value__: 1 } })],
  ['bad date in the result', changed({ result: { __type__: 'datetime', __value__: 'x' } })],
]

/** Odd, and read all the same. */
const readable: readonly (readonly [string, string, expected: 'value' | 'error' | 'pending'])[] = [
  ['children number', changed({ children: 5 }), 'value'],
  ['children of nonsense', changed({ children: [5, null, [[]]] }), 'value'],
  ['date_done number', changed({ date_done: 5 }), 'value'],
  ['date_done text', changed({ date_done: 'soon' }), 'value'],
  ['traceback number', changed({ traceback: 5 }), 'value'],
  ['task_id of another', changed({ task_id: 'y' }), 'value'],
  ['no result', changed({ result: undefined }), 'value'],
  ['__proto__', JSON.stringify(whole).replace('{', '{"__proto__":{"status":"FAILURE"},'), 'value'],
  ['failure without anything', changed({ status: 'FAILURE', result: null }), 'error'],
  ['failure with a text', changed({ status: 'FAILURE', result: 'x' }), 'error'],
  ['failure with a list', changed({ status: 'FAILURE', result: [1] }), 'error'],
  [
    'failure with odd members',
    changed({ status: 'FAILURE', result: { exc_type: 5, exc_message: {}, exc_module: [] } }),
    'error',
  ],
  [
    'failure of a class that cannot be',
    changed({
      status: 'FAILURE',
      result: { exc_type: 'constructor', exc_message: ['x'], exc_module: '__proto__' },
    }),
    'error',
  ],
  ['revoked with nothing', changed({ status: 'REVOKED', result: null }), 'error'],
  ['a state of somebody', changed({ status: 'HALFWAY', result: { done: 1 } }), 'pending'],
]

const stores = [
  { name: 'Redis', present: true },
  { name: 'rpc', present: (await tryServices(['rabbitmq'])) !== undefined },
] as const

describe.for(stores)('malformed result documents on $name', ({ name, present }) => {
  if (!present) {
    it.skipIf(true)('a service is missing', () => {})
    return
  }
  const isRedis = name === 'Redis'
  let redis: Awaited<ReturnType<typeof freshRedis>>
  let line: Fresh
  let raw: RedisConnection
  let backend: ResultBackend
  let app: App
  let worker: Worker
  let log: RecordingLogger

  beforeAll(async () => {
    redis = await freshRedis()
    line = isRedis ? redis : await freshVhost()
    raw = await RedisConnection.openUrl(redis.url)
    log = recordingLogger()
    const { url } = line
    backend = isRedis ? redisBackend({ url }) : rpcBackend({ url })
    app = createApp({
      name: 'proj',
      broker: isRedis ? redisBroker({ url }) : amqpBroker({ url }),
      backend,
      logger: log,
    })
    app.task('proj.add', async (x: number, y: number) => {
      await sleep(100)
      return x + y
    })
    worker = createWorker(app, { withoutMingle: true, withoutHeartbeat: true })
    await worker.start()
  })
  afterAll(async () => {
    await worker?.stop()
    await app?.close()
    raw?.close()
    if (line !== redis) await line?.[Symbol.asyncDispose]()
    await redis?.[Symbol.asyncDispose]()
  })

  /** As a worker would that has gone mad. */
  async function store(id: string, text: string): Promise<void> {
    if (isRedis) {
      await raw.command('SET', `celery-task-meta-${id}`, text)
      await raw.command('PUBLISH', `celery-task-meta-${id}`, text)
      return
    }
    const connection = await app.context.producer.connection()
    await connection.publish({
      exchange: '',
      routingKey: backend.replyTo!,
      body: Buffer.from(text),
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      headers: {},
      properties: { correlationId: id },
    })
  }

  /** Stores it, once before anybody asks and once while somebody waits. */
  async function lay(text: string): Promise<{ asked: Promise<unknown>; waited: Promise<unknown> }> {
    const [stored, awaited] = [randomUUID(), randomUUID()]
    const other = await app.sendTask<number>('proj.add', { args: [1, 1] })
    await store(stored, text)
    const undisturbed = other.get({ timeoutMs: 20_000 })
    const waited = app.asyncResult(awaited).get({ timeoutMs: 700 })
    waited.catch(() => {})
    await sleep(20)
    await store(awaited, text)
    const asked = app.asyncResult(stored).get({ timeoutMs: 700 })
    asked.catch(() => {})
    expect(await undisturbed).toBe(2)
    return { asked, waited }
  }

  const codeOf = (error: unknown): unknown => (isCeleryError(error) ? error.code : error)

  it.each(unreadable)('BACK-1: unreadable: %s', async (_name, text) => {
    const { asked, waited } = await lay(text)
    expect(codeOf(await asked.catch((error: unknown) => error))).toBe('CT_DECODE')
    expect(codeOf(await waited.catch((error: unknown) => error))).toBe('CT_DECODE')
  })

  it.each(readable)('BACK-1: readable: %s', async (_name, text, expected) => {
    const outcomeOf = async (promise: Promise<unknown>): Promise<string> => {
      try {
        await promise
        return 'value'
      } catch (error) {
        return codeOf(error) === 'CT_RESULT_TIMEOUT'
          ? 'pending'
          : error instanceof Error
            ? 'error'
            : String(error)
      }
    }
    const { asked, waited } = await lay(text)
    expect([await outcomeOf(asked), await outcomeOf(waited)]).toEqual([expected, expected])
  })

  it.runIf(isRedis)('a key of another type is an error of the store', async () => {
    const id = randomUUID()
    await raw.command('LPUSH', `celery-task-meta-${id}`, 'x')
    const error: unknown = await app
      .asyncResult(id)
      .get({ timeoutMs: 700 })
      .catch((caught: unknown) => caught)
    expect(isCeleryError(error)).toBe(true)
  })

  it.runIf(isRedis)('a worker whose task has such a document stores over it', async () => {
    // What begins like a SUCCESS is taken for one, and kept.
    for (const [, text] of unreadable.filter((one) => !one[1].startsWith('{"status":"SUCCESS"'))) {
      const taskId = randomUUID()
      await raw.command('SET', `celery-task-meta-${taskId}`, text)
      const result = await app.sendTask<number>('proj.add', { args: [2, 2], taskId })
      await expect
        .poll(async () => String(await raw.command('GET', `celery-task-meta-${taskId}`)))
        .toMatch(/"status": "SUCCESS"/)
      expect(await result.get({ timeoutMs: 20_000 })).toBe(4)
    }
    expect(worker.status).toBe('running')
  })
})
