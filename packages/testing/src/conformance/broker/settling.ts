/** B11, B12, B13, B14: settling, and what happens without it. */
import assert from 'node:assert/strict'
import { messageTo, queueNamed, text, type SceneConnection } from './scene.ts'
import type { BrokerSuite } from './suite.ts'

export function settlingTests({ test, options }: BrokerSuite): void {
  const { capabilities } = options

  async function sent(scene: Scene, ...bodies: string[]): Promise<{ from: SceneConnection; queue: string }> {
    const from = await scene.connect()
    const queue = scene.name()
    await from.connection.declare([queueNamed(queue)])
    await from.connection.publishMany(bodies.map((body) => messageTo(queue, body)))
    return { from, queue }
  }

  async function assertGone(scene: Scene, queue: string): Promise<void> {
    const again = await scene.connect()
    if (capabilities.queueSize === 'exact') assert.equal(await again.connection.queueSize(queue), 0)
    await (await scene.consume(again, [queue])).staysEmpty()
  }

  test('B11: settling twice changes nothing and returns the first promise', async (scene) => {
    const { from, queue } = await sent(scene, 'once')
    const inbox = await scene.consume(from, [queue])
    const delivery = await inbox.next()
    assert.equal(delivery.settled, false)
    const first = delivery.settle({ action: 'ack' })
    assert.equal(delivery.settled, true)
    assert.equal(delivery.settle({ action: 'requeue' }), first)
    await first
    await inbox.consumer.flush()
    await inbox.staysEmpty()
    await from.connection.close()
    await assertGone(scene, queue)
  })

  for (const action of ['ack', 'reject'] as const) {
    test(`B12: ${action} makes the message gone for good`, async (scene) => {
      const { from, queue } = await sent(scene, 'a', 'b', 'c')
      const inbox = await scene.consume(from, [queue])
      for (const delivery of await inbox.take(3)) void delivery.settle({ action })
      await inbox.consumer.flush()
      await from.connection.close()
      if (capabilities.lease !== null) await scene.expireLeases()
      await assertGone(scene, queue)
    })
  }

  test('B12: requeue puts the message back for anybody, marked redelivered', async (scene) => {
    const { from, queue } = await sent(scene, 'a', 'b')
    const inbox = await scene.consume(from, [queue], { credit: 1 })
    const first = await inbox.next()
    assert.equal(first.info.redelivered, false)
    await inbox.consumer.stop()
    await first.settle({ action: 'requeue' })
    const other = await scene.consume(await scene.connect(), [queue], { credit: 1 })
    const got = await other.drain(2)
    assert.deepEqual(got.map(text).toSorted(), ['a', 'b'])
    const again = text(first)
    for (const delivery of got)
      assert.equal(delivery.info.redelivered, text(delivery) === again, text(delivery))
    if (capabilities.requeuePosition === 'front') assert.equal(text(got[0]!), again)
    if (capabilities.requeuePosition === 'back') assert.equal(text(got[1]!), again)
    await inbox.staysEmpty()
  })

  test('B12: a requeued message is whole: headers, properties, routing', async (scene) => {
    const { from, queue } = await sent(scene)
    const properties = { correlationId: 'c', replyTo: 'r', deliveryMode: 2 as const, priority: 3 }
    await from.connection.publish(
      messageTo(queue, 'x', { headers: { id: 'x', deep: { a: [1, 'b'] } }, properties }),
    )
    const inbox = await scene.consume(from, [queue], { credit: 1 })
    await (await inbox.next()).settle({ action: 'requeue' })
    const got = await inbox.next()
    assert.deepEqual(JSON.parse(JSON.stringify(got.headers['deep'])), { a: [1, 'b'] })
    assert.equal(got.properties.correlationId, 'c')
    assert.equal(got.properties.replyTo, 'r')
    assert.equal(got.properties.priority, 3)
    assert.equal(got.info.routingKey, queue)
    assert.equal(got.info.redelivered, true)
    await got.settle({ action: 'ack' })
  })

  test('B12: release puts back what was never started, before others and unmarked where the broker can', async (scene) => {
    const { from, queue } = await sent(scene, 'a', 'b', 'c')
    const inbox = await scene.consume(from, [queue], { credit: 1 })
    const first = await inbox.next()
    await inbox.consumer.stop()
    await first.settle({ action: 'release' })
    const other = await scene.consume(await scene.connect(), [queue], { credit: 1 })
    const got = await other.drain(3)
    assert.deepEqual(got.map(text).toSorted(), ['a', 'b', 'c'])
    if (options.cleanRelease === false) return
    if (capabilities.ordered) assert.deepEqual(got.map(text), ['a', 'b', 'c'])
    assert.deepEqual(
      got.map((delivery) => delivery.info.redelivered),
      [false, false, false],
    )
  })

  test('B12: settlements of one turn go out together, whatever they are', async (scene) => {
    const { from, queue } = await sent(scene, ...Array.from({ length: 40 }, (_, index) => `m${index}`))
    const inbox = await scene.consume(from, [queue], { credit: 40 })
    const held = await inbox.take(40)
    await inbox.consumer.stop()
    const settled = held.map((delivery, index) =>
      delivery.settle({ action: index % 4 === 0 ? 'requeue' : 'ack' }),
    )
    await Promise.all(settled)
    const other = await scene.consume(await scene.connect(), [queue], { credit: 40 })
    const back = (await other.drain(10)).map(text).toSorted()
    assert.deepEqual(
      back,
      held
        .filter((_, index) => index % 4 === 0)
        .map(text)
        .toSorted(),
    )
    await other.staysEmpty()
  })

  test('B13: what a consumer held when it died comes to somebody else, marked redelivered', async (scene) => {
    const { from, queue } = await sent(scene, 'a', 'b', 'c')
    const inbox = await scene.consume(from, [queue], { credit: 2 })
    const held = (await inbox.take(2)).map(text)
    await from.peer.kill()
    if (capabilities.lease !== null) await scene.expireLeases()
    const other = await scene.consume(await scene.connect(), [queue])
    const got = await other.drain(3)
    assert.deepEqual(got.map(text).toSorted(), ['a', 'b', 'c'])
    for (const delivery of got)
      assert.equal(delivery.info.redelivered, held.includes(text(delivery)), text(delivery))
  })

  test('B13: settled messages of a consumer that died do not come back', async (scene) => {
    const { from, queue } = await sent(scene, 'a', 'b')
    const inbox = await scene.consume(from, [queue], { credit: 2 })
    const [first, second] = await inbox.take(2)
    await first!.settle({ action: 'ack' })
    await from.peer.kill()
    if (capabilities.lease !== null) await scene.expireLeases()
    const other = await scene.consume(await scene.connect(), [queue])
    assert.deepEqual((await other.drain(1)).map(text), [text(second!)])
    await other.staysEmpty()
  })

  test('B14: no confirmed message is lost while consumers die in the middle of taking', async (scene) => {
    const sender = await scene.connect()
    const queue = scene.name()
    await sender.connection.declare([queueNamed(queue)])
    const bodies = Array.from({ length: 150 }, (_, index) => `m${index}`)
    await sender.connection.publishMany(bodies.map((body) => messageTo(queue, body)))
    // Ended for certain, or by an ack whose answer the dying consumer did not hear.
    const ended = new Set<string>()
    for (let round = 0; round < 4; round++) {
      const victim = await scene.connect()
      const inbox = await scene.consume(victim, [queue], { credit: 20 })
      await inbox.next()
      // Killed while acks and takes are under way.
      for (const delivery of inbox.deliveries.splice(0)) {
        ended.add(text(delivery))
        delivery.settle({ action: 'ack' }).catch(() => undefined)
      }
      await victim.peer.kill()
    }
    assert.ok(ended.size < bodies.length, 'something should be left')
    if (capabilities.lease !== null) await scene.expireLeases()
    const last = await scene.consume(await scene.connect(), [queue], { credit: 50 })
    await scene.eventually('every message to end', () => {
      for (const delivery of last.deliveries.splice(0)) {
        ended.add(text(delivery))
        void delivery.settle({ action: 'ack' })
      }
      return ended.size === bodies.length ? true : undefined
    })
    await last.consumer.flush()
  })
}

type Scene = Parameters<Parameters<BrokerSuite['test']>[1]>[0]
