/** What a driver or server error means to the caller: whether the server could not be reached, or refused, and whether trying again helps. */
import {
  AbortedError,
  BackendError,
  BackendUnavailableError,
  BrokerError,
  BrokerUnavailableError,
  isCeleryError,
  type CeleryError,
  type CeleryErrorOptions,
} from '@ct/contracts'

type ErrorClass = new (message: string, options?: CeleryErrorOptions) => CeleryError

/** The words for one side: a broker's errors or a result backend's. */
export interface FailureFamily {
  readonly unavailable: ErrorClass
  readonly refused: ErrorClass
}

export const brokerFailures: FailureFamily = { unavailable: BrokerUnavailableError, refused: BrokerError }
export const backendFailures: FailureFamily = { unavailable: BackendUnavailableError, refused: BackendError }

/** Replies after which this very connection is of no more use: another server must be found, or this one needs time. */
const goneCodes = new Set([
  'LOADING',
  'READONLY',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'MOVED',
  'ASK',
  'TRYAGAIN',
  'UNBLOCKED',
])
/** Replies that may pass while the connection stays good. */
const passingCodes = new Set(['OOM', 'MISCONF', 'NOREPLICAS', 'BUSY'])
const credentialCodes = new Set(['NOAUTH', 'WRONGPASS', 'NOPERM'])
const credentialText = /invalid password|without any password configured|AUTH|username-password/i
const tlsCodes =
  /^(?:ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|EPROTO|HOSTNAME_MISMATCH)/

/** First word of a Redis error reply, or undefined when the error is not one. */
export function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined
  return /^-?([A-Z]+)\b/.exec(error.message)?.[1]
}

/** A server that answers so must be given up for a new connection. */
export function endsConnection(error: unknown): boolean {
  const code = replyCode(error)
  return code !== undefined && goneCodes.has(code)
}

export function isOutOfMemory(error: unknown): boolean {
  const code = replyCode(error)
  return code === 'OOM' || code === 'MISCONF'
}

/** `what` completes "Redis at X …": what was tried. Ours pass unchanged. */
export function toFailure(error: unknown, family: FailureFamily, where: string, what: string): CeleryError {
  if (isCeleryError(error)) return error
  const cause = error
  const text = error instanceof Error ? error.message : String(error)
  const code = replyCode(error)
  if (code !== undefined) {
    if (goneCodes.has(code))
      return new family.unavailable(`Redis at ${where} cannot ${what} now: ${text}`, { cause })
    if (passingCodes.has(code))
      return new family.refused(`Redis at ${where} refused to ${what} for now: ${text}`, {
        cause,
        retryable: true,
      })
    if (credentialCodes.has(code) || (code === 'ERR' && credentialText.test(text))) {
      return new family.refused(
        `Redis at ${where} does not let us ${what}: ${text}. Check user, password and ACL.`,
        { cause },
      )
    }
    return new family.refused(`Redis at ${where} refused to ${what}: ${text}`, { cause })
  }
  const nodeCode = (error as { code?: unknown }).code
  if (typeof nodeCode === 'string' && tlsCodes.test(nodeCode)) {
    return new family.refused(
      `The TLS connection to Redis at ${where} failed: ${text}. Check sslCaCerts and the host name, or set sslCertReqs to none.`,
      { cause },
    )
  }
  return new family.unavailable(
    `Redis at ${where} cannot be reached${what === 'connect' ? '' : ` to ${what}`}: ${text}`,
    { cause },
  )
}

/** Throws `CT_ABORTED` when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted === true) throw aborted(signal, what)
}

export function aborted(signal: AbortSignal, what: string): AbortedError {
  return new AbortedError(`${what} was given up because its AbortSignal fired`, { cause: signal.reason })
}
