/**
 * A chord that cannot have its body run (canvas-semantics §7.4; D57-80, D57-82): the body and all later steps of the chain become FAILURE
 * with the same `ChordError`, the body's error callbacks are called with a stand-in for its request.
 */
import { randomUUID } from 'node:crypto'
import {
  encodeJson,
  isRawJson,
  propagateStates,
  stepsOfChain,
  type ChordError,
  type ResultWrite,
  type SignatureDict,
  type SignatureSource,
} from '@ct/contracts'
import { callErrbacks } from './errbacks.ts'
import { persist } from './effects.ts'
import type { ChordMember } from './chord-member.ts'
import type { TraceServices } from './ports.ts'
import { attempt, readable } from './readable.ts'

export async function failChord(
  services: TraceServices,
  body: SignatureSource,
  error: ChordError,
  report: ReportPart,
): Promise<void> {
  const signature = readable(services, body, 'The body of a chord that failed')
  if (signature === undefined) return
  services.log.error(`Chord of body ${signature.task} failed: ${error.message}`)
  if (signature.subtask_type === 'group') await failGroupBody(services, signature, error, report)
  else await failBody(services, signature, signature.options.link_error ?? null, error, report)
  await failSteps(services, signature.options['chain'], error, { report, rootId: rootOf(signature) })
  await failOuter(services, signature, error, report)
}

async function failBody(
  services: TraceServices,
  body: SignatureDict,
  errbacks: readonly SignatureSource[] | null,
  error: unknown,
  report: ReportPart,
): Promise<void> {
  // One that nobody has frozen has error callbacks all the same.
  const given: unknown = body.options.task_id
  const id = typeof given === 'string' && given !== '' ? given : randomUUID()
  let outcome = error
  try {
    await callErrbacks(
      services,
      { id, rootId: rootOf(body), task: body.task, errbacks, view: { ...body, id, deliveryInfo: {} } },
      error,
      null,
    )
  } catch (failed) {
    outcome = failed
  }
  await storeFailure(services, id, outcome)
  await failInside(services, body, error, report)
}

/**
 * What Celery leaves pending of a body that is more than a task; with ct's defaults whoever waits for any of it hears of the failure. Of a chain all
 * steps but the last, whose id is the chain's; of a chord its own body.
 */
async function failInside(
  services: TraceServices,
  body: SignatureDict,
  error: unknown,
  report: ReportPart,
): Promise<void> {
  if (services.defaults !== 'ct') return
  const options = { report, rootId: rootOf(body) }
  if (body.subtask_type === 'chain')
    await failSteps(services, membersOf(services, body).slice(0, -1), error, options)
  const inner = bodyOf(services, body)
  if (inner === undefined) return
  if (inner.subtask_type === 'group') return await failGroupBody(services, inner, error as ChordError, report)
  await failSteps(services, [inner], error, options)
  await failInside(services, inner, error, report)
}

/** Members first, each with its own and the group's errbacks, then the revoke, whose handlers leave ready states alone. */
async function failGroupBody(
  services: TraceServices,
  body: SignatureDict,
  error: ChordError,
  report: ReportPart,
): Promise<void> {
  const cause: unknown = error.cause ?? error
  const shared = body.options.link_error ?? []
  const ids: string[] = []
  for (const one of membersOf(services, body)) {
    const [member, errbacks] = resultOf(services, one)
    const id = member.options.task_id
    if (typeof id === 'string') ids.push(id)
    await failBody(services, member, distinct([...errbacks, ...shared]), cause, report)
  }
  const groupId = body.options.task_id
  if (typeof groupId === 'string') await storeFailure(services, groupId, cause)
  if (ids.length === 0) return
  await services.sender.revoke(ids).catch((refused: unknown) => {
    // What is failed already is failed without it.
    services.log.warn(`The members of the group ${String(groupId)} could not be revoked.`, { error: refused })
  })
}

/**
 * What holds the result of a member, with the error callbacks on the way there: of a chord its body; of a group those of its tasks are its own
 * (celery/backends/base.py 5.7, `_result_errbacks`).
 */
function resultOf(
  services: TraceServices,
  member: SignatureDict,
): readonly [SignatureDict, readonly SignatureSource[]] {
  const own = member.options.link_error ?? []
  const body = bodyOf(services, member)
  if (body !== undefined) {
    const [end, errbacks] = resultOf(services, body)
    return [end, [...own, ...errbacks]]
  }
  if (member.subtask_type !== 'group') return [member, own]
  return [member, [...own, ...membersOf(services, member).flatMap((task) => resultOf(services, task)[1])]]
}

function distinct(errbacks: readonly SignatureSource[]): SignatureSource[] {
  return [...new Map(errbacks.map((errback) => [encodeJson(errback), errback])).values()]
}

/**
 * Later steps of a chain, none of which will run: FAILURE under their ids, and their parts of the chords they belong to. A chord among them
 * passes the failure on to its body, and that to its own (celery/backends/base.py 5.7, `_fail_chain`).
 */
export async function failSteps(
  services: TraceServices,
  chain: unknown,
  error: unknown,
  options: FailedSteps,
): Promise<void> {
  const steps: unknown = isRawJson(chain)
    ? attempt(services, 'The later steps of a chain cannot be read.', () => stepsOfChain(chain))
    : chain
  if (!Array.isArray(steps)) return
  const { report, traceback = null, stored = true, rootId = null } = options
  const failures = new Failures(services)
  // Bodies of chords come behind the steps.
  const bodies: SignatureDict[] = []
  const fail = async (step: SignatureDict): Promise<void> => {
    const { task_id: taskId, group_id: groupId, chord } = step.options
    if (typeof taskId === 'string') {
      const inChord = chord !== undefined && chord !== null && typeof groupId === 'string'
      const reported = inChord && propagateStates.has((await services.results.meta(taskId))?.status ?? '')
      if (stored === true || (stored === 'parts' && inChord))
        await failures.add(taskId, error, traceback, groupId)
      if (inChord && !reported) {
        // Who hears of the part finds the failure stored.
        await failures.store()
        await report(services, memberOf(step, taskId, groupId, rootId), 'FAILURE', error)
      }
    }
    const body = bodyOf(services, step)
    if (body !== undefined) bodies.push(body)
  }
  for (const source of steps as readonly unknown[]) {
    const step = readable(services, source, 'A later step of a chain')
    if (step !== undefined) await fail(step)
  }
  for (const body of bodies) await fail(body)
  await failures.store()
}

/** Failures of one reason that are stored together, so many at a time. */
class Failures {
  readonly #services: TraceServices
  #writes: ResultWrite[] = []
  #first = ''

  constructor(services: TraceServices) {
    this.#services = services
  }

  async add(taskId: string, error: unknown, traceback: string | null, groupId: unknown): Promise<void> {
    const write = failureWrite(this.#services, taskId, error, traceback, groupId)
    if (write === undefined) return
    if (this.#writes.length === 0) this.#first = taskId
    this.#writes.push(write)
    if (this.#writes.length >= mostTogether) await this.store()
  }

  async store(): Promise<void> {
    const writes = this.#writes
    if (writes.length === 0) return
    this.#writes = []
    const others = writes.length === 1 ? '' : ` and ${writes.length - 1} more`
    await persist(this.#services, `The failure of task ${this.#first}${others} could not be stored`, () =>
      this.#services.results.store(writes),
    )
  }
}

/** A chain may have a hundred thousand steps that are left. */
const mostTogether = 200

/** How a failed member tells its chord: `reportPart`, which itself may fail chords. */
export type ReportPart = (
  services: TraceServices,
  member: ChordMember,
  state: string,
  result: unknown,
) => Promise<void>

export interface FailedSteps {
  readonly report: ReportPart
  readonly traceback?: string | null
  /**
   * Errors are stored, hence also those of later steps; default true. `parts`: of parts of chords alone. A Celery worker that completes a chord
   * with a complex header reads its members' documents, and takes one that is not there for done.
   */
  readonly stored?: boolean | 'parts'
  readonly rootId?: string | null
}

/**
 * Where an inner chord is part of an outer one, its body was the part: Celery reports nothing then, and the outer body waits for good
 * (D57-81). With ct's defaults the outer chord fails too.
 */
async function failOuter(
  services: TraceServices,
  body: SignatureDict,
  error: unknown,
  report: ReportPart,
): Promise<void> {
  if (services.defaults !== 'ct') return
  for (const end of endsOf(services, body)) {
    const { task_id: taskId, group_id: groupId, chord } = end.options
    if (typeof taskId !== 'string' || typeof groupId !== 'string' || chord === undefined || chord === null)
      continue
    await report(services, memberOf(end, taskId, groupId, rootOf(end)), 'FAILURE', error)
  }
}

/** The tasks whose ends are the end of a workflow. */
function endsOf(services: TraceServices, signature: SignatureDict): SignatureDict[] {
  const body = bodyOf(services, signature)
  if (body !== undefined) return endsOf(services, body)
  const { subtask_type: kind } = signature
  if (kind !== 'chain' && kind !== 'group') return [signature]
  const members = membersOf(services, signature)
  return (kind === 'chain' ? members.slice(-1) : members).flatMap((one) => endsOf(services, one))
}

function memberOf(step: SignatureDict, taskId: string, groupId: string, rootId: string | null): ChordMember {
  const { group_index: groupIndex, chord } = step.options
  return {
    taskId,
    rootId: rootId ?? taskId,
    groupId,
    groupIndex: typeof groupIndex === 'number' ? groupIndex : null,
    chord: chord ?? null,
  }
}

/** The body of a step that is a chord. */
function bodyOf(services: TraceServices, step: SignatureDict): SignatureDict | undefined {
  if (step.subtask_type !== 'chord') return undefined
  const body = step.kwargs['body']
  if (body === null || body === undefined || (isRawJson(body) && body.text === 'null')) return undefined
  return readable(services, body, 'The body of a chord')
}

async function storeFailure(
  services: TraceServices,
  taskId: string,
  error: unknown,
  traceback: string | null = null,
  groupId?: unknown,
): Promise<void> {
  const write = failureWrite(services, taskId, error, traceback, groupId)
  if (write !== undefined)
    await persist(services, `The failure of task ${taskId} could not be stored`, () =>
      services.results.store([write]),
    )
}

function failureWrite(
  services: TraceServices,
  taskId: string,
  error: unknown,
  traceback: string | null,
  groupId: unknown,
): ResultWrite | undefined {
  return services.results.encode(
    { taskId, ...(typeof groupId === 'string' ? { groupId } : {}) },
    { state: 'FAILURE', result: error, traceback, children: null },
  )
}

function membersOf(services: TraceServices, group: SignatureDict): readonly SignatureDict[] {
  const tasks = group.kwargs['tasks']
  const decoded: unknown = isRawJson(tasks) ? tasks.decode() : tasks
  if (!Array.isArray(decoded)) return []
  return decoded.flatMap((one) => readable(services, one, `A member of a ${group.task}`) ?? [])
}

function rootOf(body: SignatureDict): string | null {
  return typeof body.options.root_id === 'string' ? body.options.root_id : null
}
