import { currentTask } from '@ct/client'
import type { TimeProvider } from '@ct/contracts'

/**
 * A clock that moves when told. As the `time` of an app and of its memory broker (`testApp({ time: clock })`) it drives countdown, ETA, retries and
 * expiry, so that a task of next week runs now. Time limits and rate limits are about real work and keep real time.
 */
export interface FakeClock extends TimeProvider {
  /** Resolves when the clock has been moved that far, or when the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /**
   * Moves the clock, and lets everything that becomes due run at its own instant, in order. With a test worker it waits before each step until
   * the worker is idle, so that what a task sends on the way is due at its own instant too.
   */
  advance(ms: number): Promise<void>
  /** As {@link advance}, to an instant (epoch ms or `Date`), which must not be past. */
  advanceTo(instant: number | Date): Promise<void>
  /** How many wait in {@link FakeClock.sleep}. */
  readonly waiting: number
  /** To be awaited before the clock moves on. Returns what takes it back. */
  settle(wait: () => Promise<void>): () => void
}

/** Tasks among those that wait in `sleep`; others, such as the test itself, keep no worker busy. */
const sleepingTasks = new WeakMap<TimeProvider, () => number>()

interface Due {
  readonly at: number
  readonly run: () => void
}

/** `startMs`: epoch ms, default the start of 2026, UTC. */
export function fakeClock(startMs: number = Date.UTC(2026, 0, 1)): FakeClock {
  let now = startMs
  let waiting = 0
  /** With how many of its calls of `sleep` each is asleep. */
  const tasks = new Map<object, number>()
  const due = new Set<Due>()
  const settlers = new Set<() => Promise<void>>()
  const schedule = (delayMs: number, run: () => void): (() => void) => {
    const entry = { at: now + Math.max(0, delayMs), run }
    due.add(entry)
    return () => due.delete(entry)
  }
  const settled = async (): Promise<void> => {
    // Whoever was woken may go to sleep again within the time that is left.
    await new Promise<void>((resolve) => setImmediate(resolve))
    for (const wait of settlers) await wait()
  }
  const advanceTo = async (until: number): Promise<void> => {
    if (!Number.isFinite(until) || until < now)
      throw new RangeError(`A clock at ${now} cannot be moved to ${until}: time goes forward.`)
    await settled()
    for (;;) {
      const next = [...due].filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      due.delete(next)
      now = Math.max(now, next.at)
      next.run()
      await settled()
    }
    // Somebody else may have moved it further meanwhile.
    now = Math.max(now, until)
  }
  const clock: FakeClock = {
    now: () => now,
    schedule,
    get waiting() {
      return waiting
    },
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true || ms <= 0) return resolve()
        const task = currentTask()
        const wake = (): void => {
          waiting--
          const left = task === undefined ? 0 : tasks.get(task)! - 1
          if (left > 0) tasks.set(task!, left)
          else if (task !== undefined) tasks.delete(task)
          forget()
          signal?.removeEventListener('abort', wake)
          resolve()
        }
        waiting++
        if (task !== undefined) tasks.set(task, (tasks.get(task) ?? 0) + 1)
        const forget = schedule(ms, wake)
        signal?.addEventListener('abort', wake)
      }),
    advance: (ms) => advanceTo(now + ms),
    advanceTo: (instant) => advanceTo(Number(instant)),
    settle(wait) {
      settlers.add(wait)
      return () => settlers.delete(wait)
    },
  }
  sleepingTasks.set(clock, () => tasks.size)
  return clock
}

/** How many tasks wait for that clock to be moved. */
export function tasksAsleep(time: TimeProvider): number {
  return sleepingTasks.get(time)?.() ?? 0
}

export function isFakeClock(time: TimeProvider): time is FakeClock {
  return 'settle' in time && 'advance' in time
}
