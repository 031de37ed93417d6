/**
 * A connection to a store whose calls end (BEAT-15): one that gives no answer is taken for lost, so that beat opens another, where it would wait for
 * ever. Adapters have limits of their own, mostly shorter; this one is for those that have none.
 */
import { BackendUnavailableError, type ScheduleStoreConnection } from '@ct/contracts'

export interface TimedConnectionOptions {
  readonly timeoutMs: number
  /** For messages. No password in it. */
  readonly url: string
  readonly onTimeout: (connection: ScheduleStoreConnection, error: Error) => void
}

export function timedConnection(
  inner: ScheduleStoreConnection,
  { timeoutMs, url, onTimeout }: TimedConnectionOptions,
): ScheduleStoreConnection {
  const within = async <T>(call: Promise<T>): Promise<T> => {
    let timer: NodeJS.Timeout | undefined
    const silence = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        const error = new BackendUnavailableError(
          `The schedule store ${url} gave no answer for ${timeoutMs / 1000} s; the connection is given up.`,
          { details: { url, timeoutMs } },
        )
        reject(error)
        onTimeout(timed, error)
      }, timeoutMs)
    })
    try {
      return await Promise.race([call, silence])
    } finally {
      clearTimeout(timer)
    }
  }
  const close = (): Promise<void> => inner.close()
  const timed: ScheduleStoreConnection = {
    load: (options) => within(inner.load(options)),
    save: (change, options) => within(inner.save(change, options)),
    changes: (since, options) => within(inner.changes(since, options)),
    lead: (candidate, options) => within(inner.lead(candidate, options)),
    resign: (holder) => within(inner.resign(holder)),
    fire: (firing, options) => within(inner.fire(firing, options)),
    close,
    [Symbol.asyncDispose]: close,
  }
  return timed
}
