/** The two styles of error callbacks (canvas semantics: "Errback calling convention"; celery/backends/base.py 5.7, `_call_task_errbacks`). */
import type { SignatureDict } from '@ct/contracts'
import type { App } from '../app/app.ts'
import { runInTask } from '../canvas/index.ts'
import type { RegisteredTask } from './registered-task.ts'
import type { TaskContext } from './task-context.ts'

type Errback = Pick<SignatureDict, 'args' | 'kwargs' | 'immutable'>

/**
 * New style: a task of this process, not bound, that takes more than one argument. Only arguments that the failure still has to supply tell the style
 * (D57-88). All others are sent, with the id of the failed task.
 */
export function takesFailure(
  task: RegisteredTask | undefined,
  { args, kwargs, immutable }: Errback,
): task is RegisteredTask {
  if (task === undefined || task.bind) return false
  const supplied = immutable ? 0 : args.length + Object.keys(kwargs).length
  return task.arity.most - supplied > 1
}

/** Calls a new style one with the request, the error and the traceback, before the arguments it has. Rejects with what it throws. */
export async function callWithFailure(
  app: App,
  task: RegisteredTask,
  { args, kwargs, immutable }: Errback,
  failure: readonly [request: unknown, error: unknown, traceback: string | null],
): Promise<void> {
  // What is not bound never sees its context.
  const context = { app, name: task.name } as TaskContext
  await runInTask(undefined, () => task.run(context, immutable ? args : [...failure, ...args], kwargs))
}
