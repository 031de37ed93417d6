/**
 * A chord that cannot have its body run (canvas-semantics §7.4; D57-80, D57-82): the body and all later steps of the chain become FAILURE
 * with the same `ChordError`, the body's error callbacks are called with a stand-in for its request.
 */
import {
  isRawJson,
  readSignature,
  type ChordError,
  type SignatureDict,
  type SignatureSource,
} from '@ct/contracts'
import { callErrbacks } from './errbacks.ts'
import { persist } from './effects.ts'
import type { TraceServices } from './ports.ts'

export async function failChord(
  services: TraceServices,
  body: SignatureSource,
  error: ChordError,
): Promise<void> {
  services.log.error(`Chord of body ${nameOf(body)} failed: ${error.message}`)
  const signature = readSignature(body)
  if (signature.subtask_type === 'group') await failGroupBody(services, signature, error)
  else await failBody(services, signature, signature.options.link_error ?? null, error)
  await failSteps(services, signature.options['chain'], error)
}

async function failBody(
  services: TraceServices,
  body: SignatureDict,
  errbacks: readonly SignatureSource[] | null,
  error: unknown,
): Promise<void> {
  const id = body.options.task_id
  if (typeof id !== 'string') return
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
}

/** Members first, each with its own and the group's errbacks, then the revoke, whose handlers leave ready states alone. */
async function failGroupBody(services: TraceServices, body: SignatureDict, error: ChordError): Promise<void> {
  const cause: unknown = error.cause ?? error
  const shared = body.options.link_error ?? []
  const ids: string[] = []
  for (const source of membersOf(body)) {
    const member = readSignature(source)
    const id = member.options.task_id
    if (typeof id === 'string') ids.push(id)
    await failBody(services, member, [...(member.options.link_error ?? []), ...shared], cause)
  }
  const groupId = body.options.task_id
  if (typeof groupId === 'string') await storeFailure(services, groupId, cause)
  if (ids.length > 0) await services.sender.revoke(ids)
}

/** Later steps of the chain the body belongs to. A chord among them passes the failure on to its body. */
export async function failSteps(services: TraceServices, chain: unknown, error: unknown): Promise<void> {
  const steps: unknown = isRawJson(chain) ? chain.decode() : chain
  if (!Array.isArray(steps)) return
  for (const source of steps) {
    const step = readSignature(source)
    if (typeof step.options.task_id === 'string') await storeFailure(services, step.options.task_id, error)
    const body = bodyOf(step)
    if (body !== undefined && typeof body.options.task_id === 'string') {
      await storeFailure(services, body.options.task_id, error)
      await failSteps(services, body.options['chain'], error)
    }
  }
}

/** The body of a step that is a chord. */
export function bodyOf(step: SignatureDict): SignatureDict | undefined {
  if (step.subtask_type !== 'chord') return undefined
  const body = step.kwargs['body']
  if (body === null || body === undefined || (isRawJson(body) && body.text === 'null')) return undefined
  return readSignature(body)
}

async function storeFailure(services: TraceServices, taskId: string, error: unknown): Promise<void> {
  const write = services.results.encode(
    { taskId },
    { state: 'FAILURE', result: error, traceback: null, children: null },
  )
  if (write !== undefined)
    await persist(services, `The failure of task ${taskId} could not be stored`, () =>
      services.results.store([write]),
    )
}

function membersOf(group: SignatureDict): readonly unknown[] {
  const tasks = group.kwargs['tasks']
  const decoded: unknown = isRawJson(tasks) ? tasks.decode() : tasks
  return Array.isArray(decoded) ? decoded : []
}

function rootOf(body: SignatureDict): string | null {
  return typeof body.options.root_id === 'string' ? body.options.root_id : null
}

function nameOf(body: SignatureSource): string {
  try {
    return readSignature(body).task
  } catch {
    return '?'
  }
}
