/** P7: slots that die, leak, block or answer nonsense. */
import assert from 'node:assert/strict'
import { eventually, within } from '../waiting.ts'
import type { PoolSuite } from './suite.ts'

export function dyingTests({ test, capabilities, slots, options }: PoolSuite): void {
  test(
    'P7: a slot that dies loses its own job and no other, and is replaced',
    async (scene) => {
      await scene.start(slots)
      const dying = scene.submit({ do: 'die' })
      const others = Array.from({ length: slots * 2 }, (_, index) =>
        scene.submit({ do: 'return', value: index }),
      )
      const outcome = await scene.outcome(dying)
      assert.equal(outcome.kind, 'lost')
      for (const [index, job] of others.entries()) assert.equal(await scene.value(job), index)
      assert.equal(scene.pool.size, slots)
    },
    capabilities.canKill ? undefined : false,
  )

  test(
    'P3, P7: a slot whose event loop is blocked by what an earlier job left behind is replaced; the job starts elsewhere',
    async (scene) => {
      await scene.start(1, { takeUpTimeoutMs: 2_000 })
      assert.equal(await scene.value(scene.submit({ do: 'return-and-spin' })), 'done')
      const next = scene.submit({ do: 'return', value: 'fine' })
      assert.equal(await scene.value(next), 'fine')
      assert.equal(next.accepted.length, 1)
      assert.match(scene.slotErrors.map(({ message }) => message).join(), /does not take up conformance/)
    },
    capabilities.canKill ? undefined : false,
  )

  test(
    'P7: a slot that cannot be opened again is tried again, with a pause, until it can',
    async (scene) => {
      await scene.start(1)
      await scene.pool.restart?.({ modules: ['data:text/javascript,throw new Error("broken module")'] })
      await eventually('complaints', 20_000, () => (scene.slotErrors.length >= 2 ? true : undefined))
      assert.match(scene.slotErrors[0]!.message, /broken module.*Trying again in 100 ms/)
      assert.match(scene.slotErrors[1]!.message, /Trying again in 200 ms/)
      const waiting = scene.submit({ do: 'return', value: 1 })
      await scene.pool.restart?.({ modules: ['data:text/javascript,'] })
      assert.equal(await scene.value(waiting), 1)
    },
    capabilities.canKill ? undefined : false,
  )

  test(
    'P7: a job that runs out of memory loses its slot and no other',
    async (scene) => {
      await scene.start(2)
      const other = scene.submit({ do: 'gate' })
      const greedy = scene.submit({ do: 'devour' })
      await other.atGate()
      assert.equal((await within('the end of memory', 60_000, greedy.ticket.outcome)).kind, 'lost')
      other.open('still here')
      assert.equal(await scene.value(other), 'still here')
      assert.equal(await scene.value(scene.submit({ do: 'return', value: 1 })), 1)
    },
    options.boundsMemory === true ? undefined : false,
  )

  test(
    'P7: an outcome that cannot be cloned costs its job alone',
    async (scene) => {
      await scene.start(1)
      assert.equal((await scene.outcome(scene.submit({ do: 'uncloneable' }))).kind, 'lost')
      assert.equal(await scene.value(scene.submit({ do: 'return', value: 1 })), 1)
      assert.equal(scene.slotChanges.filter(({ kind }) => kind !== 'opening').length, 1)
    },
    capabilities.sharesMemory ? false : undefined,
  )

  test(
    'P7: an error thrown where nobody waits ends its slot, not the worker',
    async (scene) => {
      await scene.start(1)
      assert.equal((await scene.outcome(scene.submit({ do: 'throw-later' }))).kind, 'lost')
      assert.equal(await scene.value(scene.submit({ do: 'return', value: 1 })), 1)
    },
    capabilities.canKill ? undefined : false,
  )

  test(
    'P7: a slot is replaced after maxTasksPerChild jobs, by its own wish, and when it has grown too large',
    async (scene) => {
      await scene.start(1, { maxTasksPerChild: 2 })
      const who = (): Promise<unknown> => scene.value(scene.submit({ do: 'who' }))
      const [a, b, c, d, e] = [await who(), await who(), await who(), await who(), await who()]
      assert.deepEqual([a === b, b === c, c === d, d === e], [true, false, true, false])
      await scene.again()
      await scene.start(1)
      const first = await scene.value(scene.submit({ do: 'retire' }))
      const second = await who()
      assert.notEqual(first, second)
      assert.equal(await who(), second)
      await scene.again()
      await scene.start(1, { maxMemoryPerChildKb: 1 })
      assert.notEqual(await who(), await who())
      assert.ok(scene.slotChanges.every((change) => change.kind !== 'exited' || change.expected))
      assert.deepEqual(scene.slotErrors, [])
    },
    capabilities.canKill ? undefined : false,
  )

  test('P7: a job that throws past the trace frees its slot', async (scene) => {
    await scene.start(1)
    for (let round = 0; round < 5; round++)
      assert.equal((await scene.outcome(scene.submit({ do: 'throw' }))).kind, 'lost')
    assert.equal(await scene.value(scene.submit({ do: 'return', value: 1 })), 1)
    assert.equal(scene.pool.active, 0)
  })
}
