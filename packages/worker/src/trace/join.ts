/** Reads the results of a group's members, nested as the group is (celery/result.py 5.7, `join_native`). */
import {
  BackendUnavailableError,
  ChordError,
  OperationTimeoutError,
  propagateStates,
  pyRepr,
  readyStates,
  type ResultHandle,
  type ResultMeta,
} from '@ct/contracts'
import type { Results, TraceServices } from './ports.ts'

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
  const members = group.children ?? []
  for (let at = 0; at < members.length; at += mostTogether) {
    const some = members.slice(at, at + mostTogether)
    const found = await metasOf(results, some)
    for (const [index, member] of some.entries()) {
      values.push(
        member.children === null
          ? await waitFor(results, member.id, deadline, options, found[index])
          : await joinGroup(results, member, {
              ...options,
              timeoutMs: Math.max(0, deadline - performance.now()),
            }),
      )
    }
  }
  return values
}

/** Documents that are asked for at once. */
const mostTogether = 500

function metasOf(
  results: Results,
  members: readonly ResultHandle[],
): Promise<readonly (ResultMeta | undefined)[]> {
  return Promise.all(
    members.map(({ id, children }) => (children === null ? results.meta(id) : Promise.resolve(undefined))),
  )
}

async function waitFor(
  results: Results,
  taskId: string,
  deadline: number,
  options: JoinOptions,
  found: ResultMeta | undefined,
): Promise<unknown> {
  let meta = found
  for (let wait = 10; ; wait = Math.min(500, wait * 2)) {
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
    meta = await results.meta(taskId)
  }
}

/** Every member has ended, those of groups inside too. */
export async function allReady(results: Results, group: ResultHandle): Promise<boolean> {
  for await (const _ of unready(results, group)) return false
  return true
}

/** Ids of the members that have not ended, those of groups inside too. */
export async function unreadyOf(results: Results, group: ResultHandle): Promise<string[]> {
  const found: string[] = []
  for await (const id of unready(results, group)) found.push(id)
  return found
}

async function* unready(results: Results, group: ResultHandle): AsyncGenerator<string, void, undefined> {
  const members = group.children ?? []
  // A first look at one alone: who asks again and again mostly asks too early.
  for (let at = 0, most = 1; at < members.length; at += most, most = mostTogether) {
    const some = members.slice(at, at + most)
    const found = await metasOf(results, some)
    for (const [index, member] of some.entries()) {
      if (member.children !== null) yield* unready(results, member)
      else if (!readyStates.has(found[index]?.status ?? '')) yield member.id
    }
  }
}

/** The values of a chord whose members have ended; a {@link ChordError} where one of them is not ready in time. */
export async function joinChord(
  services: TraceServices,
  group: ResultHandle,
  reported?: ReadonlyMap<string, ReportedMember>,
): Promise<unknown[]> {
  try {
    return await joinGroup(services.results, group, {
      reported,
      timeoutMs: services.chordJoinTimeout * 1000,
      pause: (ms) => services.pause(ms),
    })
  } catch (error) {
    // A member that is not ready in time is the end of the chord; a store that is away is not.
    throw error instanceof OperationTimeoutError ? chordErrorOf(error) : error
  }
}

/** Why no body can be run: a member failed, or could not be read. */
export function chordErrorOf(error: unknown): ChordError {
  if (error instanceof MemberFailed) return error.asChordError()
  if (error instanceof ChordError) return error
  return joinError(error)
}

/** As Celery makes it, without a cause: the members of a body that is a group fail with that where there is one (celery/backends/redis.py 5.7, D57-82). */
export function joinError(error: unknown): ChordError {
  return new ChordError(`Join error: ${pyRepr(error)}`)
}
