import { ConfigurationError } from '@ct/contracts'
import { didYouMean } from '../connection/index.ts'
import type { BroadcastCallOptions } from './mailbox.ts'

const known: ReadonlySet<string> = new Set<keyof BroadcastCallOptions>([
  'destination',
  'pattern',
  'matcher',
  'arguments',
  'reply',
  'timeoutMs',
  'limit',
  'callback',
  'signal',
])

/** Celery's names of options that have another name here. */
const renamed: Readonly<Record<string, string>> = {
  timeout: ' Give timeoutMs, in milliseconds.',
}

/** Refuses with `CT_CONFIGURATION` what would be of no effect (Celery's `timeout`), or end the waiting at once or never. */
export function checkCallOptions(command: string, options: BroadcastCallOptions): void {
  for (const key in options) {
    if (known.has(key)) continue
    throw new ConfigurationError(
      `The command "${command}" has no option "${key}".${renamed[key] ?? didYouMean(key, known)}`,
      { details: { option: key } },
    )
  }
  const { timeoutMs, limit, signal } = options
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs >= 0))
    throw new ConfigurationError(`timeoutMs must be a number of milliseconds; it is ${String(timeoutMs)}.`)
  if (limit !== undefined && !(typeof limit === 'number' && limit >= 1))
    throw new ConfigurationError(`limit must be a number of answers from 1; it is ${String(limit)}.`)
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new ConfigurationError(
      'signal must be an AbortSignal. The signal that ends a task is killSignal, such as "SIGKILL".',
    )
}
