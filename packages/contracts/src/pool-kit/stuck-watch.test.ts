import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { PoolStartOptions } from '../pool.ts'
import type { PoolSlot } from './pool-slot.ts'
import { StuckWatch } from './stuck-watch.ts'

let clock = 0
let watch: StuckWatch
const errors: string[] = []
const kill = vi.fn<() => boolean>(() => true)
/** Since when the slot has a job that it did not take up; undefined: it has none. */
let since: number | undefined

const slot = {
  state: 'busy',
  inHand: [{ job: { taskName: 'proj.add' } }],
  identity: { index: 3, pid: 42 },
  isStuck: (now: number, limitMs: number) => since !== undefined && now - since > limitMs,
  kill,
} as unknown as PoolSlot

beforeEach(() => {
  clock = 1000
  errors.length = 0
  kill.mockClear()
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  vi.spyOn(process, 'hrtime').mockImplementation((() => [0, clock * 1e6]) as unknown as NodeJS.HRTime)
  const options = { takeUpTimeoutMs: 1000, onSlotError: (error: Error) => errors.push(error.message) }
  watch = new StuckWatch(
    () => [slot],
    () => options as unknown as PoolStartOptions,
  )
  watch.start()
})
afterEach(() => {
  watch.stop()
  vi.useRealTimers()
})

/** Time in which this process runs. */
function pass(ms: number): void {
  for (let passed = 0; passed < ms; passed += 10) {
    clock += 10
    vi.advanceTimersByTime(10)
  }
}

describe('the watch on slots that are stuck', () => {
  it('P3, P7: ends one that does not take up its job in its time, and says so', () => {
    since = clock
    pass(1000)
    expect(kill).not.toHaveBeenCalled()
    pass(600)
    expect(kill).toHaveBeenCalledOnce()
    expect(errors[0]).toMatch(/^Slot 3 of the pool \(pid 42\) does not take up proj\.add: .* after 1000 ms/)
  })

  it('P7: spares one that took it up while this process stood still, and was not heard yet', () => {
    since = clock
    clock += 60_000
    pass(250)
    // What it said is read after the timers that were due.
    since = undefined
    pass(1000)
    since = clock
    pass(1000)
    expect(kill).not.toHaveBeenCalled()
    expect(errors).toEqual([])
  })
})
