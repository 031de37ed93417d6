import { setTimeout as delay } from 'node:timers/promises'
import { ServiceError } from './errors.ts'

/** One line on stderr. stdout is kept for answers, so that `urls` can be piped. */
export function say(who: string, what: string): void {
  process.stderr.write(`${who}: ${what}\n`)
}

export interface WaitOptions {
  /** Gives up after this long. Default 60,000. */
  timeoutMs?: number
  /** Time between two looks. Default 50. */
  everyMs?: number
  /** Returns a reason when waiting has become pointless, e.g. because the process is dead. */
  hopeless?: () => string | undefined
}

/**
 * Waits until `look` returns something other than `undefined` or `false`; says every three seconds that it still waits.
 * For states of other processes that send no signal; whatever does send one should be awaited instead.
 *
 * @throws {ServiceError} `CT_SERVICE_FAILED` on timeout or when hopeless.
 */
export async function waitUntil<T>(
  who: string,
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  options: WaitOptions = {},
): Promise<T> {
  const { timeoutMs = 60_000, everyMs = 50, hopeless } = options
  const start = performance.now()
  let lineDue = 3000
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    const reason = hopeless?.()
    if (reason !== undefined) throw new ServiceError('CT_SERVICE_FAILED', `${who}: ${what}: ${reason}`)
    const waited = performance.now() - start
    if (waited > timeoutMs) {
      throw new ServiceError(
        'CT_SERVICE_FAILED',
        `${who}: ${what}: nothing after ${Math.round(waited / 1000)} s`,
      )
    }
    if (waited > lineDue) {
      say(who, `${what} (${Math.round(waited / 1000)} s)`)
      lineDue += 3000
    }
    await delay(everyMs)
  }
}
