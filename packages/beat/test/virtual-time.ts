/** Time that moves when a test says so, for any number of beats: each has a clock of its own that can be stopped, as SIGSTOP stops a process. */
import { vi } from 'vitest'
import type { BeatClock } from '../src/service/beat-clock.ts'

interface Sleeper {
  readonly clock: VirtualClock
  readonly due: number
  readonly wake: () => void
}

export class VirtualTime {
  /** Epoch ms of the wall clock, which may jump. */
  wall: number
  /** Milliseconds that have passed. */
  passed = 0
  readonly sleepers = new Set<Sleeper>()
  readonly clocks = new Set<VirtualClock>()

  /** `Date.now()` shows the wall clock from now on; timers stay real. */
  constructor(wall: number) {
    this.wall = wall
    vi.useFakeTimers({ toFake: ['Date'], now: wall })
  }

  clock(): VirtualClock {
    const clock = new VirtualClock(this)
    this.clocks.add(clock)
    return clock
  }

  jump(ms: number): void {
    this.wall += ms
    vi.setSystemTime(this.wall)
  }

  /** Moves on, waking each sleeper at its own instant; `settled` is called whenever everybody sleeps again. */
  async advance(ms: number, settled: () => void = () => undefined): Promise<void> {
    const until = this.passed + ms
    for (;;) {
      await this.quiet()
      settled()
      const [next] = [...this.sleepers]
        .filter(({ due, clock }) => due <= until && !clock.stopped)
        .toSorted((a, b) => a.due - b.due)
      if (next === undefined) break
      this.#moveTo(Math.max(this.passed, next.due))
      next.wake()
    }
    this.#moveTo(until)
    await this.quiet()
  }

  #moveTo(passed: number): void {
    this.wall += passed - this.passed
    this.passed = passed
    vi.setSystemTime(this.wall)
  }

  /** Until every clock that runs is slept on. */
  async quiet(): Promise<void> {
    for (let turn = 0; turn < 500_000; turn++) {
      const asleep = new Set([...this.sleepers].map(({ clock }) => clock))
      if ([...this.clocks].every((clock) => clock.stopped || clock.ended || asleep.has(clock))) return
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    throw new Error('Somebody does not go to sleep.')
  }

  end(): void {
    vi.useRealTimers()
  }
}

export class VirtualClock implements BeatClock {
  readonly #time: VirtualTime
  /** Its process was stopped: it wakes when it goes on. */
  stopped = false
  /** Its beat is gone. */
  ended = false

  constructor(time: VirtualTime) {
    this.#time = time
  }

  now(): number {
    return this.#time.wall
  }

  monotonic(): number {
    return this.#time.passed
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve()
      const wake = (): void => {
        this.#time.sleepers.delete(sleeper)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      const sleeper = { clock: this, due: this.#time.passed + ms, wake }
      this.#time.sleepers.add(sleeper)
      signal.addEventListener('abort', wake, { once: true })
    })
  }
}
