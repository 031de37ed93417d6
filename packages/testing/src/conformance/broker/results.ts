/** B25: settling with a result. */
import assert from 'node:assert/strict'
import type { ResultBackend, ResultWrite } from '@ct/contracts'
import { readResult, resultWrite } from '../result-write.ts'
import { messageTo, queueNamed, text } from './scene.ts'
import type { BrokerSuite } from './suite.ts'

function write(backend: ResultBackend, taskId: string, state: string, value: string): ResultWrite {
  return resultWrite(backend.capabilities.format, taskId, state, value)
}

export function settleWithResultTests({ test }: BrokerSuite): void {
  test(
    'B25: a result handed along with the ack is stored, and a stored SUCCESS is never overwritten',
    async (scene) => {
      const from = await scene.connect()
      const backend = await scene.harness.backend!(from.peer)
      assert.equal(from.peer.broker.settlesWith(backend), true)
      const results = await backend.connect({ onNotice: () => {} })
      const told: string[] = []
      const subscription = results.subscribe((result) => told.push(String(readResult(result))))
      const queue = scene.name()
      await from.connection.declare([queueNamed(queue)])
      await from.connection.publishMany(['a', 'b', 'c'].map((body) => messageTo(queue, body)))
      const inbox = await scene.consume(from, [queue])
      const [first, second, third] = await inbox.take(3)
      const id = scene.name('task')
      await subscription.add([id])
      await first!.settle({ action: 'ack', results: [write(backend, id, 'STARTED', 's')] })
      await second!.settle({ action: 'ack', results: [write(backend, id, 'SUCCESS', 'first')] })
      await third!.settle({ action: 'reject', results: [write(backend, id, 'FAILURE', 'late')] })
      const [stored] = await results.getMany([id])
      assert.equal(readResult(stored), 'SUCCESS first')
      await scene.eventually('the subscriber to be told', () =>
        told.includes('SUCCESS first') ? true : undefined,
      )
      assert.ok(!told.some((one) => one.includes('late')))
      await inbox.staysEmpty()
      await subscription.close()
      await backend.close()
    },
    'backend',
  )

  test(
    'B25: results of many settlements of one turn are all there when their promises have resolved',
    async (scene) => {
      const from = await scene.connect()
      const backend = await scene.harness.backend!(from.peer)
      assert.equal(from.peer.broker.settlesWith(backend), true)
      const results = await backend.connect({ onNotice: () => {} })
      const queue = scene.name()
      await from.connection.declare([queueNamed(queue)])
      const bodies = Array.from({ length: 30 }, (_, index) => `m${index}`)
      await from.connection.publishMany(bodies.map((body) => messageTo(queue, body)))
      const inbox = await scene.consume(from, [queue], { credit: 30 })
      const held = await inbox.take(30)
      const prefix = scene.name('task')
      await Promise.all(
        held.map((one) =>
          one.settle({ action: 'ack', results: [write(backend, prefix + text(one), 'SUCCESS', text(one))] }),
        ),
      )
      const stored = await results.getMany(bodies.map((body) => prefix + body))
      assert.deepEqual(
        stored.map(readResult),
        bodies.map((body) => `SUCCESS ${body}`),
      )
      await backend.close()
    },
    'backend',
  )
}
