import { propagateStates, readyStates, type ResultMeta } from '@ct/contracts'
import { throwIfFailed } from './meta-value.ts'
import type { ResultStore } from './result-store.ts'
import { lookWithin, waitForResults } from './wait-for-results.ts'
import type { GetOptions } from './wait-options.ts'

/** Milliseconds after which parents are watched too; Celery looks at them as often. */
const patienceMs = 500

/**
 * Waits until a task has ended, whatever it ended with. Of `parents`, oldest first, each has to succeed before: throws the error of one that
 * failed, `CT_RESULT_TIMEOUT`, `CT_ABORTED`.
 *
 * Parents are looked at before, and watched once it takes long (celery/result.py 5.7: on entry and each interval). A parent that fails ends this task
 * too, nearly always, and to hear of every part of a workflow costs those who run it more than many a part. Where this task failed the parents are
 * looked at once more, so that the oldest error is thrown whoever is told of first.
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
    [id],
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
      later: { taskIds: parents, afterMs: patienceMs },
    },
  )
  if (parents.length > 0 && propagateStates.has(final!.status)) {
    // Without an answer its own error says enough.
    const metas = await lookWithin(store, parents, { ...options, timeoutMs, what }).catch(() => [])
    for (const meta of metas) throwIfFailed(meta)
  }
  return final!
}
