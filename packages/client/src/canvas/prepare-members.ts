import { publishTasks } from './publish-tasks.ts'
import { prepareTask } from './send-task-message.ts'
import type { PreparedTask } from './send-task-message.ts'
import type { AnySignature, SignatureCall } from './signature.ts'
import { TaskSignature } from './task-signature.ts'

/**
 * Of signatures that are frozen already. What cannot be sent is told before anything is; calling what it gives sends. Plain tasks go out in one step.
 * `offset`: members before these, of which errors speak.
 */
export function prepareMembers(
  members: readonly AnySignature[],
  call: SignatureCall,
  offset: number = 0,
): () => Promise<void> {
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
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }
}
