/** An entry as beat works with it: what a store holds, read. */
import { RawJson, sliceJsonArray, sliceJsonObject, type StoredScheduleEntry } from '@ct/contracts'
import {
  scheduleFromJSON,
  type Schedule,
  type ScheduleReader,
  type ScheduleSettings,
} from '../schedule/index.ts'
import { faultOf } from '../store/index.ts'
import { checkStoredOptions } from './stored-options.ts'

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
  /** The schedule itself, where it is known to be that of the data. */
  readonly schedule?: Schedule | undefined
}

/** Error: whatever is wrong with it, in its message. */
export function readEntry(
  stored: StoredScheduleEntry,
  { settings, readers, now, schedule: known }: EntryReading,
): Entry {
  // Not every store looks.
  const fault = faultOf(stored)
  if (fault !== undefined) throw new Error(fault)
  const made = known ?? scheduleFromJSON(stored.schedule, readers)
  const schedule = made.bind?.(settings) ?? made
  checkJson('args', stored.args, sliceJsonArray)
  checkJson('kwargs', stored.kwargs, sliceJsonObject)
  checkStoredOptions(stored.options)
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

/** Whether two entries were declared alike, whenever they ran. With `enabled` false, whether they are enabled does not count. */
export function isSameDeclaration(a: StoredScheduleEntry, b: StoredScheduleEntry, enabled = true): boolean {
  return (
    a === b ||
    (a.task === b.task &&
      a.args === b.args &&
      a.kwargs === b.kwargs &&
      a.options === b.options &&
      (!enabled || a.enabled === b.enabled) &&
      a.oneOff === b.oneOff &&
      a.startAt === b.startAt &&
      a.expiresAt === b.expiresAt &&
      a.description === b.description &&
      a.origin === b.origin &&
      isSameData(a.schedule, b.schedule))
  )
}

type Data = Readonly<Record<string, unknown>>

/** Schedules are flat, nearly always; comparing their texts would be most of the work of a start with many entries. */
function isSameData(a: Data, b: Data): boolean {
  if (a === b) return true
  let keys = 0
  for (const key in a) {
    keys++
    if (a[key] === b[key]) continue
    if (typeof a[key] !== 'object' || JSON.stringify(a[key]) !== JSON.stringify(b[key])) return false
  }
  for (const _key in b) keys--
  return keys === 0
}
