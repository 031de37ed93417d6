/** Abortable tasks (celery/contrib/abortable.py 5.7): the caller stores a state, the task looks at it and stops by itself (TEST-45). */
import { UnsupportedError } from '@ct/contracts'
import type { ResultStore, StoreCallOptions } from './result-store.ts'

/** Celery's custom state for "stop as soon as you can". */
export const aborted = 'ABORTED'

/** Stores ABORTED for a task; a SUCCESS that is there stays. Errors: `CT_CONFIGURATION` without a backend, `CT_UNSUPPORTED`. */
export async function abortTask(
  store: ResultStore,
  taskId: string,
  options: StoreCallOptions = {},
): Promise<void> {
  if (store.backend.capabilities.readers === 'caller') {
    throw new UnsupportedError(
      `Task ${taskId} cannot be aborted: the ${store.backend.name} result backend can be read by the caller alone, so no task could see it. Use a store such as Redis, or revoke the task.`,
    )
  }
  await store.storeResult({ taskId, state: aborted, result: null }, options)
}

/** Asks the store. False where nobody can have told: no backend, or one that only callers read. */
export async function isAborted(
  store: ResultStore,
  taskId: string,
  options: StoreCallOptions = {},
): Promise<boolean> {
  if (!store.enabled || store.backend.capabilities.readers === 'caller') return false
  return (await store.getMeta(taskId, options)).status === aborted
}
