/** Waiting times between attempts, in milliseconds: exponential, capped, with jitter so that a fleet does not come back in step. */
export interface BackoffOptions {
  /** Before the second attempt. Default 100. */
  readonly initialMs?: number | undefined
  /** Default 2. */
  readonly factor?: number | undefined
  /** Default 10,000. */
  readonly maxMs?: number | undefined
  /** Share of the delay that is random, 0 to 1. Default 0.5: between half and the whole. */
  readonly jitter?: number | undefined
  /** Default `Math.random`. */
  readonly random?: (() => number) | undefined
}

/** Milliseconds to wait after `failures` (from 1) failed attempts in a row. */
export function backoffMs(failures: number, options: BackoffOptions = {}): number {
  const { initialMs = 100, factor = 2, maxMs = 10_000, jitter = 0.5, random = Math.random } = options
  const whole = Math.min(maxMs, initialMs * factor ** Math.max(0, failures - 1))
  return whole * (1 - jitter * random())
}
