/** B26: what tools of administrators ask. */
import assert from 'node:assert/strict'
import type { BrokerAdministration } from '@ct/contracts'
import { boundQueue, messageTo, queueNamed, text, type BrokerScene, type SceneConnection } from './scene.ts'
import type { BrokerSuite } from './suite.ts'

export function administrationTests({ test, options }: BrokerSuite): void {
  if (options.administration === false) return
  const { exchanges } = options.capabilities
  const exchange = (name: string, type: string) => ({ name, type, durable: true, autoDelete: false })

  test(
    'B26: lists what is bound, and what is deleted no more',
    async (scene) => {
      const { from, admin } = await administered(scene)
      const [name, one, two] = [scene.name('exchange'), scene.name('one'), scene.name('two')]
      await from.connection.declare([
        boundQueue(one, name, 'direct', 'b', 'a'),
        boundQueue(two, name, 'direct', 'a'),
      ])
      const bound = async (): Promise<unknown> =>
        (await admin.bindings())
          .filter((binding) => binding.exchange === name)
          .map(({ queue, routingKey }) => [queue, routingKey])
      assert.deepEqual(await bound(), [
        [one, 'a'],
        [one, 'b'],
        [two, 'a'],
      ])
      await admin.deleteQueue(one)
      assert.deepEqual(await bound(), [[two, 'a']])
      await assert.rejects(admin.deleteExchange(name, { ifUnused: true }), { code: 'CT_BROKER' })
      await admin.deleteExchange(name)
      assert.deepEqual(await bound(), [])
      await admin.deleteExchange(name)
    },
    exchanges.direct ? undefined : false,
  )

  test(
    'B26: what is declared and bound by hand routes',
    async (scene) => {
      const { from, admin } = await administered(scene)
      const [name, queue] = [scene.name('exchange'), scene.name()]
      await from.connection.declare([queueNamed(queue)])
      await admin.declareExchange(exchange(name, 'topic'))
      await admin.declareExchange(exchange(name, 'topic'))
      await admin.bind(queue, { name }, 'a.#')
      await from.connection.publish(messageTo('a.b', 'taken', { exchange: name, exchangeType: 'topic' }))
      await from.connection.publish(messageTo('b', 'dropped', { exchange: name, exchangeType: 'topic' }))
      assert.equal((await admin.report(queue)).messages, 1)
      await assert.rejects(admin.deleteQueue(queue, { ifEmpty: true }), { code: 'CT_BROKER' })
      assert.equal(await admin.deleteQueue(queue), 1)
      assert.equal(await admin.deleteQueue(queue), 0)
    },
    exchanges.topic ? undefined : false,
  )

  test('B26: get takes one message and holds it until it is settled', async (scene) => {
    const { from, admin } = await administered(scene)
    const queue = scene.name()
    await from.connection.declare([queueNamed(queue)])
    assert.equal(await admin.get(queue), undefined)
    const bodies = ['one', 'two', 'three']
    for (const body of bodies) await from.connection.publish(messageTo(queue, body))
    const first = await admin.get(queue)
    const second = await admin.get(queue)
    assert.notEqual(text(first!), text(second!))
    if (scene.capabilities.ordered) scene.assertOrder([text(first!), text(second!)], ['one', 'two'])
    assert.equal(first!.queue, queue)
    await first!.settle({ action: 'ack' })
    // Who goes gives back what it holds.
    await from.connection.close()
    const inbox = await scene.consume(await scene.connect(), [queue])
    const others = bodies.filter((body) => body !== text(first!))
    assert.deepEqual((await inbox.drain(2)).map(text).toSorted(), others.toSorted())
    await inbox.staysEmpty()
  })
}

async function administered(
  scene: BrokerScene,
): Promise<{ readonly from: SceneConnection; readonly admin: BrokerAdministration }> {
  const from = await scene.connect()
  const admin = from.connection.administration
  assert.ok(admin, 'the connection has no administration; say `administration: false` where that is so')
  return { from, admin }
}
