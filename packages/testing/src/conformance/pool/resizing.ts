/** P8, P9: growing, shrinking, restarting, and the end. */
import assert from 'node:assert/strict'
import { sleep, within } from '../waiting.ts'
import type { PoolSuite } from './suite.ts'

export function resizingTests({ test, capabilities, slots, fill }: PoolSuite): void {
  test(
    'P8: restart replaces every slot, busy ones after their job',
    async (scene) => {
      await scene.start(2)
      const held = scene.submit({ do: 'gate' })
      await held.atGate()
      const before = await scene.value(scene.submit({ do: 'who' }))
      await within('restart', 20_000, scene.pool.restart!())
      assert.equal(held.accepted.length, 1)
      const after = await scene.value(scene.submit({ do: 'who' }))
      assert.notEqual(after, before)
      held.open('done')
      assert.equal(await scene.value(held), 'done')
      assert.equal(scene.pool.size, 2)
      assert.ok(scene.slotChanges.every((change) => change.kind !== 'exited' || change.expected))
    },
    capabilities.sharesMemory ? false : undefined,
  )

  test(
    'P8: grow starts what waits, shrink interrupts nothing',
    async (scene) => {
      await scene.start(1)
      const jobs = [scene.submit({ do: 'gate' }), scene.submit({ do: 'gate' }), scene.submit({ do: 'gate' })]
      await jobs[0]!.atGate()
      await scene.pool.grow(1)
      assert.equal(scene.pool.size, 2)
      await jobs[1]!.atGate()
      assert.equal(jobs[2]!.accepted.length, 0)
      await within('shrink', 10_000, Promise.race([scene.pool.shrink(1), sleep(500)]))
      assert.equal(scene.pool.size, 1)
      jobs[0]!.open('a')
      assert.equal(await scene.value(jobs[0]!), 'a')
      await sleep(50)
      assert.equal(jobs[2]!.accepted.length, 0)
      jobs[1]!.open('b')
      assert.equal(await scene.value(jobs[1]!), 'b')
      await jobs[2]!.atGate()
      jobs[2]!.open('c')
      assert.equal(await scene.value(jobs[2]!), 'c')
    },
    capabilities.resizable ? undefined : false,
  )

  test('P9: stop resolves when running jobs have ended', async (scene) => {
    await scene.start(slots)
    const jobs = await fill(scene)
    let stopped = false
    const stopping = scene.pool.stop().then(() => (stopped = true))
    await sleep(30)
    assert.equal(stopped, false)
    for (const [index, job] of jobs.entries()) job.open(`v${index}`)
    for (const [index, job] of jobs.entries()) assert.equal(await scene.value(job), `v${index}`)
    await within('stop', 20_000, stopping)
    await scene.pool.stop()
  })

  test('P9: close ends running jobs now, is idempotent, and ends a stop that waits', async (scene) => {
    await scene.start(slots)
    const jobs = await fill(scene)
    const stopping = scene.pool.stop()
    await within('close', 20_000, Promise.all([scene.pool.close(), scene.pool.close()]))
    for (const job of jobs) assert.equal((await scene.outcome(job)).kind, 'lost')
    await within('stop', 20_000, stopping)
    await scene.pool.close()
  })
}
