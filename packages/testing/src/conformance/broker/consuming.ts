/** B8, B9, B20, B21, B22: credit, order, steering, waking, counting. */
import assert from 'node:assert/strict'
import type { Delivery } from '@ct/contracts'
import { sleep, within } from '../waiting.ts'
import { boundQueue, messageTo, queueNamed, text } from './scene.ts'
import type { BrokerSuite } from './suite.ts'

export function consumingTests({ test, options }: BrokerSuite): void {
  const { capabilities } = options

  async function filled(
    scene: Scene,
    count: number,
    queues: number = 1,
  ): Promise<{ from: Connected; names: string[] }> {
    const from = await scene.connect()
    const names = Array.from({ length: queues }, (_, index) => scene.name(`q${index}`))
    await from.connection.declare(names.map((name) => queueNamed(name)))
    for (const name of names) {
      await from.connection.publishMany(
        Array.from({ length: count }, (_, index) => messageTo(name, `m${index}`)),
      )
    }
    return { from, names }
  }

  test('B8, TRANS-45: never more than the credit unsettled, over all queues together', async (scene) => {
    const { from, names } = await filled(scene, 10, 3)
    const open = new Set<Delivery>()
    let most = 0
    let done = 0
    const consumer = await from.connection.openConsumer({
      credit: 4,
      onDelivery: (delivery) => {
        open.add(delivery)
        most = Math.max(most, open.size)
        setTimeout(() => {
          open.delete(delivery)
          void delivery.settle({ action: 'ack' }).then(() => done++)
        }, 2)
      },
    })
    await consumer.subscribe(names.map((name) => ({ queue: queueNamed(name) })))
    await scene.eventually('30 messages', () => (done === 30 ? true : undefined))
    assert.ok(most <= 4, `${most} were open`)
    assert.ok(most >= 2, 'the credit should be used')
  })

  test('B8: without settling, exactly the credit is delivered', async (scene) => {
    const { from, names } = await filled(scene, 10)
    const inbox = await scene.consume(from, names, { credit: 3 })
    await inbox.take(3)
    await inbox.staysEmpty()
  })

  test('B8: setCredit upwards works at once, downwards by attrition', async (scene) => {
    const { from, names } = await filled(scene, 20)
    const inbox = await scene.consume(from, names, { credit: 2 })
    const held = await inbox.take(2)
    inbox.consumer.setCredit(6)
    held.push(...(await inbox.take(4)))
    await inbox.staysEmpty()
    inbox.consumer.setCredit(2)
    for (let index = 0; index < 4; index++) await held.pop()!.settle({ action: 'ack' })
    await inbox.staysEmpty()
    await held.pop()!.settle({ action: 'ack' })
    held.push(await inbox.next())
    await inbox.staysEmpty()
  })

  test('B8: an infinite credit takes all there is', async (scene) => {
    const { from, names } = await filled(scene, 60)
    const inbox = await scene.consume(from, names, { credit: Infinity, maxClaim: 7 })
    await inbox.take(60)
  })

  test('B8: a queue that needs no acks beside one that does: neither stops the other for good', async (scene) => {
    const { from, names } = await filled(scene, 2)
    const forgetful = scene.name('forgetful')
    const queue = { ...queueNamed(forgetful), durable: false }
    const inbox = await scene.consume(from, [names[0]!, { queue, noAck: true }], { credit: 1 })
    const held = await inbox.next()
    await from.connection.publishMany(['a', 'b'].map((body) => messageTo(forgetful, body)))
    // Brokers differ in whether a spent credit holds back what needs none; core reads such queues by a consumer without limit.
    await sleep(50)
    await held.settle({ action: 'ack' })
    const last = text(held) === 'm0' ? 'm1' : 'm0'
    assert.deepEqual((await inbox.drain(3)).map(text).toSorted(), ['a', 'b', last])
  })

  test('B8: setMaxClaim may change at any time without losing or holding back anything', async (scene) => {
    const { from, names } = await filled(scene, 60)
    const inbox = await scene.consume(from, names, { credit: 60, maxClaim: 1 })
    inbox.consumer.setMaxClaim(25)
    await inbox.take(60)
  })

  test('B9: each message goes to one consumer, and all arrive', async (scene) => {
    const { from, names } = await filled(scene, 200)
    const inboxes = [await scene.consume(from, names), await scene.consume(await scene.connect(), names)]
    const got: string[] = []
    await scene.eventually('200 messages', () => {
      for (const inbox of inboxes) {
        for (const delivery of inbox.deliveries.splice(0)) {
          got.push(text(delivery))
          void delivery.settle({ action: 'ack' })
        }
      }
      return got.length >= 200 ? true : undefined
    })
    for (const inbox of inboxes) await inbox.consumer.flush()
    for (const inbox of inboxes) await inbox.staysEmpty()
    assert.equal(new Set(got).size, 200)
    assert.equal(got.length, 200)
  })

  test('B9: messages of one queue come in order of publishing', async (scene) => {
    const { from, names } = await filled(scene, 100)
    const inbox = await scene.consume(from, names, { credit: 7 })
    scene.assertOrder(
      (await inbox.drain(100)).map(text),
      Array.from({ length: 100 }, (_, index) => `m${index}`),
    )
  })

  test('B9, PAIN-57: a busy queue does not starve another', async (scene) => {
    const { from, names } = await filled(scene, 300)
    const other = scene.name('other')
    await from.connection.declare([queueNamed(other)])
    await from.connection.publish(messageTo(other, 'quiet'))
    const inbox = await scene.consume(from, [...names, other], { credit: 5 })
    const got = (await inbox.drain(150)).map(text)
    assert.ok(got.includes('quiet'))
  })

  test('B20: after cancel nothing comes from that queue, the others go on, and what was delivered can be settled', async (scene) => {
    const { from, names } = await filled(scene, 5, 2)
    const [one, two] = names as [string, string]
    const inbox = await scene.consume(from, [one], { credit: 20 })
    const held = await inbox.take(5)
    await inbox.consumer.cancel([one, 'unknown'])
    await from.connection.publish(messageTo(one, 'after'))
    await inbox.staysEmpty()
    await inbox.consumer.subscribe([{ queue: queueNamed(two) }])
    await inbox.drain(5)
    for (const delivery of held) await delivery.settle({ action: 'ack' })
    const other = await scene.consume(await scene.connect(), [one])
    assert.deepEqual((await other.drain(1)).map(text), ['after'])
    await other.staysEmpty()
  })

  test('B20: pause holds a queue, resume continues it, nothing is lost in between', async (scene) => {
    const { from, names } = await filled(scene, 0, 2)
    const [one, two] = names as [string, string]
    const inbox = await scene.consume(from, names, { credit: 20 })
    inbox.consumer.pause([one])
    await from.connection.publish(messageTo(one, 'paused'))
    await from.connection.publish(messageTo(two, 'running'))
    assert.deepEqual((await inbox.drain(1)).map(text), ['running'])
    await inbox.staysEmpty()
    inbox.consumer.resume([one])
    assert.deepEqual((await inbox.drain(1)).map(text), ['paused'])
  })

  test('B20: after stop nothing is delivered, and open deliveries can still be settled', async (scene) => {
    const { from, names } = await filled(scene, 5)
    const inbox = await scene.consume(from, names, { credit: 2 })
    const held = await inbox.take(2)
    await within('stop', scene.patienceMs, inbox.consumer.stop())
    for (const delivery of held) await delivery.settle({ action: 'ack' })
    await inbox.consumer.flush()
    await inbox.staysEmpty()
    const other = await scene.consume(await scene.connect(), names)
    const left = (await other.drain(3)).map(text)
    if (capabilities.ordered) assert.deepEqual(left, ['m2', 'm3', 'm4'])
    else assert.equal(new Set([...left, ...held.map(text)]).size, 5)
  })

  test('B20: closing a consumer gives back what it holds, unless told to keep it', async (scene) => {
    const { from, names } = await filled(scene, 4)
    const inbox = await scene.consume(from, names, { credit: 4 })
    await inbox.take(4)
    await inbox.consumer.close()
    const other = await scene.consume(await scene.connect(), names)
    assert.deepEqual((await other.drain(4)).map(text).toSorted(), ['m0', 'm1', 'm2', 'm3'])
  })

  test('B20: close with unsettled "keep" leaves them held', async (scene) => {
    const { from, names } = await filled(scene, 2)
    const inbox = await scene.consume(from, names, { credit: 2 })
    await inbox.take(2)
    await inbox.consumer.close({ unsettled: 'keep' })
    if (capabilities.lease === null) return
    assert.equal(await from.connection.queueSize(names[0]!), 0)
  })

  test('B21: a message for any of ten queues is delivered at once to an idle consumer', async (scene) => {
    const { from, names } = await filled(scene, 0, 10)
    const inbox = await scene.consume(from, names, { credit: 100 })
    const sender = await scene.connect()
    for (const name of [names[0]!, names[9]!, names[4]!]) {
      await sleep(30)
      const started = performance.now()
      await sender.connection.publish(messageTo(name, name))
      await inbox.drain(1)
      const took = performance.now() - started
      if (capabilities.wakeUp === 'push') assert.ok(took < 500, `took ${Math.round(took)} ms`)
    }
  })

  test(
    'B21: an idle consumer costs next to nothing',
    async (scene) => {
      const { from, names } = await filled(scene, 0, 10)
      await scene.consume(from, names, { credit: 100 })
      await sleep(300)
      const before = await scene.harness.served!()
      await sleep(2_000)
      const spent = (await scene.harness.served!()) - before
      const allowed = 2 * (options.idleCommandsPerSecond ?? 2)
      assert.ok(spent <= allowed, `${spent} commands in 2 s`)
    },
    capabilities.wakeUp === 'push' ? 'served' : false,
  )

  test('B22: queueSize counts what is ready, purge removes it and not what is held', async (scene) => {
    const { from, names } = await filled(scene, 5)
    const name = names[0]!
    if (capabilities.queueSize === 'exact') assert.equal(await from.connection.queueSize(name), 5)
    const inbox = await scene.consume(from, [name], { credit: 2 })
    const held = await inbox.take(2)
    await inbox.consumer.cancel([name])
    if (capabilities.queueSize === 'exact') assert.equal(await from.connection.queueSize(name), 3)
    const purged = await from.connection.purge(name)
    if (capabilities.queueSize === 'exact') assert.equal(purged, 3)
    for (const delivery of held) {
      const requeued = delivery.settle({ action: 'requeue' })
      // What was purged with the others is not ours any more.
      await (options.purgeSparesHeld === false ? requeued.catch(() => undefined) : requeued)
    }
    const again = await scene.consume(await scene.connect(), [name])
    if (options.purgeSparesHeld !== false)
      assert.deepEqual((await again.drain(2)).map(text).toSorted(), held.map(text).toSorted())
    await again.staysEmpty()
  })

  test('B22: a queue that does not exist has no messages; purging it removes none; deleteQueue takes messages and bindings along', async (scene) => {
    const { from, names } = await filled(scene, 3)
    if (capabilities.queueSize !== 'none') assert.equal(await from.connection.queueSize(scene.name()), 0)
    assert.equal(await from.connection.purge(scene.name()), 0)
    const exchange = scene.name('exchange')
    const bound = [
      boundQueue(names[0]!, exchange, 'direct', 'k'),
      boundQueue(scene.name(), exchange, 'direct', 'k'),
    ]
    await from.connection.declare(bound)
    await from.connection.deleteQueue(names[0]!)
    await from.connection.publish(messageTo('k', 'bound', { exchange, exchangeType: 'direct' }))
    const other = await scene.consume(from, [{ queue: bound[1]! }])
    assert.deepEqual((await other.drain(1)).map(text), ['bound'])
    if (capabilities.queueSize !== 'none') assert.equal(await from.connection.queueSize(names[0]!), 0)
  })
}

type Scene = Parameters<Parameters<BrokerSuite['test']>[1]>[0]
type Connected = Awaited<ReturnType<Scene['connect']>>
