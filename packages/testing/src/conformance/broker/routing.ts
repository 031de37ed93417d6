/** B7, B10, B23: exchanges, priorities, fanout; and delayed delivery. */
import assert from 'node:assert/strict'
import { sleep } from '../waiting.ts'
import { boundQueue, messageTo, queueNamed, text } from './scene.ts'
import type { BrokerSuite } from './suite.ts'

export function routingTests({ test, options }: BrokerSuite): void {
  const { exchanges, priorities, nativeDelay } = options.capabilities

  test(
    'B7: a direct exchange routes by equality, to every queue bound with the key',
    async (scene) => {
      const from = await scene.connect()
      const exchange = scene.name('direct')
      const [one, two, both] = [scene.name('one'), scene.name('two'), scene.name('both')]
      await from.connection.declare([
        boundQueue(one, exchange, 'direct', 'k.one'),
        boundQueue(two, exchange, 'direct', 'k.two'),
        boundQueue(both, exchange, 'direct', 'k.one', 'k.two'),
      ])
      for (const key of ['k.one', 'k.two', 'k', 'k.*']) {
        await from.connection.publish(messageTo(key, key, { exchange, exchangeType: 'direct' }))
      }
      await assertQueues(scene, from, { [one]: ['k.one'], [two]: ['k.two'], [both]: ['k.one', 'k.two'] })
    },
    exchanges.direct ? undefined : false,
  )

  test(
    'B7: copies of one message in several queues are settled each by itself',
    async (scene) => {
      const from = await scene.connect()
      const exchange = scene.name('direct')
      const [one, two] = [scene.name('one'), scene.name('two')]
      await from.connection.declare([
        boundQueue(one, exchange, 'direct', 'k'),
        boundQueue(two, exchange, 'direct', 'k'),
      ])
      await from.connection.publish(messageTo('k', 'copy', { exchange, exchangeType: 'direct' }))
      const inbox = await scene.consume(from, [one, two])
      const [first, second] = await inbox.take(2)
      assert.notEqual(first!.tag, second!.tag)
      await first!.settle({ action: 'ack' })
      await second!.settle({ action: 'requeue' })
      assert.equal((await inbox.next()).queue, second!.queue)
    },
    exchanges.direct ? undefined : false,
  )

  test(
    'B7: a topic exchange routes by words: * is one, # is any number',
    async (scene) => {
      const from = await scene.connect()
      const exchange = scene.name('topic')
      const name = (label: string): string => scene.name(label)
      const [all, star, hash, exact, mixed] = [
        name('all'),
        name('star'),
        name('hash'),
        name('exact'),
        name('mixed'),
      ]
      await from.connection.declare([
        boundQueue(all, exchange, 'topic', '#'),
        boundQueue(star, exchange, 'topic', 'a.*'),
        boundQueue(hash, exchange, 'topic', 'a.#'),
        boundQueue(exact, exchange, 'topic', 'a.b_c-1'),
        boundQueue(mixed, exchange, 'topic', '*.x.#'),
      ])
      const keys = ['a.b', 'a.b_c-1', 'a.x.y', 'b.x.y', 'axb']
      for (const key of keys)
        await from.connection.publish(messageTo(key, key, { exchange, exchangeType: 'topic' }))
      await assertQueues(scene, from, {
        [all]: keys,
        [star]: ['a.b', 'a.b_c-1'],
        [hash]: ['a.b', 'a.b_c-1', 'a.x.y'],
        [exact]: ['a.b_c-1'],
        [mixed]: ['a.x.y', 'b.x.y'],
      })
    },
    exchanges.topic ? undefined : false,
  )

  test(
    'B7: # in a topic binding also stands for no word',
    async (scene) => {
      const from = await scene.connect()
      const exchange = scene.name('topic')
      const queue = scene.name()
      await from.connection.declare([boundQueue(queue, exchange, 'topic', 'worker.#')])
      for (const key of ['worker', 'worker.a', 'workers']) {
        await from.connection.publish(messageTo(key, key, { exchange, exchangeType: 'topic' }))
      }
      await assertQueues(scene, from, { [queue]: ['worker', 'worker.a'] })
    },
    exchanges.topic && options.emptyHash !== false ? undefined : false,
  )

  test(
    'B7: declaring again changes nothing, and a message that matches two bindings of a queue comes once',
    async (scene) => {
      const from = await scene.connect()
      const exchange = scene.name('exchange')
      const queue = boundQueue(scene.name(), exchange, 'direct', 'k')
      for (let round = 0; round < 3; round++) await from.connection.declare([queue])
      await from.connection.publish(messageTo('k', 'once', { exchange, exchangeType: 'direct' }))
      const inbox = await scene.consume(from, [{ queue }])
      await inbox.drain(1)
      await inbox.staysEmpty()
    },
    exchanges.direct ? undefined : false,
  )

  test(
    'B10: more urgent messages come first, equals in order of publishing',
    async (scene) => {
      const from = await scene.connect()
      const queue = scene.name()
      const declared = { ...queueNamed(queue), arguments: options.priorityArguments ?? {} }
      await from.connection.declare([declared])
      const order = options.priorities ?? (priorities?.order === 'low-first' ? [0, 3, 6, 9] : [9, 6, 3, 0])
      const sent = [...order, ...order].toReversed()
      for (const [index, priority] of sent.entries()) {
        await from.connection.publish(
          messageTo(queue, `p${priority}-${index}`, { properties: { deliveryMode: 2, priority } }),
        )
      }
      const inbox = await scene.consume(from, [{ queue: declared }], { credit: 1 })
      const got = (await inbox.drain(sent.length)).map(text)
      const expected = sent
        .map((priority, index) => ({ priority, index }))
        .toSorted((a, b) => order.indexOf(a.priority) - order.indexOf(b.priority) || a.index - b.index)
        .map(({ priority, index }) => `p${priority}-${index}`)
      const levels = (bodies: readonly string[]): string[] => bodies.map((body) => body.split('-')[0] ?? '')
      if (options.capabilities.ordered) assert.deepEqual(got, expected)
      else assert.deepEqual(levels(got), levels(expected))
    },
    priorities === null ? false : undefined,
  )

  test(
    'B23: every fanout consumer receives what is published after subscribe has resolved',
    async (scene) => {
      const exchange = scene.name('fanout')
      const inboxes = []
      for (const label of ['one', 'two', 'three']) {
        const declared = boundQueue(scene.name(label), exchange, 'fanout', '')
        const queue = { ...declared, durable: false, autoDelete: true }
        const from = await scene.connect()
        const subscription = { queue, noAck: true, exchangeType: 'fanout' }
        inboxes.push(await scene.consume(from, [subscription], { credit: Infinity }))
      }
      const sender = await scene.connect()
      for (const body of ['a', 'b', 'c']) {
        await sender.connection.publish(messageTo('', body, { exchange, exchangeType: 'fanout' }))
      }
      for (const inbox of inboxes) {
        scene.assertOrder((await inbox.take(3)).map(text), ['a', 'b', 'c'])
        await inbox.staysEmpty()
      }
    },
    exchanges.fanout ? undefined : false,
  )

  test(
    'B23: what is published while nobody subscribes is not kept, and noAck deliveries need no settling',
    async (scene) => {
      const exchange = scene.name('fanout')
      const sender = await scene.connect()
      await sender.connection.publish(messageTo('', 'early', { exchange, exchangeType: 'fanout' }))
      const from = await scene.connect()
      const queue = { ...boundQueue(scene.name(), exchange, 'fanout', ''), durable: false, autoDelete: true }
      const subscription = { queue, noAck: true, exchangeType: 'fanout' }
      const inbox = await scene.consume(from, [subscription], { credit: 1 })
      for (const body of ['a', 'b', 'c']) {
        await sender.connection.publish(messageTo('', body, { exchange, exchangeType: 'fanout' }))
      }
      const got = await inbox.take(3)
      scene.assertOrder(got.map(text), ['a', 'b', 'c'])
      for (const delivery of got) await delivery.settle({ action: 'ack' })
      await from.connection.close()
    },
    exchanges.fanout ? undefined : false,
  )

  test(
    'B4: notBefore keeps a message until its time (capability nativeDelay)',
    async (scene) => {
      const from = await scene.connect()
      const queue = scene.name()
      const inbox = await scene.consume(from, [queue])
      const step = nativeDelay?.stepMs ?? 0
      const due = Date.now() + 1_000 + 2 * step
      await from.connection.publish(messageTo(queue, 'later', { notBefore: due }))
      await from.connection.publish(messageTo(queue, 'now'))
      assert.equal(text((await inbox.drain(1))[0]!), 'now')
      await sleep(50)
      assert.equal(inbox.deliveries.length, 0)
      assert.equal(text((await inbox.drain(1))[0]!), 'later')
      assert.ok(Date.now() >= due - 20 - step, `${due - Date.now()} ms too early`)
    },
    nativeDelay === null ? false : undefined,
  )
}

type Scene = Parameters<Parameters<BrokerSuite['test']>[1]>[0]

/** Each of these queues has exactly these bodies, in any order. */
async function assertQueues(
  scene: Scene,
  from: Awaited<ReturnType<Scene['connect']>>,
  expected: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  const total = Object.values(expected).reduce((sum, bodies) => sum + bodies.length, 0)
  const inbox = await scene.consume(from, Object.keys(expected), { credit: 100 })
  const got = await inbox.drain(total)
  await inbox.staysEmpty()
  for (const [queue, bodies] of Object.entries(expected)) {
    const here = got.filter((delivery) => delivery.queue === queue).map(text)
    assert.deepEqual(here.toSorted(), bodies.toSorted(), `queue ${queue}`)
  }
}
