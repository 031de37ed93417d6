import { SoftTimeLimitExceeded } from '@ct/contracts'
import type { Request } from '../request/index.ts'
import type { TraceServices } from '../trace/index.ts'

/**
 * Time limits of a request that has begun, `agoMs` ago. At the soft one the task is told, through its signal; at the hard one `onHard` ends it.
 */
export function startTimeLimits(
  request: Request,
  log: TraceServices['log'],
  agoMs: number,
  onHard: (seconds: number) => void,
): void {
  const { timeLimit: hard, softTimeLimit: soft } = request
  const timers: NodeJS.Timeout[] = (request.timers = [])
  const at = (seconds: number, act: () => void): void => {
    timers.push(setTimeout(act, limitMs(seconds) - agoMs).unref())
  }
  if (soft !== null && soft > 0) {
    at(soft, () => {
      log.warn(`Soft time limit (${soft}s) exceeded for ${request.label}`)
      request.ticket?.abort(new SoftTimeLimitExceeded(soft))
    })
  }
  if (hard !== null && hard > 0) at(hard, () => onHard(hard))
}

/** Timers cannot count beyond 24 days, and would fire at once. */
function limitMs(seconds: number): number {
  return Math.min(seconds * 1000, 2 ** 31 - 1)
}
