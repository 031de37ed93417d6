/** Where beat has its time from; tests give one of their own. */
export interface BeatClock {
  /** Epoch ms. */
  now(): number
  /** Milliseconds that never jump. */
  monotonic(): number
  /** Resolves after that time, or when the signal fires. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

export function systemClock(now: () => number): BeatClock {
  return {
    now,
    monotonic: () => performance.now(),
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve()
        const done = (): void => {
          clearTimeout(timer)
          signal.removeEventListener('abort', done)
          resolve()
        }
        const timer = setTimeout(done, ms)
        signal.addEventListener('abort', done, { once: true })
      }),
  }
}
