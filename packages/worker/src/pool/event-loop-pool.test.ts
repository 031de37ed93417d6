import type { PoolJob, PoolJobEvents, PoolOutcome, PoolStartOptions, SlotPort } from '@ct/contracts'
import { describe, expect, it } from 'vitest'
import { asyncPool, canAbandon, soloPool } from './event-loop-pool.ts'

const events: PoolJobEvents = { onAccepted: () => {}, onMessage: () => Promise.resolve(undefined) }

function job(jobId: number): PoolJob {
  return {
    jobId,
    taskId: String(jobId),
    taskName: 't',
    body: new Uint8Array(),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    request: {},
  }
}

function start(
  size: number,
  execute: (job: PoolJob, slot: SlotPort) => Promise<PoolOutcome>,
): PoolStartOptions {
  return {
    size,
    entry: new URL('file:///entry.js'),
    modules: [],
    config: undefined,
    execute,
    onSlotError: () => {},
    maxTasksPerChild: undefined,
    maxMemoryPerChildKb: undefined,
  }
}

describe('asyncPool', () => {
  it('runs at most `size` jobs at a time, in order, and stops when they have ended', async () => {
    const pool = asyncPool()
    const started: number[] = []
    const finish: (() => void)[] = []
    await pool.start(
      start(2, (next) => {
        started.push(next.jobId)
        return new Promise((resolve) => finish.push(() => resolve({ kind: 'done', value: next.jobId })))
      }),
    )
    const tickets = [1, 2, 3].map((id) => pool.submit(job(id), events))
    expect(started).toEqual([1, 2])
    expect(pool.active).toBe(3)
    finish[0]!()
    expect(await tickets[0]!.outcome).toEqual({ kind: 'done', value: 1 })
    expect(started).toEqual([1, 2, 3])
    const stopped = pool.stop()
    finish[1]!()
    finish[2]!()
    await stopped
    expect(pool.active).toBe(0)
    expect(await pool.submit(job(4), events).outcome).toMatchObject({ kind: 'lost' })
  })

  it('a job that throws, rejects or is abandoned has one outcome and frees its slot', async () => {
    const pool = asyncPool()
    let late: PoolOutcome | undefined
    let finish: ((outcome: PoolOutcome) => void) | undefined
    await pool.start(
      start(1, (next) => {
        if (next.jobId === 1) throw new Error('sync')
        if (next.jobId === 2) return Promise.reject(new Error('async'))
        return new Promise((resolve) => {
          finish = resolve
        })
      }),
    )
    const tickets = [1, 2, 3, 4].map((id) => pool.submit(job(id), events))
    expect(await tickets[0]!.outcome).toMatchObject({ kind: 'lost', reason: 'sync' })
    expect(await tickets[1]!.outcome).toMatchObject({ kind: 'lost', reason: 'async' })
    const third = tickets[2]!
    const finishThird = finish!
    expect(third.kill()).toBe(false)
    expect(canAbandon(third) && third.abandon('too long', (outcome) => (late = outcome))).toBe(true)
    expect(await third.outcome).toMatchObject({ kind: 'lost', reason: 'too long' })
    expect(pool.active).toBe(1)
    finishThird({ kind: 'done', value: 3 })
    await Promise.resolve()
    await Promise.resolve()
    expect(late).toEqual({ kind: 'done', value: 3 })
    await pool.close()
    expect(await tickets[3]!.outcome).toMatchObject({ kind: 'lost' })
    await pool.close()
  })

  it('makes the signal only when somebody looks, and remembers an earlier abort', async () => {
    const pool = asyncPool()
    const slots: SlotPort[] = []
    await pool.start(
      start(1, (_job, slot) => {
        slots.push(slot)
        return new Promise(() => {})
      }),
    )
    const ticket = pool.submit(job(1), events)
    const reason = new Error('cancelled')
    ticket.abort(reason)
    ticket.abort(new Error('second'))
    expect(slots[0]!.signal.aborted).toBe(true)
    expect(slots[0]!.signal.reason).toBe(reason)
    await pool.close()
  })
})

describe('soloPool', () => {
  it('WORK-48: has one slot and Celery’s info', async () => {
    const pool = soloPool()
    await pool.start(start(8, () => Promise.resolve({ kind: 'done', value: 1 })))
    expect(pool.size).toBe(1)
    expect(pool.info()).toEqual({
      implementation: 'celery.concurrency.solo:TaskPool',
      'max-concurrency': 1,
      processes: [process.pid],
      'max-tasks-per-child': null,
      'put-guarded-by-semaphore': true,
      timeouts: [],
    })
    await pool.close()
  })
})
