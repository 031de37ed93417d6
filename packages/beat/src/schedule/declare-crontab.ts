/** How crontabs are declared: by fields as `crontab()` of Celery, or as one text as `crontab.from_string`. */
import { didYouMean } from '@ct/client'
import { ConfigurationError } from '@ct/contracts'
import { parseField, type CrontabFieldInput, type CrontabFieldName } from './crontab-field.ts'
import { CrontabSchedule } from './crontab.ts'

/** Each field is `*` unless given. */
export type CrontabInput = { readonly [field in CrontabFieldName]?: CrontabFieldInput }

export interface CrontabOptions {
  /** IANA name of the zone whose clock counts. Default: the app's. */
  readonly timezone?: string
}

const known: readonly string[] = ['minute', 'hour', 'dayOfWeek', 'dayOfMonth', 'monthOfYear', 'timezone']

/**
 * `crontab({ minute: 30, hour: 7, dayOfWeek: 'mon-fri', timezone: 'Europe/Berlin' })`, or in cron's order of fields
 * `crontab('30 7 * * mon-fri', { timezone: 'Europe/Berlin' })`. Error: `CT_CONFIGURATION` for a field or zone that is wrong, with
 * `details.field`, `details.value` and `details.allowed`.
 */
export function crontab(
  input: string | (CrontabInput & CrontabOptions) = {},
  options: CrontabOptions = {},
): CrontabSchedule {
  if (typeof input !== 'string' && (typeof input !== 'object' || input === null)) throw notFields(input)
  const given = typeof input === 'string' ? { ...fieldsOfText(input), ...options } : { ...input, ...options }
  for (const key of Object.keys(given)) if (!known.includes(key)) throw unknown(key)
  const { minute = '*', hour = '*', dayOfWeek = '*', dayOfMonth = '*', monthOfYear = '*', timezone } = given
  return new CrontabSchedule(
    {
      minute: parseField('minute', minute),
      hour: parseField('hour', hour),
      dayOfWeek: parseField('dayOfWeek', dayOfWeek),
      dayOfMonth: parseField('dayOfMonth', dayOfMonth),
      monthOfYear: parseField('monthOfYear', monthOfYear),
    },
    timezone,
  )
}

function fieldsOfText(text: string): CrontabInput & CrontabOptions {
  const [minute, hour, dayOfMonth, monthOfYear, dayOfWeek, ...more] = text.split(' ')
  if (
    minute === undefined ||
    hour === undefined ||
    dayOfMonth === undefined ||
    monthOfYear === undefined ||
    dayOfWeek === undefined ||
    more.length > 0
  )
    throw notFields(text)
  return { minute, hour, dayOfMonth, monthOfYear, dayOfWeek }
}

function notFields(value: unknown): ConfigurationError {
  const allowed = 'five fields with one blank between them: minute hour dayOfMonth monthOfYear dayOfWeek'
  return new ConfigurationError(
    `crontab(): ${JSON.stringify(value) ?? String(value)} is no crontab. Allowed are ${allowed}; or an object of fields, crontab({ minute: 30 }).`,
    { details: { field: 'crontab', value, allowed } },
  )
}

/** What users of other libraries look for. */
const elsewhere: Readonly<Record<string, string>> = {
  nowfun: ' ct asks for a zone instead of a clock: give timezone.',
  tz: ' It is called timezone.',
}

function unknown(key: string): ConfigurationError {
  const hint =
    elsewhere[key] ??
    didYouMean(
      key.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      known,
    )
  return new ConfigurationError(`crontab() has no field "${key}".${hint}`, {
    details: { field: key, allowed: known },
  })
}
