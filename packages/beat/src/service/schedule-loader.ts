/** Brings together what the program declares and what the store holds, and tells what is wrong with either. */
import type { App } from '@ct/client'
import type { ScheduleRun, ScheduleStoreConnection, StoredScheduleEntry } from '@ct/contracts'
import type { DeclaredEntry } from '../entry/index.ts'
import { isSameDeclaration, readEntry } from '../entry/index.ts'
import type { ScheduleReader, ScheduleSettings } from '../schedule/index.ts'
import type { Scheduler } from '../scheduler/index.ts'

export interface ScheduleLoaderOptions {
  readonly app: App
  readonly scheduler: Scheduler
  readonly configured: ReadonlyMap<string, DeclaredEntry>
  readonly readers: Readonly<Record<string, ScheduleReader>>
  readonly settings: ScheduleSettings
}

export type ScheduleContents = Awaited<ReturnType<ScheduleStoreConnection['load']>>

type Stored = ReadonlyMap<string, StoredScheduleEntry>

/** Entries in one save: a step that a server takes in milliseconds. */
const perSave = 1000
/** Names in one line of the log. */
const mostNames = 20

export class ScheduleLoader {
  readonly #options: ScheduleLoaderOptions
  readonly #told = new Set<string>()

  constructor(options: ScheduleLoaderOptions) {
    this.#options = options
  }

  /**
   * Reads the store, writes into it what the configuration says (BEAT-10: runs are kept, entries that it no longer has go), and gives the scheduler
   * what is new or different. Resolves to the number of entries that it wrote.
   */
  async load(connection: ScheduleStoreConnection, token: number | undefined, now: number): Promise<number> {
    const { entries, broken } = await connection.load()
    for (const { name, reason } of broken) this.#tell(name, reason)
    const stored = new Map(entries.map((entry) => [entry.name, entry]))
    const { put, remove } = this.#differences(stored, now)
    for (let at = 0; at < put.length; at += perSave)
      await connection.save({ put: put.slice(at, at + perSave), token })
    if (remove.length > 0) {
      await connection.save({ remove, token })
      this.#options.app.context.logger.info(
        `Left the schedule, since the configuration no longer has them: ${some(remove)}.`,
      )
    }
    for (const name of remove) stored.delete(name)
    for (const entry of put) stored.set(entry.name, withRunOf(stored.get(entry.name), entry))
    await this.#hand(stored, connection, token, now)
    return put.length + remove.length
  }

  /** What a load would give, without writing anything: for people who look. */
  async preview(connection: ScheduleStoreConnection, now: number): Promise<ScheduleContents> {
    const { entries, broken } = await connection.load()
    const stored = new Map(entries.map((entry) => [entry.name, entry]))
    const { put, remove } = this.#differences(stored, now)
    for (const name of remove) stored.delete(name)
    for (const entry of put) stored.set(entry.name, withRunOf(stored.get(entry.name), entry))
    return { entries: [...stored.values()], broken }
  }

  #differences(
    stored: Stored,
    now: number,
  ): { readonly put: StoredScheduleEntry[]; readonly remove: string[] } {
    const { configured } = this.#options
    const put: StoredScheduleEntry[] = []
    for (const [name, declared] of configured) {
      const before = stored.get(name)
      if (before === undefined) {
        put.push({ ...declared.stored, lastRunAt: firstRunAt(declared.stored, now) })
        continue
      }
      // Whether it runs is for people to switch, unless the configuration says so; what is over or had its only run stays off.
      const isFixed =
        declared.saysEnabled && !declared.stored.oneOff && declared.stored.expiresAt === undefined
      if (isSameDeclaration(before, declared.stored, isFixed)) continue
      put.push(isFixed ? declared.stored : { ...declared.stored, enabled: before.enabled })
    }
    const remove = [...stored.values()]
      .filter(({ name, origin }) => origin === 'configuration' && !configured.has(name))
      .map(({ name }) => name)
    return { put, remove }
  }

  async #hand(
    stored: Stored,
    connection: ScheduleStoreConnection,
    token: number | undefined,
    now: number,
  ): Promise<void> {
    const { scheduler, readers, settings, configured } = this.#options
    for (const { stored: known } of [...scheduler.entries()])
      if (!stored.has(known.name)) scheduler.remove(known.name)
    const begun: ScheduleRun[] = []
    for (const entry of stored.values()) {
      const known = scheduler.get(entry.name)
      const isSame =
        known !== undefined &&
        isSameDeclaration(known.stored, entry) &&
        (entry.lastRunAt === known.lastRunAt || entry.lastRunAt === undefined)
      if (isSame) continue
      try {
        const schedule = entry.origin === 'configuration' ? configured.get(entry.name)?.schedule : undefined
        const read = readEntry(entry, { settings, readers, now: firstRunAt(entry, now), schedule })
        scheduler.put(read, now)
        if (entry.lastRunAt === undefined)
          begun.push({ name: entry.name, lastRunAt: read.lastRunAt, totalRunCount: entry.totalRunCount })
      } catch (error) {
        scheduler.remove(entry.name)
        this.#tell(entry.name, error instanceof Error ? error.message : String(error))
      }
    }
    // From when on they count is the same for whoever leads next.
    if (begun.length > 0) await connection.save({ runs: begun, token })
  }

  #tell(name: string, reason: string): void {
    const line = `The periodic task "${name}" of the store cannot be read and is left out: ${reason.replace(/\.$/, '')}. Change or remove it; the others run.`
    if (this.#told.has(line)) return
    this.#told.add(line)
    this.#options.app.context.logger.error(line, { entry: name })
  }
}

/** A line that people can read, however many there are. */
function some(names: readonly string[]): string {
  const shown = names.slice(0, mostNames).join(', ')
  return names.length <= mostNames ? shown : `${shown} and ${names.length - mostNames} more`
}

/** As a store puts it (S3). */
function withRunOf(before: StoredScheduleEntry | undefined, entry: StoredScheduleEntry): StoredScheduleEntry {
  const { lastRunAt, totalRunCount } = before !== undefined && entry.lastRunAt === undefined ? before : entry
  return { ...entry, lastRunAt, totalRunCount }
}

/** What a new entry counts from: now; an appointment that has passed is kept all the same (BEAT-57). */
export function firstRunAt({ schedule }: StoredScheduleEntry, now: number): number {
  const at = schedule['type'] === 'clocked' ? Date.parse(String(schedule['at'])) : NaN
  return Number.isNaN(at) ? now : Math.min(now, at - 1)
}
