import { randomUUID } from 'node:crypto'
import type { Broker, Consumer } from '@ct/contracts'
import { defineBroker, SerializerRegistry } from '@ct/contracts'
import { memoryBroker } from '@ct/broker-memory'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Producer } from '../producer/index.ts'
import type { ControlCodec, ControlMessage } from './index.ts'
import { Control, isForNode, nodeQueue, readControlMessage, writeReply } from './index.ts'

const serializers = new SerializerRegistry()
const codec: ControlCodec = { serializers, serializer: 'json', accept: serializers.accept(['json']) }

/** The logical clock, counting. */
function clock(): { value: number; forward(): number; adjust(n: number): number } {
  return {
    value: 0,
    forward() {
      return ++this.value
    },
    adjust(n) {
      this.value = Math.max(this.value, n) + 1
      return this.value
    },
  }
}

let broker: Broker
let producer: Producer
let control: Control
let warnings: string[]
let own: ReturnType<typeof clock>
const nodes: Consumer[] = []
const oid = randomUUID()

/** A node as workers are one: answers what is for it. */
async function node(name: string, answer: (request: ControlMessage) => unknown): Promise<ControlMessage[]> {
  const connection = await producer.connection()
  const requests: ControlMessage[] = []
  const consumer = await connection.openConsumer({
    credit: Infinity,
    onDelivery: (delivery) => {
      const request = readControlMessage(delivery, codec)
      if (!isForNode(request, name)) return
      requests.push(request)
      const reply = writeReply(request, name, answer(request), 40, codec)
      if (reply !== undefined) void producer.publish(reply)
    },
  })
  await consumer.subscribe([{ queue: nodeQueue(name, {}), noAck: true }])
  nodes.push(consumer)
  return requests
}

beforeEach(() => {
  broker = memoryBroker({ name: `control-${randomUUID()}` })
  producer = new Producer({ broker: () => broker })
  warnings = []
  own = clock()
  control = new Control({
    broker: () => broker,
    producer,
    serializers,
    clock: own,
    oid,
    queues: () => ['celery', 'other'],
    warn: (message) => warnings.push(message),
  })
})
afterEach(async () => {
  await control.close()
  for (const consumer of nodes.splice(0)) await consumer.close()
  await producer.close()
  await broker.close()
})

describe('remote control', () => {
  it('CTRL-2 CTRL-40, WIRE-51: asks all nodes and merges their answers', async () => {
    const requests = await node('a@h', () => ({ ok: 'pong' }))
    await node('b@h', () => ({ ok: 'pong' }))
    expect(await control.inspect({ timeoutMs: 20_000, limit: 2 }).ping()).toEqual({
      'a@h': { ok: 'pong' },
      'b@h': { ok: 'pong' },
    })
    expect(requests).toEqual([
      {
        method: 'ping',
        arguments: {},
        destination: null,
        pattern: null,
        matcher: null,
        ticket: expect.any(String) as string,
        replyTo: { exchange: 'reply.celery.pidbox', routingKey: oid },
        clock: 1,
      },
    ])
    expect(own.value).toBeGreaterThan(40)
  })

  it('CTRL-3 CTRL-4 SET-52…56, WIRE-61, WIRE-62: queues as Celery declares them', () => {
    expect(nodeQueue('a@h', {})).toMatchObject({
      name: 'a@h.celery.pidbox',
      durable: false,
      autoDelete: true,
      exclusive: true,
      arguments: { 'x-expires': 10_000, 'x-message-ttl': 300_000 },
      bindings: [{ exchange: { name: 'celery.pidbox', type: 'fanout', durable: false }, routingKey: '' }],
    })
    expect(
      nodeQueue('a@h', {
        controlExchange: 'x',
        controlQueueDurable: true,
        controlQueueExclusive: false,
        controlQueueTtl: null,
        controlQueueExpires: 2.5,
      }),
    ).toMatchObject({
      name: 'a@h.x.pidbox',
      durable: true,
      autoDelete: false,
      exclusive: false,
      arguments: { 'x-expires': 2500 },
    })
  })

  it('refuses queues that are durable and exclusive, as kombu does', () => {
    expect(() => nodeQueue('a@h', { controlQueueDurable: true })).toThrow(/Set one of them to false/)
  })

  it('CTRL-3: the exchange of requests is declared along with them: no worker may have come yet', async () => {
    const declared = vi.spyOn(await producer.connection(), 'declare')
    await control.shutdown()
    expect(declared.mock.calls).toEqual([
      [[], { exchanges: [{ name: 'celery.pidbox', type: 'fanout', durable: false, autoDelete: false }] }],
    ])
    await control.shutdown()
    expect(declared).toHaveBeenCalledOnce()
  })

  it('who gives up while others wait leaves their listening alone, and nothing stays behind', async () => {
    await node('a@h', () => ({ ok: 'pong' }))
    const connection = await producer.connection()
    const opened = vi.spyOn(connection, 'openConsumer')
    const deleted = vi.spyOn(connection, 'deleteQueue')
    const waiting = control.ping({ timeoutMs: 20_000, limit: 1 })
    const signal = AbortSignal.abort()
    await expect(control.ping({ signal, timeoutMs: 50 })).rejects.toMatchObject({ code: 'CT_ABORTED' })
    expect(await waiting).toEqual([{ 'a@h': { ok: 'pong' } }])
    await control.close()
    expect(opened).toHaveBeenCalledOnce()
    expect(deleted).toHaveBeenCalledWith(`${oid}.reply.celery.pidbox`)
  })

  it('a callback that throws ends the asking with its error', async () => {
    await node('a@h', () => ({ ok: 'pong' }))
    const callback = (): void => {
      throw new Error('mine')
    }
    await expect(control.ping({ callback, timeoutMs: 10_000 })).rejects.toThrow('mine')
  })

  it('CTRL-6: ends with the last of the destinations, without waiting out the time', async () => {
    await node('a@h', () => ({ ok: 'pong' }))
    await node('b@h', () => ({ ok: 'pong' }))
    // Longer than a test may take.
    const timeoutMs = 120_000
    expect(await control.inspect({ destination: ['a@h', 'b@h'], timeoutMs }).ping()).toEqual({
      'a@h': { ok: 'pong' },
      'b@h': { ok: 'pong' },
    })
    expect(await control.ping({ limit: 1, timeoutMs })).toHaveLength(1)
  })

  it('CTRL-6 CTRL-12: null when nobody answers in the time', async () => {
    expect(await control.inspect({ timeoutMs: 20 }).ping()).toBeNull()
    expect(await control.ping({ timeoutMs: 20 })).toEqual([])
  })

  it.each([
    ['Celery’s timeout', { timeout: 1 }, 'The command "ping" has no option "timeout". Give timeoutMs'],
    ['a name that is misspelt', { destinaton: ['a@h'] }, 'Did you mean "destination"?'],
    ['no number', { timeoutMs: '1' }, 'timeoutMs must be a number'],
    ['no time', { timeoutMs: Number.NaN }, 'timeoutMs must be a number'],
    ['no answer at all', { limit: 0 }, 'limit must be a number of answers from 1'],
    ['Celery’s signal', { signal: 'SIGKILL' }, 'killSignal'],
  ])('options are looked at before anything is sent: %s', async (_what, options, message) => {
    const publish = vi.spyOn(producer, 'publish')
    for (const ask of [
      () => control.ping(options as never),
      () => control.inspect(options as never).ping(),
    ]) {
      await expect(ask()).rejects.toMatchObject({
        code: 'CT_CONFIGURATION',
        message: expect.stringContaining(message) as string,
      })
    }
    expect(publish).not.toHaveBeenCalled()
  })

  it('CTRL-6: without an end in time, the number of answers ends the waiting', async () => {
    await node('a@h', () => ({ ok: 'pong' }))
    const connection = await producer.connection()
    const publish = vi.spyOn(connection, 'publish')
    expect(await control.ping({ limit: 1, timeoutMs: Infinity })).toHaveLength(1)
    expect(publish.mock.calls[0]![0].headers['expires']).toBe(0)
  })

  it('CTRL-12: a node by name answers without its name around', async () => {
    await node('a@h', () => ['t1', 't2'])
    const answer: readonly string[] | null = await control
      .inspect({ destination: 'a@h', timeoutMs: 20_000 })
      .registered()
    expect(answer).toEqual(['t1', 't2'])
    expect(await control.inspect({ destination: 'x@h', timeoutMs: 20 }).registered()).toBeNull()
  })

  it('CTRL-8: by pattern, glob or expression; a text as destination is refused', async () => {
    await node('web1@h', () => 1)
    await node('mail@h', () => 2)
    const ask = (options: object): Promise<unknown> =>
      control.inspect({ timeoutMs: 50, ...options }).request('x')
    await expect.poll(() => ask({ pattern: 'web*' })).toEqual({ 'web1@h': 1 })
    await expect.poll(() => ask({ pattern: 'mai', matcher: 'pcre' })).toEqual({ 'mail@h': 2 })
    await expect(ask({ pattern: '(', matcher: 'pcre' })).rejects.toMatchObject({ code: 'CT_CONFIGURATION' })
    await expect(control.broadcast('x', { destination: 'web1@h' as never })).rejects.toThrow(
      /list of node names/,
    )
  })

  it('CTRL-7, PAIN-68: two nodes of one name are reported', async () => {
    await node('a@h', () => 1)
    const twin = await producer.connection()
    const consumer = await twin.openConsumer({
      credit: Infinity,
      onDelivery: (delivery) =>
        void producer.publish(writeReply(readControlMessage(delivery, codec), 'a@h', 2, 1, codec)!),
    })
    await consumer.subscribe([{ queue: { ...nodeQueue('a@h', {}), name: 'twin' }, noAck: true }])
    nodes.push(consumer)
    await control.inspect({ timeoutMs: 20_000, limit: 2 }).request('x')
    expect(warnings).toEqual([expect.stringMatching(/Two nodes named "a@h"/)])
  })

  it('CTRL-5: answers to another ticket are not taken; one without a ticket is', async () => {
    await node('a@h', (request) => {
      const answer = (ticket: string | undefined, value: string): void =>
        void producer.publish(writeReply({ ...request, ticket }, 'a@h', value, 1, codec)!)
      answer('other', 'not ours')
      answer(undefined, 'no ticket')
      return 'ours'
    })
    // The one that is not ours comes first, and would be among the two.
    const replies = await control.broadcast('x', { reply: true, timeoutMs: 20_000, limit: 2 })
    expect(replies.map((reply) => reply['a@h']).toSorted()).toEqual(['no ticket', 'ours'])
  })

  it('two calls at once each get their own answers over one consumer', async () => {
    await node('a@h', (request) => request.arguments['n'])
    const connection = await producer.connection()
    const open = vi.spyOn(connection, 'openConsumer')
    const ask = (n: number): Promise<unknown> =>
      control.inspect({ destination: 'a@h', timeoutMs: 20_000 }).request('x', { n })
    expect(await Promise.all([1, 2, 3].map(ask))).toEqual([1, 2, 3])
    expect(open).toHaveBeenCalledOnce()
    expect(await ask(4)).toBe(4)
  })

  it('CTRL-1: a broker without fanout fails at once', async () => {
    const { capabilities, ...rest } = broker
    const deaf = defineBroker({
      ...rest,
      connect: broker.connect,
      describe: broker.describe,
      close: broker.close,
      settlesWith: () => false,
      capabilities: { ...capabilities, remoteControl: false },
    })
    const mute = new Control({ broker: () => deaf, producer, serializers, clock: own, oid, queues: () => [] })
    await expect(mute.shutdown()).rejects.toMatchObject({ code: 'CT_UNSUPPORTED' })
  })

  it('a signal ends the waiting', async () => {
    const giveUp = new AbortController()
    const asking = control.ping({ timeoutMs: 10_000, signal: giveUp.signal })
    setTimeout(() => giveUp.abort(), 5)
    await expect(asking).rejects.toMatchObject({ code: 'CT_ABORTED' })
  })

  it('CTRL-20…32, ROUTE-47, WIRE-53: every command with the arguments Celery sends', async () => {
    const requests = await node('a@h', () => ({ ok: 'done' }))
    await control.revoke('id', { terminate: true, killSignal: 'SIGKILL' })
    await control.terminate(['x', 'y'])
    await control.revokeByStampedHeaders({ user: ['1'] })
    await control.rateLimit('t', '10/m')
    await control.timeLimit('t', { soft: 1 })
    await control.addConsumer('q', { routingKey: 'k', queueOptions: { max_priority: 3 } })
    await control.cancelConsumer('q')
    await control.enableEvents()
    await control.disableEvents()
    await control.heartbeat()
    await control.poolGrow()
    await control.poolShrink(2)
    await control.autoscale(10, 2)
    await control.poolRestart({ modules: ['m'] })
    await control.election('id', 'topic', { a: 1 })
    await control.shutdown({ destination: ['a@h'] })
    await vi.waitFor(() => expect(requests).toHaveLength(16))
    expect(requests.map((request) => [request.method, request.arguments])).toEqual([
      ['revoke', { task_id: 'id', terminate: true, signal: 'SIGKILL' }],
      ['revoke', { task_id: ['x', 'y'], terminate: true, signal: 'SIGTERM' }],
      ['revoke_by_stamped_headers', { headers: { user: ['1'] }, terminate: false, signal: 'SIGTERM' }],
      ['rate_limit', { task_name: 't', rate_limit: '10/m' }],
      ['time_limit', { task_name: 't', soft: 1, hard: null }],
      [
        'add_consumer',
        { queue: 'q', exchange: null, exchange_type: 'direct', routing_key: 'k', max_priority: 3 },
      ],
      ['cancel_consumer', { queue: 'q' }],
      ['enable_events', {}],
      ['disable_events', {}],
      ['heartbeat', {}],
      ['pool_grow', { n: 1 }],
      ['pool_shrink', { n: 2 }],
      ['autoscale', { max: 10, min: 2 }],
      ['pool_restart', { modules: ['m'], reload: false, reloader: null }],
      ['election', { id: 'id', topic: 'topic', action: { a: 1 } }],
      ['shutdown', {}],
    ])
    expect(requests.every((request) => request.replyTo === undefined)).toBe(true)
    expect(await control.rateLimit('t', 0, { destination: ['a@h'], reply: true, timeoutMs: 20_000 })).toEqual(
      [{ 'a@h': { ok: 'done' } }],
    )
  })

  it('CTRL-40…53: every question with the arguments Celery sends', async () => {
    const requests = await node('a@h', () => null)
    const inspect = control.inspect({ destination: ['a@h'], timeoutMs: 20_000 })
    await inspect.active({ safe: true })
    await inspect.reserved()
    await inspect.scheduled()
    await inspect.revoked()
    await inspect.registered('rate_limit')
    await inspect.stats()
    await inspect.activeQueues()
    await inspect.conf({ withDefaults: true })
    await inspect.queryTask('a', ['b', 'c'])
    await inspect.report()
    await inspect.clock()
    await inspect.memsample()
    await inspect.memdump()
    await inspect.objgraph()
    await inspect.hello('b@h', ['x'])
    expect(requests.map((request) => [request.method, request.arguments])).toEqual([
      ['active', { safe: true }],
      ['reserved', {}],
      ['scheduled', {}],
      ['revoked', {}],
      ['registered', { taskinfoitems: ['rate_limit'] }],
      ['stats', {}],
      ['active_queues', {}],
      ['conf', { with_defaults: true }],
      ['query_task', { ids: ['a', 'b', 'c'] }],
      ['report', {}],
      ['clock', {}],
      ['memsample', {}],
      ['memdump', { samples: 10 }],
      ['objgraph', { num: 200, max_depth: 10, type: 'Request' }],
      ['hello', { from_node: 'b@h', revoked: ['x'] }],
    ])
  })

  it('CTRL-34, PAIN-72: purge empties the queues the app consumes from', async () => {
    const connection = await producer.connection()
    const declaration = { name: 'celery', durable: true, exclusive: false, autoDelete: false, bindings: [] }
    await connection.declare([declaration])
    const message = {
      body: new Uint8Array(),
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      headers: {},
      properties: {},
      exchange: '',
    }
    await producer.publish({ ...message, routingKey: 'celery' })
    await producer.publish({ ...message, routingKey: 'other' })
    expect(await control.purge()).toBe(2)
  })
})

describe('control messages', () => {
  const message = (body: unknown): Parameters<typeof readControlMessage>[0] => ({
    ...serializers.encode(body),
    headers: { clock: 3 },
    properties: {},
  })

  it('CTRL-2: reads what Python sends, and refuses what is malformed', () => {
    const body = {
      method: 'ping',
      arguments: {},
      destination: null,
      pattern: null,
      matcher: null,
      ticket: 't',
      reply_to: { exchange: 'reply.celery.pidbox', routing_key: 'oid' },
    }
    expect(readControlMessage(message(body), codec)).toMatchObject({
      method: 'ping',
      clock: 3,
      ticket: 't',
      replyTo: { exchange: 'reply.celery.pidbox', routingKey: 'oid' },
    })
    for (const broken of [
      [],
      'x',
      {},
      { method: 3 },
      { ...body, arguments: [] },
      { ...body, destination: 'a@h' },
    ]) {
      expect(() => readControlMessage(message(broken), codec)).toThrow(
        expect.objectContaining({ code: 'CT_INVALID_MESSAGE' }),
      )
    }
  })

  it('CTRL-8: which node a request is for', () => {
    const request = (more: Partial<ControlMessage>): ControlMessage => ({
      method: 'x',
      arguments: {},
      destination: null,
      pattern: null,
      matcher: null,
      clock: 0,
      ...more,
    })
    expect(isForNode(request({}), 'a@h')).toBe(true)
    expect(isForNode(request({ destination: [] }), 'a@h')).toBe(true)
    expect(isForNode(request({ destination: ['b@h'] }), 'a@h')).toBe(false)
    expect(isForNode(request({ pattern: 'a*', matcher: 'glob' }), 'a@h')).toBe(true)
    expect(isForNode(request({ pattern: 'A*', matcher: 'glob' }), 'a@h')).toBe(false)
    expect(isForNode(request({ pattern: '@h', matcher: 'pcre' }), 'a@h')).toBe(false)
    expect(isForNode(request({ pattern: '.@h', matcher: 'pcre' }), 'a@host')).toBe(true)
    expect(isForNode(request({ pattern: 'a', matcher: 'soundex' }), 'a@h')).toBe(false)
    expect(isForNode(request({ pattern: '(', matcher: 'pcre' }), 'a@h')).toBe(false)
    expect(isForNode(request({ pattern: 'b' }), 'a@h')).toBe(true)
  })
})
