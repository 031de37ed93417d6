/** A clock that moves when told: for `createApp({ now: clock.now })` and for code that takes its timers from outside. */
export interface FakeClock {
  /** Epoch ms. A function of its own, so it can be handed over without its clock. */
  readonly now: () => number
  /** Resolves when the clock has been moved that far, or when the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Moves the clock, and lets everything that becomes due run at its own instant, in order. */
  advance(ms: number): Promise<void>
  /** How many wait in {@link FakeClock.sleep}. */
  readonly waiting: number
}

export function fakeClock(startMs: number = Date.UTC(2026, 0, 1)): FakeClock {
  let now = startMs
  const sleepers = new Set<{ readonly due: number; readonly wake: () => void }>()
  return {
    now: () => now,
    get waiting() {
      return sleepers.size
    },
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true || ms <= 0) return resolve()
        const wake = (): void => {
          sleepers.delete(sleeper)
          signal?.removeEventListener('abort', wake)
          resolve()
        }
        const sleeper = { due: now + ms, wake }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', wake)
      }),
    async advance(ms) {
      const until = now + ms
      for (;;) {
        const next = [...sleepers].filter(({ due }) => due <= until).toSorted((a, b) => a.due - b.due)[0]
        if (next === undefined) break
        now = next.due
        next.wake()
        // Whoever was woken may go to sleep again within the time that is left.
        await new Promise<void>((resolve) => setImmediate(resolve))
      }
      now = until
    },
  }
}
