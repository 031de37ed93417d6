/** The kinds of servers and ways in: sockets, TLS, ACL, Sentinel, Cluster; and what happens when they go away. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  startPrivateRedis,
  startPrivateRedisTls,
  startRedisCluster,
  startRedisSentinel,
} from '@ct-tools/services'
import {
  isCeleryError,
  type Delivery,
  type Notice,
  type OutgoingMessage,
  type QueueDeclaration,
} from '@ct/contracts'
import { expect, it } from 'vitest'
import { redisBackend } from '../backend/backend.ts'
import { redisBroker } from '../broker/broker.ts'
import type { RedisBrokerOptions } from '../options/broker-options.ts'

function message(to: string, id: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    body: Buffer.from('[[], {}, {}]'),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: { id, task: 't' },
    properties: { priority: 0 },
    exchange: '',
    routingKey: to,
    ...more,
  }
}

function queue(name: string, bindings: QueueDeclaration['bindings'] = []): QueueDeclaration {
  return { name, durable: true, exclusive: false, autoDelete: false, bindings }
}

async function until(what: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const end = Date.now() + ms
  while (!(await what())) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain`)
    await sleep(10)
  }
}

/** Publish, fanout, take, settle with a result, read it by subscription: everything that goes over any of the sockets. */
async function roundTrip(options: RedisBrokerOptions): Promise<void> {
  const { visibilityTimeout: _, ...server } = options
  await using broker = redisBroker(options)
  await using backend = redisBackend(server)
  expect(broker.settlesWith(backend)).toBe(true)
  const notices: Notice[] = []
  const connection = await broker.connect({ onNotice: (notice) => notices.push(notice) })
  const results = await backend.connect({ onNotice: (notice) => notices.push(notice) })
  const got: Delivery[] = []
  const heard: Delivery[] = []
  const consumer = await connection.openConsumer({ credit: 10, onDelivery: (one) => got.push(one) })
  const listener = await connection.openConsumer({ credit: 10, onDelivery: (one) => heard.push(one) })
  await consumer.subscribe([{ queue: queue('tasks') }])
  const exchange = { name: 'shout', type: 'fanout', durable: false, autoDelete: false }
  await listener.subscribe([{ queue: queue('ears', [{ exchange, routingKey: '' }]), noAck: true }])
  await connection.publish(message('tasks', 'one'))
  await connection.publish(message('', 'two', { exchange: 'shout', exchangeType: 'fanout' }))
  await until(() => got.length === 1 && heard.length === 1)
  const told: string[] = []
  await using subscription = results.subscribe(({ document }) => told.push(String(document)))
  await subscription.add(['one'])
  const document = Buffer.from('{"status": "SUCCESS", "result": 1, "task_id": "one"}')
  await got[0]?.settle({
    action: 'ack',
    results: [{ taskId: 'one', state: 'SUCCESS', ready: true, document, expiresInMs: 1000 }],
  })
  await until(() => told.length === 1)
  const chord = results.chord
  await chord?.begin({ groupId: 'g', size: 1, expiresInMs: 1000 })
  const progress = await chord?.record({
    groupId: 'g',
    taskId: 'one',
    groupIndex: 0,
    part: Buffer.from('[1]'),
    expiresInMs: 1000,
    claimMs: 1000,
  })
  expect(progress?.state).toBe('complete')
  expect(notices).toEqual([])
}

it('TRANS-30: a unix socket', async () => {
  await using server = await startPrivateRedis()
  await roundTrip({ url: `redis+socket://${server.socketPath}?virtual_host=3` })
  expect(String(await server.command('INFO', 'keyspace'))).toContain('db3')
  expect(redisBroker({ url: `socket://${server.socketPath}` }).describe().hostname).toBe(server.socketPath)
})

it('TRANS-30, SEC-50: TLS by rediss://, verified unless told otherwise', async () => {
  await using server = await startPrivateRedisTls()
  const { caFile } = server.certificates
  await roundTrip({ url: `${server.url}?ssl_ca_certs=${encodeURIComponent(caFile)}` })
  await roundTrip({ url: `${server.url}?ssl_cert_reqs=none` })
  await using distrusting = redisBroker({ url: server.url })
  const error: unknown = await distrusting.connect({ onNotice: () => {} }).catch((one: unknown) => one)
  expect(isCeleryError(error) && [error.code, error.retryable]).toEqual(['CT_BROKER', false])
  expect((error as Error).message).toContain('sslCaCerts')
})

it('TRANS-30, TRANS-41, SEC-56, SEC-55: an ACL user and a credential provider', async () => {
  await using server = await startPrivateRedis({
    password: 'of-default',
    acl: [{ user: 'ct', password: 'p@ss:w/rd', rules: ['~*', '&*', '+@all'] }],
  })
  const { port } = server
  await roundTrip({ url: `redis://ct:${encodeURIComponent('p@ss:w/rd')}@127.0.0.1:${port}/1` })
  await roundTrip({
    host: '127.0.0.1',
    port,
    credentialProvider: async () => ({ username: 'ct', password: 'p@ss:w/rd' }),
  })
  await roundTrip({ url: `redis://:of-default@127.0.0.1:${port}/2` })
  await using stranger = redisBroker({ host: '127.0.0.1', port })
  const error: unknown = await stranger.connect({ onNotice: () => {} }).catch((one: unknown) => one)
  expect(isCeleryError(error) && [error.code, error.retryable]).toEqual(['CT_BROKER', false])
})

it('TRANS-37: a key prefix holds everything that Python prefixes', async () => {
  await using server = await startPrivateRedis()
  await using broker = redisBroker({ url: server.url, globalKeyprefix: 'app:' })
  const connection = await broker.connect({ onNotice: () => {} })
  const consumer = await connection.openConsumer({ credit: 1, onDelivery: () => {} })
  const exchange = { name: 'ex', type: 'topic', durable: true, autoDelete: false }
  await consumer.subscribe([{ queue: queue('q', [{ exchange, routingKey: 'a.#' }]) }])
  await connection.publish(message('a.b', 'one', { exchange: 'ex' }))
  await connection.publish(message('q', 'two'))
  await until(async () => (await server.command('HLEN', 'app:unacked')) === 1)
  const keys = (await server.command('KEYS', '*')) as string[]
  expect(keys.toSorted()).toEqual([
    'app:_kombu.binding.ex',
    'app:_kombu.binding_permanent.ex',
    'app:q',
    'app:unacked',
    'app:unacked_index',
  ])
  expect(await server.command('SMEMBERS', 'app:_kombu.binding.ex')).toEqual(['a.#\x06\x16^a\\..*?$\x06\x16q'])
  const channels = (await server.command('PUBSUB', 'CHANNELS')) as string[]
  expect(channels.toSorted()).toEqual(['__redis__:invalidate', 'app:/0.ct.waiting.q'])
})

it('TRANS-42, PAIN-29: Sentinel finds the master, anew after a failover', async () => {
  await using group = await startRedisSentinel()
  const { masterName, url } = group
  await roundTrip({ url, masterName, minOtherSentinels: 2 })
  await using broker = redisBroker({ url, masterName })
  const notices: Notice[] = []
  const connection = await broker.connect({ onNotice: (notice) => notices.push(notice) })
  await connection.publish(message('q', 'before'))
  await group.failover()
  await until(() => notices.some(({ kind }) => kind === 'connection-lost'))
  await connection.close()
  const again = await broker.connect({ onNotice: () => {} })
  await again.publish(message('q', 'after'))
  expect(await again.queueSize('q')).toBeGreaterThan(0)
  await using believer = redisBroker({ url, masterName, minOtherSentinels: 9 })
  const error: unknown = await believer.connect({ onNotice: () => {} }).catch((one: unknown) => one)
  expect(isCeleryError(error) && [error.code, error.retryable]).toEqual(['CT_BROKER_UNAVAILABLE', true])
}, 60_000)

it('TRANS-30, PAIN-28: Redis Cluster, all keys in the slot of one hash tag', async () => {
  await using cluster = await startRedisCluster()
  for (const prefix of ['{celery}:', '{other}:', '{third}.']) {
    const [seed] = cluster.addresses
    await roundTrip({ url: `redis://${seed?.host}:${seed?.port}/0?cluster=true`, globalKeyprefix: prefix })
    const owner = await cluster.nodeOf(prefix)
    for (const node of cluster.nodes) {
      const keys = (await node.command('KEYS', `${prefix}*`)) as string[]
      expect(keys.length > 0).toBe(node === owner)
    }
  }
  expect(() => redisBroker({ url: 'redis://localhost/0', cluster: true, globalKeyprefix: 'plain:' })).toThrow(
    'hash tag',
  )
  expect(() => redisBroker({ url: 'redis://localhost/1', cluster: true })).toThrow('database 0')
}, 60_000)

it('TRANS-41, D57-34: a server that does not answer any more is a lost connection', async () => {
  await using server = await startPrivateRedis()
  await using quiet = redisBroker({ url: server.url, socketTimeout: 0.5, healthCheckInterval: 0.5 })
  const notices: Notice[] = []
  const connection = await quiet.connect({ onNotice: (notice) => notices.push(notice) })
  const consumer = await connection.openConsumer({ credit: 1, onDelivery: () => {} })
  await consumer.subscribe([{ queue: queue('q') }])
  await sleep(1200)
  expect(notices).toEqual([])
  server.pause()
  try {
    const unanswered = connection.publish(message('q', 'a'))
    const error: unknown = await unanswered.catch((one: unknown) => one)
    expect(isCeleryError(error) && [error.code, error.details['maybeDelivered']]).toEqual([
      'CT_PUBLISH',
      true,
    ])
    expect(notices.map(({ kind }) => kind)).toEqual(['connection-lost'])
  } finally {
    server.resume()
  }
})

it('B4: a full server refuses publishes and says so once; nothing held is lost', async () => {
  await using server = await startPrivateRedis()
  await using broker = redisBroker({ url: server.url })
  const notices: Notice[] = []
  const connection = await broker.connect({ onNotice: (notice) => notices.push(notice) })
  await connection.publish(message('q', 'a'))
  await server.command('CONFIG', 'SET', 'maxmemory', '1')
  for (let i = 0; i < 2; i++) {
    const error: unknown = await connection.publish(message('q', 'b')).catch((one: unknown) => one)
    expect(isCeleryError(error) && [error.code, error.retryable, error.details['maybeDelivered']]).toEqual([
      'CT_PUBLISH',
      true,
      false,
    ])
  }
  await server.command('CONFIG', 'SET', 'maxmemory', '0')
  await connection.publish(message('q', 'c'))
  expect(notices.map(({ kind }) => kind)).toEqual(['connection-blocked', 'connection-unblocked'])
  expect(await connection.queueSize('q')).toBe(2)
})

it('PAIN-69: a server that may evict queues is told of when they are consumed', async () => {
  await using server = await startPrivateRedis()
  const warnings = async (): Promise<string[]> => {
    await using broker = redisBroker({ url: server.url })
    const notices: Notice[] = []
    const connection = await broker.connect({ onNotice: (notice) => notices.push(notice) })
    await (
      await connection.openConsumer({ credit: 1, onDelivery: () => {} })
    ).subscribe([{ queue: queue('q') }])
    // Answers come in order.
    await connection.queueSize('q')
    return notices.flatMap((notice) => (notice.kind === 'warning' ? [notice.message] : []))
  }
  await server.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
  expect(await warnings()).toEqual([])
  await server.command('CONFIG', 'SET', 'maxmemory', '100mb')
  expect(await warnings()).toEqual([expect.stringMatching(/"allkeys-lru".*noeviction/)])
  await server.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  expect(await warnings()).toEqual([])
})

/** Between us and the server; `deaf` swallows what the server says. */
async function proxyTo(
  port: number,
): Promise<{ port: number; deaf: boolean; cut(): void; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const state = { deaf: false }
  const proxy = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', (chunk) => upstream.write(chunk))
    upstream.on('data', (chunk) => {
      if (!state.deaf) client.write(chunk)
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return Object.assign(state, {
    port: (proxy.address() as AddressInfo).port,
    cut: () => {
      for (const socket of sockets) socket.destroy()
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => proxy.close(resolve))
    },
  })
}

it('PAIN-6, B14: what a step took whose answer was lost comes back with the next connection, not after the visibility timeout', async () => {
  await using server = await startPrivateRedis()
  const proxy = await proxyTo(server.port)
  await using broker = redisBroker({ url: `redis://127.0.0.1:${proxy.port}` })
  const notices: Notice[] = []
  const onNotice = (notice: Notice): void => void notices.push(notice)
  const connection = await broker.connect({ onNotice })
  await connection.publishMany([message('q', 'a'), message('q', 'b'), message('q', 'c')])
  const got: Delivery[] = []
  const options = { credit: 1, onDelivery: (one: Delivery) => void got.push(one) }
  await (await connection.openConsumer(options)).subscribe([{ queue: queue('q') }])
  await until(() => got.length === 1)
  proxy.deaf = true
  const settled = got[0]?.settle({ action: 'ack' })
  // The ack of a took place, and b was taken; nobody has heard of it.
  await until(async () => (await server.command('LLEN', 'q')) === 1)
  expect(await server.command('HLEN', 'unacked')).toBe(1)
  proxy.cut()
  await expect(settled).rejects.toMatchObject({ code: 'CT_BROKER_UNAVAILABLE' })
  await until(() => notices.some(({ kind }) => kind === 'connection-lost'))
  proxy.deaf = false
  const again = await broker.connect({ onNotice })
  await (await again.openConsumer({ ...options, credit: 2 })).subscribe([{ queue: queue('q') }])
  await until(() => got.length === 3)
  expect(got.slice(1).map(({ headers, info }) => [headers['id'], info.redelivered])).toEqual([
    ['b', true],
    ['c', false],
  ])
  expect(notices).toContainEqual({ kind: 'restored', count: 1 })
  await broker.close()
  await proxy.close()
})
