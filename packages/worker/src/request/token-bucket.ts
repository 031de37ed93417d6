/**
 * Rate limits: one token bucket of capacity one per task type and worker (celery/worker/consumer/consumer.py 5.7, kombu
 * `TokenBucket`). Idle time at full capacity is no refill: after idling exactly one token is free (D57-71).
 */
import { ConfigurationError } from '@ct/contracts'

const perUnit: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 }

/**
 * Tokens per second of a `rate_limit`: a number is per second, text is `'10/s'`, `'10/m'`, `'10/h'`. Undefined: no limit (null, 0, '').
 * Throws `ConfigurationError` for anything else.
 */
export function parseRate(rate: unknown): number | undefined {
  if (rate === null || rate === undefined || rate === '' || rate === 0) return undefined
  if (typeof rate === 'number' && Number.isFinite(rate) && rate > 0) return rate
  if (typeof rate === 'string') {
    const match = /^\s*(\d+(?:\.\d+)?|\.\d+)\s*(?:\/\s*([smh]))?\s*$/.exec(rate)
    if (match !== null) {
      const tokens = Number(match[1]) / (perUnit[match[2] ?? 's'] ?? 1)
      return tokens === 0 ? undefined : tokens
    }
  }
  throw new ConfigurationError(
    `${JSON.stringify(rate)} is not a rate limit. Give a number (per second) or text such as '10/s', '100/m', '1000/h'.`,
  )
}

export class TokenBucket {
  readonly ratePerSecond: number
  readonly #now: () => number
  #tokens = 1
  #updatedAt: number

  constructor(ratePerSecond: number, now: () => number = () => performance.now()) {
    this.ratePerSecond = ratePerSecond
    this.#now = now
    this.#updatedAt = now()
  }

  #refill(): void {
    const now = this.#now()
    if (this.#tokens < 1) {
      this.#tokens = Math.min(1, this.#tokens + ((now - this.#updatedAt) / 1000) * this.ratePerSecond)
    }
    this.#updatedAt = now
  }

  /** Takes the token if there is one. */
  take(): boolean {
    this.#refill()
    // A timer that fires a hair early would otherwise find 0.9999 of a token and be set again.
    if (this.#tokens < 1 - 1e-6) return false
    this.#tokens = Math.max(0, this.#tokens - 1)
    return true
  }

  /** Milliseconds until a token is there. */
  waitMs(): number {
    this.#refill()
    return Math.max(0, ((1 - this.#tokens) / this.ratePerSecond) * 1000)
  }
}
