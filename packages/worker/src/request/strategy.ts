/**
 * What the worker knows about one task type, computed once: consulted for every message of the type.
 */
import type { RegisteredTask, ResolvedTaskOptions } from '@ct/client'
import { parseRate, TokenBucket } from './token-bucket.ts'

export interface StrategyDefaults {
  /** Seconds; the worker's own hard limit for tasks that have none. */
  readonly timeLimit: number | null
  readonly softTimeLimit: number | null
  readonly disableRateLimits: boolean
}

export class Strategy {
  readonly task: RegisteredTask
  readonly name: string
  readonly options: ResolvedTaskOptions
  /** Seconds. The command `time_limit` changes them for every task started from then on. */
  timeLimit: number | null
  softTimeLimit: number | null
  /** Undefined: no rate limit. */
  bucket: TokenBucket | undefined
  rateLimit: string | number | null
  /** True when something runs after a success that the fast path leaves out. */
  readonly hasSuccessHooks: boolean
  readonly #disableRateLimits: boolean

  constructor(task: RegisteredTask, defaults: StrategyDefaults) {
    this.task = task
    this.name = task.name
    this.options = task.options
    this.timeLimit = task.options.timeLimit ?? defaults.timeLimit
    this.softTimeLimit = task.options.softTimeLimit ?? defaults.softTimeLimit
    this.#disableRateLimits = defaults.disableRateLimits
    this.rateLimit = task.options.rateLimit
    this.bucket = this.#bucketFor(this.rateLimit)
    this.hasSuccessHooks = task.options.onSuccess !== undefined || task.options.afterReturn !== undefined
  }

  /** Throws `ConfigurationError` when it is no rate limit; the old one then stays. */
  setRateLimit(rateLimit: string | number | null): void {
    this.bucket = this.#bucketFor(rateLimit)
    this.rateLimit = rateLimit
  }

  #bucketFor(rateLimit: string | number | null): TokenBucket | undefined {
    const rate = parseRate(rateLimit)
    return rate === undefined || this.#disableRateLimits ? undefined : new TokenBucket(rate)
  }
}
