/** B15, B16: leases, and settling after a reconnect. */
import assert from 'node:assert/strict'
import { isCeleryError } from '@ct/contracts'
import { rejection, sleep } from '../waiting.ts'
import { messageTo, queueNamed, text } from './scene.ts'
import type { BrokerSuite } from './suite.ts'

export function leaseTests({ test, options }: BrokerSuite): void {
  const { lease, settleAcrossConnections } = options.capabilities
  const leaseMs = options.leaseMs ?? 0
  const renewable = lease?.renewable === true ? undefined : false

  test(
    'B15: extendLeases keeps a held message ours beyond its lease',
    async (scene) => {
      const from = await scene.connect()
      const queue = scene.name()
      const inbox = await scene.consume(from, [queue])
      const other = await scene.consume(await scene.connect(), [queue], { credit: 1 })
      await other.consumer.stop()
      await from.connection.publish(messageTo(queue, 'long'))
      const held = await inbox.next()
      const watcher = await scene.consume(await scene.connect(), [queue])
      for (let step = 0; step < 8; step++) {
        await sleep(leaseMs / 4)
        assert.deepEqual(await inbox.consumer.extendLeases([held]), [])
      }
      await scene.harness.expireLeases?.()
      await watcher.staysEmpty()
      await held.settle({ action: 'ack' })
      await scene.expireLeases()
      await watcher.staysEmpty()
    },
    renewable,
  )

  test(
    'B15: extendLeases returns what somebody else has now',
    async (scene) => {
      const from = await scene.connect()
      const queue = scene.name()
      await from.connection.declare([queueNamed(queue)])
      await from.connection.publishMany([messageTo(queue, 'a'), messageTo(queue, 'b')])
      const inbox = await scene.consume(from, [queue], { credit: 2 })
      const held = await inbox.take(2)
      await inbox.consumer.stop()
      await held[0]!.settle({ action: 'ack' })
      const thief = await scene.consume(await scene.connect(), [queue])
      await scene.expireLeases()
      const stolen = await thief.next()
      assert.equal(text(stolen), text(held[1]!))
      assert.equal(stolen.info.redelivered, true)
      const lost = await inbox.consumer.extendLeases([held[1]!])
      assert.deepEqual(lost, [held[1]])
      await stolen.settle({ action: 'ack' })
    },
    renewable,
  )

  test(
    'B16: adopt takes over deliveries of an earlier connection, which then settle as ever',
    async (scene) => {
      const first = await scene.connect()
      const queue = scene.name()
      await first.connection.declare([queueNamed(queue)])
      await first.connection.publishMany(['a', 'b', 'c'].map((body) => messageTo(queue, body)))
      const inbox = await scene.consume(first, [queue], { credit: 3 })
      const held = await inbox.take(3)
      await first.peer.cut()
      await scene.notice(first, 'connection-lost')
      await inbox.consumer.close({ unsettled: 'keep' })
      await first.connection.close()
      const second = await scene.connect(first.peer)
      const heir = await scene.consume(second, [queue], { credit: 3 })
      assert.deepEqual(await heir.consumer.adopt(held), [])
      await held[0]!.settle({ action: 'ack' })
      await held[1]!.settle({ action: 'reject' })
      await held[2]!.settle({ action: 'requeue' })
      const got = await heir.next()
      assert.equal(text(got), text(held[2]!))
      await got.settle({ action: 'ack' })
      await scene.expireLeases()
      await heir.staysEmpty()
    },
    settleAcrossConnections ? undefined : false,
  )

  test(
    'B16: adopted deliveries count against the credit',
    async (scene) => {
      const first = await scene.connect()
      const queue = scene.name()
      await first.connection.declare([queueNamed(queue)])
      await first.connection.publishMany(['a', 'b', 'c'].map((body) => messageTo(queue, body)))
      const inbox = await scene.consume(first, [queue], { credit: 2 })
      const held = await inbox.take(2)
      await first.peer.cut()
      await scene.notice(first, 'connection-lost')
      await inbox.consumer.close({ unsettled: 'keep' })
      const second = await scene.connect(first.peer)
      const heir = await scene.consume(second, [], { credit: 2 })
      assert.deepEqual(await heir.consumer.adopt(held), [])
      await heir.consumer.subscribe([{ queue: queueNamed(queue) }])
      await heir.staysEmpty()
      for (const delivery of held) await delivery.settle({ action: 'ack' })
      assert.ok(!held.map(text).includes(text(await heir.next())))
    },
    settleAcrossConnections ? undefined : false,
  )

  test(
    'B16: a delivery whose settlement failed with its connection can be adopted and settled again',
    async (scene) => {
      const first = await scene.connect()
      const queue = scene.name()
      await first.connection.declare([queueNamed(queue)])
      await first.connection.publish(messageTo(queue, 'a'))
      const inbox = await scene.consume(first, [queue])
      const held = await inbox.next()
      await first.peer.cut()
      await scene.notice(first, 'connection-lost')
      const error = await rejection(held.settle({ action: 'ack' }))
      assert.equal(isCeleryError(error) && error.code, 'CT_BROKER_UNAVAILABLE')
      await inbox.consumer.close({ unsettled: 'keep' })
      const heir = await scene.consume(await scene.connect(first.peer), [queue])
      assert.deepEqual(await heir.consumer.adopt([held]), [])
      await held.settle({ action: 'ack' })
      await scene.expireLeases()
      await heir.staysEmpty()
    },
    settleAcrossConnections ? undefined : false,
  )

  test('B16: adopt returns what is not ours any more', async (scene) => {
    const first = await scene.connect()
    const queue = scene.name()
    await first.connection.declare([queueNamed(queue)])
    await first.connection.publish(messageTo(queue, 'a'))
    const inbox = await scene.consume(first, [queue])
    const held = await inbox.next()
    await first.peer.cut()
    await inbox.consumer.close({ unsettled: 'keep' })
    await first.connection.close()
    const thief = await scene.consume(await scene.connect(), [queue])
    if (lease !== null) await scene.expireLeases()
    const stolen = await thief.next()
    const second = await scene.connect(first.peer)
    const heir = await scene.consume(second, [queue])
    assert.deepEqual((await heir.consumer.adopt([held])).map(text), ['a'])
    await stolen.settle({ action: 'ack' })
  })
}
