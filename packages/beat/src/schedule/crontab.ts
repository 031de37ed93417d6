/**
 * Runs when the clock shows a time that all five fields allow (celery/schedules.py 5.7, `crontab`). Unlike cron, day of week *and* day of month
 * must fit.
 *
 * The clock is the zone's. Of the wall times that match, each has one instant: one that comes twice counts the first time, one that never
 * comes counts as much later as the clock jumped. So quarter-hourly runs pause while an hour repeats, as Celery's do. Only a last run that lies
 * in the repeated hour itself is treated otherwise: Celery answers with a next run in the past, and so "due" for ever (its 5.7.0); here the
 * next run is the first after it.
 */
import { ConfigurationError } from '@ct/contracts'
import { BaseSchedule } from './base-schedule.ts'
import { dateOf, dayMs, daysInMonth, daysOf, weekdayOf } from './civil-date.ts'
import type { CrontabField, CrontabFieldName } from './crontab-field.ts'
import { crontabInWords } from './crontab-words.ts'
import type { ScheduleData, ScheduleSettings } from './schedule.ts'
import { timeZone, type TimeZone } from './time-zone.ts'

const minuteMs = 60_000
/** Python's datetime ends there. */
const lastYear = 9999

export type CrontabFields = Readonly<Record<CrontabFieldName, CrontabField>>

export class CrontabSchedule extends BaseSchedule {
  readonly kind = 'crontab'
  readonly fields: CrontabFields
  /** The zone it was declared with; undefined: the app's. */
  readonly timezone: string | undefined
  readonly #zone: TimeZone
  /** Undefined: however late. */
  readonly #deadlineMs: number | undefined
  // Bit n stands for the value n; minutes need two words.
  readonly #minutesBelow30: number
  readonly #minutesFrom30: number
  readonly #hours: number
  readonly #weekdays: number
  readonly #days: number
  readonly #months: number

  constructor(fields: CrontabFields, timezone: string | undefined, settings?: ScheduleSettings) {
    super()
    this.fields = fields
    this.timezone = timezone
    this.#zone = timeZone(timezone ?? settings?.timezone ?? 'UTC')
    const deadline = settings?.beatCronStartingDeadline ?? undefined
    this.#deadlineMs = deadline === undefined ? undefined : deadline * 1000
    const { minute, hour, dayOfWeek, dayOfMonth, monthOfYear } = fields
    this.#minutesBelow30 = bits(minute.values.filter((value) => value < 30))
    this.#minutesFrom30 = bits(minute.values.filter((value) => value >= 30).map((value) => value - 30))
    this.#hours = bits(hour.values)
    this.#weekdays = bits(dayOfWeek.values)
    this.#days = bits(dayOfMonth.values)
    this.#months = bits(monthOfYear.values)
    this.#refuseDaysThatNeverCome()
  }

  override bind(settings: ScheduleSettings): CrontabSchedule {
    return new CrontabSchedule(this.fields, this.timezone, settings)
  }

  protected following(lastRunAt: number): number | undefined {
    let wall = this.#nextWall(this.#zone.wallAt(lastRunAt))
    while (wall !== undefined) {
      const instant = this.#zone.instantOf(wall, 0)
      if (instant > lastRunAt) return instant
      // The last run was in the second pass of a time that comes twice, and this match was in the first.
      wall = this.#nextWall(wall)
    }
    return undefined
  }

  protected override isCurrent(_at: number, now: number): boolean {
    if (this.#deadlineMs === undefined) return true
    const latest = this.following(now - this.#deadlineMs - 1)
    return latest !== undefined && latest <= now
  }

  describe(): string {
    return `${crontabInWords(this.fields)} (${this.#zone.name})`
  }

  toJSON(): ScheduleData {
    const { minute, hour, dayOfWeek, dayOfMonth, monthOfYear } = this.fields
    return {
      type: this.kind,
      minute: minute.text,
      hour: hour.text,
      dayOfWeek: dayOfWeek.text,
      dayOfMonth: dayOfMonth.text,
      monthOfYear: monthOfYear.text,
      ...(this.timezone === undefined ? {} : { timezone: this.timezone }),
    }
  }

  /** Equal when they match the same times in the same zone, however they are written. */
  override equals(other: object): boolean {
    return (
      other instanceof CrontabSchedule &&
      this.#minutesBelow30 === other.#minutesBelow30 &&
      this.#minutesFrom30 === other.#minutesFrom30 &&
      this.#hours === other.#hours &&
      this.#weekdays === other.#weekdays &&
      this.#days === other.#days &&
      this.#months === other.#months &&
      this.#zone === other.#zone &&
      this.timezone === other.timezone &&
      this.#deadlineMs === other.#deadlineMs
    )
  }

  /** The first matching minute after the one of `wall`. */
  #nextWall(wall: number): number | undefined {
    const days = Math.floor(wall / dayMs)
    const minuteOfDay = Math.floor((wall - days * dayMs) / minuteMs)
    const { year, month, day } = dateOf(days)
    if (this.#isMatchingDay(month, day, days)) {
      const later = this.#nextMinuteOfDay(minuteOfDay + 1)
      if (later !== -1) return days * dayMs + later * minuteMs
    }
    const next = this.#nextDay(year, month, day)
    return next === undefined ? undefined : next * dayMs + this.#nextMinuteOfDay(0) * minuteMs
  }

  #isMatchingDay(month: number, day: number, days: number): boolean {
    return has(this.#months, month) && has(this.#days, day) && has(this.#weekdays, weekdayOf(days))
  }

  /** Count of days of the first matching date after this one. */
  #nextDay(year: number, month: number, day: number): number | undefined {
    let from = day + 1
    while (year <= lastYear) {
      if (has(this.#months, month)) {
        const length = daysInMonth(year, month)
        const before = daysOf(year, month, 1) - 1
        for (
          let date = lowest(this.#days, from);
          date !== -1 && date <= length;
          date = lowest(this.#days, date + 1)
        )
          if (has(this.#weekdays, weekdayOf(before + date))) return before + date
      }
      from = 1
      month = month === 12 ? 1 : month + 1
      if (month === 1) year++
    }
    return undefined
  }

  #nextMinuteOfDay(from: number): number {
    const hour = Math.floor(from / 60)
    if (has(this.#hours, hour)) {
      const minute = this.#nextMinute(from - hour * 60)
      if (minute !== -1) return hour * 60 + minute
    }
    const later = lowest(this.#hours, hour + 1)
    return later === -1 ? -1 : later * 60 + this.#nextMinute(0)
  }

  #nextMinute(from: number): number {
    const early = from < 30 ? lowest(this.#minutesBelow30, from) : -1
    if (early !== -1) return early
    const late = lowest(this.#minutesFrom30, Math.max(0, from - 30))
    return late === -1 ? -1 : late + 30
  }

  #refuseDaysThatNeverCome(): void {
    const { dayOfMonth, monthOfYear } = this.fields
    // 2000 was a leap year.
    if (monthOfYear.values.some((month) => lowest(this.#days, 1) <= daysInMonth(2000, month))) return
    const allowed = `a day that one of the months has`
    throw new ConfigurationError(
      `crontab(): dayOfMonth ${JSON.stringify(dayOfMonth.text)} never comes in monthOfYear ${JSON.stringify(monthOfYear.text)}; allowed is ${allowed}.`,
      { details: { field: 'dayOfMonth', value: dayOfMonth.text, allowed } },
    )
  }
}

function bits(values: readonly number[]): number {
  return values.reduce((word, value) => word | (1 << value), 0)
}

function has(word: number, bit: number): boolean {
  return ((word >>> bit) & 1) === 1
}

/** The lowest bit that is set at `from` or above, or -1. */
function lowest(word: number, from: number): number {
  if (from > 31) return -1
  const rest = word & (-1 << from)
  return rest === 0 ? -1 : 31 - Math.clz32(rest & -rest)
}
