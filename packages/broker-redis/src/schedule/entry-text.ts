/** One entry as JSON in the hash of entries, and its run as `<epoch ms> <count>` in the hash of runs. */
import type { Buffer } from 'node:buffer'
import {
  isPlainObject,
  type ScheduleContents,
  type ScheduleRun,
  type StoredScheduleEntry,
} from '@ct/contracts'

/** Without its run. */
export function encodeEntry({
  lastRunAt: _run,
  totalRunCount: _count,
  ...declared
}: StoredScheduleEntry): string {
  return JSON.stringify(declared)
}

export function encodeRun({
  lastRunAt,
  totalRunCount,
}: Pick<ScheduleRun, 'lastRunAt' | 'totalRunCount'>): string {
  return `${lastRunAt} ${totalRunCount}`
}

/** Throws an Error whose message says what is wrong; the caller reports it as broken (S2). */
export function decodeEntry(name: string, text: string, run: string | undefined): StoredScheduleEntry {
  const value: unknown = JSON.parse(text)
  if (!isPlainObject(value)) throw new Error('it is not a JSON object')
  const field = (key: string, type: 'string' | 'boolean' | 'number'): never => {
    const found = value[key]
    if (typeof found !== type) throw new Error(`its ${key} is not a ${type}`)
    return found as never
  }
  const instant = (key: string): number | undefined => (value[key] == null ? undefined : field(key, 'number'))
  const { schedule, origin } = value
  if (!isPlainObject(schedule)) throw new Error('its schedule is not an object')
  if (origin !== 'configuration' && origin !== 'run-time')
    throw new Error('its origin is neither "configuration" nor "run-time"')
  return {
    name,
    task: field('task', 'string'),
    schedule,
    args: field('args', 'string'),
    kwargs: field('kwargs', 'string'),
    options: field('options', 'string'),
    enabled: field('enabled', 'boolean'),
    oneOff: field('oneOff', 'boolean'),
    startAt: instant('startAt'),
    expiresAt: instant('expiresAt'),
    description: field('description', 'string'),
    origin,
    ...decodeRun(run),
  }
}

function decodeRun(text: string | undefined): Pick<StoredScheduleEntry, 'lastRunAt' | 'totalRunCount'> {
  if (text === undefined) return { lastRunAt: undefined, totalRunCount: 0 }
  const match = /^(-?\d+(?:\.\d+)?) (\d+)$/.exec(text)
  if (match === null) throw new Error(`its run is "${text}", not "<epoch ms> <count>"`)
  return { lastRunAt: Number(match[1]), totalRunCount: Number(match[2]) }
}

/** As scripts give them: names and texts, one after the other. */
export function readRows(
  found: readonly Buffer[],
  runs: readonly Buffer[],
): Omit<ScheduleContents, 'marker'> {
  const runOf = new Map<string, string>()
  for (let i = 0; i < runs.length; i += 2) runOf.set(String(runs[i]), String(runs[i + 1]))
  const entries: StoredScheduleEntry[] = []
  const broken: { name: string; reason: string }[] = []
  for (let i = 0; i < found.length; i += 2) {
    const name = String(found[i])
    try {
      entries.push(decodeEntry(name, String(found[i + 1]), runOf.get(name)))
    } catch (error) {
      broken.push({ name, reason: (error as Error).message })
    }
  }
  return { entries: entries.sort((a, b) => (a.name < b.name ? -1 : 1)), broken }
}
