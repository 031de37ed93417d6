/** Conformance suite of the Pool contract: one test or more for each duty P1…P9. */
import assert from 'node:assert/strict'
import { isCeleryError, type PoolCapabilities } from '@ct/contracts'
import type { TestRunner } from '../runner.ts'
import { makeSceneSuite } from '../scene-suite.ts'
import { eventually, rejection, sleep, within } from '../waiting.ts'
import { PoolScene, type PoolHarness, type SceneJob } from './scene.ts'

export { runConformanceJob, type ConformanceJob } from './jobs.ts'
export type { PoolHarness } from './scene.ts'

export interface PoolConformanceOptions {
  readonly capabilities: PoolCapabilities
  /** The pool has one slot, whatever `size` says (solo). Default false. */
  readonly oneSlot?: boolean
  /** Running out of memory costs a slot and nothing else, in reasonable time (give the slots a small heap). Default false. */
  readonly boundsMemory?: boolean
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
    async () => new PoolScene(await makeHarness(), makeHarness),
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

    test(
      'P1: what a slot cannot load, start rejects with, and nothing is left behind',
      async (scene) => {
        for (const [config, said] of [
          ['refuse', /this slot refuses to open/],
          ['exit', /exitcode 7|code 7/],
        ] as const) {
          const error = await rejection(scene.start(slots, { config }))
          assert.ok(isCeleryError(error) && error.code === 'CT_CONFIGURATION', String(error))
          assert.match(error.message, said)
          await scene.again()
        }
        const error = await rejection(scene.start(1, { config: 'hang', aliveTimeoutMs: 300 }))
        assert.match(error.message, /could not start/)
        assert.match(scene.slotErrors[0]!.message, /is not ready after 300 ms/)
      },
      capabilities.sharesMemory ? false : undefined,
    )

    test(
      'P1: slots tell when they begin and end, and what they say outside of jobs arrives',
      async (scene) => {
        await scene.start(slots)
        const indexes = Array.from({ length: slots }, (_, index) => index)
        const told = (kind: string): unknown[] =>
          scene.slotMessages.filter((message) => message.kind === kind).map(({ payload }) => payload)
        assert.deepEqual(told('opened').toSorted(), indexes)
        assert.deepEqual(
          scene.slotChanges.map(({ kind, index }) => [kind, index]).toSorted(),
          ['opening', 'started'].flatMap((kind) => indexes.map((index) => [kind, index])),
        )
        await scene.pool.stop()
        assert.deepEqual(told('closed').toSorted(), indexes)
        const ends = scene.slotChanges.filter((change) => change.kind === 'exited')
        assert.deepEqual(
          ends.map(({ index, expected, exitCode }) => [index, expected, exitCode]).toSorted(),
          [...indexes.map((index) => [index, true, 0])],
        )
        assert.deepEqual(scene.slotErrors, [])
      },
      capabilities.sharesMemory ? false : undefined,
    )

    test('P2: bytes cross as they are, also large ones, and the caller keeps its own', async (scene) => {
      await scene.start(1)
      for (const size of [0, 1, 5000, 3_000_000]) {
        const value = await scene.value(scene.submit({ do: 'bytes', size }))
        assert.ok(value instanceof Uint8Array)
        assert.equal(value.length, size)
        assert.ok(value.every((byte) => byte === 7))
      }
      const large = 'ü'.repeat(1_000_000)
      const job = scene.submit({ do: 'return', value: large })
      assert.equal(await scene.value(job), large)
      assert.ok(job.body.length > 2_000_000)
      assert.equal(job.body[0], 123)
    })

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

    test(
      'P3, P7: a slot whose event loop is blocked by what an earlier job left behind is replaced; the job starts elsewhere',
      async (scene) => {
        await scene.start(1, { takeUpTimeoutMs: 700 })
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
        await eventually('complaints', 10_000, () => (scene.slotErrors.length >= 2 ? true : undefined))
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
