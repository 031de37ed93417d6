import type { ResolvedTaskOptions } from '@ct/client'
import { matches } from './retry.ts'
import { slotVerdict } from './slot-error.ts'

/** What becomes of the message of a task that failed, where its error decides (`requeueFor`, `rejectFor`, `ackFor`; PAIN-36). */
export type FailureAction = 'requeue' | 'reject' | 'ack'

/** The first list that has the error, in this order. Undefined: `acksOnFailure` decides. */
export function failureAction(
  options: Pick<ResolvedTaskOptions, 'requeueFor' | 'rejectFor' | 'ackFor'>,
  error: unknown,
): FailureAction | undefined {
  const verdict = slotVerdict(error)
  if (verdict !== undefined) return verdict.action
  if (matches(options.requeueFor, error)) return 'requeue'
  if (matches(options.rejectFor, error)) return 'reject'
  return matches(options.ackFor, error) ? 'ack' : undefined
}
