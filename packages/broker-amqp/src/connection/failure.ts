/** From what amqplib throws to what ct throws. Reply codes: AMQP 0-9-1 §1.2, RabbitMQ's texts. */
import {
  AbortedError,
  BrokerError,
  BrokerUnavailableError,
  isCeleryError,
  type CeleryError,
} from '@ct/contracts'

/** Reply code of a channel or connection exception, where the server gave one. */
export function replyCode(error: unknown): number | undefined {
  const code = (error as { readonly code?: unknown } | null | undefined)?.code
  return typeof code === 'number' ? code : undefined
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim()
}

/** While connecting: being refused is not the same as nobody there. */
export function connectFailure(error: unknown, server: string): CeleryError {
  if (isCeleryError(error)) return error
  const message = messageOf(error)
  if (/Handshake terminated by server: \d+ \((ACCESS.REFUSED|NOT.ALLOWED)|SASL mechanism/.test(message)) {
    return new BrokerError(
      `RabbitMQ at ${server} refuses us: ${message}. Check user, password, permissions and virtual host.`,
      { cause: error },
    )
  }
  if (/got.*ConnectionClose/.test(message)) {
    // amqplib swallows the reason; a virtual host may also be starting up, so trying again is right.
    return new BrokerError(
      `RabbitMQ at ${server} has taken the login but refuses the virtual host: it does not exist, is down, or this user has no permissions in it.`,
      { cause: error, retryable: true },
    )
  }
  if (/SSL routines.*(wrong version number|packet length too long)/.test(message)) {
    return new BrokerUnavailableError(
      `RabbitMQ at ${server} cannot be reached by TLS: what answers there does not speak it. Use amqp:// for this port, or amqps:// with the port of TLS (5671).`,
      { cause: error },
    )
  }
  return new BrokerUnavailableError(`RabbitMQ at ${server} cannot be reached: ${message}`, { cause: error })
}

/** What to do about the refusals that operators meet. */
const advice: Readonly<Record<number, string>> = {
  403: 'The user lacks the permission for it, or it is exclusive to another consumer.',
  404: 'There is no such queue or exchange in this virtual host.',
  405: 'It belongs exclusively to another connection: is another node of the same name running?',
  406: 'It exists with other arguments, type or flags. Declare it as it is, set the difference by a policy, or delete it and let it be made anew.',
}

/** During an operation. `lost` tells that the whole connection is gone. */
export function operationFailure(error: unknown, what: string, lost: boolean): CeleryError {
  if (isCeleryError(error)) return error
  const code = replyCode(error)
  const message = messageOf(error)
  if (!lost && code !== undefined && code >= 400 && code < 500) {
    return new BrokerError(
      `RabbitMQ refuses ${what}: ${message.replace(/^.*?Channel closed by server: |^Operation failed: /, '')}. ${advice[code] ?? ''}`.trim(),
      { cause: error, retryable: code === 405, details: { replyCode: code } },
    )
  }
  if (/No channels left to allocate/.test(message)) {
    return new BrokerError(
      `All channels of the connection to RabbitMQ are in use. Raise channelMax, or channel_max at the server: a worker needs eight or so.`,
      { cause: error },
    )
  }
  if (error instanceof RangeError || error instanceof TypeError) {
    return new BrokerError(`${what} cannot be written as AMQP: ${message}`, { cause: error })
  }
  return new BrokerUnavailableError(`The connection to RabbitMQ was lost during ${what}: ${message}`, {
    cause: error,
  })
}

export function abortedBy(what: string, signal: AbortSignal): AbortedError {
  return new AbortedError(`${what} was aborted.`, { cause: signal.reason })
}

/** Races a call with its signal; the call itself goes on and its late outcome is dropped. */
export async function raceSignal<T>(
  what: string,
  call: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return call
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(abortedBy(what, signal))
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([call, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
    call.catch(() => undefined)
  }
}
