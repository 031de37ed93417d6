/** B4, B5, B6: publishing. */
import assert from 'node:assert/strict'
import { isCeleryError, PublishError } from '@ct/contracts'
import { rejection } from '../waiting.ts'
import { boundQueue, messageTo, queueNamed, text } from './scene.ts'
import type { BrokerSuite } from './suite.ts'

export function publishingTests({ test, options }: BrokerSuite): void {
  const { capabilities } = options

  test('B4: what publish confirmed is there for others, even when the publisher dies', async (scene) => {
    const sender = await scene.connect()
    const queue = scene.name()
    await sender.connection.declare([queueNamed(queue)])
    await sender.connection.publish(messageTo(queue, 'kept'))
    await sender.peer.kill()
    const inbox = await scene.consume(await scene.connect(), [queue])
    assert.equal(text((await inbox.drain(1))[0]!), 'kept')
  })

  test(
    'B4, TRANS-13: a message to a queue nobody declared is kept',
    async (scene) => {
      const sender = await scene.connect()
      const queue = scene.name()
      await sender.connection.publish(messageTo(queue, 'early'))
      const inbox = await scene.consume(await scene.connect(), [queue])
      assert.equal(text((await inbox.drain(1))[0]!), 'early')
    },
    capabilities.queuesOnPublish ? undefined : false,
  )

  test('B4: a publish over a lost connection rejects with CT_PUBLISH or CT_BROKER_UNAVAILABLE and says what is known', async (scene) => {
    const from = await scene.connect()
    const queue = scene.name()
    await from.connection.declare([queueNamed(queue)])
    const many = Array.from({ length: 50 }, (_, index) =>
      from.connection.publish(messageTo(queue, `m${index}`)),
    )
    const outcomes = Promise.allSettled(many)
    await from.peer.cut()
    for (const outcome of await outcomes) {
      if (outcome.status === 'fulfilled') continue
      const error: unknown = outcome.reason
      assert.ok(isCeleryError(error), String(error))
      assert.ok(error.code === 'CT_PUBLISH' || error.code === 'CT_BROKER_UNAVAILABLE', error.code)
      assert.equal(error.retryable, true)
      if (error.code === 'CT_PUBLISH') assert.equal(typeof (error as PublishError).maybeDelivered, 'boolean')
    }
    const confirmed = (await outcomes).filter((outcome) => outcome.status === 'fulfilled').length
    const inbox = await scene.consume(await scene.connect(), [queue], { credit: 100 })
    await scene.eventually('the confirmed messages', () =>
      inbox.deliveries.length >= confirmed ? true : undefined,
    )
  })

  test(
    'B4: a mandatory message that no queue takes is refused',
    async (scene) => {
      const { connection } = await scene.connect()
      const exchange = scene.name('exchange')
      const queue = boundQueue(scene.name(), exchange, 'direct', 'key')
      await connection.declare([queue])
      const message = messageTo('other-key', 'lost', { exchange, exchangeType: 'direct', mandatory: true })
      const error = await rejection(connection.publish(message))
      assert.ok(error instanceof PublishError)
      assert.equal(error.maybeDelivered, false)
    },
    capabilities.mandatory ? undefined : false,
  )

  test('B5: publishMany answers per message and keeps the order', async (scene) => {
    const { connection } = await scene.connect()
    const queue = scene.name()
    await connection.declare([queueNamed(queue)])
    const bodies = Array.from({ length: 300 }, (_, index) => `m${index}`)
    const outcomes = await connection.publishMany(bodies.map((body) => messageTo(queue, body)))
    assert.deepEqual(
      outcomes,
      bodies.map(() => undefined),
    )
    const inbox = await scene.consume(await scene.connect(), [queue], { credit: 50 })
    scene.assertOrder((await inbox.drain(300)).map(text), bodies)
  })

  test('B5: one refused message does not stop the others', async (scene) => {
    const { connection } = await scene.connect()
    const queue = scene.name()
    await connection.declare([queueNamed(queue)])
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    const outcomes = await connection.publishMany([
      messageTo(queue, 'a'),
      messageTo(queue, 'bad', { headers: { circular } }),
      messageTo(queue, 'b'),
    ])
    assert.deepEqual(
      outcomes.map((outcome) => outcome === undefined),
      [true, false, true],
    )
    assert.ok(isCeleryError(outcomes[1]))
    const inbox = await scene.consume(await scene.connect(), [queue])
    scene.assertOrder((await inbox.drain(2)).map(text), ['a', 'b'])
    await inbox.staysEmpty()
  })

  test('B5: publishes of one turn of the event loop keep their order', async (scene) => {
    const { connection } = await scene.connect()
    const queue = scene.name()
    await connection.declare([queueNamed(queue)])
    const bodies = Array.from({ length: 100 }, (_, index) => `m${index}`)
    await Promise.all(bodies.map((body) => connection.publish(messageTo(queue, body))))
    const inbox = await scene.consume(await scene.connect(), [queue], { credit: 100 })
    scene.assertOrder((await inbox.take(100)).map(text), bodies)
  })

  test('B6: body bytes, content type and encoding, headers and properties arrive as they were sent', async (scene) => {
    const { connection } = await scene.connect()
    const queue = scene.name()
    await connection.declare([queueNamed(queue)])
    const body = Uint8Array.from({ length: 1_024 }, (_, index) => index % 256)
    const headers = {
      id: 'an-id',
      task: 'proj.add',
      'x-unknown': { nested: [1, 2.5, 'drei', null, true, { ä: '✓ \u{1f600}' }] },
      empty: '',
      nothing: null,
    }
    const sent = messageTo(queue, '', {
      body,
      contentType: 'application/x-thing',
      contentEncoding: 'binary',
      headers,
      properties: {
        correlationId: 'c-1',
        replyTo: 'r-1',
        deliveryMode: 2,
        priority: 3,
        expiration: '600000',
      },
    })
    await connection.publish(sent)
    const inbox = await scene.consume(await scene.connect(), [queue])
    const got = await inbox.next()
    assert.deepEqual(Uint8Array.from(got.body), body)
    assert.equal(got.contentType, 'application/x-thing')
    assert.equal(got.contentEncoding, 'binary')
    assert.deepEqual(JSON.parse(JSON.stringify(got.headers)), headers)
    const { correlationId, replyTo, deliveryMode, priority, expiration } = got.properties
    assert.deepEqual(
      { correlationId, replyTo, deliveryMode, priority, expiration },
      { correlationId: 'c-1', replyTo: 'r-1', deliveryMode: 2, priority: 3, expiration: '600000' },
    )
    assert.equal(got.queue, queue)
    assert.deepEqual({ ...got.info }, { exchange: '', routingKey: queue, priority: 3, redelivered: false })
    assert.ok(got.tag.length > 0)
    await got.settle({ action: 'ack' })
  })

  test('B6: an empty body and one of a megabyte arrive whole', async (scene) => {
    const { connection } = await scene.connect()
    const queue = scene.name()
    await connection.declare([queueNamed(queue)])
    const size = Math.min(1_048_576, Math.floor((capabilities.maxMessageBytes ?? Infinity) / 2.5))
    const large = Uint8Array.from({ length: size }, (_, index) => (index * 31) % 251)
    await connection.publish(messageTo(queue, ''))
    await connection.publish(messageTo(queue, '', { body: large }))
    const inbox = await scene.consume(await scene.connect(), [queue])
    const [empty, whole] = (await inbox.drain(2)).toSorted((a, b) => a.body.byteLength - b.body.byteLength)
    assert.equal(empty?.body.byteLength, 0)
    assert.ok(whole !== undefined && Buffer.from(whole.body).equals(large))
  })

  test('B6: names that mean something to JavaScript are data', async (scene) => {
    const { connection } = await scene.connect()
    const queue = scene.name()
    await connection.declare([queueNamed(queue)])
    const headers = JSON.parse(
      '{"id": "x", "__proto__": {"polluted": true}, "constructor": "c", "hasOwnProperty": 1}',
    ) as object
    await connection.publish(messageTo(queue, 'x', { headers: headers as Record<string, unknown> }))
    const inbox = await scene.consume(await scene.connect(), [queue])
    const got = await inbox.next()
    assert.ok(Object.hasOwn(got.headers, '__proto__'))
    assert.equal((got.headers as { polluted?: unknown }).polluted, undefined)
    assert.equal(got.headers['constructor'], 'c')
    await got.settle({ action: 'ack' })
  })
}
