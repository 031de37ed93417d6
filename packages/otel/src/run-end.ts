import { automaticRetry, Ignore, Reject, Replace, Retry, type TaskRunMessage } from '@ct/client'
import { textOf } from './text-of.ts'

export interface RunEnd {
  readonly state: 'SUCCESS' | 'FAILURE' | 'RETRY' | 'IGNORED' | 'REJECTED'
  /** Why it is tried again. */
  readonly reason?: string
  /** It makes the span one that failed. */
  readonly error?: unknown
}

/** What a run means for its span. As in Python, retries and errors that the task `throws` are no failures of a span. */
export function describeEnd({ task, request, error, expected, ...message }: TaskRunMessage): RunEnd {
  if ('result' in message && error === undefined) return { state: 'SUCCESS' }
  if (error instanceof Reject) return { state: 'REJECTED' }
  if (error instanceof Retry) return retried(error)
  if (error instanceof Ignore || error instanceof Replace) return { state: 'IGNORED' }
  const retry = automaticRetry({ task, request }, error)
  if (retry !== undefined) return retried(retry)
  return expected === true ? { state: 'FAILURE' } : { state: 'FAILURE', error }
}

function retried(retry: Retry): RunEnd {
  const { exc } = retry
  return { state: 'RETRY', reason: exc === undefined || exc === null ? retry.message : textOf(exc) }
}
