/** An entry as beat works with it: what a store holds, read. */
import {
  decodeJson,
  isPlainObject,
  RawJson,
  sliceJsonArray,
  sliceJsonObject,
  type StoredScheduleEntry,
} from '@ct/contracts'
import {
  scheduleFromJSON,
  type Schedule,
  type ScheduleReader,
  type ScheduleSettings,
} from '../schedule/index.ts'

export interface Entry {
  readonly stored: StoredScheduleEntry
  readonly schedule: Schedule
  /** Epoch ms. */
  lastRunAt: number
  totalRunCount: number
}

/** What an entry is read with. */
export interface EntryReading {
  readonly settings: ScheduleSettings
  readonly readers: Readonly<Record<string, ScheduleReader>>
  /** What counts as the last run of an entry that has none: now. */
  readonly now: number
}

/** Error: whatever is wrong with it, in its message. */
export function readEntry(stored: StoredScheduleEntry, { settings, readers, now }: EntryReading): Entry {
  const made = scheduleFromJSON(stored.schedule, readers)
  const schedule = made.bind?.(settings) ?? made
  checkJson('args', stored.args, sliceJsonArray)
  checkJson('kwargs', stored.kwargs, sliceJsonObject)
  if (stored.options !== '{}' && !isPlainObject(decodeJson(stored.options)))
    throw new Error('its options are no JSON object')
  for (const key of ['lastRunAt', 'startAt', 'expiresAt'] as const) {
    const value = stored[key]
    if (value !== undefined && !(Math.abs(value) <= 8.64e15)) throw new Error(`its ${key} is no instant`)
  }
  return { stored, schedule, lastRunAt: stored.lastRunAt ?? now, totalRunCount: stored.totalRunCount }
}

function checkJson(field: string, text: string, slice: (text: string) => unknown): void {
  if (text === '[]' || text === '{}') return
  try {
    RawJson.from(text)
    slice(text)
  } catch (error) {
    throw new Error(`its ${field} are not what they should be: ${(error as Error).message}`, { cause: error })
  }
}

/** Whether two entries were declared alike, whenever they ran. */
export function isSameDeclaration(a: StoredScheduleEntry, b: StoredScheduleEntry): boolean {
  return (
    a.task === b.task &&
    a.args === b.args &&
    a.kwargs === b.kwargs &&
    a.options === b.options &&
    a.enabled === b.enabled &&
    a.oneOff === b.oneOff &&
    a.startAt === b.startAt &&
    a.expiresAt === b.expiresAt &&
    a.description === b.description &&
    a.origin === b.origin &&
    (a.schedule === b.schedule || JSON.stringify(a.schedule) === JSON.stringify(b.schedule))
  )
}
