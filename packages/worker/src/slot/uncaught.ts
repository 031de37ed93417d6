/**
 * Errors that nobody caught, in a slot elsewhere.
 *
 *   rejected promise that nobody awaited      ─► logged with the task that made it; the slot goes on
 *   error thrown in a timer, an event … by
 *     the task that runs                      ─► its failure; the slot is replaced
 *     one that ran earlier, or by nobody      ─► logged; the slot is replaced after the job that runs
 */
import { currentTask, type Logger } from '@ct/client'

export interface UncaughtOptions {
  readonly logger: Logger
  /** Fails the job that runs if it is this task's; false when it is not. */
  readonly fail: (taskId: string, error: unknown) => boolean
  readonly retire: () => void
}

export function catchUncaught({ logger, fail, retire }: UncaughtOptions): void {
  process.on('unhandledRejection', (error) => {
    logger.error(`A promise${taskAtFault()} was rejected, and nobody awaited it: ${textOf(error)}`, { error })
  })
  process.on('uncaughtException', (error) => {
    const id = currentTask()?.request.id
    retire()
    if (id !== undefined && fail(id, error)) return
    logger.critical(`An error${taskAtFault()} was thrown where nobody can catch it: ${textOf(error)}`, {
      error,
    })
  })
}

function taskAtFault(): string {
  const task = currentTask()
  return task === undefined ? '' : ` of task ${task.name}[${task.request.id}]`
}

function textOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error)
  } catch {
    return 'it cannot be shown'
  }
}
