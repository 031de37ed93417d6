/** What Celery's own tasks come to where tasks run in the caller; a worker has them as tasks (celery/app/builtins.py 5.7). */
import { randomUUID } from 'node:crypto'
import { NotRegistered } from '@ct/contracts'
import type { AppContext } from '../app/context.ts'
import { builtinTasks } from './builtin-task-names.ts'
import type { EagerOutcome } from './eager-outcome.ts'
import type { SignatureCall } from './signature.ts'

/** A call whose arguments are merged. */
interface BuiltinCall {
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly options: Readonly<Record<string, unknown>>
}

/** Whether {@link runBuiltinEagerly} can run it. */
export function isEagerBuiltin(context: AppContext, call: Pick<BuiltinCall, 'task' | 'kwargs'>): boolean {
  if (call.task === builtinTasks.accumulate) return true
  if (call.task !== builtinTasks.map && call.task !== builtinTasks.starmap) return false
  return context.tasks.get(mapped(call.kwargs))?.runEagerly !== undefined
}

/** `celery.accumulate`, `celery.map`, `celery.starmap`. */
export async function runBuiltinEagerly(
  context: AppContext,
  { task, args, kwargs, options }: BuiltinCall,
  call: SignatureCall,
): Promise<EagerOutcome> {
  const id = (options['task_id'] as string | undefined) ?? randomUUID()
  const outcome = { id, name: task, traceback: null, parent: null, members: null }
  if (task === builtinTasks.accumulate) {
    const index = kwargs['index']
    return { ...outcome, state: 'SUCCESS', value: typeof index === 'number' ? args.at(index) : args }
  }
  const inner = context.tasks.get(mapped(kwargs))
  if (inner?.runEagerly === undefined) throw new NotRegistered(mapped(kwargs))
  const values: unknown[] = []
  for (const item of kwargs['it'] as readonly unknown[]) {
    const given = task === builtinTasks.map ? [item] : (item as readonly unknown[])
    const one = await inner.runEagerly({ ...call, args: given, kwargs: {}, options: {} })
    if (one.state !== 'SUCCESS') return { ...one, id, name: task }
    values.push(one.value)
  }
  return { ...outcome, state: 'SUCCESS', value: values }
}

function mapped(kwargs: Readonly<Record<string, unknown>>): string {
  return String((kwargs['task'] as { readonly task?: unknown } | undefined)?.task)
}
