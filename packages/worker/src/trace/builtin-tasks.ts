/**
 * Tasks that every worker of every language has, because anybody may address them (celery/app/builtins.py 5.7; wire-messages §11).
 */
import {
  builtinTasks,
  signatureFromDict,
  TaskObject,
  type App,
  type RegisteredTask,
  type TaskContext,
} from '@ct/client'
import {
  CeleryError,
  ChordError,
  ConfigurationError,
  decodeResultHandle,
  encodeResultHandle,
  isRetryable,
  OperationTimeoutError,
  pyRepr,
  type ResultHandle,
  type SignatureSource,
} from '@ct/contracts'
import { failChord } from './chord-error.ts'
import { persist } from './effects.ts'
import { reportPart } from './chord.ts'
import { allReady, joinGroup, MemberFailed, unreadyOf } from './join.ts'
import type { TraceServices } from './ports.ts'

type Body = (
  context: TaskContext,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
) => unknown

function builtins(services: TraceServices): Readonly<Record<string, Body>> {
  const { app } = services
  return {
    [builtinTasks.accumulate]: (_context, args, kwargs) => {
      const index = kwargs['index']
      return typeof index === 'number' ? args.at(index) : args
    },
    [builtinTasks.map]: (context, args, kwargs) => runEach(services, context, args, kwargs, false),
    [builtinTasks.starmap]: (context, args, kwargs) => runEach(services, context, args, kwargs, true),
    [builtinTasks.chunks]: (_context, args, kwargs) => sendChunks(app, args, kwargs),
    [builtinTasks.backendCleanup]: async () => {
      if (services.results.enabled) await app.context.results.cleanup()
      return null
    },
    [builtinTasks.chordUnlock]: (context, args, kwargs) => unlock(services, context, args, kwargs),
    [builtinTasks.group]: (_context, args, kwargs) => sendLegacyGroup(app, args, kwargs),
    [builtinTasks.chord]: (_context, args, kwargs) => sendLegacyChord(app, args, kwargs),
    [builtinTasks.chain]: () => {
      throw new CeleryError('CT_UNSUPPORTED', 'chain is not a real task')
    },
  }
}

function argument(
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  at: number,
  name: string,
): unknown {
  return args.length > at ? args[at] : kwargs[name]
}

function listArgument(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw new ConfigurationError(`The argument ${name} is not a list.`)
}

/** Only the name of the signature counts, as in Celery. */
async function runEach(
  services: TraceServices,
  context: TaskContext,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  spread: boolean,
): Promise<unknown[]> {
  const name = (argument(args, kwargs, 0, 'task') as { readonly task?: unknown } | undefined)?.task
  const task = typeof name === 'string' ? services.task(name) : undefined
  if (task === undefined)
    throw new CeleryError('CT_NOT_REGISTERED', `no task named ${pyRepr(name)} is registered`)
  const results: unknown[] = []
  for (const item of listArgument(argument(args, kwargs, 1, 'it'), 'it')) {
    results.push(await task.run(context, spread ? listArgument(item, 'it') : [item], {}))
  }
  return results
}

async function sendChunks(
  app: App,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const task = argument(args, kwargs, 0, 'task')
  const items = listArgument(argument(args, kwargs, 1, 'it'), 'it')
  const size = argument(args, kwargs, 2, 'n')
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 1) {
    throw new ConfigurationError('celery.chunks needs a whole number n of at least 1.')
  }
  const members: SignatureSource[] = []
  for (let from = 0; from < items.length; from += size) {
    members.push(signature(builtinTasks.starmap, { task, it: items.slice(from, from + size) }, true))
  }
  return await sendGroup(app, members, [], {})
}

/** `celery.group(tasks, result, group_id, partial_args)` of old senders: sends what was frozen already. */
function sendLegacyGroup(
  app: App,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const tasks = listArgument(argument(args, kwargs, 0, 'tasks'), 'tasks') as readonly SignatureSource[]
  const groupId = argument(args, kwargs, 2, 'group_id')
  const partial = argument(args, kwargs, 3, 'partial_args')
  return sendGroup(app, tasks, Array.isArray(partial) ? partial : [], {
    ...(typeof groupId === 'string' ? { task_id: groupId } : {}),
    ...(argument(args, kwargs, 4, 'add_to_parent') === false ? { add_to_parent: false } : {}),
  })
}

async function sendLegacyChord(
  app: App,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const header = argument(args, kwargs, 0, 'header')
  const body = argument(args, kwargs, 1, 'body')
  const partial = argument(args, kwargs, 2, 'partial_args')
  const sent = await signatureFromDict(app, {
    task: builtinTasks.chord,
    args: [],
    kwargs: { kwargs: {}, header, body },
    options: {},
    subtask_type: 'chord',
    immutable: false,
  }).send({ args: Array.isArray(partial) ? partial : [], kwargs: {}, options: {} })
  return sent === null ? null : encodeResultHandle(sent)
}

function signature(
  task: string,
  kwargs: Readonly<Record<string, unknown>>,
  immutable: boolean,
): SignatureSource {
  return { task, args: [], kwargs, options: {}, subtask_type: null, immutable }
}

async function sendGroup(
  app: App,
  tasks: readonly SignatureSource[],
  args: readonly unknown[],
  options: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const group = signatureFromDict(app, {
    task: builtinTasks.group,
    args: [],
    kwargs: { tasks },
    options: {},
    subtask_type: 'group',
    immutable: false,
  })
  const sent = await group.send({ args, kwargs: {}, options })
  return sent === null ? null : encodeResultHandle(sent)
}

/**
 * `celery.chord_unlock(group_id, callback, interval, max_retries, result)`: asks whether all members are ready, again and again, then
 * publishes the body. The way of stores that cannot count.
 */
async function unlock(
  services: TraceServices,
  context: TaskContext,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): Promise<null> {
  const groupId = String(argument(args, kwargs, 0, 'group_id'))
  const body = argument(args, kwargs, 1, 'callback') as SignatureSource
  const interval = argument(args, kwargs, 2, 'interval')
  const maxRetries = argument(args, kwargs, 3, 'max_retries')
  const members = listArgument(argument(args, kwargs, 4, 'result') ?? [], 'result').map((one) =>
    decodeResultHandle(one),
  )
  const group = { id: groupId, parent: null, children: members }
  const again = (): Promise<null> => askAgain(services, context, { group, body, interval, maxRetries })
  let ready: boolean
  try {
    ready = await allReady(services.results, group)
  } catch (error) {
    services.log.warn(`The members of chord ${groupId} could not be read; trying again.`, { error })
    ready = false
  }
  if (!ready) return await again()
  // With Celery's defaults a store or a broker that is away is the end of the chord.
  const passes = (error: unknown): boolean => services.defaults === 'ct' && isRetryable(error)
  let values: unknown[]
  try {
    values = await joinGroup(services.results, group, {
      timeoutMs: services.chordJoinTimeout * 1000,
      pause: (ms) => services.pause(ms),
    })
  } catch (error) {
    // One that was there, and is not any more, does not come again.
    if (passes(error) && !(error instanceof OperationTimeoutError)) return await again()
    await failChord(
      services,
      body,
      new ChordError(pyRepr(error instanceof MemberFailed ? error.error : error), { cause: error }),
      reportPart,
    )
    return null
  }
  try {
    await signatureFromDict(services.app, body).send({ args: [values], kwargs: {}, options: {} })
  } catch (error) {
    if (passes(error)) return await again()
    await failChord(
      services,
      body,
      new ChordError(`Callback error: ${pyRepr(error)}`, { cause: error }),
      reportPart,
    )
  }
  return null
}

interface Asking {
  readonly group: ResultHandle
  readonly body: SignatureSource
  readonly interval: unknown
  readonly maxRetries: unknown
}

/** Throws the retry of a task that asks; fails the chord where it has asked often enough. */
async function askAgain(
  services: TraceServices,
  context: TaskContext,
  { group, body, interval, maxRetries }: Asking,
): Promise<null> {
  const { retries } = context.request
  if (typeof maxRetries === 'number' && retries + 1 > maxRetries) {
    await failChord(
      services,
      body,
      new ChordError(`chord_unlock could not be retried: retries spent`),
      reportPart,
    )
    return null
  }
  const countdown =
    typeof interval === 'number' ? interval : services.app.context.settings.resultChordRetryInterval
  const asked = retries * countdown
  if (services.chordStallMs !== undefined && asked * 1000 > services.chordStallMs) {
    const waiting = await persist(services, `The members of chord ${group.id} could not be read`, () =>
      unreadyOf(services.results, group),
    )
    const reason = `Chord ${group.id} still waits for ${waiting.length} of its members after ${asked} s: they are lost; there is no result of ${waiting.slice(0, 20).join(', ')}${waiting.length > 20 ? ', …' : ''}`
    await failChord(services, body, new ChordError(reason), reportPart)
    return null
  }
  throw context.retry({
    countdown,
    // The task itself is registered without a limit; its argument is the limit.
    ...(typeof maxRetries === 'number' ? { maxRetries } : {}),
  })
}

/** Built-in tasks as a registry wants them. They belong to the worker, not to the app: callers address them by name. */
export function builtinTasksOf(services: TraceServices): RegisteredTask[] {
  return Object.entries(builtins(services)).map(([name, body]) => {
    const unlocks = name === builtinTasks.chordUnlock
    // Unlimited retries: `max_retries` is an argument of this task.
    const definition = unlocks ? { maxRetries: null, ignoreResult: true } : {}
    const holder = new TaskObject(services.app, name, definition, () => undefined)
    return {
      name,
      get options() {
        return holder.options
      },
      bind: true,
      arity: { required: 0, most: Infinity },
      run: (context, args, kwargs) => body(context, args, kwargs),
    }
  })
}
