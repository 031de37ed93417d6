/** Malformed remote control, thrown at the mailbox of a running worker: one log line with its reason each, and the worker goes on answering. */
import { freshRedis, freshVhost, RedisConnection, tryServices, type Fresh } from '@ct-tools/services'
import { amqpBroker } from '@ct/broker-amqp'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { createApp, type App } from '@ct/client'
import type { OutgoingMessage } from '@ct/contracts'
import { recordingLogger, type RecordingLogger } from '@ct/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createWorker, type Worker } from './index.ts'

const ping = { method: 'ping', arguments: {}, destination: null, pattern: null, matcher: null }
const reply = { ticket: 't', reply_to: { exchange: 'reply.celery.pidbox', routing_key: 'nobody' } }

function envelope(body: string, change: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    body: Buffer.from(body).toString('base64'),
    'content-type': 'application/json',
    'content-encoding': 'utf-8',
    headers: { clock: 1, expires: 0 },
    properties: {
      body_encoding: 'base64',
      delivery_tag: 't',
      delivery_mode: 2,
      delivery_info: { exchange: 'celery.pidbox', routing_key: '' },
      priority: 0,
    },
    ...change,
  })
}

const request = (change: object): string => envelope(JSON.stringify({ ...ping, ...change }))

/** What the line says; null: read all the same, as Celery reads it. */
const corpus: readonly (readonly [name: string, text: string, line: RegExp | null])[] = [
  ['empty', '', /not even an envelope: not JSON/],
  ['not JSON', 'hello', /not even an envelope: not JSON/],
  ['an array', '[]', /not even an envelope: .* not a JSON object/],
  ['an empty object', '{}', /not even an envelope: .* the body is not a text/],
  ['cut off', request({}).slice(0, -5), /not even an envelope: not JSON/],
  ['nested deep', '['.repeat(100_000), /not even an envelope: .*deeper/],
  ['body that is a number', envelope('', { body: 5 }), /not even an envelope: .* the body is not a text/],
  [
    'headers that are a number',
    request({}).replace('{"clock":1,"expires":0}', '5'),
    /the headers are not an object/,
  ],
  ['body that is no base64', envelope('', { body: '!!!' }), /could not be handled: .*body/],
  [
    'without properties',
    envelope(JSON.stringify(ping), { properties: undefined }),
    /could not be handled: not JSON/,
  ],
  ['body: not JSON', envelope('hello'), /could not be handled: not JSON/],
  ['body: empty', envelope(''), /could not be handled: /],
  ['body: null', envelope('null'), /its body is no object/],
  ['body: number', envelope('5'), /its body is no object/],
  ['body: array', envelope('[]'), /its body is no object/],
  ['body: empty object', envelope('{}'), /it names no method/],
  [
    'body: a pickle',
    envelope('x', { 'content-type': 'application/x-python-serialize' }),
    /not in acceptContent/,
  ],
  ['method: number', request({ method: 5 }), /it names no method/],
  ['method: null', request({ method: null }), /it names no method/],
  ['method: empty', request({ method: '' }), /it names no method/],
  ['method: unknown', request({ method: 'nope' }), /KeyError\('nope'\)/],
  ['method: __proto__', request({ method: '__proto__' }), /KeyError\('__proto__'\)/],
  ['method: constructor', request({ method: 'constructor', ...reply }), /KeyError\('constructor'\)/],
  ['arguments: text', request({ arguments: 'x' }), /its arguments are no object/],
  ['arguments: array', request({ arguments: [] }), /its arguments are no object/],
  [
    'arguments: wrong type',
    request({ method: 'pool_grow', arguments: { n: 'x' } }),
    /TypeError\('n must be an integer'\)/,
  ],
  [
    'arguments: wrong type of a queue',
    request({ method: 'add_consumer', arguments: { queue: {} } }),
    /TypeError/,
  ],
  ['destination: number', request({ destination: 5 }), /its destination is no list of node names/],
  ['destination: text', request({ destination: 'x' }), /its destination is no list of node names/],
  ['destination: numbers', request({ destination: [5] }), /its destination is no list of node names/],
  ['pattern: no expression', request({ pattern: '(', matcher: 'pcre' }), /its pattern cannot be matched/],
  ['matcher: unknown', request({ pattern: 'a', matcher: 'nope' }), /its pattern cannot be matched/],
  ['pattern: number', request({ pattern: 5, matcher: 'glob' }), null],
  ['headers: missing', envelope(JSON.stringify(ping), { headers: undefined }), null],
  ['clock: text', envelope(JSON.stringify(ping), { headers: { clock: 'x' } }), null],
  ['clock: beyond all numbers', envelope(JSON.stringify(ping), { headers: { clock: 1e300 } }), null],
  ['reply_to: number', request({ ...reply, reply_to: 5 }), null],
  ['reply_to: empty', request({ ...reply, reply_to: {} }), null],
  ['reply_to: no exchange', request({ ...reply, reply_to: { exchange: 5, routing_key: 'nobody' } }), null],
  [
    'reply_to: an exchange that is none',
    request({ ...reply, reply_to: { exchange: 'nope', routing_key: 'x' } }),
    null,
  ],
  ['ticket: number', request({ ...reply, ticket: 5 }), null],
]

interface Envelope {
  readonly body?: unknown
  readonly 'content-type'?: unknown
  readonly headers?: unknown
  readonly properties?: unknown
}

/** The same as AMQP carries it; undefined: what is broken is the envelope, and AMQP has none. */
function asAmqp(text: string): OutgoingMessage | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined
  }
  const { body, headers = {}, properties, ...rest } = parsed as Envelope
  if (typeof body !== 'string' || body === '!!!' || properties === undefined || typeof headers !== 'object')
    return undefined
  return {
    exchange: 'celery.pidbox',
    exchangeType: 'fanout',
    routingKey: '',
    body: Buffer.from(body, 'base64'),
    contentType: String(rest['content-type']),
    contentEncoding: 'utf-8',
    headers: (headers ?? {}) as OutgoingMessage['headers'],
    properties: { deliveryMode: 2 },
  }
}

/** Redis drops what nobody listens to; RabbitMQ says that it has no such exchange. */
const ofAmqp = corpus
  .filter(([, text]) => asAmqp(text) !== undefined)
  .map(([name, text, line]) => {
    const missing = name === 'reply_to: an exchange that is none'
    return [name, text, missing ? /There is no exchange "nope"/ : line] as const
  })

const brokers = [
  { name: 'Redis', cases: corpus, present: true },
  { name: 'RabbitMQ', cases: ofAmqp, present: (await tryServices(['rabbitmq'])) !== undefined },
] as const

describe.for(brokers)('malformed control messages on $name', ({ name, cases, present }) => {
  if (!present) {
    it.skipIf(true)('a service is missing', () => {})
    return
  }
  let redis: Awaited<ReturnType<typeof freshRedis>>
  let line: Fresh
  let raw: RedisConnection
  let app: App
  let worker: Worker
  let log: RecordingLogger

  beforeAll(async () => {
    redis = await freshRedis()
    line = name === 'Redis' ? redis : await freshVhost()
    raw = await RedisConnection.openUrl(redis.url)
    log = recordingLogger()
    app = createApp({
      name: 'proj',
      broker: (name === 'Redis' ? redisBroker : amqpBroker)({ url: line.url }),
      backend: redisBackend({ url: redis.url }),
      logger: log,
    })
    app.task('proj.add', (x: number, y: number) => x + y)
    worker = createWorker(app, { hostname: 'w@h', withoutMingle: true, withoutHeartbeat: true })
    await worker.start()
  })
  afterAll(async () => {
    await worker?.stop()
    await app?.close()
    raw?.close()
    if (line !== redis) await line?.[Symbol.asyncDispose]()
    await redis?.[Symbol.asyncDispose]()
  })

  /** Resolves to how many mailboxes it reached, where the broker tells. */
  async function put(text: string): Promise<number> {
    if (name === 'Redis') {
      const channel = `/${new URL(redis.url).pathname.slice(1)}.celery.pidbox`
      return (await raw.command('PUBLISH', channel, text)) as number
    }
    const connection = await app.context.producer.connection()
    await connection.publish(asAmqp(text)!)
    return 1
  }

  it('has the corpus', () => {
    expect(cases.length).toBeGreaterThan(30)
  })

  it.each(cases)('%s', async (_name, text, expected) => {
    log.records.length = 0
    expect(await put(text)).toBe(1)
    expect(await app.control.ping({ destination: ['w@h'], timeoutMs: 20_000 })).toEqual([
      { 'w@h': { ok: 'pong' } },
    ])
    const lines = log.lines('warn')
    const fits = lines.map((line) => expected?.test(line))
    expect([fits, lines]).toEqual(expected === null ? [[], []] : [[true], lines])
    expect(worker.status).toBe('running')
  })

  it('CTRL-10: nothing was written anywhere by all of that', async () => {
    const keys = (await raw.command('KEYS', '*')) as string[]
    expect(keys.filter((key) => !key.startsWith('_kombu.'))).toEqual([])
  })
})
