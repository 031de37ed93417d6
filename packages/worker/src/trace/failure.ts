/** What a failure or a revocation means for others: chord, later steps of the chain, error callbacks (canvas-semantics §7.1). */
import { isRetryable, type TaskBody, type TaskMessage } from '@ct/contracts'
import type { Request } from '../request/index.ts'
import { failSteps } from './chord-error.ts'
import type { ChordMember } from './chord-member.ts'
import { reportPart } from './chord.ts'
import { callErrbacks } from './errbacks.ts'
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
  await failSteps(services, embed.chain, error, {
    report: reportPart,
    traceback,
    stored,
    rootId: request.message.rootId ?? request.id,
  })
  if (embed.errbacks !== null) {
    const failed = {
      id: request.id,
      rootId: request.message.rootId,
      task: request.name,
      errbacks: embed.errbacks,
      view: taskRequest(request, services.hostname),
      outbox: request.outbox,
    }
    await callErrbacks(services, failed, error, traceback).catch((refused: unknown) => {
      if (isRetryable(refused)) throw refused
      // The failure stands without them: a message that went back would make the task run once more.
      services.log.error(`The error callbacks of task ${request.label} could not be sent.`, {
        error: refused,
      })
    })
  }
}

/**
 * The steps after this one will never run, and one of them may be the part of a chord, which would wait for it in vain, as Celery's does. With ct's
 * defaults the chord fails; what else of the workflow waits keeps Celery's outcome.
 */
export async function failLaterChords(
  services: TraceServices,
  message: TaskMessage,
  { embed }: TaskBody,
  error: unknown,
): Promise<void> {
  if (services.defaults !== 'ct' || embed.chain === null) return
  const rootId = message.rootId ?? message.id
  await failSteps(services, embed.chain, error, { report: reportPart, stored: 'parts', rootId })
}

/** A task that no handler will ever run (not registered), and what comes after it: as {@link failLaterChords}. */
export async function failChordsOf(
  services: TraceServices,
  message: TaskMessage,
  body: TaskBody,
  error: unknown,
): Promise<void> {
  if (services.defaults !== 'ct') return
  const { embed } = body
  const rootId = message.rootId ?? message.id
  const member = {
    taskId: message.id,
    rootId,
    groupId: message.group,
    groupIndex: message.groupIndex,
    chord: embed.chord,
  }
  await reportPart(services, member, 'FAILURE', error)
  await failLaterChords(services, message, body, error)
}
