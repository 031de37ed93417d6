/** Reads the results of a group's members, nested as the group is (celery/result.py 5.7, `join_native`). */
import {
  BackendUnavailableError,
  ChordError,
  OperationTimeoutError,
  propagateStates,
  pyRepr,
  readyStates,
  type ResultHandle,
} from '@ct/contracts'
import type { Results } from './ports.ts'

/** A member of the group ended in FAILURE or REVOKED. */
export class MemberFailed extends Error {
  readonly taskId: string
  readonly error: unknown
  constructor(taskId: string, error: unknown) {
    super(`${taskId} raised ${pyRepr(error)}`)
    this.taskId = taskId
    this.error = error
  }

  asChordError(): ChordError {
    return new ChordError(`Dependency ${this.taskId} raised ${pyRepr(this.error)}`, { cause: this.error })
  }
}

export interface ReportedMember {
  readonly state: string
  /** The value, or the error. */
  readonly value: unknown
}

export interface JoinOptions {
  readonly timeoutMs: number
  /**
   * Members that have ended, with what they told. Those of them that nothing is stored about ignore their results, and count as null, as in Celery;
   * or they failed without having run.
   */
  readonly reported?: ReadonlyMap<string, ReportedMember> | undefined
  /** Resolves false when waiting is pointless: the worker stops. */
  readonly pause: (ms: number) => Promise<boolean>
}

/**
 * Values in order. Rejects with {@link MemberFailed} at the first member that failed, with `OperationTimeoutError` when a member is not
 * ready in time, with `CT_BACKEND_UNAVAILABLE` when the worker stops before.
 */
export async function joinGroup(
  results: Results,
  group: ResultHandle,
  options: JoinOptions,
): Promise<unknown[]> {
  const deadline = performance.now() + options.timeoutMs
  const values: unknown[] = []
  for (const member of group.children ?? []) {
    values.push(
      member.children === null
        ? await waitFor(results, member.id, deadline, options)
        : await joinGroup(results, member, {
            ...options,
            timeoutMs: Math.max(0, deadline - performance.now()),
          }),
    )
  }
  return values
}

async function waitFor(
  results: Results,
  taskId: string,
  deadline: number,
  options: JoinOptions,
): Promise<unknown> {
  for (let wait = 10; ; wait = Math.min(500, wait * 2)) {
    const meta = await results.meta(taskId)
    if (meta !== undefined && propagateStates.has(meta.status))
      throw new MemberFailed(taskId, results.errorOf(meta))
    if (meta !== undefined && readyStates.has(meta.status)) return meta.result
    const reported = meta === undefined ? options.reported?.get(taskId) : undefined
    if (reported !== undefined) {
      if (propagateStates.has(reported.state)) throw new MemberFailed(taskId, reported.value)
      return null
    }
    const left = deadline - performance.now()
    if (left <= 0) throw new OperationTimeoutError(`The result of ${taskId} did not come in time.`)
    if (!(await options.pause(Math.min(wait, left))))
      throw new BackendUnavailableError(`The worker stopped before the result of ${taskId} came.`)
  }
}

/** Every member has ended, those of groups inside too. */
export async function allReady(results: Results, group: ResultHandle): Promise<boolean> {
  for (const member of group.children ?? []) {
    if (member.children !== null) {
      if (!(await allReady(results, member))) return false
    } else if (!readyStates.has((await results.meta(member.id))?.status ?? '')) return false
  }
  return true
}
