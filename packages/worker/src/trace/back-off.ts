/** Waits of automatic retries (celery/utils/time.py 5.7, `get_exponential_backoff_interval`). */
import type { ResolvedTaskOptions } from '@ct/client'

/** Seconds before the next automatic retry; `retries` is how many there were. */
export function retryCountdown(
  options: Pick<
    ResolvedTaskOptions,
    'retryKwargs' | 'retryBackoff' | 'retryBackoffMax' | 'retryJitter' | 'defaultRetryDelay'
  >,
  retries: number,
  random: () => number = Math.random,
): number {
  if (options.retryBackoff > 0) {
    // A factor below 1 would make every wait 0; Celery takes 1 then.
    const factor = Math.max(1, Math.trunc(options.retryBackoff))
    const countdown = Math.min(options.retryBackoffMax, factor * 2 ** retries)
    return options.retryJitter ? Math.floor(random() * (countdown + 1)) : countdown
  }
  return options.retryKwargs.countdown ?? options.defaultRetryDelay
}
