/** An entry as somebody declares it, checked and made into the plain data that stores hold. */
import { didYouMean, toSignatureOptions, type CallOptions } from '@ct/client'
import { ConfigurationError, encodeJson, isPlainObject, type StoredScheduleEntry } from '@ct/contracts'
import {
  isSchedule,
  maybeSchedule,
  scheduleFromJSON,
  type Schedule,
  type ScheduleInput,
  type ScheduleReader,
} from '../schedule/index.ts'
import type { PeriodicTaskInput } from './entry-input.ts'

/** Arguments that are asked for at each run. */
export interface LazyArguments {
  readonly args?: () => readonly unknown[]
  readonly kwargs?: () => Readonly<Record<string, unknown>>
}

/** What somebody declared; when it last ran is for others to say. */
export interface DeclaredEntry {
  readonly stored: StoredScheduleEntry
  readonly schedule: Schedule
  /** False: whether it is enabled was not said. */
  readonly saysEnabled: boolean
  readonly lazy: LazyArguments
}

const known: readonly string[] = [
  'task',
  'schedule',
  'args',
  'kwargs',
  'options',
  'relative',
  'enabled',
  'oneOff',
  'startAt',
  'expiresAt',
  'description',
] satisfies (keyof PeriodicTaskInput)[]

const nothing: Readonly<Record<string, unknown>> = Object.freeze({})

/** Longer names do not fit into everybody's tables. */
const longestName = 200

/** Error: `CT_CONFIGURATION`, with `details.entry`, `details.field` and `details.value`. */
export function declareEntry(
  name: string,
  input: PeriodicTaskInput,
  origin: StoredScheduleEntry['origin'],
  readers: Readonly<Record<string, ScheduleReader>> = {},
): DeclaredEntry {
  if (typeof name !== 'string' || name === '' || name.length > longestName)
    throw wrong(String(name), 'name', name, `a text of 1 to ${longestName} characters`)
  if (!isPlainObject(input)) throw wrong(name, 'entry', input, 'an object such as { task, schedule }')
  const given: Readonly<Record<string, unknown>> = camelKeys(input)
  for (const key of Object.keys(given))
    if (!known.includes(key))
      throw new ConfigurationError(
        `The periodic task "${name}" has no field "${key}".${didYouMean(key, known)}`,
        {
          details: { entry: name, field: key, allowed: known },
        },
      )
  const entry = given as Readonly<Record<keyof PeriodicTaskInput, unknown>>
  const { args = [], kwargs = nothing, enabled, oneOff = false, description = '' } = entry
  if (typeof args !== 'function' && !Array.isArray(args)) throw wrong(name, 'args', args, 'a list')
  if (typeof kwargs !== 'function' && !isPlainObject(kwargs)) throw wrong(name, 'kwargs', kwargs, 'an object')
  if (enabled !== undefined && typeof enabled !== 'boolean')
    throw wrong(name, 'enabled', enabled, 'true or false')
  if (typeof oneOff !== 'boolean') throw wrong(name, 'oneOff', oneOff, 'true or false')
  if (typeof description !== 'string') throw wrong(name, 'description', description, 'a text')
  const isLazy = typeof args === 'function' || typeof kwargs === 'function'
  if (isLazy && origin === 'run-time')
    throw new ConfigurationError(
      `The periodic task "${name}" has arguments that are a function: the beat that sends it may be another process. Give values, or declare it in the configuration.`,
      { details: { entry: name, field: typeof args === 'function' ? 'args' : 'kwargs' } },
    )
  const schedule = scheduleOf(name, entry, readers)
  return {
    schedule,
    stored: {
      name,
      task: taskName(name, entry.task),
      schedule: schedule.toJSON(),
      args: typeof args === 'function' ? '[]' : text(name, 'args', args),
      kwargs: typeof kwargs === 'function' ? '{}' : text(name, 'kwargs', kwargs),
      options: text(name, 'options', optionsOf(name, entry.options)),
      enabled: enabled ?? true,
      oneOff,
      startAt: instant(name, 'startAt', entry.startAt),
      expiresAt: instant(name, 'expiresAt', entry.expiresAt),
      description,
      origin,
      lastRunAt: undefined,
      totalRunCount: 0,
    },
    saysEnabled: enabled !== undefined,
    lazy: {
      ...(typeof args === 'function' ? { args: args as () => readonly unknown[] } : {}),
      ...(typeof kwargs === 'function' ? { kwargs: kwargs as () => Readonly<Record<string, unknown>> } : {}),
    },
  }
}

function taskName(name: string, task: unknown): string {
  const found: unknown =
    (typeof task === 'object' || typeof task === 'function') && task !== null && 'name' in task
      ? task.name
      : task
  if (typeof found === 'string' && found !== '') return found
  throw wrong(name, 'task', task, 'the name of a task, or a task')
}

function scheduleOf(
  name: string,
  { schedule, relative }: Readonly<Record<keyof PeriodicTaskInput, unknown>>,
  readers: Readonly<Record<string, ScheduleReader>>,
): Schedule {
  if (relative !== undefined && typeof relative !== 'boolean')
    throw wrong(name, 'relative', relative, 'true or false')
  if (schedule === undefined || schedule === null || typeof schedule === 'function')
    throw wrong(name, 'schedule', schedule, 'seconds, a duration, or a schedule such as crontab({ hour: 7 })')
  if (typeof schedule === 'object' && !isSchedule(schedule) && 'type' in schedule)
    return named(name, () => scheduleFromJSON(schedule as Readonly<Record<string, unknown>>, readers))
  return named(name, () => {
    const made = maybeSchedule(schedule as ScheduleInput, relative === true ? { relative } : {})
    if (relative === true && made.kind !== 'interval')
      throw wrong(name, 'relative', relative, 'nothing where the schedule is no interval')
    return made
  })
}

/** Whose schedule it is that was refused. */
function named<T>(name: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof ConfigurationError) || error.details['entry'] !== undefined) throw error
    throw new ConfigurationError(`The periodic task "${name}": ${error.message}`, {
      cause: error,
      details: { ...error.details, entry: name },
    })
  }
}

function optionsOf(name: string, options: unknown): Readonly<Record<string, unknown>> {
  if (options === undefined || options === null) return nothing
  if (!isPlainObject(options)) throw wrong(name, 'options', options, 'an object of calling options')
  const call = camelKeys(options)
  for (const key of ['taskId', 'signal'])
    if (key in call)
      throw new ConfigurationError(
        `The periodic task "${name}": the calling option "${key}" belongs to one call, and this is for many.`,
        { details: { entry: name, field: `options.${key}` } },
      )
  const travelling = named(name, () => toSignatureOptions(call as CallOptions))
  const { queue } = travelling
  // A queue travels by its name; the app that sends knows its own queues.
  if (typeof queue === 'object' && queue !== null && 'name' in queue) travelling['queue'] = queue.name
  return travelling
}

function text(name: string, field: string, value: unknown): string {
  if (value === nothing) return '{}'
  try {
    return encodeJson(value)
  } catch (error) {
    throw new ConfigurationError(
      `The periodic task "${name}": its ${field} cannot be written as JSON: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error, details: { entry: name, field } },
    )
  }
}

function instant(name: string, field: string, value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined
  const epochMs =
    value instanceof Date
      ? value.getTime()
      : typeof value === 'string' && zoned.test(value)
        ? Date.parse(value)
        : NaN
  if (!Number.isNaN(epochMs)) return epochMs
  throw wrong(name, field, value, 'a date, or a time with its offset such as 2026-11-28T07:00:00+01:00')
}

const zoned = /^\d{4}-\d\d-\d\dT.*(?:Z|[+-]\d\d:?\d\d)$/

/** `routing_key` → `routingKey`: configuration files may be Python's. */
function camelKeys(record: object): Record<string, unknown> {
  if (!Object.keys(record).some((key) => key.includes('_'))) return record as Record<string, unknown>
  return Object.fromEntries(
    Object.entries(record).map(([key, value]) => [
      key.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  )
}

function wrong(name: string, field: string, value: unknown, allowed: string): ConfigurationError {
  const shown = typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? String(value))
  return new ConfigurationError(`The periodic task "${name}": ${field} is ${shown}; allowed is ${allowed}.`, {
    details: { entry: name, field, value, allowed },
  })
}
