import { isRetryable } from '@ct/contracts'
import type { RetryPolicy } from '../routing/index.ts'
import type { ProducerSettings, PublishOptions } from './producer-options.ts'

const defaultPolicy: RetryPolicy = { maxRetries: 3, intervalStart: 0, intervalStep: 0.2, intervalMax: 1 }

/** Whether and when a publish that failed is tried again: the settings, and a call's options over them (kombu/connection.py 5.7, `ensure`). */
export class PublishRetries {
  readonly #policy: RetryPolicy
  readonly #retry: boolean

  constructor(settings: ProducerSettings) {
    this.#policy = { ...defaultPolicy, ...settings.taskPublishRetryPolicy }
    this.#retry = settings.taskPublishRetry ?? true
  }

  wanted(options: PublishOptions): boolean {
    return options.retry ?? this.#retry
  }

  /** `failures`: publishes of the message that failed so far, this one included. */
  allow(error: unknown, options: PublishOptions, failures: number): boolean {
    if (!this.wanted(options) || !isRetryable(error)) return false
    const given = options.retryPolicy?.maxRetries
    const maxRetries = given === undefined ? this.#policy.maxRetries : given
    return maxRetries === null || failures <= maxRetries
  }

  pauseMs(options: PublishOptions, failures: number): number {
    const { intervalStart, intervalStep, intervalMax } = { ...this.#policy, ...options.retryPolicy }
    return Math.min(intervalMax, intervalStart + intervalStep * (failures - 1)) * 1000
  }
}
