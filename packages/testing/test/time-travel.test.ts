import { memoryBroker } from '@ct/broker-memory'
import { createApp, type App } from '@ct/client'
import { afterEach, describe, expect, it } from 'vitest'
import { expectSent, fakeClock, startTestWorker, testApp, type FakeClock } from '../src/index.ts'

const apps: App[] = []
const hour = 3_600_000

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

function scene(): { readonly clock: FakeClock; readonly app: App } {
  const clock = fakeClock()
  const app = testApp({ time: clock })
  apps.push(app)
  return { clock, app }
}

describe('time travel', () => {
  it('a countdown passes when the clock is moved, at its own instant, and not before', async () => {
    const { clock, app } = scene()
    const start = clock.now()
    const ran: number[] = []
    const note = app.task('proj.note', () => void ran.push(clock.now() - start))
    await using worker = await startTestWorker(app)
    await note.applyAsync([], { countdown: 7200 })
    await note.applyAsync([], { eta: new Date(start + hour) })
    await clock.advance(hour - 1)
    expect(ran).toEqual([])
    await clock.advance(1)
    expect(ran).toEqual([hour])
    await clock.advanceTo(start + 24 * hour)
    expect(ran).toEqual([hour, 2 * hour])
    expect(worker.counts.active).toBe(0)
  })

  it('retries follow one another, each its delay after the last', async () => {
    const { clock, app } = scene()
    const start = clock.now()
    const tries: number[] = []
    const flaky = app.task('proj.flaky', { bind: true, maxRetries: 3 }, (task) => {
      tries.push((clock.now() - start) / 1000)
      if (task.request.retries < 3) throw task.retry({ countdown: 10 * 2 ** task.request.retries })
      return task.request.retries
    })
    await using worker = await startTestWorker(app)
    const result = await flaky.delay()
    await clock.advance(hour)
    expect(tries).toEqual([0, 10, 30, 70])
    expect(await result.get({ timeoutMs: 20_000 })).toBe(3)
    expectSent(app, 'proj.flaky', { retries: 2, eta: new Date(start + 30_000) })
    expect(worker.counts.active).toBe(0)
  })

  it('a task at work is waited for, whoever else waits for the clock', async () => {
    const { clock, app } = scene()
    const start = clock.now()
    const ends: string[] = []
    const work = app.task('proj.work', async () => {
      for (let turns = 0; turns < 60; turns++) await new Promise((resolve) => setImmediate(resolve))
      ends.push(`work ${clock.now() - start}`)
    })
    const nap = app.task('proj.nap', async () => {
      await Promise.all([clock.sleep(hour), clock.sleep(2 * hour)])
      ends.push(`nap ${clock.now() - start}`)
    })
    await using worker = await startTestWorker(app, { concurrency: 2 })
    // The program under test polls, say.
    const stop = new AbortController()
    const polling = clock.sleep(24 * hour, stop.signal)
    await nap.delay()
    await work.delay()
    await clock.advance(3 * hour)
    expect(ends).toEqual(['work 0', `nap ${2 * hour}`])
    expect([worker.counts.active, clock.waiting]).toEqual([0, 1])
    stop.abort()
    await polling
  })

  it('a task that has expired when its time comes is not run', async () => {
    const { clock, app } = scene()
    let runs = 0
    const once = app.task('proj.once', () => ++runs)
    const late = await once.applyAsync([], { expires: 60 })
    await clock.advance(61_000)
    const fresh = await once.applyAsync([], { expires: 60 })
    await using worker = await startTestWorker(app)
    await worker.idle()
    expect(runs).toBe(1)
    expect(await fresh.get({ timeoutMs: 20_000 })).toBe(1)
    expect(await late.state()).not.toBe('SUCCESS')
  })

  it('results go when their time is over', async () => {
    const clock = fakeClock()
    const app = testApp({ time: clock, resultExpires: 60 })
    apps.push(app)
    const one = app.task('proj.one', () => 1)
    await using worker = await startTestWorker(app)
    const { id } = await one.delay()
    await worker.idle()
    expect(await app.asyncResult(id).state()).toBe('SUCCESS')
    await clock.advance(61_000)
    expect(await app.asyncResult(id).state()).toBe('PENDING')
  })

  it('a task that sleeps by the clock is woken by it', async () => {
    const { clock, app } = scene()
    const nap = app.task('proj.nap', async () => {
      await clock.sleep(hour)
      return clock.now()
    })
    await using worker = await startTestWorker(app)
    const start = clock.now()
    const result = await nap.delay()
    await clock.advance(2 * hour)
    expect(await result.get({ timeoutMs: 20_000 })).toBe(start + hour)
    expect(worker.counts.active).toBe(0)
  })

  it('does not go back, and one hub has one clock', async () => {
    const clock = fakeClock(1_000)
    await expect(clock.advanceTo(999)).rejects.toThrow('time goes forward')
    memoryBroker({ name: 'one-clock', time: clock })
    expect(() => memoryBroker({ name: 'one-clock', time: fakeClock() })).toThrow('goes by another clock')
    expect(() => createApp({ time: clock, now: Date.now })).toThrow('`time` or `now`, not both')
  })
})
