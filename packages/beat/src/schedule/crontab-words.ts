/** A crontab in words. Written for Celery's meaning: both day fields must fit, and ranges run on past the end. */
import {
  fieldRules,
  monthNames,
  weekdayNames,
  type CrontabField,
  type CrontabFieldName,
} from './crontab-field.ts'
import { listInWords, rangesInWords } from './words.ts'

/** More times than these are told as minutes of hours. */
const mostTimes = 6

/** `at 07:30 on Monday to Friday`, `every 15 minutes of hours 8 to 17 in June`. */
export function crontabInWords(fields: Readonly<Record<CrontabFieldName, CrontabField>>): string {
  const when = timeInWords(fields.minute, fields.hour)
  const days = daysInWords(fields.dayOfWeek, fields.dayOfMonth)
  const months = isAll(fields.monthOfYear)
    ? ''
    : ` in ${rangesInWords(fields.monthOfYear.values, (month) => capital(monthNames[month - 1]), fieldRules.monthOfYear)}`
  const daily = days === '' && when.startsWith('at ') && !isAll(fields.hour) ? ' every day' : ''
  return `${when}${days}${daily}${months}`
}

function timeInWords(minute: CrontabField, hour: CrontabField): string {
  const times = minute.values.length * hour.values.length
  if (times <= mostTimes)
    return `at ${listInWords(hour.values.flatMap((h) => minute.values.map((m) => `${two(h)}:${two(m)}`)))}`
  const hours = isAll(hour)
    ? ''
    : ` of hour${plural(hour)} ${rangesInWords(hour.values, String, fieldRules.hour)}`
  if (isAll(minute)) return `every minute${hours}`
  const step = stepOf(minute.values, 60)
  if (step !== undefined) return `every ${step} minutes${hours}`
  return `at minute${plural(minute)} ${rangesInWords(minute.values, String)}${hours === '' ? ' of every hour' : hours}`
}

function daysInWords(dayOfWeek: CrontabField, dayOfMonth: CrontabField): string {
  const weekdays = rangesInWords(dayOfWeek.values, (day) => capital(weekdayNames[day]), fieldRules.dayOfWeek)
  const days = `day${plural(dayOfMonth)} ${rangesInWords(dayOfMonth.values, String)} of the month`
  if (isAll(dayOfMonth)) return isAll(dayOfWeek) ? '' : ` on ${weekdays}`
  return isAll(dayOfWeek) ? ` on ${days}` : ` on ${days} if that is ${weekdays}`
}

function isAll({ name, values }: CrontabField): boolean {
  const { min, max } = fieldRules[name]
  return values.length === max - min + 1
}

/** The step, if the values are all of its multiples below `size` and it comes out even. */
function stepOf(values: readonly number[], size: number): number | undefined {
  const step = values[1]
  if (step === undefined || values[0] !== 0 || size % step !== 0 || values.length !== size / step)
    return undefined
  return values.every((value, index) => value === index * step) ? step : undefined
}

function plural({ values }: CrontabField): string {
  return values.length === 1 ? '' : 's'
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}

function capital(name = ''): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
}
