import { isCeleryError } from '@ct/contracts'
import { publishTasks } from './publish-tasks.ts'
import { mayHaveBeenSent, prepareTask } from './send-task-message.ts'
import type { PreparedTask } from './send-task-message.ts'
import type { AnySignature, SignatureCall } from './signature.ts'
import { TaskSignature } from './task-signature.ts'

/** What went wrong while members were sent. */
export interface MembersNotSent {
  /** Of the first of them. */
  readonly error: unknown
  /** So many were certainly not sent; of the others nobody knows. */
  readonly missing: number
}

/**
 * Of signatures that are frozen already. What cannot be sent is told before anything is; calling what it gives sends, and resolves to what went wrong. Plain tasks go out in one step.
 * `offset`: members before these, of which errors speak.
 */
export function prepareMembers(
  members: readonly AnySignature[],
  call: SignatureCall,
  offset: number = 0,
): () => Promise<MembersNotSent | undefined> {
  const prepared: PreparedTask[] = []
  const others: AnySignature[] = []
  let context: Parameters<typeof publishTasks>[0] | undefined
  for (const member of members) {
    if (!(member instanceof TaskSignature)) {
      others.push(member)
      continue
    }
    context = member.context
    const sent = (member as TaskSignature).merged(call)
    prepared.push(
      prepareTask(context, {
        task: sent.task,
        args: sent.args,
        kwargs: sent.kwargs,
        options: sent.options,
      }),
    )
  }
  return async () => {
    const sends: Promise<unknown>[] = others.map((member) => member.send(call))
    if (context !== undefined)
      sends.push(publishTasks(context, prepared, { signal: call.signal, outbox: call.outbox, offset }))
    const outcomes = await Promise.allSettled(sends)
    let missing = 0
    const errors = outcomes.flatMap((outcome, index) => {
      if (outcome.status === 'fulfilled') return []
      const { reason } = outcome as { readonly reason: unknown }
      missing += index < others.length ? Math.min(1, unsentOf(reason, 1)) : unsentOf(reason, prepared.length)
      return [reason]
    })
    return errors.length === 0 ? undefined : { error: errors[0], missing }
  }
}

/** How many of so many tasks were certainly not sent, by the error of sending them. */
export function unsentOf(error: unknown, count: number): number {
  const failures = isCeleryError(error) ? error.details['failures'] : undefined
  if (!Array.isArray(failures)) return mayHaveBeenSent(error) ? 0 : count
  return (failures as readonly { readonly maybeDelivered?: boolean }[]).filter(
    ({ maybeDelivered }) => maybeDelivered !== true,
  ).length
}
