import type { ResultHandle } from '@ct/contracts'

/** What a canvas will result in, known before anything is sent. Parents are filled in as the canvas is frozen. */
export interface FrozenResult extends ResultHandle {
  readonly id: string
  parent: FrozenResult | null
  readonly children: FrozenResult[] | null
  /** Nobody stores the result of this task: waiting for it ends at once. */
  readonly ignored?: boolean
}

export function taskResult(id: string, ignored = false): FrozenResult {
  return ignored ? { id, parent: null, children: null, ignored } : { id, parent: null, children: null }
}

export function groupResult(id: string, children: FrozenResult[]): FrozenResult {
  return { id, parent: null, children }
}

/** The first of the line: where the result of a step before is to be hung. */
export function oldestAncestor(result: FrozenResult): FrozenResult {
  let oldest = result
  while (oldest.parent !== null) oldest = oldest.parent
  return oldest
}
