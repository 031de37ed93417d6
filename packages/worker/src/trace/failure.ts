/** What a failure or a revocation means for others: chord, later steps of the chain, error callbacks (canvas-semantics §7.1). */
import { readSignature, type SignatureSource } from '@ct/contracts'
import type { Request } from '../request/index.ts'
import { bodyOf } from './chord-error.ts'
import { reportPart, type ChordMember } from './chord.ts'
import { callErrbacks } from './errbacks.ts'
import { persist } from './effects.ts'
import type { TraceServices } from './ports.ts'
import { taskRequest } from './task-request.ts'

export function memberOf(request: Request, priority?: number): ChordMember {
  const { message, body } = request
  return {
    taskId: message.id,
    rootId: message.rootId ?? message.id,
    groupId: message.group,
    groupIndex: message.groupIndex,
    chord: body.embed.chord,
    priority,
  }
}

/** After the task's own FAILURE was stored. `stored`: errors are stored, hence also those of later steps. */
export async function propagateFailure(
  services: TraceServices,
  request: Request,
  error: unknown,
  traceback: string | null,
  stored: boolean,
): Promise<void> {
  const { embed } = request.body
  await reportPart(services, memberOf(request), 'FAILURE', error)
  for (const step of embed.chain ?? []) await failStep(services, request, step, error, traceback, stored)
  if (embed.errbacks !== null) {
    await callErrbacks(
      services,
      {
        id: request.id,
        rootId: request.message.rootId,
        task: request.name,
        errbacks: embed.errbacks,
        view: taskRequest(request, services.hostname),
      },
      error,
      traceback,
    )
  }
}

/** A step that will never run: FAILURE under its id, and its part of a chord if it belongs to one. */
async function failStep(
  services: TraceServices,
  request: Request,
  source: SignatureSource,
  error: unknown,
  traceback: string | null,
  stored: boolean,
): Promise<void> {
  const step = readSignature(source)
  const targets = [step, bodyOf(step)]
  for (const target of targets) {
    if (target === undefined) continue
    const { task_id: taskId, group_id: groupId, group_index: groupIndex, chord } = target.options
    if (typeof taskId !== 'string') continue
    if (stored) {
      const write = services.results.encode(
        { taskId, ...(typeof groupId === 'string' ? { groupId } : {}) },
        { state: 'FAILURE', result: error, traceback, children: null },
      )
      if (write !== undefined)
        await persist(services, `The failure of task ${taskId} could not be stored`, () =>
          services.results.store([write]),
        )
    }
    if (chord === undefined || chord === null || typeof groupId !== 'string') continue
    await reportPart(
      services,
      {
        taskId,
        rootId: request.message.rootId ?? request.id,
        groupId,
        groupIndex: typeof groupIndex === 'number' ? groupIndex : null,
        chord,
      },
      'FAILURE',
      error,
    )
  }
}
