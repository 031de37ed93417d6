/** P4, P10: jobs that are handed to slots ahead of time, and jobs that are taken back. */
import assert from 'node:assert/strict'
import { within } from '../waiting.ts'
import type { ConformanceJob } from './jobs.ts'
import type { PoolScene, SceneJob } from './scene.ts'
import type { PoolSuite } from './suite.ts'

/** A task whose jobs the pool has seen to be short. */
const known = { taskName: 'conformance.short' }

function busy(name: string, ms = 0): ConformanceJob {
  return { do: 'busy', name, ms }
}

/** Starts a pool that has room for one more job of the known task behind each one that runs. */
async function startKnowing(
  scene: PoolScene,
  size: number,
  options: Parameters<PoolScene['start']>[1] = {},
  ms = 0,
): Promise<void> {
  await scene.start(size, options)
  for (let room = false; !room;) {
    const jobs = Array.from({ length: scene.pool.size }, () => scene.submit(busy('first', ms), known))
    room = scene.pool.hasRoom
    for (const job of jobs) await scene.value(job)
  }
}

/** Names of the jobs that ran in slots, in order. */
function ran(scene: PoolScene): unknown[] {
  const names = scene.slotMessages.filter(({ kind }) => kind === 'ran').map(({ payload }) => payload)
  return names.filter((name) => name !== 'first')
}

export function handingAheadTests({ test, capabilities, slots, fill }: PoolSuite): void {
  const elsewhere = capabilities.sharesMemory ? false : undefined

  test('P10: a job that waits is withdrawn, one that has begun goes on', async (scene) => {
    await scene.start(slots)
    const jobs = await fill(scene)
    assert.equal(scene.pool.hasRoom, false)
    const waiting = scene.submit({ do: 'return', value: 1 })
    waiting.ticket.withdraw()
    assert.deepEqual(await scene.outcome(waiting), { kind: 'withdrawn' })
    for (const job of jobs) job.ticket.withdraw()
    for (const [index, job] of jobs.entries()) job.open(index)
    for (const [index, job] of jobs.entries()) assert.equal(await scene.value(job), index)
    assert.equal(waiting.accepted.length, 0)
    assert.equal(scene.pool.hasRoom, true)
  })

  test(
    'P4: behind a job that is expected to be short the next one is handed ahead; behind others it is not',
    async (scene) => {
      await startKnowing(scene, 1)
      const unknown = scene.submit({ do: 'gate' })
      assert.equal(scene.pool.hasRoom, false)
      await unknown.atGate()
      unknown.open()
      await scene.outcome(unknown)
      const first = scene.submit(busy('a'), known)
      assert.equal(scene.pool.hasRoom, true)
      const ahead = ['b', 'c', 'd'].map((name) => scene.submit(busy(name), known))
      for (const job of [first, ...ahead]) await scene.value(job)
      assert.deepEqual(ran(scene), ['a', 'b', 'c', 'd'])
      for (const job of ahead) assert.equal(job.accepted.length, 1)
    },
    elsewhere,
  )

  test(
    'P4: a job that was handed ahead behind one that turns out to be long begins in another slot, once',
    async (scene) => {
      await startKnowing(scene, 2)
      const other = scene.submit({ do: 'gate' })
      await other.atGate()
      const long = scene.submit(busy('long', 400), known)
      const short = scene.submit(busy('short'), known)
      other.open()
      assert.equal(await scene.value(short), 'short')
      assert.equal(await scene.value(long), 'long')
      // The slot that it was handed to asks, and is told no, before it begins anything else.
      const more = Array.from({ length: 4 }, (_, index) => scene.submit(busy(String(index)), known))
      for (const job of more) await scene.value(job)
      assert.deepEqual(
        ran(scene).filter((name) => name === 'short'),
        ['short'],
      )
      assert.equal(short.accepted.length, 1)
      assert.deepEqual(scene.slotErrors, [])
    },
    elsewhere,
  )

  test(
    'P4: also when the long one never gives its slot back, or awaits something',
    async (scene) => {
      for (const long of [{ do: 'spin' }, { do: 'gate' }] as const) {
        await startKnowing(scene, 2)
        const other = scene.submit({ do: 'gate' })
        await other.atGate()
        const blocking = scene.submit(long, known)
        const short = scene.submit(busy('short'), known)
        other.open()
        assert.equal(await scene.value(short), 'short')
        if (long.do === 'gate') blocking.open()
        else {
          // Its slot may be slow: ended before the job began, it would begin again in the next one.
          await blocking.begun()
          assert.equal(blocking.ticket.kill(), true)
        }
        assert.equal((await scene.outcome(blocking)).kind, long.do === 'gate' ? 'done' : 'lost')
        await scene.again()
      }
      assert.deepEqual(ran(scene), ['short', 'short'])
    },
    elsewhere,
  )

  test(
    'P2, P7: a crash blames the job that ran; those behind it begin elsewhere, once',
    async (scene) => {
      await startKnowing(scene, 1)
      const sound = scene.submit(busy('sound'), known)
      const dying = scene.submit({ do: 'die' }, known)
      const behind = ['b', 'c'].map((name) => scene.submit(busy(name), known))
      assert.equal(await scene.value(sound), 'sound')
      assert.equal((await scene.outcome(dying)).kind, 'lost')
      assert.equal(dying.accepted.length, 1)
      for (const job of behind) {
        await scene.value(job)
        assert.equal(job.accepted.length, 1)
      }
      assert.deepEqual(ran(scene), ['sound', 'b', 'c'])
    },
    elsewhere,
  )

  test(
    'P10: what was handed ahead is withdrawn, whether its slot can answer or not',
    async (scene) => {
      for (const first of [{ do: 'gate' }, { do: 'spin' }] as const) {
        await startKnowing(scene, 1)
        const running = scene.submit(first, known)
        const ahead = scene.submit(busy('ahead'), known)
        ahead.ticket.withdraw()
        assert.deepEqual(await scene.outcome(ahead), { kind: 'withdrawn' })
        if (first.do === 'gate') running.open()
        else {
          await running.begun()
          running.ticket.kill()
        }
        await scene.outcome(running)
        assert.equal(await scene.value(scene.submit(busy('next'), known)), 'next')
        await scene.again()
      }
      assert.deepEqual(ran(scene), ['next', 'next'])
    },
    elsewhere,
  )

  test(
    'P5, P7, P8: abort reaches a job that was handed ahead; slots end after their last job, and what is behind it begins in the next slot',
    async (scene) => {
      await startKnowing(scene, 1)
      const first = scene.submit({ do: 'gate' }, known)
      const aborted = scene.submit({ do: 'await-abort' }, known)
      aborted.ticket.abort(new Error('not wanted'))
      await first.atGate()
      first.open()
      assert.equal(await scene.value(aborted), 'aborted: not wanted')
      await scene.again()

      await startKnowing(scene, 1)
      const old = scene.submit({ do: 'gate' }, known)
      const ahead = scene.submit(busy('ahead'), known)
      await old.atGate()
      await within('restart', 20_000, scene.pool.restart!())
      assert.equal(await scene.value(ahead), 'ahead')
      old.open('old')
      assert.equal(await scene.value(old), 'old')
      await scene.again()

      await scene.start(1, { maxTasksPerChild: 2 })
      const jobs: SceneJob[] = []
      for (let n = 0; n < 6; n++) {
        jobs.push(scene.submit({ do: 'who' }, known))
        if (n === 1) await scene.value(jobs[1]!)
      }
      const who: unknown[] = []
      for (const job of jobs) who.push(await scene.value(job))
      assert.deepEqual(
        who.map((one, index) => one === who[index - 1]),
        [false, true, false, true, false, true],
      )
    },
    elsewhere,
  )

  test(
    'P9: what was handed ahead when the pool is stopped or closed is withdrawn, and does not begin',
    async (scene) => {
      for (const end of ['stop', 'close'] as const) {
        await startKnowing(scene, 1)
        const running = scene.submit({ do: 'gate' }, known)
        await running.atGate()
        const ahead = scene.submit(busy('ahead'), known)
        const ended = scene.pool[end]()
        assert.deepEqual(await scene.outcome(ahead), { kind: 'withdrawn' })
        running.open()
        assert.equal((await scene.outcome(running)).kind, end === 'stop' ? 'done' : 'lost')
        await within(end, 20_000, ended)
        await scene.again()
      }
      assert.deepEqual(ran(scene), [])
    },
    elsewhere,
  )

  test(
    'P2, P4: where the pool hears of several ends together, each job is told once, with its own times, and a crash blames the one that ran',
    async (scene) => {
      // Long enough that the pool leaves them alone for a while.
      await startKnowing(scene, slots, {}, 6)
      const names = Array.from({ length: 6 * slots }, (_, index) => `sound ${index}`)
      const sound = names.map((name) => scene.submit(busy(name, 6), known))
      const dying = scene.submit({ do: 'die' }, known)
      const behind = ['b', 'c', 'd'].map((name) => scene.submit(busy(name, 6), known))
      const asking = scene.submit({ do: 'steps', count: 3 }, known)
      assert.equal((await scene.outcome(dying)).kind, 'lost')
      for (const job of [...sound, ...behind]) {
        const outcome = await scene.outcome(job)
        assert.equal(outcome.kind, 'done')
        assert.ok(outcome.kind === 'done' && outcome.ranMs !== undefined && outcome.ranMs >= 6)
        assert.equal(job.accepted.length, 1)
        assert.ok(job.accepted[0]!.agoMs! >= 0)
      }
      assert.equal(dying.accepted.length, 1)
      // What waits for an answer gets it in between.
      assert.deepEqual(await scene.value(asking), [0, 1, 2])
      assert.deepEqual(ran(scene).toSorted(), [...names, 'b', 'c', 'd'].toSorted())
    },
    elsewhere,
  )
}
