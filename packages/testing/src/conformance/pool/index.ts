/** Conformance suite of the Pool contract: one test or more for each duty P1…P9. */
import assert from 'node:assert/strict'
import type { PoolCapabilities } from '@ct/contracts'
import type { TestRunner } from '../runner.ts'
import { makeSceneSuite } from '../scene-suite.ts'
import { eventually, sleep, within } from '../waiting.ts'
import { PoolScene, type PoolHarness, type SceneJob } from './scene.ts'

export { runConformanceJob, type ConformanceJob } from './jobs.ts'
export type { PoolHarness } from './scene.ts'

export interface PoolConformanceOptions {
  readonly capabilities: PoolCapabilities
  /** The pool has one slot, whatever `size` says (solo). Default false. */
  readonly oneSlot?: boolean
  readonly runner?: TestRunner
}

/** Registers the suite. `makeHarness` is called once per test and gives a pool that was not started. */
export function poolConformance(
  name: string,
  makeHarness: () => Promise<PoolHarness>,
  options: PoolConformanceOptions,
): void {
  const { capabilities } = options
  const slots = options.oneSlot === true ? 1 : 3
  const { runner, test } = makeSceneSuite<PoolScene, never>(
    async () => new PoolScene(await makeHarness()),
    options,
  )

  /** Fills every slot with a job that waits at its gate. */
  async function fill(scene: PoolScene): Promise<SceneJob[]> {
    const jobs = Array.from({ length: slots }, () => scene.submit({ do: 'gate' }))
    for (const job of jobs) await job.atGate()
    return jobs
  }

  runner.describe(`${name}: pool conformance`, () => {
    test('P1: start resolves when the slots are ready', async (scene) => {
      const { pool } = scene
      assert.deepEqual({ ...pool.capabilities }, { ...capabilities })
      await scene.start(slots)
      assert.equal(pool.size, slots)
      assert.equal(pool.active, 0)
      const value = { a: [1, 'x', null] }
      assert.deepEqual(await scene.value(scene.submit({ do: 'return', value })), value)
      assert.equal(typeof pool.info(), 'object')
    })

    test(
      'P1: a pool that shares no memory refuses to start without modules',
      async (scene) => {
        assert.equal(await scene.code(scene.start(1, { modules: [] })), 'CT_CONFIGURATION')
      },
      capabilities.sharesMemory ? false : undefined,
    )

    test('P2: every job ends with one outcome: done, thrown, closed', async (scene) => {
      await scene.start(slots)
      const done = scene.submit({ do: 'return', value: 1 })
      const thrown = scene.submit({ do: 'throw' })
      assert.equal(await scene.value(done), 1)
      assert.equal((await scene.outcome(thrown)).kind, 'lost')
      const held = await fill(scene)
      const queued = scene.submit({ do: 'return', value: 2 })
      await scene.pool.close()
      for (const job of [...held, queued]) assert.equal((await scene.outcome(job)).kind, 'lost')
      for (const job of held) job.open('too late')
      for (const job of held) assert.equal((await scene.outcome(job)).kind, 'lost')
    })

    test('P2: a job submitted to a closed pool is lost, not forgotten', async (scene) => {
      await scene.start(1)
      await scene.pool.close()
      assert.equal((await scene.outcome(scene.submit({ do: 'return', value: 1 }))).kind, 'lost')
    })

    test('P3: onAccepted comes once, before the first user code, with pid and start time', async (scene) => {
      await scene.start(1)
      const before = Date.now()
      const job = scene.submit({ do: 'gate' })
      await job.atGate()
      assert.equal(job.accepted.length, 1)
      assert.ok(Number.isInteger(job.accepted[0]!.pid) && job.accepted[0]!.pid > 0)
      assert.ok(Math.abs(job.accepted[0]!.startedAt - before) < 60_000)
      const waiting = scene.submit({ do: 'return', value: 1 })
      await sleep(20)
      assert.equal(waiting.accepted.length, 0)
      job.open()
      await scene.outcome(waiting)
      assert.equal(job.accepted.length, 1)
      assert.equal(waiting.accepted.length, 1)
    })

    test('P4: jobs start in the order of submission; size bounds how many run at a time', async (scene) => {
      await scene.start(slots)
      const order: number[] = []
      const jobs = Array.from({ length: slots * 3 }, () => scene.submit({ do: 'gate' }))
      const note = (): void =>
        jobs.forEach((job, index) => job.accepted.length > 0 && !order.includes(index) && order.push(index))
      for (const [index, job] of jobs.entries()) {
        await job.atGate()
        note()
        assert.ok(jobs.filter((each) => each.accepted.length > 0).length <= index + slots)
        assert.ok(scene.pool.active <= jobs.length - index)
        job.open(index)
        assert.equal(await scene.value(job), index)
      }
      note()
      assert.deepEqual(
        order,
        order.toSorted((a, b) => a - b),
      )
      assert.equal(scene.pool.active, 0)
    })

    test('P5: abort reaches the signal of the job, whether it looks before or after', async (scene) => {
      await scene.start(1)
      const job = scene.submit({ do: 'await-abort' })
      await eventually('the job to start', 10_000, () => (job.accepted.length > 0 ? true : undefined))
      job.ticket.abort(new Error('soft limit'))
      job.ticket.abort(new Error('second reason'))
      assert.equal(await scene.value(job), 'aborted: soft limit')
      const next = scene.submit({ do: 'return', value: 'fine' })
      assert.equal(await scene.value(next), 'fine')
      next.ticket.abort(new Error('after the end'))
    })

    test('P5: kill ends the slot where it can, and a new one takes its place; else it answers false', async (scene) => {
      await scene.start(1)
      const job = scene.submit({ do: capabilities.canKill ? 'spin' : 'gate' })
      await eventually('the job to start', 10_000, () => (job.accepted.length > 0 ? true : undefined))
      assert.equal(job.ticket.kill(), capabilities.canKill)
      if (!capabilities.canKill) job.open()
      assert.equal((await scene.outcome(job)).kind, capabilities.canKill ? 'lost' : 'done')
      assert.equal(await scene.value(scene.submit({ do: 'return', value: 'next' })), 'next')
      assert.equal(job.ticket.kill(), false)
    })

    test('P6: slot messages are answered in order', async (scene) => {
      await scene.start(slots)
      const jobs = Array.from({ length: slots }, () => scene.submit({ do: 'steps', count: 20 }))
      const expected = Array.from({ length: 20 }, (_, index) => index)
      for (const job of jobs) {
        assert.deepEqual(await scene.value(job), expected)
        assert.deepEqual(
          job.messages.map(({ payload }) => payload),
          expected,
        )
      }
    })

    test('P6: an answer that rejects rejects in the slot', async (scene) => {
      await scene.start(1)
      const job = scene.submit({ do: 'catch' })
      await job.atGate()
      job.refuse(new Error('no, thanks'))
      assert.equal(await scene.value(job), 'caught: no, thanks')
    })

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

    test('P7: a job that throws past the trace frees its slot', async (scene) => {
      await scene.start(1)
      for (let round = 0; round < 5; round++)
        assert.equal((await scene.outcome(scene.submit({ do: 'throw' }))).kind, 'lost')
      assert.equal(await scene.value(scene.submit({ do: 'return', value: 1 })), 1)
      assert.equal(scene.pool.active, 0)
    })

    test(
      'P8: grow starts what waits, shrink interrupts nothing',
      async (scene) => {
        await scene.start(1)
        const jobs = [
          scene.submit({ do: 'gate' }),
          scene.submit({ do: 'gate' }),
          scene.submit({ do: 'gate' }),
        ]
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
      await within('stop', 10_000, stopping)
      await scene.pool.stop()
    })

    test('P9: close ends running jobs now, is idempotent, and ends a stop that waits', async (scene) => {
      await scene.start(slots)
      const jobs = await fill(scene)
      const stopping = scene.pool.stop()
      await within('close', 10_000, Promise.all([scene.pool.close(), scene.pool.close()]))
      for (const job of jobs) assert.equal((await scene.outcome(job)).kind, 'lost')
      await within('stop', 10_000, stopping)
      await scene.pool.close()
    })
  })
}
