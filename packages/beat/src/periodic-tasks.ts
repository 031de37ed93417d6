/**
 * The entries of a schedule, for people and programs: list, add, change, remove, enable, disable, run now (PAIN-27). The beat that leads sees a
 * change within a second, the one in this process at once.
 *
 * Entries of the configuration belong to it: here they can be switched on and off and run, and nothing else.
 */
import { resultHandle, type App, type AsyncResult } from '@ct/client'
import {
  CeleryError,
  ConfigurationError,
  decodeJson,
  type ScheduleContents,
  type ScheduleStoreConnection,
  type StoredScheduleEntry,
} from '@ct/contracts'
import { declareEntry, type LazyArguments } from './entry/index.ts'
import { readEntry, type Entry } from './entry/index.ts'
import type { PeriodicTaskInput } from './entry/index.ts'
import type { Schedule, ScheduleReader, ScheduleSettings } from './schedule/index.ts'
import { lastRunOf } from './scheduler/index.ts'
import { prepareEntry } from './service/entry-call.ts'
import { firstRunAt } from './service/schedule-loader.ts'

/** An entry as it stands in the store. */
export interface PeriodicTask {
  readonly name: string
  readonly task: string
  readonly schedule: Schedule
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  /** Calling options, under Python's names as in a signature. */
  readonly options: Readonly<Record<string, unknown>>
  readonly enabled: boolean
  readonly oneOff: boolean
  readonly startAt: Date | undefined
  readonly expiresAt: Date | undefined
  readonly description: string
  /** Whether the program declares it, or somebody added it while beat ran. */
  readonly origin: 'configuration' | 'run-time'
  /** Undefined: it has not run yet. */
  readonly lastRunAt: Date | undefined
  readonly totalRunCount: number
  /** The next instants at which it is due, the first one later than `after` (default: now); fewer where there are no more. */
  next(count: number, after?: Date): readonly Date[]
}

export interface BrokenPeriodicTask {
  readonly name: string
  /** Why it cannot be read. Beat leaves it out. */
  readonly reason: string
}

export interface PeriodicTaskList {
  readonly tasks: readonly PeriodicTask[]
  readonly broken: readonly BrokenPeriodicTask[]
}

export interface PeriodicTasksOptions {
  readonly app: App
  readonly connection: () => Promise<ScheduleStoreConnection>
  readonly readers: Readonly<Record<string, ScheduleReader>>
  readonly settings: ScheduleSettings
  readonly lazyOf: (name: string) => LazyArguments | undefined
  readonly onChanged: () => void
}

export class PeriodicTasks {
  readonly #options: PeriodicTasksOptions

  constructor(options: PeriodicTasksOptions) {
    this.#options = options
  }

  /** All of them, by name. What cannot be read is not among them: see {@link broken}. */
  async list(): Promise<readonly PeriodicTask[]> {
    return (await this.#read()).tasks
  }

  /** Rows of the store that cannot be read. */
  async broken(): Promise<readonly BrokenPeriodicTask[]> {
    return (await this.#read()).broken
  }

  async get(name: string): Promise<PeriodicTask | undefined> {
    const contents = await (await this.#options.connection()).load({ names: [name] })
    return this.view(contents).tasks[0]
  }

  /** Error: `CT_CONFIGURATION` for what is wrong with it, and when there is one of that name. */
  async add(name: string, input: PeriodicTaskInput): Promise<void> {
    if ((await this.#stored(name)) !== undefined)
      throw new ConfigurationError(`There is a periodic task "${name}" already. Use put() or change().`, {
        details: { entry: name },
      })
    await this.put(name, input)
  }

  /** Adds it, or takes the place of what has that name; its last run stays. Error: `CT_CONFIGURATION`. */
  async put(name: string, input: PeriodicTaskInput): Promise<void> {
    const { stored } = declareEntry(name, input, 'run-time', this.#options.readers)
    readEntry(stored, this.#reading())
    const before = await this.#stored(name)
    assertOurs(before)
    const now = this.#now()
    const isFresh = before === undefined || (stored.enabled && !before.enabled)
    await this.#save({
      ...stored,
      ...(isFresh ? { lastRunAt: firstRunAt(stored, now), totalRunCount: 0 } : {}),
    })
  }

  /** Changes some of its fields. Errors: `CT_CONFIGURATION`, `CT_NOT_REGISTERED` when there is none. */
  async change(name: string, input: Partial<PeriodicTaskInput>): Promise<void> {
    const before = await this.#existing(name)
    assertOurs(before)
    const known: PeriodicTaskInput = {
      task: before.task,
      schedule: before.schedule as PeriodicTaskInput['schedule'],
      enabled: before.enabled,
      oneOff: before.oneOff,
      description: before.description,
      ...(before.startAt === undefined ? {} : { startAt: new Date(before.startAt) }),
      ...(before.expiresAt === undefined ? {} : { expiresAt: new Date(before.expiresAt) }),
    }
    const { stored } = declareEntry(name, { ...known, ...input }, 'run-time', this.#options.readers)
    const { args, kwargs, options } = before
    const changed = {
      ...stored,
      // As they were written: 1.0 stays 1.0.
      ...(input.args === undefined ? { args } : {}),
      ...(input.kwargs === undefined ? { kwargs } : {}),
      ...(input.options === undefined ? { options } : {}),
    }
    const isFresh = changed.enabled && !before.enabled
    await this.#save({ ...changed, ...(isFresh ? { lastRunAt: this.#now(), totalRunCount: 0 } : {}) })
  }

  /** False: there was none. Error: `CT_CONFIGURATION` for one of the configuration. */
  async remove(name: string): Promise<boolean> {
    const { connection, onChanged } = this.#options
    const store = await connection()
    const { entries, broken } = await store.load({ names: [name] })
    const [before] = entries
    assertOurs(before)
    if (before === undefined && broken.length === 0) return false
    await store.save({ remove: [name] })
    onChanged()
    return true
  }

  /** It runs again, as if it had been added now: what was missed meanwhile is not made up for. Error: `CT_NOT_REGISTERED`. */
  async enable(name: string): Promise<void> {
    const before = await this.#existing(name)
    if (before.enabled) return
    await this.#save({
      ...before,
      enabled: true,
      lastRunAt: firstRunAt(before, this.#now()),
      totalRunCount: 0,
    })
  }

  /** Error: `CT_NOT_REGISTERED`. */
  async disable(name: string): Promise<void> {
    const before = await this.#existing(name)
    if (before.enabled) await this.#save({ ...before, enabled: false, lastRunAt: undefined })
  }

  /** Sends its task now, besides its schedule: last run and count stay as they are. Errors: `CT_NOT_REGISTERED`; as `applyAsync`. */
  async runNow<R = unknown>(name: string): Promise<AsyncResult<R>> {
    const { app, lazyOf } = this.#options
    const entry = await this.#existing(name)
    const { message, publish, result } = prepareEntry(app, { entry, lazy: lazyOf(name) })
    await app.context.producer.publish(message, publish)
    return resultHandle(app.context, result) as AsyncResult<R>
  }

  async #save(entry: StoredScheduleEntry): Promise<void> {
    const { connection, onChanged } = this.#options
    await (await connection()).save({ put: [entry] })
    onChanged()
  }

  async #read(): Promise<PeriodicTaskList> {
    return this.view(await (await this.#options.connection()).load())
  }

  /** @internal What a store holds, for people. */
  view({ entries, broken }: Omit<ScheduleContents, 'marker'>): PeriodicTaskList {
    const tasks: PeriodicTask[] = []
    const all = [...broken]
    for (const stored of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      try {
        tasks.push(viewOf(readEntry(stored, this.#reading()), () => this.#now()))
      } catch (error) {
        all.push({ name: stored.name, reason: error instanceof Error ? error.message : String(error) })
      }
    }
    return { tasks, broken: all }
  }

  async #stored(name: string): Promise<StoredScheduleEntry | undefined> {
    const { entries } = await (await this.#options.connection()).load({ names: [name] })
    return entries[0]
  }

  async #existing(name: string): Promise<StoredScheduleEntry> {
    const entry = await this.#stored(name)
    if (entry !== undefined) return entry
    throw new CeleryError('CT_NOT_REGISTERED', `There is no periodic task "${name}" in this schedule.`, {
      details: { entry: name },
    })
  }

  #reading(): Parameters<typeof readEntry>[1] {
    const { settings, readers } = this.#options
    return { settings, readers, now: this.#now() }
  }

  #now(): number {
    return this.#options.app.context.now()
  }
}

function assertOurs(entry: StoredScheduleEntry | undefined): void {
  if (entry?.origin !== 'configuration') return
  throw new ConfigurationError(
    `The periodic task "${entry.name}" is declared by the program (beatSchedule, addPeriodicTask), which would bring it back at its next start. Change it there; here it can be enabled, disabled and run.`,
    { details: { entry: entry.name } },
  )
}

function viewOf(entry: Entry, now: () => number): PeriodicTask {
  const { stored, schedule } = entry
  const { startAt, expiresAt, lastRunAt, totalRunCount } = stored
  const date = (epochMs: number | undefined): Date | undefined =>
    epochMs === undefined ? undefined : new Date(epochMs)
  return {
    name: stored.name,
    task: stored.task,
    schedule,
    args: decodeJson(stored.args) as readonly unknown[],
    kwargs: decodeJson(stored.kwargs) as Readonly<Record<string, unknown>>,
    options: decodeJson(stored.options) as Readonly<Record<string, unknown>>,
    enabled: stored.enabled,
    oneOff: stored.oneOff,
    startAt: date(startAt),
    expiresAt: date(expiresAt),
    description: stored.description,
    origin: stored.origin,
    lastRunAt: totalRunCount === 0 ? undefined : date(lastRunAt),
    totalRunCount,
    next(count, after = new Date(now())) {
      const found: Date[] = []
      if (!stored.enabled || (stored.oneOff && totalRunCount > 0)) return found
      let last = new Date(lastRunOf(entry))
      let from = new Date(Math.max(after.getTime(), startAt === undefined ? -Infinity : startAt - 1))
      while (found.length < (stored.oneOff ? Math.min(1, count) : count)) {
        const at = schedule.next(last, from)
        if (at === undefined || (expiresAt !== undefined && at.getTime() >= expiresAt)) break
        found.push(at)
        last = at
        from = at
      }
      return found
    },
  }
}
