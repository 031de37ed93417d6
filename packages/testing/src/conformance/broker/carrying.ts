/** B27 and B28: what takes effect together with an ack. */
import assert from 'node:assert/strict'
import type { ChordPart, ChordProgress } from '@ct/contracts'
import { readResult, resultWrite } from '../result-write.ts'
import { messageTo, queueNamed, text } from './scene.ts'
import type { BrokerSuite } from './suite.ts'

function partOf(groupId: string, taskId: string, groupIndex: number): ChordPart {
  return {
    groupId,
    taskId,
    groupIndex,
    part: new TextEncoder().encode(`[1, "${taskId}", "SUCCESS", ${groupIndex}]`),
    expiresInMs: 60_000,
    claimMs: 60_000,
  }
}

export function carryingTests({ test, options }: BrokerSuite): void {
  const messages = options.capabilities.carries?.messages === true ? undefined : false
  const parts = options.capabilities.carries?.chordParts === true ? undefined : false

  test(
    'B27: the messages of a settlement are published with the ack, in their order, behind what waits already',
    async (scene) => {
      const from = await scene.connect()
      const [queue, other] = [scene.name(), scene.name('other')]
      await from.connection.declare([queueNamed(queue), queueNamed(other)])
      await from.connection.publishMany(['first', 'second'].map((body) => messageTo(queue, body)))
      const inbox = await scene.consume(from, [queue, other], { credit: 1 })
      const first = await inbox.next()
      const followers = [messageTo(queue, 'third'), messageTo(other, 'elsewhere'), messageTo(queue, 'fourth')]
      for (const message of followers) assert.equal(first.carries!(message), true)
      await first.settle({ action: 'ack', messages: followers })
      const rest = await inbox.drain(4)
      const ofQueue = rest.filter(({ queue: one }) => one === queue).map(text)
      scene.assertOrder(ofQueue, ['second', 'third', 'fourth'])
      const third = rest.find((one) => text(one) === 'third')!
      assert.deepEqual(third.headers['id'], 'third')
      assert.equal(third.info.redelivered, false)
      await inbox.staysEmpty()
    },
    messages,
  )

  test(
    'B27: a reject carries messages too',
    async (scene) => {
      const from = await scene.connect()
      const queue = scene.name()
      await from.connection.declare([queueNamed(queue)])
      await from.connection.publish(messageTo(queue, 'a'))
      const inbox = await scene.consume(from, [queue], { credit: 1 })
      const held = await inbox.next()
      await held.settle({ action: 'reject', messages: [messageTo(queue, 'b')] })
      assert.equal(text(await inbox.next()), 'b')
      await inbox.staysEmpty()
    },
    messages,
  )

  test(
    'B27: many settlements of one turn carry messages, and none is lost or doubled',
    async (scene) => {
      const from = await scene.connect()
      const queue = scene.name()
      await from.connection.declare([queueNamed(queue)])
      const bodies = Array.from({ length: 30 }, (_, index) => `m${index}`)
      await from.connection.publishMany(bodies.map((body) => messageTo(queue, body)))
      const inbox = await scene.consume(from, [queue], { credit: 30 })
      const held = await inbox.take(30)
      await Promise.all(
        held.map((one) => one.settle({ action: 'ack', messages: [messageTo(queue, `${text(one)}+`)] })),
      )
      const followers = await inbox.drain(30)
      assert.deepEqual(followers.map(text).toSorted(), bodies.map((body) => `${body}+`).toSorted())
      await inbox.staysEmpty()
    },
    messages,
  )

  test(
    'B27: nothing is published for a message that somebody else has by now',
    async (scene) => {
      const [one, two] = [await scene.connect(), await scene.connect()]
      const queue = scene.name()
      await one.connection.declare([queueNamed(queue)])
      await one.connection.publish(messageTo(queue, 'task'))
      const late = await scene.consume(one, [queue], { credit: 1 })
      const held = await late.next()
      // No room for the message when it comes back, nor for what it leads to.
      late.consumer.pause([queue])
      const inbox = await scene.consume(two, [queue])
      await scene.expireLeases()
      const again = await inbox.next()
      await held.settle({ action: 'ack', messages: [messageTo(queue, 'follower')] })
      await inbox.staysEmpty()
      await again.settle({ action: 'ack', messages: [messageTo(queue, 'follower')] })
      assert.deepEqual((await inbox.drain(1)).map(text), ['follower'])
      await inbox.staysEmpty()
    },
    messages ?? (options.capabilities.lease === null ? false : undefined),
  )

  test(
    'B27: a settlement that failed with its connection publishes once when it is made again',
    async (scene) => {
      const peer = await scene.peer()
      const from = await scene.connect(peer)
      const queue = scene.name()
      await from.connection.declare([queueNamed(queue)])
      await from.connection.publishMany(['a', 'b', 'c'].map((body) => messageTo(queue, body)))
      const inbox = await scene.consume(from, [queue], { credit: 3 })
      const held = await inbox.take(3)
      const settlements = held.map((one) => ({
        one,
        settlement: { action: 'ack' as const, messages: [messageTo(queue, `${text(one)}+`)] },
      }))
      // What they lead to is for the next connection.
      inbox.consumer.pause([queue])
      const outcomes = settlements.map(({ one, settlement }) => one.settle(settlement))
      await peer.cut()
      await Promise.allSettled(outcomes)
      const later = await scene.connect(peer)
      const next = await scene.consume(later, [])
      const gone = new Set(await next.consumer.adopt(held))
      // Those that are gone were settled, and their messages published: the answer was lost.
      for (const { one, settlement } of settlements) if (!gone.has(one)) await one.settle(settlement)
      const collected = await scene.consume(later, [queue])
      assert.deepEqual((await collected.drain(3)).map(text).toSorted(), ['a+', 'b+', 'c+'])
      await collected.staysEmpty()
    },
    messages ?? (options.capabilities.settleAcrossConnections ? undefined : false),
  )

  test(
    'B27: one task after the other, each handed out ahead where the broker does that, come once and in order',
    async (scene) => {
      const from = await scene.connect()
      const queue = scene.name()
      await from.connection.declare([queueNamed(queue)])
      await from.connection.publish(messageTo(queue, '0'))
      const inbox = await scene.consume(from, [queue], { credit: 4 })
      for (let n = 0; n < 30; n += 1) {
        const held = await inbox.next()
        assert.equal(text(held), String(n))
        const messages = [messageTo(queue, String(n + 1))]
        const settled = held.settle({ action: 'ack', messages, ahead: true })
        // Some settle while the step before is under way, some after it.
        if (n % 3 === 0) await settled
      }
      const last = await inbox.next()
      assert.equal(text(last), '30')
      await last.settle({ action: 'release' })
      const again = await inbox.next()
      assert.equal(text(again), '30')
      await again.settle({ action: 'ack' })
      await inbox.staysEmpty()
    },
    messages,
  )

  test(
    'B27: what cannot go along is said before',
    async (scene) => {
      const from = await scene.connect()
      const queue = scene.name()
      await from.connection.declare([queueNamed(queue)])
      await from.connection.publish(messageTo(queue, 'a'))
      const held = await (await scene.consume(from, [queue])).next()
      assert.equal(held.carries!(messageTo(queue, 'b')), true)
      // Answers, whatever they are, are not exceptions.
      for (const exchange of ['named', 'amq.topic'])
        assert.equal(typeof held.carries!(messageTo(queue, 'b', { exchange })), 'boolean')
      await held.settle({ action: 'ack' })
    },
    messages,
  )

  test(
    'B28: a part that leaves its chord open goes with the ack; the one that completes it leaves the message held',
    async (scene) => {
      const from = await scene.connect()
      const backend = await scene.harness.backend!(from.peer)
      assert.equal(from.peer.broker.settlesWith(backend), true)
      const results = await backend.connect({ onNotice: () => {} })
      const queue = scene.name()
      const groupId = scene.name('group')
      await results.chord!.begin({ groupId, size: 2, expiresInMs: 60_000 })
      await from.connection.declare([queueNamed(queue)])
      await from.connection.publishMany(['t0', 't1', 't2'].map((body) => messageTo(queue, body)))
      const inbox = await scene.consume(from, [queue], { credit: 3 })
      const held = await inbox.take(3)
      const progress: ChordProgress[] = []
      const settle = async (index: number): Promise<void> => {
        const one = held[index]!
        await one.settle({
          action: 'ack',
          results: [resultWrite(backend.capabilities.format, groupId + text(one), 'SUCCESS', text(one))],
          messages: [messageTo(queue, `${text(one)}+`)],
          part: {
            part: partOf(groupId, text(one), index),
            onRecorded: (recorded) => progress.push(recorded),
          },
        })
      }
      await settle(0)
      assert.deepEqual(progress, [{ state: 'open', count: 1, total: 2 }])
      assert.equal(held[0]!.settled, true)
      await settle(1)
      assert.deepEqual({ ...progress[1], token: '' }, { state: 'complete', count: 2, total: 2, token: '' })
      assert.equal(held[1]!.settled, false)
      // Stored all the same.
      const [stored] = await results.getMany([`${groupId}t1`])
      assert.equal(readResult(stored), 'SUCCESS t1')
      assert.equal((await results.chord!.parts(groupId)).length, 2)
      assert.deepEqual((await inbox.drain(1)).map(text), ['t0+'])
      await inbox.staysEmpty()
      const token = progress[1]?.state === 'complete' ? progress[1].token : ''
      assert.equal(await results.chord!.extendClaim({ groupId, token, claimMs: 60_000 }), true)
      await results.chord!.finish({ groupId, token, doneMs: 60_000 })
      await held[1]!.settle({ action: 'ack', messages: [messageTo(queue, 't1+')] })
      assert.deepEqual((await inbox.drain(1)).map(text), ['t1+'])
      await settle(2)
      assert.deepEqual(progress[2], { state: 'closed' })
      assert.equal(held[2]!.settled, true)
      assert.deepEqual((await inbox.drain(1)).map(text), ['t2+'])
      await backend.close()
    },
    parts ?? 'backend',
  )
}
