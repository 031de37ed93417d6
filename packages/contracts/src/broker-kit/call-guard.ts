/** Races a call with its signal; the call itself goes on and its late outcome is dropped. */
import { AbortedError } from '../errors.ts'

export function aborted(what: string, signal: AbortSignal): AbortedError {
  return new AbortedError(`${what} was aborted.`, { cause: signal.reason })
}

/** Throws `CT_ABORTED` when the signal has fired. */
export function rejectAborted(what: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw aborted(what, signal)
}

export async function raceSignal<T>(
  what: string,
  call: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return call
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(aborted(what, signal))
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([call, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
    call.catch(() => undefined)
  }
}
