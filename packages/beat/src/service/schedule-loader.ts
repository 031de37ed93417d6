/** Brings together what the program declares and what the store holds, and tells what is wrong with either. */
import type { App } from '@ct/client'
import type {
  ScheduleChanges,
  ScheduleContents,
  ScheduleRun,
  ScheduleSaved,
  ScheduleStoreConnection,
  StoredScheduleEntry,
} from '@ct/contracts'
import type { DeclaredEntry, Entry } from '../entry/index.ts'
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

/** What goes with the writes of a load. */
export interface Writing {
  readonly token: number | undefined
  readonly now: number
  /** After each save that changes what is declared. */
  readonly onSaved: (saved: ScheduleSaved) => void
}

interface Differences {
  readonly put: readonly StoredScheduleEntry[]
  readonly remove: readonly string[]
}

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
   * Writes into the store what the configuration says (BEAT-10: runs are kept, entries that it no longer has go), and gives the scheduler what is
   * new or different.
   */
  async load(
    connection: ScheduleStoreConnection,
    contents: ScheduleContents,
    writing: Writing,
  ): Promise<{ readonly read: number; readonly written: number }> {
    const { scheduler, configured } = this.#options
    const stored = byName(contents.entries)
    this.#tellBroken(contents)
    const written = await this.#write(connection, stored, configured, writing)
    for (const { stored: known } of [...scheduler.entries()])
      if (!stored.has(known.name)) scheduler.remove(known.name)
    await this.#hand(connection, stored, writing)
    return { read: scheduler.size, written }
  }

  /** The same for some entries; those among `removed` that are not in the contents are gone. */
  async update(
    connection: ScheduleStoreConnection,
    contents: Omit<ScheduleChanges, 'more'>,
    writing: Writing,
  ): Promise<void> {
    const { scheduler, configured } = this.#options
    const stored = byName(contents.entries)
    const broken = contents.broken.map(({ name }) => name)
    const declared = new Map<string, DeclaredEntry>()
    for (const name of [...stored.keys(), ...broken, ...contents.removed]) {
      const one = configured.get(name)
      if (one !== undefined) declared.set(name, one)
    }
    this.#tellBroken(contents)
    await this.#write(connection, stored, declared, writing)
    for (const name of [...broken, ...contents.removed]) if (!stored.has(name)) scheduler.remove(name)
    await this.#hand(connection, stored, writing)
  }

  /** Entries as the store has them by now; nothing is written. */
  take(entries: readonly StoredScheduleEntry[], now: number): void {
    for (const entry of entries) this.#give(entry, now)
  }

  /** What a load would give, without writing anything: for people who look. */
  async preview(connection: ScheduleStoreConnection, now: number): Promise<ScheduleContents> {
    const { entries, broken, marker } = await connection.load()
    const stored = byName(entries)
    this.#merge(stored, this.#differences(stored, this.#options.configured, now))
    return { entries: [...stored.values()], broken, marker }
  }

  async #write(
    connection: ScheduleStoreConnection,
    stored: Map<string, StoredScheduleEntry>,
    declared: ReadonlyMap<string, DeclaredEntry>,
    { token, now, onSaved }: Writing,
  ): Promise<number> {
    const differences = this.#differences(stored, declared, now)
    const { put, remove } = differences
    for (let at = 0; at < put.length; at += perSave)
      onSaved(await connection.save({ put: put.slice(at, at + perSave), token }))
    if (remove.length > 0) {
      onSaved(await connection.save({ remove, token }))
      this.#options.app.context.logger.info(
        `Left the schedule, since the configuration no longer has them: ${some(remove)}.`,
      )
    }
    this.#merge(stored, differences)
    return put.length + remove.length
  }

  #merge(stored: Map<string, StoredScheduleEntry>, { put, remove }: Differences): void {
    for (const name of remove) stored.delete(name)
    for (const entry of put) stored.set(entry.name, withRunOf(stored.get(entry.name), entry))
  }

  #differences(stored: Stored, declared: ReadonlyMap<string, DeclaredEntry>, now: number): Differences {
    const put: StoredScheduleEntry[] = []
    for (const [name, one] of declared) {
      const before = stored.get(name)
      if (before === undefined) {
        put.push({ ...one.stored, lastRunAt: firstRunAt(one.stored, now) })
        continue
      }
      // Whether it runs is for people to switch, unless the configuration says so; what is over or had its only run stays off.
      const isFixed = one.saysEnabled && !one.stored.oneOff && one.stored.expiresAt === undefined
      if (isSameDeclaration(before, one.stored, isFixed)) continue
      put.push(isFixed ? one.stored : { ...one.stored, enabled: before.enabled })
    }
    const { configured } = this.#options
    const remove = [...stored.values()]
      .filter(({ name, origin }) => origin === 'configuration' && !configured.has(name))
      .map(({ name }) => name)
    return { put, remove }
  }

  async #hand(connection: ScheduleStoreConnection, stored: Stored, { token, now }: Writing): Promise<void> {
    const begun: ScheduleRun[] = []
    let given = 0
    for (const entry of stored.values()) {
      // Sockets and the lease have their turn in between.
      if (++given % perSave === 0) await new Promise<void>((resolve) => void setImmediate(resolve))
      const read = this.#give(entry, now)
      if (read !== undefined && entry.lastRunAt === undefined)
        begun.push({ name: entry.name, lastRunAt: read.lastRunAt, totalRunCount: entry.totalRunCount })
    }
    // From when on they count is the same for whoever leads next. In steps: a server does nothing else meanwhile.
    for (let at = 0; at < begun.length; at += perSave)
      await connection.save({ runs: begun.slice(at, at + perSave), token })
  }

  /** What the scheduler has of it now; undefined: it is as it was, or cannot be read. */
  #give(entry: StoredScheduleEntry, now: number): Entry | undefined {
    const { scheduler, readers, settings, configured } = this.#options
    const known = scheduler.get(entry.name)
    const isSame =
      known !== undefined &&
      isSameDeclaration(known.stored, entry) &&
      (entry.lastRunAt === known.lastRunAt || entry.lastRunAt === undefined)
    if (isSame) return undefined
    try {
      const schedule = entry.origin === 'configuration' ? configured.get(entry.name)?.schedule : undefined
      const read = readEntry(entry, { settings, readers, now: firstRunAt(entry, now), schedule })
      scheduler.put(read, now)
      return read
    } catch (error) {
      scheduler.remove(entry.name)
      this.#tell(entry.name, error instanceof Error ? error.message : String(error))
      return undefined
    }
  }

  #tellBroken({ broken }: Pick<ScheduleContents, 'broken'>): void {
    for (const { name, reason } of broken) this.#tell(name, reason)
  }

  #tell(name: string, reason: string): void {
    const what = this.#options.configured.has(name)
      ? 'It begins anew, as the configuration has it'
      : 'Change or remove it; the others run'
    const line = `The periodic task "${name}" of the store cannot be read and is left out: ${reason.replace(/\.$/, '')}. ${what}.`
    if (this.#told.has(line)) return
    this.#told.add(line)
    this.#options.app.context.logger.error(line, { entry: name })
  }
}

function byName(entries: readonly StoredScheduleEntry[]): Map<string, StoredScheduleEntry> {
  return new Map(entries.map((entry) => [entry.name, entry]))
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
  // A store that does not look may have no schedule there at all; that is told when it is read.
  const { type, at: text } = (schedule ?? {}) as StoredScheduleEntry['schedule']
  const at = type === 'clocked' ? Date.parse(String(text)) : NaN
  return Number.isNaN(at) ? now : Math.min(now, at - 1)
}
