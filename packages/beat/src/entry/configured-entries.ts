/** The entries that a program declares: by the setting `beatSchedule`, by `addPeriodicTask`, by an option of beat, and the one that every app has. */
import { builtinTasks, type App } from '@ct/client'
import { crontab, type ScheduleReader } from '../schedule/index.ts'
import { declareEntry, type DeclaredEntry } from './declare-entry.ts'
import type { BeatSchedule, PeriodicTaskInput } from './entry-input.ts'

const registered = Symbol.for('ct.beat.entries')

type WithEntries = App & { [registered]?: Map<string, PeriodicTaskInput> }

/** What `addPeriodicTask` was told, by the app: shared by all copies of this package. */
export function addedEntries(app: App): Map<string, PeriodicTaskInput> {
  const holder = app as WithEntries
  if (holder[registered] === undefined)
    Object.defineProperty(holder, registered, { value: new Map<string, PeriodicTaskInput>() })
  return holder[registered]!
}

/** Later ones win: the default, the setting, `addPeriodicTask`, the option. Error: `CT_CONFIGURATION`. */
export function configuredEntries(
  app: App,
  entries: BeatSchedule,
  readers: Readonly<Record<string, ScheduleReader>>,
): ReadonlyMap<string, DeclaredEntry> {
  const all = new Map<string, PeriodicTaskInput>([
    ...cleanupEntry(app),
    ...(Object.entries(app.settings.beatSchedule) as [string, PeriodicTaskInput][]),
    ...addedEntries(app),
    ...Object.entries(entries),
  ])
  return new Map([...all].map(([name, input]) => [name, declareEntry(name, input, 'configuration', readers)]))
}

/** BEAT-18, RES-70: results that nothing else deletes. */
function cleanupEntry(app: App): [string, PeriodicTaskInput][] {
  const { backend, settings } = app.context
  const { resultExpires } = settings
  if (backend === undefined || resultExpires === null || resultExpires === 0) return []
  if (backend.capabilities.autoExpire) return []
  return [
    [
      builtinTasks.backendCleanup,
      {
        task: builtinTasks.backendCleanup,
        schedule: crontab({ minute: 0, hour: 4 }),
        options: { expires: 12 * 3600 },
      },
    ],
  ]
}
