/** Exchanges, queues and arguments as they are declared and left alone, and what RabbitMQ does with them. */
import { tryServices } from '@ct-tools/services'
import { PublishError, type ExchangeDeclaration } from '@ct/contracts'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { messageTo, queueNamed, RabbitScene } from '../../test/rabbit-scene.ts'

const ready = await tryServices(['rabbitmq'])

function exchange(name: string, type: string, more: Partial<ExchangeDeclaration> = {}): ExchangeDeclaration {
  return { name, type, durable: true, autoDelete: false, ...more }
}

describe.skipIf(ready === undefined)('declaring', () => {
  let scene: RabbitScene
  beforeEach(async () => {
    scene = await RabbitScene.open()
  })
  afterEach(() => scene.close())

  it('ROUTE-21: exchanges that no queue is bound to are declared where they are asked for', async () => {
    const { connection } = await scene.connect()
    const events = messageTo('worker.online', { exchange: 'events', exchangeType: 'topic' })
    await expect(connection.publish(events)).rejects.toBeInstanceOf(PublishError)
    const exchanges = [
      exchange('events', 'topic'),
      exchange('fan', 'fanout', { durable: false, autoDelete: true }),
      exchange('heads', 'headers', { arguments: { 'alternate-exchange': 'fan' } }),
      exchange('not-this', 'direct', { noDeclare: true }),
      exchange('amq.topic', 'topic'),
      exchange('', 'direct'),
    ]
    await connection.declare([], { exchanges })
    await connection.publish(events)
    const path = `/exchanges/${scene.vhost.vhost}?columns=name,type,durable,auto_delete,arguments`
    const found = (await scene.vhost.management.call('GET', path)) as { readonly name: string }[]
    expect(found.filter(({ name }) => name !== '' && !name.startsWith('amq.'))).toEqual([
      { name: 'events', type: 'topic', durable: true, auto_delete: false, arguments: {} },
      { name: 'fan', type: 'fanout', durable: false, auto_delete: true, arguments: {} },
      {
        name: 'heads',
        type: 'headers',
        durable: true,
        auto_delete: false,
        arguments: { 'alternate-exchange': 'fan' },
      },
    ])
  })

  it('ROUTE-21: passive and no-declare leave what is there, whatever its arguments; passive says what is missing', async () => {
    const { connection, notices } = await scene.connect()
    await scene.channel.assertQueue('theirs', { durable: true, maxPriority: 5 })
    await scene.channel.assertExchange('theirs', 'topic', { durable: false })
    const passive = exchange('theirs', 'topic', { passive: true })
    await connection.declare([
      queueNamed('theirs', { passive: true, bindings: [{ exchange: passive, routingKey: 'k.#' }] }),
    ])
    await connection.publish(messageTo('k.1', { exchange: 'theirs', exchangeType: 'topic' }))
    const { got } = await scene.consume(connection, [
      queueNamed('theirs', { noDeclare: true, durable: false }),
    ])
    await vi.waitFor(() => expect(got.length).toBe(1))
    await expect(connection.declare([queueNamed('nothing', { passive: true })])).rejects.toMatchObject({
      code: 'CT_BROKER',
      details: { replyCode: 404 },
    })
    const missing = exchange('nothing', 'topic', { passive: true })
    await expect(connection.declare([], { exchanges: [missing] })).rejects.toThrow(
      /exchange "nothing".*NOT.FOUND/s,
    )
    expect(notices).toEqual([])
  })

  it('ROUTE-21: queue flags and arguments arrive; an exclusive queue is refused to others with 405, which may pass', async () => {
    const { connection } = await scene.connect()
    await connection.declare([
      queueNamed('mine', {
        durable: false,
        exclusive: true,
        autoDelete: true,
        arguments: { 'x-expires': 60_000 },
      }),
    ])
    const path = `/queues/${scene.vhost.vhost}/mine`
    expect(await scene.vhost.management.call('GET', path)).toMatchObject({
      durable: false,
      exclusive: true,
      auto_delete: true,
      arguments: { 'x-expires': 60_000 },
    })
    const other = await scene.connect()
    await expect(
      other.connection.declare([queueNamed('mine', { durable: false, exclusive: true, autoDelete: true })]),
    ).rejects.toMatchObject({ code: 'CT_BROKER', retryable: true, details: { replyCode: 405 } })
  })

  it('ROUTE-22: a headers exchange binds by arguments', async () => {
    const { connection } = await scene.connect()
    const heads = exchange('heads', 'headers')
    const bound = (name: string, kind: string): ReturnType<typeof queueNamed> =>
      queueNamed(name, {
        bindings: [{ exchange: heads, routingKey: '', arguments: { 'x-match': 'all', kind, size: 5 } }],
      })
    await connection.declare([bound('a', 'a'), bound('b', 'b')])
    const sent = messageTo('any', {
      exchange: 'heads',
      exchangeType: 'headers',
      headers: { kind: 'b', size: 5 },
    })
    await connection.publish(sent)
    expect([await connection.queueSize('a'), await connection.queueSize('b')]).toEqual([0, 1])
  })

  it('ROUTE-29, TRANS-26: expired, rejected and overflowing messages go to the dead-letter exchange', async () => {
    const { connection } = await scene.connect()
    const dead = exchange('dead', 'direct')
    await connection.declare([
      queueNamed('morgue', { bindings: [{ exchange: dead, routingKey: 'gone' }] }),
      queueNamed('work', {
        arguments: {
          'x-dead-letter-exchange': 'dead',
          'x-dead-letter-routing-key': 'gone',
          'x-max-length': 2,
        },
      }),
    ])
    await connection.publish(
      messageTo('work', { properties: { expiration: '50' }, headers: { id: 'expired' } }),
    )
    await vi.waitFor(async () => expect(await connection.queueSize('morgue')).toBe(1))
    for (const id of ['pushed out', 'rejected', 'stays'])
      await connection.publish(messageTo('work', { headers: { id } }))
    const { got, consumer } = await scene.consume(connection, [queueNamed('work', { noDeclare: true })])
    await vi.waitFor(() => expect(got.length).toBe(2))
    await got[0]?.settle({ action: 'reject' })
    await got[1]?.settle({ action: 'ack' })
    await consumer.flush()
    await vi.waitFor(async () => expect(await connection.queueSize('morgue')).toBe(3))
    const morgue = await scene.consume(connection, [queueNamed('morgue', { noDeclare: true })])
    await vi.waitFor(() => expect(morgue.got.length).toBe(3))
    const deaths = morgue.got.map(({ headers }) => [headers['id'], headers['x-first-death-reason']])
    expect(deaths).toEqual([
      ['expired', 'expired'],
      ['pushed out', 'maxlen'],
      ['rejected', 'rejected'],
    ])
  })

  it('ROUTE-29: beyond its delivery-limit a quorum queue dead-letters by itself', async () => {
    const { connection } = await scene.connect()
    const dead = exchange('dead', 'fanout')
    await connection.declare([
      queueNamed('morgue', { bindings: [{ exchange: dead, routingKey: '' }] }),
      queueNamed('work', {
        arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 2, 'x-dead-letter-exchange': 'dead' },
      }),
    ])
    await connection.publish(messageTo('work'))
    const counts: unknown[] = []
    const consumer = await connection.openConsumer({
      credit: 1,
      onDelivery(delivery) {
        counts.push(delivery.headers['x-delivery-count'] ?? 0)
        void delivery.settle({ action: 'requeue' })
      },
    })
    await consumer.subscribe([{ queue: queueNamed('work', { noDeclare: true }) }])
    await vi.waitFor(async () => expect(await connection.queueSize('morgue')).toBe(1))
    expect(counts).toEqual([0, 1, 2])
  })

  it('ROUTE-32, PAIN-22: with x-max-priority the higher number comes first; without, in order', async () => {
    const { connection } = await scene.connect()
    await connection.declare([
      queueNamed('ranked', { arguments: { 'x-max-priority': 10 } }),
      queueNamed('plain'),
    ])
    for (const name of ['ranked', 'plain'])
      for (const priority of [1, 9, 5])
        await connection.publish(messageTo(name, { properties: { priority } }))
    const { got } = await scene.consume(connection, [
      queueNamed('ranked', { noDeclare: true }),
      queueNamed('plain', { noDeclare: true }),
    ])
    await vi.waitFor(() => expect(got.length).toBe(6))
    const order = (name: string): unknown[] =>
      got.filter(({ queue }) => queue === name).map(({ info }) => info.priority)
    expect(order('ranked')).toEqual([9, 5, 1])
    expect(order('plain')).toEqual([1, 9, 5])
  })
})
