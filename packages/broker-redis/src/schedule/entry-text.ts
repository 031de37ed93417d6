/** One entry as JSON in the hash; the same fields as the contract's. */
import { isPlainObject, type StoredScheduleEntry } from '@ct/contracts'

export function encodeEntry(entry: StoredScheduleEntry): string {
  const { name, task, schedule, args, kwargs, options, enabled, lastRunAt, totalRunCount } = entry
  return JSON.stringify({ name, task, schedule, args, kwargs, options, enabled, lastRunAt, totalRunCount })
}

/** Throws an Error whose message says what is wrong; the caller reports it as broken (S2). */
export function decodeEntry(name: string, text: string): StoredScheduleEntry {
  const value: unknown = JSON.parse(text)
  if (!isPlainObject(value)) throw new Error('it is not a JSON object')
  const field = (key: string, type: 'string' | 'boolean' | 'number'): never => {
    const found = value[key]
    if (typeof found !== type) throw new Error(`its ${key} is not a ${type}`)
    return found as never
  }
  const { schedule, lastRunAt } = value
  if (!isPlainObject(schedule)) throw new Error('its schedule is not an object')
  return {
    name,
    task: field('task', 'string'),
    schedule,
    args: field('args', 'string'),
    kwargs: field('kwargs', 'string'),
    options: field('options', 'string'),
    enabled: field('enabled', 'boolean'),
    lastRunAt: lastRunAt === undefined || lastRunAt === null ? undefined : field('lastRunAt', 'number'),
    totalRunCount: field('totalRunCount', 'number'),
  }
}
