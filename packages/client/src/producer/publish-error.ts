import type { CeleryError, OutgoingMessage } from '@ct/contracts'
import { AbortedError, isCeleryError, isRefusal, PublishError } from '@ct/contracts'

/** Whether the message may be with the broker although the publish failed in this way. */
export function mayBeDelivered(error: unknown): boolean {
  if (!isCeleryError(error)) return true
  const known = error.details['maybeDelivered']
  if (typeof known === 'boolean') return known
  // A connection that was lost before the call takes nothing; refusals are refusals.
  return error.code === 'CT_ABORTED' || error.code === 'CT_TIMEOUT'
}

export function destinationOf(message: OutgoingMessage): string {
  return message.exchange === ''
    ? `queue "${message.routingKey}"`
    : `exchange "${message.exchange}" with key "${message.routingKey}"`
}

/** What the caller gets: refusals that no retry mends keep their code, everything else is `CT_PUBLISH`. */
export function publishErrorFrom(
  error: unknown,
  message: OutgoingMessage,
  maybeDelivered: boolean,
): CeleryError {
  if (isCeleryError(error)) {
    if (error.code === 'CT_PUBLISH' && mayBeDelivered(error) === maybeDelivered) return error
    if (!error.retryable && error.code !== 'CT_PUBLISH' && !maybeDelivered) return error
  }
  const reason = error instanceof Error ? error.message : String(error)
  return new PublishError(
    `Publishing to ${destinationOf(message)} failed: ${reason}${advice(maybeDelivered)}`,
    {
      cause: error,
      maybeDelivered,
      retryable: !isRefusal(error),
    },
  )
}

export function publishTimedOut(
  message: OutgoingMessage,
  ms: number,
  maybeDelivered: boolean,
  cause: unknown,
): PublishError {
  const why = cause instanceof Error ? `: ${cause.message.replace(/\.$/, '')}` : ''
  return new PublishError(
    `Publishing to ${destinationOf(message)} was not confirmed within ${ms} ms (publishTimeoutMs)${why}.${advice(maybeDelivered)}`,
    { maybeDelivered, ...(cause === undefined ? {} : { cause }) },
  )
}

export function publishAborted(
  message: OutgoingMessage,
  signal: AbortSignal,
  maybeDelivered: boolean,
): AbortedError {
  return new AbortedError(
    `Publishing to ${destinationOf(message)} was given up: its signal was aborted.${advice(maybeDelivered)}`,
    { cause: signal.reason, details: { maybeDelivered } },
  )
}

function advice(maybeDelivered: boolean): string {
  return maybeDelivered
    ? ' The broker may have taken it: sending again may deliver it twice.'
    : ' The broker has not taken it: sending again is safe.'
}
