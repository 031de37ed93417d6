/** S6: token, message and run in one step. */
import assert from 'node:assert/strict'
import { messageTo, queueNamed, text } from '../broker/scene.ts'
import { eventually, sleep } from '../waiting.ts'
import { code, entry, type ScheduleStoreSuite } from './scene.ts'

export function firingTests({ test, capabilities, patienceMs }: ScheduleStoreSuite): void {
  test(
    'S6: fire publishes and saves in one step, or, with an older token, does neither',
    async (scene) => {
      const broker = await scene.harness.broker!()
      const store = await scene.store()
      assert.equal(store.firesWith(broker), true)
      const connection = await store.connect({ onNotice: () => {} })
      const wire = await broker.connect({ onNotice: () => {} })
      const queue = `fired-${crypto.randomUUID()}`
      await wire.declare([queueNamed(queue)])
      const old = capabilities.election ? await connection.lead({ holder: 'one', ttlMs: 60_000 }) : undefined
      const fire = (name: string, lastRunAt: number, totalRunCount: number): Promise<boolean> =>
        connection.fire({
          run: { name, lastRunAt, totalRunCount },
          message: messageTo(queue, `${name} ${totalRunCount}`),
          token: old?.token,
        })
      await connection.save({ put: [entry('e')] })
      assert.equal(await fire('e', 1_763_000_000_000, 1), true)
      // As when the answer was lost; and after somebody removed it.
      assert.equal(await fire('e', 1_763_000_000_000, 1), false)
      assert.equal(await fire('gone', 1_763_000_000_000, 1), false)
      const [after] = (await connection.load()).entries
      assert.deepEqual([after?.lastRunAt, after?.totalRunCount], [1_763_000_000_000, 1])
      if (old !== undefined) {
        await connection.resign('one')
        await connection.lead({ holder: 'two', ttlMs: 60_000 })
        assert.equal(await code(fire('e', 1_763_000_060_000, 2)), 'CT_LEASE_LOST')
        assert.equal((await connection.load()).entries[0]?.totalRunCount, 1)
      }
      const got: string[] = []
      const consumer = await wire.openConsumer({
        credit: 10,
        onDelivery: (delivery) => got.push(text(delivery)),
      })
      await consumer.subscribe([{ queue: queueNamed(queue) }])
      await eventually('the fired message', patienceMs, () => (got.length > 0 ? true : undefined))
      await sleep(50)
      assert.deepEqual(got, ['e 1'])
      await broker.close()
    },
    'broker',
  )

  test('S6: fire of a store that fires with nobody rejects with CT_UNSUPPORTED', async (scene) => {
    const connection = await scene.connect()
    const run = { name: 'e', lastRunAt: 1000, totalRunCount: 1 }
    await connection.save({ put: [entry('e')] })
    const firing = { run, message: messageTo('q', 'x'), token: undefined }
    assert.equal(await code(connection.fire(firing)), 'CT_UNSUPPORTED')
    assert.equal((await connection.load()).entries[0]?.totalRunCount, 0)
  })
}
