/** B1, B2, B3, B24: making, connecting, closing, failing. */
import assert from 'node:assert/strict'
import { isCeleryError } from '@ct/contracts'
import { openHandles } from '../open-handles.ts'
import { eventually, rejection, within } from '../waiting.ts'
import { messageTo, queueNamed } from './scene.ts'
import type { BrokerSuite } from './suite.ts'

export function lifecycleTests({ test, options }: BrokerSuite): void {
  test('B1, TRANS-9: making a broker opens nothing, and declares what it can', async (scene) => {
    const before = openHandles()
    const timers = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const { broker } = await scene.peer()
    assert.deepEqual({ ...broker.capabilities }, { ...options.capabilities })
    assert.ok(Object.isFrozen(broker.capabilities) && Object.isFrozen(broker.capabilities.exchanges))
    assert.equal(broker.kind, 'broker')
    assert.ok(
      !/:[^/@]{1,}@/.test(broker.describe().url.replace(/:\*\*@/, '@')),
      'no password in the description',
    )
    // A harness may have lines of its own; those were there before, or come from the peer's proxy.
    assert.ok(openHandles().length <= before.length + 2)
    assert.ok(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length <= timers + 1)
  })

  test('B2: a publish can be confirmed as soon as connect has resolved', async (scene) => {
    const { connection } = await scene.connect()
    const queue = scene.name()
    await connection.declare([queueNamed(queue)])
    await connection.publish(messageTo(queue, 'first'))
    assert.equal(connection.leaseMs, options.capabilities.lease === null ? undefined : options.leaseMs)
  })

  test('B2: connect rejects with CT_ABORTED when its signal has fired', async (scene) => {
    const { broker } = await scene.peer()
    const error = await rejection(broker.connect({ signal: AbortSignal.abort(), onNotice: () => {} }))
    assert.equal(isCeleryError(error) && error.code, 'CT_ABORTED')
  })

  test(
    'B2: connect rejects with a retryable CT_BROKER_UNAVAILABLE when the server is not there',
    async (scene) => {
      const broker = (await scene.harness.unreachable?.())!
      const error = await rejection(within('connect', 20_000, broker.connect({ onNotice: () => {} })))
      assert.ok(isCeleryError(error))
      assert.equal(error.code, 'CT_BROKER_UNAVAILABLE')
      assert.equal(error.retryable, true)
      assert.ok(error.cause !== undefined, 'the driver’s error is the cause')
      await broker.close()
    },
    'unreachable',
  )

  test(
    'B2: connect rejects with CT_BROKER, not retryable, when the server refuses us',
    async (scene) => {
      const broker = (await scene.harness.refused?.())!
      const error = await rejection(within('connect', 20_000, broker.connect({ onNotice: () => {} })))
      assert.ok(isCeleryError(error))
      assert.equal(error.code, 'CT_BROKER')
      assert.equal(error.retryable, false)
      await broker.close()
    },
    'refused',
  )

  test('B3: close is idempotent on consumer, connection and broker, in any order', async (scene) => {
    const from = await scene.connect()
    const inbox = await scene.consume(from, [scene.name()])
    await Promise.all([
      inbox.consumer.close(),
      from.connection.close(),
      from.peer.broker.close(),
      inbox.consumer.close(),
    ])
    await from.connection.close()
    await from.peer.broker.close()
    await inbox.consumer.close()
  })

  test('B3: close while connecting leaves nothing behind', async (scene) => {
    const { broker } = await scene.peer()
    const connecting = broker.connect({ onNotice: () => {} }).then(
      (connection) => connection.close(),
      (error: unknown) => assert.equal(isCeleryError(error) && error.code, 'CT_CLOSED'),
    )
    await within('close while connecting', scene.patienceMs, broker.close())
    await connecting
  })

  test('B3: close leaves no socket open, and later calls say CT_CLOSED', async (scene) => {
    const { broker } = await scene.peer()
    const before = openHandles().length
    const connection = await broker.connect({ onNotice: () => {} })
    const consumer = await connection.openConsumer({ credit: 1, onDelivery: () => {} })
    await consumer.subscribe([{ queue: queueNamed(scene.name()) }])
    await connection.close()
    await broker.close()
    await eventually('sockets to be gone', scene.patienceMs, () =>
      openHandles().length <= before ? true : undefined,
    )
    const error = await rejection(connection.publish(messageTo('anywhere', 'late')))
    assert.equal(isCeleryError(error) && error.code, 'CT_CLOSED')
  })

  test('B3: close is legal on a connection that was lost', async (scene) => {
    const from = await scene.connect()
    const inbox = await scene.consume(from, [scene.name()])
    await from.peer.cut()
    await within('close', scene.patienceMs, inbox.consumer.close())
    await within('close', scene.patienceMs, from.connection.close())
  })

  test('B24: a lost connection is told once, then every call rejects with CT_BROKER_UNAVAILABLE', async (scene) => {
    const from = await scene.connect()
    await scene.consume(from, [scene.name()])
    await from.peer.cut()
    const { error } = await scene.notice(from, 'connection-lost')
    assert.equal(isCeleryError(error) && error.code, 'CT_BROKER_UNAVAILABLE')
    for (const call of [
      () => from.connection.queueSize('x'),
      () => from.connection.declare([queueNamed('x')]),
      () => from.connection.openConsumer({ credit: 1, onDelivery: () => {} }),
    ]) {
      const failed = await rejection(within<unknown>('a call on a lost connection', scene.patienceMs, call()))
      assert.ok(isCeleryError(failed), `not one of ours: ${failed.message}`)
      assert.equal(failed.code, 'CT_BROKER_UNAVAILABLE')
      assert.equal(failed.retryable, true)
    }
    const unpublished = await rejection(
      within('publish', scene.patienceMs, from.connection.publish(messageTo('x', 'late'))),
    )
    assert.ok(isCeleryError(unpublished) && unpublished.retryable)
    assert.equal(from.notices.filter(({ kind }) => kind === 'connection-lost').length, 1)
  })

  test('B24: the same broker object connects again after a loss', async (scene) => {
    const from = await scene.connect()
    const queue = scene.name()
    await from.connection.declare([queueNamed(queue)])
    await from.connection.publish(messageTo(queue, 'before'))
    await from.peer.cut()
    await from.connection.close()
    const again = await scene.connect(from.peer)
    const inbox = await scene.consume(again, [queue])
    await inbox.drain(1)
  })
}
