import type { ResultMeta } from '@ct/contracts'
import { decodeException, exceptionStates, propagateStates } from '@ct/contracts'

/** The value of a meta document: an error in exception states. */
export function valueOf(meta: ResultMeta): unknown {
  if (!exceptionStates.has(meta.status)) return meta.result
  // A retry without a reason has none to show.
  if (meta.result === null && meta.status === 'RETRY') return null
  return decodeException(meta.result, meta.traceback)
}

/** Throws what `get()` of that task would throw. */
export function throwIfFailed(meta: ResultMeta): void {
  if (propagateStates.has(meta.status)) throw valueOf(meta)
}
