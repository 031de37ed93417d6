/** P2 to P6: jobs and their outcomes, messages, signals, order. */
import assert from 'node:assert/strict'
import { sleep } from '../waiting.ts'
import type { PoolSuite } from './suite.ts'

export function runningTests({ test, capabilities, slots, fill }: PoolSuite): void {
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
    for (const job of held) assert.equal((await scene.outcome(job)).kind, 'lost')
    assert.equal((await scene.outcome(queued)).kind, 'withdrawn')
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
    assert.equal(order.length, jobs.length)
    // Slots that take a job at the same time tell of it in any order: of those that were submitted before only what the others have may begin later.
    assert.ok(
      order.every((index, place) => order.slice(place + 1).filter((later) => later < index).length < slots),
      `the jobs started in this order: ${order.join(', ')}`,
    )
    assert.equal(scene.pool.active, 0)
    await scene.again()
    await scene.start(1)
    const ended: unknown[] = []
    const names = [0, 1, 2, 3, 4]
    await Promise.all(
      names.map(async (value) => ended.push(await scene.value(scene.submit({ do: 'return', value })))),
    )
    assert.deepEqual(ended, names)
  })

  test('P5: abort reaches the signal of the job, whether it looks before or after', async (scene) => {
    await scene.start(1)
    const job = scene.submit({ do: 'await-abort' })
    await job.begun()
    job.ticket.abort(new Error('soft limit'))
    job.ticket.abort(new Error('second reason'))
    assert.equal(await scene.value(job), 'aborted: soft limit')
    const next = scene.submit({ do: 'return', value: 'fine' })
    assert.equal(await scene.value(next), 'fine')
    next.ticket.abort(new Error('after the end'))
  })

  test('P5, PAIN-50: kill ends the slot where it can, and a new one takes its place; else it answers false', async (scene) => {
    await scene.start(1)
    const job = scene.submit({ do: capabilities.canKill ? 'spin' : 'gate' })
    await job.begun()
    assert.equal(job.ticket.kill(), capabilities.canKill)
    if (!capabilities.canKill) job.open()
    assert.equal((await scene.outcome(job)).kind, capabilities.canKill ? 'lost' : 'done')
    // Its slot, or the one in its place, has another job by now: that one is not meant.
    const next = scene.submit({ do: 'gate' })
    await next.atGate()
    assert.equal(job.ticket.kill(), false)
    next.open()
    assert.equal((await scene.outcome(next)).kind, 'done')
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
}
