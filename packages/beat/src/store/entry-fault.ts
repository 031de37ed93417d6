/** What is wrong with the fields of an entry, as far as their types go; whether they make sense is for who reads it. */
import { isPlainObject } from '@ct/contracts'

const fields = {
  name: 'string',
  task: 'string',
  args: 'string',
  kwargs: 'string',
  options: 'string',
  enabled: 'boolean',
  oneOff: 'boolean',
  description: 'string',
} as const
const keys = Object.keys(fields) as (keyof typeof fields)[]
const instants = ['startAt', 'expiresAt', 'lastRunAt'] as const

/** Undefined: nothing. */
export function faultOf(value: unknown): string | undefined {
  if (!isPlainObject(value)) return 'it is not an object'
  for (const key of keys) if (typeof value[key] !== fields[key]) return `its ${key} is not a ${fields[key]}`
  for (const key of instants)
    if (value[key] !== undefined && typeof value[key] !== 'number') return `its ${key} is not a number`
  const { totalRunCount, schedule, origin } = value
  if (!Number.isSafeInteger(totalRunCount) || Number(totalRunCount) < 0)
    return 'its totalRunCount is not a number of runs'
  if (!isPlainObject(schedule)) return 'its schedule is not an object'
  if (origin !== 'configuration' && origin !== 'run-time')
    return 'its origin is neither "configuration" nor "run-time"'
  return undefined
}
