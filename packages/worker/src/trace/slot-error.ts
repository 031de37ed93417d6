/** Errors that came from a slot elsewhere: not of the class that was thrown, whose verdict they bring along. */
import type { FailureAction } from './failure-action.ts'

export interface SlotVerdict {
  /** One of the task's `throws`. */
  readonly expected: boolean
  /** By the lists of the task, which need its classes too. */
  readonly action: FailureAction | undefined
}

const verdicts = new WeakMap<object, SlotVerdict>()

export function markOfSlot(error: object, verdict: SlotVerdict): void {
  verdicts.set(error, verdict)
}

/** Undefined: it was thrown in this thread. */
export function slotVerdict(error: unknown): SlotVerdict | undefined {
  return typeof error === 'object' && error !== null ? verdicts.get(error) : undefined
}
