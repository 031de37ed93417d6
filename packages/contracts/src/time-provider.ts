/** Where time comes from: the instant, and what is to happen later. Tests put one in that moves when told (`fakeClock` of `@ct/testing`). */
export interface TimeProvider {
  /** Epoch ms. */
  readonly now: () => number
  /** Runs this once after so many milliseconds, without keeping the process alive. Returns what takes it back. */
  readonly schedule: (delayMs: number, run: () => void) => () => void
}

/** The clock and the timers of this machine. */
export const systemTime: TimeProvider = {
  now: () => Date.now(),
  schedule: (delayMs, run) => {
    const timer = setTimeout(run, delayMs).unref()
    return () => clearTimeout(timer)
  },
}
