/** Schedules out of what users and stores hold: numbers, objects, plain data. */
import { ConfigurationError } from '@ct/contracts'
import { clocked } from './clocked.ts'
import { crontab, type CrontabInput, type CrontabOptions } from './declare-crontab.ts'
import { interval, type IntervalDuration, type IntervalOptions } from './interval.ts'
import type { Schedule, ScheduleData } from './schedule.ts'
import { solar, type SolarOptions } from './solar.ts'

/** Makes a schedule of its data; throws on what does not fit. */
export type ScheduleReader = (data: ScheduleData) => Schedule

// The functions check what they get; data is told from options only by its `type`.
const readers: Readonly<Record<string, ScheduleReader>> = {
  interval: (data) => {
    const { seconds, ...options } = withoutType(data)
    return interval(seconds as number, options as IntervalOptions)
  },
  crontab: (data) => crontab(withoutType(data) as CrontabInput & CrontabOptions),
  clocked: (data) => clocked(data['at'] as string),
  solar: (data) => solar(withoutType(data) as unknown as SolarOptions),
}

function withoutType(data: ScheduleData): Record<string, unknown> {
  return Object.fromEntries(Object.entries(data).filter(([key]) => key !== 'type'))
}

/**
 * The schedule of which `toJSON()` made this data. `own` has a reader for each `kind` of your own schedules. Error: `CT_CONFIGURATION` for a
 * type that nobody reads, or data that its reader refuses.
 */
export function scheduleFromJSON(
  data: Readonly<Record<string, unknown>>,
  own: Readonly<Record<string, ScheduleReader>> = {},
): Schedule {
  const type: unknown = data['type']
  const reader =
    typeof type !== 'string'
      ? undefined
      : Object.hasOwn(own, type)
        ? own[type]
        : Object.hasOwn(readers, type)
          ? readers[type]
          : undefined
  if (reader !== undefined) return reader({ ...data, type: type as string })
  const allowed = [...Object.keys(readers), ...Object.keys(own)]
  throw new ConfigurationError(
    `A schedule has the type ${JSON.stringify(type) ?? 'undefined'}; known are ${allowed.join(', ')}. Give beat a reader for schedules of your own.`,
    { details: { field: 'type', value: type, allowed } },
  )
}

/** What an entry may give as its schedule. */
export type ScheduleInput = number | IntervalDuration | Schedule

/** A schedule as it is; a number of seconds or a duration as an interval (celery/schedules.py 5.7, `maybe_schedule`). */
export function maybeSchedule(input: ScheduleInput, options: IntervalOptions = {}): Schedule {
  return isSchedule(input) ? input : interval(input, options)
}

export function isSchedule(value: unknown): value is Schedule {
  if (typeof value !== 'object' || value === null) return false
  const members = value as Readonly<Record<string, unknown>>
  return (
    typeof members['kind'] === 'string' &&
    ['isDue', 'dueAt', 'next', 'describe', 'toJSON', 'equals'].every(
      (name) => typeof members[name] === 'function',
    )
  )
}
