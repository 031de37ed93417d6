/**
 * `revoke` writes REVOKED at once, so that who waits need not wait for the message to be reached; but only over states in which nobody
 * works on the task (D57-60). Trouble with the store is logged: the ids stay flagged.
 */
import { TaskRevokedError } from '@ct/contracts'
import type { CommandTarget } from './command.ts'

const replaceable: ReadonlySet<string> = new Set(['PENDING', 'RECEIVED', 'RETRY', 'REJECTED'])

export async function markRevoked(
  target: Pick<CommandTarget, 'context'>,
  ids: readonly string[],
  running: ReadonlySet<string>,
): Promise<void> {
  const { results, backend, logger } = target.context
  if (backend === undefined || backend.capabilities.readers !== 'anyone') return
  try {
    const idle = ids.filter((id) => id !== '' && !running.has(id))
    if (idle.length === 0) return
    const metas = await results.getMetas(idle)
    const writes = metas
      .filter((meta) => replaceable.has(meta.status))
      .map((meta) =>
        results.encodeResult({
          taskId: meta.taskId,
          state: 'REVOKED',
          result: new TaskRevokedError('revoked'),
          children: null,
        }),
      )
    await results.store(writes)
  } catch (error) {
    logger.warn('The state REVOKED could not be stored.', { error })
  }
}
