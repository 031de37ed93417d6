import { readyStates, type ResultMeta } from '@ct/contracts'
import { throwIfFailed } from './meta-value.ts'
import type { ResultStore } from './result-store.ts'
import { lookWithin, waitForResults } from './wait-for-results.ts'
import type { GetOptions } from './wait-options.ts'

/**
 * Waits until a task has ended, whatever it ended with. Of `parents`, oldest first, each has to succeed before: throws the error of one that
 * failed, `CT_RESULT_TIMEOUT`, `CT_ABORTED`.
 */
export async function waitForResult(
  store: ResultStore,
  id: string,
  parents: readonly string[],
  options: GetOptions,
): Promise<ResultMeta> {
  const what = `The result of task ${id}`
  const started = performance.now()
  const allowedMs = options.timeoutMs
  let timeoutMs = allowedMs
  if (parents.length > 0) {
    // All at once, so that the oldest error is the one thrown, whichever is told first later.
    const metas = await lookWithin(store, [...parents, id], { ...options, what })
    for (const meta of metas.slice(0, -1)) throwIfFailed(meta)
    const own = metas.at(-1)!
    if (readyStates.has(own.status)) {
      options.onMessage?.(own)
      return own
    }
    if (allowedMs != null && allowedMs > 0) timeoutMs = Math.max(1, allowedMs - (performance.now() - started))
  }
  let final: ResultMeta | undefined
  await waitForResults(
    store,
    [...parents, id],
    (meta) => {
      if (meta.taskId !== id) {
        throwIfFailed(meta)
        return 'more'
      }
      if (!readyStates.has(meta.status)) return 'more'
      final = meta
      return 'done'
    },
    {
      ...options,
      timeoutMs,
      allowedMs,
      onMessage: (meta) => {
        if (meta.taskId === id) options.onMessage?.(meta)
      },
      what,
    },
  )
  return final!
}
