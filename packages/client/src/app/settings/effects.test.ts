/** What settings that a client reads do to what it sends; those of routing and results are tested in their rooms. */
import { memory, memoryBackend, memoryBroker } from '@ct/broker-memory'
import { decodeJson, decodeUtf8, jsonSerializer, type Serializer } from '@ct/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import { capturedApp, type CapturedApp } from '../../../test/captured-app.ts'
import { chord, prepareTask } from '../../canvas/index.ts'
import { Exchange, Queue } from '../../routing/index.ts'
import { createApp, type App, type AppOptions } from '../index.ts'

const open: (App | CapturedApp)[] = []

afterEach(async () => {
  for (const one of open) await one[Symbol.asyncDispose]()
  open.length = 0
})

function use(options: AppOptions): CapturedApp {
  const captured = capturedApp(options)
  open.push(captured)
  return captured
}

const marked: Serializer = {
  ...jsonSerializer,
  name: 'marked',
  contentType: 'application/x-marked',
  encode: (value) => jsonSerializer.encode(value),
  decode: (bytes) => jsonSerializer.decode(bytes),
}

describe('messages', () => {
  it('SET-135, SET-159: taskSerializer and taskCompression, unless the task or the call says otherwise', () => {
    const { app } = use({ taskSerializer: 'marked', taskCompression: 'gzip', serializers: [marked] })
    const prepare = (options = {}): unknown[] => {
      const { message } = prepareTask(app.context, { task: 't', args: [1], kwargs: {}, options })
      return [message.contentType, message.headers['compression']]
    }
    expect(prepare()).toEqual(['application/x-marked', 'application/x-gzip'])
    expect(prepare({ serializer: 'json', compression: 'zstd' })).toEqual([
      'application/json',
      'application/zstd',
    ])
    app.task('t', { serializer: 'json' }, () => 1)
    expect(prepare()).toEqual(['application/json', 'application/x-gzip'])
  })

  it('D57-115: taskReprMaxlevels is how deep the texts of arguments go', () => {
    const deep = [[[[[1]]]]]
    const shown = (taskReprMaxlevels?: number): unknown => {
      const { app } = use(taskReprMaxlevels === undefined ? {} : { taskReprMaxlevels })
      return prepareTask(app.context, { task: 't', args: [deep], kwargs: {} }).message.headers['argsrepr']
    }
    expect([shown(), shown(1), shown(9)]).toEqual(['([[[...]]],)', '([...],)', '([[[[[1]]]]],)'])
  })

  it('SET-140, SET-141, SET-146: exchange, its type and the key of queues that name none', () => {
    const { app } = use({
      taskDefaultExchange: 'events',
      taskDefaultExchangeType: 'topic',
      taskDefaultRoutingKey: 'task.default',
      taskQueues: [new Queue('plain')],
    })
    expect(app.context.queues.get('plain').declaration.bindings).toEqual([
      expect.objectContaining({
        exchange: expect.objectContaining({ name: 'events', type: 'topic' }) as unknown,
        routingKey: 'task.default',
      }),
    ])
    const { message } = prepareTask(app.context, {
      task: 't',
      args: [],
      kwargs: {},
      options: { queue: 'plain' },
    })
    expect([message.exchange, message.routingKey]).toEqual(['events', 'task.default'])
  })

  it('SET-139: transient delivery by setting', () => {
    const { app } = use({ taskDefaultDeliveryMode: 'transient' })
    const { message } = prepareTask(app.context, { task: 't', args: [], kwargs: {} })
    expect(message.properties.deliveryMode).toBe(1)
  })

  it.each([
    [true, [null, 'celery.errback']],
    [false, [null, null]],
  ])(
    'SET-132: with taskAllowErrorCbOnChordHeader %s an error callback of a chord is one of its members too',
    async (allow, expected) => {
      const { app, sent } = use({ taskAllowErrorCbOnChordHeader: allow })
      const t = app.task('t', { typing: false }, (x?: unknown) => x)
      await chord([t.s(), t.s()], t.s()).onError(app.signature('celery.errback')).applyAsync()
      const members = (await sent()).filter(({ headers }) => headers['group'] !== null)
      expect(members).toHaveLength(2)
      for (const { embed } of members) {
        expect([embed.callbacks, embed.errbacks?.[0]?.task ?? null]).toEqual(expected)
      }
    },
  )
})

describe('the result store', () => {
  it('SET-101: resultBackend is the address of the store, for what has no backend in code', () => {
    const app = createApp({
      broker: memoryBroker({ url: 'memory://effects' }),
      adapters: [memory],
      environment: {},
      resultBackend: 'cache+memory://effects',
    })
    open.push(app)
    expect(app.context.results.enabled).toBe(true)
    expect(memoryBackend({ url: 'cache+memory://effects' }).name).toBe(app.context.results.backend.name)
  })
})

describe('events', () => {
  it('SET-81: eventSerializer', async () => {
    const broker = memoryBroker({ url: 'memory://effects-events' })
    const app = createApp({
      broker,
      environment: {},
      serializers: [marked],
      eventSerializer: 'marked',
      taskSendSentEvent: true,
    })
    open.push(app)
    const connection = await broker.connect({ onNotice: () => {} })
    const got = Promise.withResolvers<readonly [string, unknown]>()
    const consumer = await connection.openConsumer({
      credit: 10,
      onDelivery: (delivery) =>
        got.resolve([delivery.contentType ?? '', decodeJson(decodeUtf8(delivery.body))]),
    })
    const queue = new Queue('listener', {
      exchange: new Exchange('celeryev', { type: 'topic' }),
      routingKey: '#',
    }).declaration
    await connection.declare([queue])
    await consumer.subscribe([{ queue, noAck: true }])
    await app.sendTask('t')
    expect(await got.promise).toEqual([
      'application/x-marked',
      expect.objectContaining({ type: 'task-sent', name: 't' }),
    ])
    await connection.close()
    await broker.close()
  })
})
