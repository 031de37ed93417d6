/**
 * Runs every so often (celery/schedules.py `schedule` and celery/utils/time.py `remaining`, 5.7).
 *
 * The interval counts elapsed time from the last run. A relative one rounds the due time down to its unit (day, hour, minute, second) on the
 * clock of the zone; relative days are days of the calendar, 23 or 25 hours long when clocks change.
 */
import { didYouMean } from '@ct/client'
import { ConfigurationError } from '@ct/contracts'
import { BaseSchedule } from './base-schedule.ts'
import { dayMs } from './civil-date.ts'
import { relativeEnd } from './relative-end.ts'
import type { ScheduleData, ScheduleSettings } from './schedule.ts'
import { timeZone, type TimeZone } from './time-zone.ts'
import { durationInWords } from './words.ts'

const unitsMs = {
  weeks: 7 * dayMs,
  days: dayMs,
  hours: 3_600_000,
  minutes: 60_000,
  seconds: 1000,
  milliseconds: 1,
  microseconds: 0.001,
} as const

/** Python's `timedelta` as an object: `{ hours: 1, minutes: 30 }`. */
export type IntervalDuration = { readonly [unit in keyof typeof unitsMs]?: number }

export interface IntervalOptions {
  /** Round the due time down to the unit of the interval: days, hours, minutes or seconds. Default: false. */
  readonly relative?: boolean
  /** Zone of that rounding. Default: the app's. */
  readonly timezone?: string
}

export class IntervalSchedule extends BaseSchedule {
  readonly kind = 'interval'
  readonly everyMs: number
  readonly relative: boolean
  readonly #timezone: string | undefined
  readonly #zone: TimeZone

  constructor(everyMs: number, options: IntervalOptions, settings?: ScheduleSettings) {
    super()
    this.everyMs = everyMs
    this.relative = options.relative ?? false
    this.#timezone = options.timezone
    this.#zone = timeZone(options.timezone ?? settings?.timezone ?? 'UTC')
  }

  override bind(settings: ScheduleSettings): IntervalSchedule {
    if (!this.relative || this.#timezone !== undefined) return this
    return new IntervalSchedule(this.everyMs, { relative: true }, settings)
  }

  protected following(lastRunAt: number): number {
    return this.relative ? relativeEnd(this.#zone, lastRunAt, this.everyMs) : lastRunAt + this.everyMs
  }

  protected override pauseAfter(now: number): number {
    const pause = this.following(now) - now
    // Rounding to whole seconds can leave a part of a second with no end ahead.
    return pause > 0 ? pause : this.everyMs
  }

  describe(): string {
    const words = `every ${durationInWords(this.everyMs)}`
    return this.relative ? `${words}, rounded to the ${this.#unit()} (${this.#zone.name})` : words
  }

  toJSON(): ScheduleData {
    return {
      type: this.kind,
      seconds: this.everyMs / 1000,
      ...(this.relative ? { relative: true } : {}),
      ...(this.#timezone === undefined ? {} : { timezone: this.#timezone }),
    }
  }

  #unit(): string {
    if (this.everyMs >= unitsMs.days) return 'day'
    if (this.everyMs >= unitsMs.hours) return 'hour'
    return this.everyMs >= unitsMs.minutes ? 'minute' : 'second'
  }
}

/**
 * Runs every `every`: seconds, or an object of units that are added up. Error: `CT_CONFIGURATION` for what is no time above zero; Celery
 * takes zero and less for "at once, for ever", which floods the broker.
 */
export function interval(every: number | IntervalDuration, options: IntervalOptions = {}): IntervalSchedule {
  for (const key of Object.keys(options))
    if (key !== 'relative' && key !== 'timezone')
      throw new ConfigurationError(
        `interval() has an unknown option "${key}".${didYouMean(key, ['relative', 'timezone'])}`,
        { details: { field: key, allowed: ['relative', 'timezone'] } },
      )
  if (options.relative !== undefined && typeof options.relative !== 'boolean')
    throw invalid('relative', options.relative, 'true or false')
  return new IntervalSchedule(milliseconds(every), options)
}

function milliseconds(every: number | IntervalDuration): number {
  let sum = 0
  if (typeof every === 'number') sum = every * 1000
  else if (typeof every === 'object' && every !== null) {
    for (const [unit, count] of Object.entries(every)) {
      if (!Object.hasOwn(unitsMs, unit))
        throw new ConfigurationError(
          `interval() has an unknown unit "${unit}".${didYouMean(unit, Object.keys(unitsMs))}`,
          { details: { field: unit, allowed: Object.keys(unitsMs) } },
        )
      if (typeof count !== 'number' || !Number.isFinite(count)) throw invalid(unit, count, 'a number')
      sum += count * unitsMs[unit as keyof typeof unitsMs]
    }
  } else throw invalid('every', every, 'seconds, or an object such as { hours: 1, minutes: 30 }')
  // Python's timedelta counts whole microseconds.
  const rounded = Math.round(sum * 1000) / 1000
  if (!(rounded > 0 && rounded <= furthestMs))
    throw invalid('every', every, 'a time of more than 0 and at most a hundred thousand years')
  return rounded
}

const furthestMs = 100_000 * 365 * dayMs

function invalid(field: string, value: unknown, allowed: string): ConfigurationError {
  return new ConfigurationError(
    `interval(): ${field} is ${JSON.stringify(value) ?? String(value)}; allowed is ${allowed}.`,
    { details: { field, value, allowed } },
  )
}
