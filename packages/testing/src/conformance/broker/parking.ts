/** B17, B18, B19: counting starts, parking, malformed messages. */
import assert from 'node:assert/strict'
import { parkedHeader } from '@ct/contracts'
import { messageTo, queueNamed, text } from './scene.ts'
import type { BrokerSuite } from './suite.ts'

export function parkingTests({ test, options }: BrokerSuite): void {
  const { capabilities } = options

  test('B17: countStart counts what it says, durably: the count outlives requeueing and the consumer', async (scene) => {
    // Deliveries may be more than starts; without a count it is always 1.
    const counts = (count: number, starts: number): void => {
      if (capabilities.startCount === 'starts') assert.equal(count, starts)
      else if (capabilities.startCount === 'deliveries') assert.ok(count >= starts, `${count} of ${starts}`)
      else assert.equal(count, 1)
    }
    const first = await scene.connect()
    const queue = scene.name()
    await first.connection.declare([queueNamed(queue)])
    await first.connection.publish(messageTo(queue, 'a'))
    const inbox = await scene.consume(first, [queue], { credit: 1 })
    const one = await inbox.next()
    counts(await one.countStart(), 1)
    await one.settle({ action: 'requeue' })
    const two = await inbox.next()
    counts(await two.countStart(), 2)
    await first.peer.kill()
    if (capabilities.lease !== null) await scene.expireLeases()
    const other = await scene.consume(await scene.connect(), [queue])
    const three = await other.next()
    counts(await three.countStart(), 3)
    await three.settle({ action: 'ack' })
  })

  test('B18: park moves the message to <queue>.parked with its history; list shows it, drop removes it', async (scene) => {
    const from = await scene.connect()
    const queue = scene.name()
    await from.connection.declare([queueNamed(queue)])
    const headers = { id: 'id-1', task: 'proj.bad', 'x-own': [1] }
    await from.connection.publish(messageTo(queue, 'poison', { headers }))
    const inbox = await scene.consume(from, [queue])
    const before = Date.now()
    await (await inbox.next()).settle({ action: 'park', reason: 'max-deliveries', starts: 6 })
    await inbox.staysEmpty()
    const { parked } = (await scene.connect()).connection
    assert.deepEqual([...(await parked.count([queue, scene.name()]))], [[queue, 1]])
    const [message] = await parked.list(queue)
    assert.ok(message !== undefined)
    assert.equal(message.taskId, 'id-1')
    assert.equal(message.taskName, 'proj.bad')
    assert.equal(text(message), 'poison')
    assert.equal(message.retryable, true)
    assert.deepEqual(message.headers['x-own'], [1])
    const { reason, starts, parkedAt, queue: origin } = message.history
    assert.deepEqual({ reason, starts, origin }, { reason: 'max-deliveries', starts: 6, origin: queue })
    assert.ok(Math.abs(Date.parse(parkedAt) - before) < 60_000)
    assert.equal(await parked.drop(queue, ['no such id']), 0)
    assert.equal(await parked.drop(queue, [message.id]), 1)
    assert.equal((await parked.count([queue])).size, 0)
    assert.deepEqual(await parked.list(queue), [])
  })

  test('B18: retry puts parked messages back into their queue with the count at zero', async (scene) => {
    const from = await scene.connect()
    const queue = scene.name()
    await from.connection.declare([queueNamed(queue)])
    await from.connection.publishMany(['a', 'b', 'c'].map((body) => messageTo(queue, body)))
    const inbox = await scene.consume(from, [queue])
    for (const delivery of await inbox.take(3)) {
      await delivery.countStart()
      await delivery.settle({ action: 'park', reason: 'max-deliveries', starts: 1 })
    }
    const { parked } = from.connection
    const listed = await parked.list(queue)
    scene.assertOrder(listed.map(text), ['a', 'b', 'c'])
    if (capabilities.ordered)
      assert.deepEqual((await parked.list(queue, { offset: 1, limit: 1 })).map(text), ['b'])
    assert.equal((await parked.list(queue, { offset: 1, limit: 1 })).length, 1)
    const { id } = listed.find((message) => text(message) === 'b')!
    assert.equal(await parked.retry(queue, [id, 'no such id']), 1)
    const [again] = await inbox.take(1)
    assert.equal(text(again!), 'b')
    assert.equal(again!.headers[parkedHeader], undefined)
    assert.equal(again!.info.redelivered, false)
    assert.equal(again!.info.routingKey, queue)
    assert.equal(await again!.countStart(), 1)
    await again!.settle({ action: 'ack' })
    scene.assertOrder((await parked.list(queue)).map(text), ['a', 'c'])
  })

  test('B18: parked messages have ids of their own, the same at every look, and do not come back by themselves', async (scene) => {
    const from = await scene.connect()
    const queue = scene.name()
    await from.connection.declare([queueNamed(queue)])
    await from.connection.publishMany(Array.from({ length: 5 }, (_, index) => messageTo(queue, `m${index}`)))
    const inbox = await scene.consume(from, [queue])
    for (const delivery of await inbox.take(5)) void delivery.settle({ action: 'park', reason: 'by hand' })
    await inbox.consumer.flush()
    if (capabilities.lease !== null) await scene.expireLeases()
    await inbox.staysEmpty()
    const listed = await from.connection.parked.list(queue)
    const ids = listed.map((message) => message.id)
    assert.equal(new Set(ids).size, 5)
    const again = (await from.connection.parked.list(queue)).map((message) => message.id)
    scene.assertOrder(again, ids)
    await from.connection.close()
    assert.equal((await (await scene.connect()).connection.parked.list(queue)).length, 5)
  })

  test(
    'B18: retried messages have their priority again',
    async (scene) => {
      const from = await scene.connect()
      const queue = { ...queueNamed(scene.name()), arguments: options.priorityArguments ?? {} }
      await from.connection.declare([queue])
      const { priorities } = capabilities
      const [urgent = 0, later = 0] =
        options.priorities ?? (priorities?.order === 'low-first' ? [0, 9] : [9, 0])
      for (const priority of [later, urgent]) {
        const properties = { deliveryMode: 2 as const, priority }
        await from.connection.publish(messageTo(queue.name, `p${priority}`, { properties }))
      }
      const inbox = await scene.consume(from, [{ queue }])
      for (const delivery of await inbox.take(2)) await delivery.settle({ action: 'park', reason: 'by hand' })
      await inbox.consumer.close()
      const { parked } = from.connection
      const listed = await parked.list(queue.name)
      // The less urgent one first, so that it is not the order of retrying that decides.
      const ids = listed.toSorted((a) => (text(a) === `p${later}` ? -1 : 1)).map((message) => message.id)
      for (const id of ids) assert.equal(await parked.retry(queue.name, [id]), 1)
      const again = await scene.consume(from, [{ queue }], { credit: 1 })
      const got = await again.drain(2)
      assert.deepEqual(
        got.map((delivery) => delivery.properties.priority),
        [urgent, later],
      )
    },
    capabilities.priorities === null ? false : undefined,
  )

  for (const [label, payload] of [
    ['not JSON', 'this is { not JSON'],
    ['no object', '[1, 2, 3]'],
    ['an unreadable body', '{"body": {"a": 1}, "properties": {"delivery_tag": "t"}, "headers": {}}'],
  ] as const) {
    test(
      `B19: a message that is no envelope (${label}) costs one notice, is parked raw, and stops nothing`,
      async (scene) => {
        const from = await scene.connect()
        const queue = scene.name()
        await from.connection.declare([queueNamed(queue)])
        await scene.harness.putRaw!(queue, payload)
        await from.connection.publish(messageTo(queue, 'good'))
        const inbox = await scene.consume(from, [queue], { credit: 1 })
        assert.deepEqual((await inbox.drain(1)).map(text), ['good'])
        const notice = await scene.notice(from, 'malformed')
        assert.equal(notice.queue, queue)
        assert.ok(notice.reason.length > 0)
        assert.ok(payload.startsWith(notice.excerpt.slice(0, 10)))
        assert.ok(notice.excerpt.length <= 1_024)
        await inbox.staysEmpty()
        assert.equal(from.notices.filter(({ kind }) => kind === 'malformed').length, 1)
        if (notice.parkedIn === undefined) return
        assert.equal(notice.parkedIn, `${queue}.parked`)
        const [parked] = await from.connection.parked.list(queue)
        assert.equal(parked?.retryable, false)
        assert.equal(text(parked!), payload)
        assert.equal(await from.connection.parked.retry(queue, [parked!.id]), 0)
        assert.equal(await from.connection.parked.drop(queue, [parked!.id]), 1)
      },
      'putRaw',
    )
  }
}
