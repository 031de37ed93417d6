import type { AnySignature, App } from '@ct/client'
import { ConfigurationError, encodeJson } from '@ct/contracts'
import { declareEntry } from './entry/index.ts'
import { addedEntries } from './entry/index.ts'
import type { PeriodicTaskInput } from './entry/index.ts'

export interface AddPeriodicTaskOptions extends Omit<
  PeriodicTaskInput,
  'task' | 'schedule' | 'args' | 'kwargs'
> {
  /** Default: task and arguments, as text. */
  readonly name?: string
}

/** A task, its name, or a signature with arguments. */
export type PeriodicTarget = string | { readonly name: string } | AnySignature

/**
 * Declares a periodic task of an app (APP-67); the beat of that app sends it. Returns its name. Call it while the program is set up: a beat that
 * runs already has made its list.
 *
 * ```ts
 * addPeriodicTask(app, 30, add.s(2, 2), { name: 'add every 30 s' })
 * addPeriodicTask(app, crontab({ hour: 7, minute: 30, dayOfWeek: 'mon' }), report)
 * ```
 * Error: `CT_CONFIGURATION` for a schedule or option that is wrong, and for a signature that is no single task.
 */
export function addPeriodicTask(
  app: App,
  schedule: PeriodicTaskInput['schedule'],
  target: PeriodicTarget,
  { name, ...options }: AddPeriodicTaskOptions = {},
): string {
  const call = callOf(target)
  const key = name ?? `${call.task}(${encodeJson(call.args)}, ${encodeJson(call.kwargs)})`
  const input = {
    ...options,
    ...call,
    schedule,
    options: { ...call.options, ...options.options },
  } as PeriodicTaskInput
  declareEntry(key, input, 'configuration')
  const entries = addedEntries(app)
  if (name === undefined && entries.has(key))
    app.context.logger.warn(
      `Two periodic tasks without a name are both ${key}: the later one takes the place of the earlier. Give them names.`,
    )
  entries.set(key, input)
  return key
}

interface Call {
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly options: Readonly<Record<string, unknown>>
}

function callOf(target: PeriodicTarget): Call {
  if (typeof target === 'string') return { task: target, args: [], kwargs: {}, options: {} }
  if (typeof target === 'object' && 'toJSON' in target) {
    const { task, args, kwargs, options, subtask_type: kind } = target.toJSON()
    if (kind !== null && kind !== undefined)
      throw new ConfigurationError(
        `A periodic task sends one task; this signature is a ${String(kind)}. Make a task that sends it.`,
        { details: { field: 'task', value: kind } },
      )
    return {
      task,
      args: args as readonly unknown[],
      kwargs: kwargs as Call['kwargs'],
      options: options ?? {},
    }
  }
  return { task: (target as { readonly name: string }).name, args: [], kwargs: {}, options: {} }
}
