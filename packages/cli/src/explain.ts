import { isCeleryError, type CeleryError } from '@ct/contracts'
import { CommandFailure, exitCodes } from './exit-codes.ts'
import type { Session } from './session.ts'

export interface Explanation {
  readonly message: string
  readonly exitCode: number
}

/** What to tell somebody whose command failed, and with which code to end. `elapsedMs`: how long the command had been trying. */
export async function explain(error: unknown, session: Session, elapsedMs: number): Promise<Explanation> {
  if (error instanceof CommandFailure) return { message: error.message, exitCode: error.exitCode }
  if (!isCeleryError(error)) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { message: `ct failed: ${message}`, exitCode: exitCodes.error }
  }
  const unreachable = unreachableIn(error)
  // A publish that was never confirmed because there was no connection all the time.
  const neverSent =
    error.code === 'CT_PUBLISH' &&
    error.details['maybeDelivered'] === false &&
    session.connecting !== undefined
  if (unreachable === undefined && !neverSent)
    return { message: `${error.message} (${error.code})`, exitCode: exitCodes.error }
  const isBroker = unreachable?.code !== 'CT_BACKEND_UNAVAILABLE'
  const context = (await session.foundApp())?.context
  const url = isBroker ? context?.broker.describe().url : context?.backend?.describe().url
  const failure = isBroker ? session.connecting : undefined
  const times =
    failure === undefined ? '' : ` ${failure.attempts} ${failure.attempts === 1 ? 'time' : 'times'}`
  const source = isBroker
    ? '-b, CELERY_BROKER_URL or "broker" of createApp()'
    : '--result-backend, CELERY_RESULT_BACKEND or "backend" of createApp()'
  const message = [
    `The ${isBroker ? 'broker' : 'result backend'} ${url ?? '(unknown)'} cannot be reached; tried${times} for ${(elapsedMs / 1000).toFixed(1)} s.`,
    `  ${rootCause(failure?.error ?? unreachable ?? error)}`,
    `Is it running, and is that its address? It comes from ${source}.`,
  ]
  return { message: message.join('\n'), exitCode: exitCodes.unavailable }
}

/** The broker or backend that could not be reached, below what failed because of it. */
function unreachableIn(error: CeleryError): CeleryError | undefined {
  for (let at: unknown = error; isCeleryError(at); at = at.cause) {
    if (at.code === 'CT_BROKER_UNAVAILABLE' || at.code === 'CT_BACKEND_UNAVAILABLE') return at
  }
  return undefined
}

/** The innermost error says why: `connect ECONNREFUSED 127.0.0.1:6379`. */
function rootCause(error: Error): string {
  let at = error
  while (at.cause instanceof Error) at = at.cause
  // Node joins the failures of all addresses of a host into one that has no message of its own.
  if (at instanceof AggregateError)
    return at.errors.map((one) => (one instanceof Error ? one.message : String(one))).join('; ')
  return at.message
}
