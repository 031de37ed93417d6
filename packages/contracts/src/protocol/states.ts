/** Task states (celery/states.py 5.7). Any other text is a custom state, set with `updateState`. */
export const states = {
  PENDING: 'PENDING',
  RECEIVED: 'RECEIVED',
  STARTED: 'STARTED',
  SUCCESS: 'SUCCESS',
  FAILURE: 'FAILURE',
  REVOKED: 'REVOKED',
  REJECTED: 'REJECTED',
  RETRY: 'RETRY',
  IGNORED: 'IGNORED',
} as const

export type TaskState = keyof typeof states | (string & {})

/** Final states: waiting ends. */
export const readyStates: ReadonlySet<string> = new Set(['SUCCESS', 'FAILURE', 'REVOKED'])
/** States whose `result` is an encoded exception. */
export const exceptionStates: ReadonlySet<string> = new Set(['RETRY', 'FAILURE', 'REVOKED'])
/** Exception states that `get()` raises. */
export const propagateStates: ReadonlySet<string> = new Set(['FAILURE', 'REVOKED'])

const order: readonly (string | null)[] = [
  'SUCCESS',
  'FAILURE',
  null,
  'REVOKED',
  'STARTED',
  'RECEIVED',
  'REJECTED',
  'RETRY',
  'PENDING',
]

/** Position in Celery's order of precedence, 0 (SUCCESS) being the highest; custom states come after FAILURE. */
export function statePrecedence(state: string): number {
  const at = order.indexOf(state)
  return at < 0 ? 2 : at
}
