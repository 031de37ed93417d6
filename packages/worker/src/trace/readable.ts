import { isRetryable, readSignature, type SignatureDict } from '@ct/contracts'
import type { TraceServices } from './ports.ts'

/**
 * A signature out of a message, opened; undefined for one that nobody can read, which the log says. An ending that meets one does the rest of its
 * work: if it broke off there, its message would go back, and the task run again.
 */
export function readable(services: TraceServices, source: unknown, what: string): SignatureDict | undefined {
  return attempt(services, `${what} cannot be read; it is left out.`, () => readSignature(source))
}

/** Undefined when it fails for a reason that trying again does not mend. */
export function attempt<T>(services: TraceServices, failed: string, run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    if (isRetryable(error)) throw error
    services.log.error(failed, { error })
    return undefined
  }
}
