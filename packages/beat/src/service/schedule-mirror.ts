/**
 * Keeps the scheduler as the store says, and knows how far it has read.
 *
 *   unread ── refresh(): everything is read ──► read up to a marker ── somebody changed something ──► behind ── refresh(): that is read ──┐
 *     ▲                                            ▲   │ we wrote something ourselves: the marker moves on, nothing is read              │
 *     │                                            │   ▼                                                                                │
 *     └── forget(): the lead or the connection ◄───┴───┴────────────────────────────────────────────────────────────────────────────────┘
 *         was lost; the store cannot say what changed
 */
import type { App } from '@ct/client'
import type { ScheduleSaved, ScheduleStoreConnection } from '@ct/contracts'
import { isSameDeclaration, type Entry } from '../entry/index.ts'
import type { BeatClock } from './beat-clock.ts'
import type { FiringSender } from './firing-sender.ts'
import type { ScheduleLoader } from './schedule-loader.ts'

export interface ScheduleMirrorOptions {
  readonly app: App
  readonly clock: BeatClock
  readonly loader: ScheduleLoader
  readonly sender: FiringSender
  /** Others may change entries: it is looked for every so many milliseconds. Undefined: they do not. */
  readonly changesMs: number | undefined
}

export class ScheduleMirror {
  readonly #options: ScheduleMirrorOptions
  /** Undefined: everything is to be read. */
  #marker: string | undefined
  #lookedAt = -Infinity
  #hasNews = false
  /** Entries of which the store knows more than we do. */
  readonly #doubtful = new Set<string>()

  constructor(options: ScheduleMirrorOptions) {
    this.#options = options
  }

  /** Whether something is to be read at once. */
  get isBehind(): boolean {
    return this.#marker === undefined || this.#hasNews || this.#doubtful.size > 0
  }

  /** Milliseconds until it is to be looked whether others have changed something. */
  get pauseMs(): number {
    const { changesMs, clock } = this.#options
    if (this.isBehind) return 0
    return changesMs === undefined ? Infinity : Math.max(0, this.#lookedAt + changesMs - clock.monotonic())
  }

  forget(): void {
    this.#marker = undefined
    this.#hasNews = false
    this.#doubtful.clear()
  }

  /** Somebody in this process has changed something. */
  noteNews(): void {
    this.#hasNews = true
  }

  /** The store did not fire it: it is gone, or has run already. */
  doubt(name: string): void {
    this.#doubtful.add(name)
  }

  /** After a save of ours. */
  #noteSaved({ before, after }: ScheduleSaved): void {
    if (this.#marker === before) this.#marker = after
    else this.#hasNews = true
  }

  /** Reads what is to be read, and writes what the configuration says about it. */
  async refresh(connection: ScheduleStoreConnection, token: number | undefined): Promise<void> {
    if (this.pauseMs > 0) return
    const { clock, loader, sender } = this.#options
    const onSaved = (saved: ScheduleSaved): void => this.#noteSaved(saved)
    if (this.#marker !== undefined) {
      let changes = await connection.changes(this.#marker)
      if (
        sender.hasUnsaved &&
        (this.#hasNews || changes?.marker !== this.#marker || this.#doubtful.size > 0)
      ) {
        // An entry comes with the run that the store knows of.
        await sender.sync(connection)
        changes = await connection.changes(this.#marker)
      }
      this.#lookedAt = clock.monotonic()
      if (changes === undefined) this.#marker = undefined
      else {
        this.#marker = changes.marker
        this.#hasNews = changes.more
        await loader.update(connection, changes, { token, now: clock.now(), onSaved })
        await this.#readDoubtful(connection, { token, onSaved })
      }
    }
    if (this.#marker === undefined) await this.#readAll(connection, { token, onSaved })
  }

  async #readAll(
    connection: ScheduleStoreConnection,
    {
      token,
      onSaved,
    }: { readonly token: number | undefined; readonly onSaved: (saved: ScheduleSaved) => void },
  ): Promise<void> {
    const { app, clock, loader, sender } = this.#options
    await sender.sync(connection)
    const begun = clock.monotonic()
    const contents = await connection.load()
    this.#marker = contents.marker
    this.#hasNews = false
    this.#doubtful.clear()
    this.#lookedAt = clock.monotonic()
    const { read, written } = await loader.load(connection, contents, { token, now: clock.now(), onSaved })
    const ms = Math.round(clock.monotonic() - begun)
    app.context.logger.debug(`beat: ${read} entries read, ${written} written, in ${ms} ms.`)
  }

  async #readDoubtful(
    connection: ScheduleStoreConnection,
    {
      token,
      onSaved,
    }: { readonly token: number | undefined; readonly onSaved: (saved: ScheduleSaved) => void },
  ): Promise<void> {
    if (this.#doubtful.size === 0) return
    const { clock, loader } = this.#options
    const names = [...this.#doubtful]
    const contents = await connection.load({ names })
    for (const name of names) this.#doubtful.delete(name)
    await loader.update(connection, { ...contents, removed: names }, { token, now: clock.now(), onSaved })
  }

  /** What is over, or had its only run, is so for everybody. */
  async disable(
    connection: ScheduleStoreConnection,
    finished: readonly Entry[],
    token: number | undefined,
  ): Promise<void> {
    if (finished.length === 0) return
    const { app, clock, loader, sender } = this.#options
    await sender.sync(connection)
    // What somebody has changed meanwhile is not written over: it is read with the next look.
    const known = new Map(finished.map((entry) => [entry.stored.name, entry]))
    const { entries } = await connection.load({ names: [...known.keys()] })
    const put = entries
      .filter((entry) => isSameDeclaration(entry, known.get(entry.name)!.stored))
      .map((entry) => ({ ...entry, enabled: false, lastRunAt: undefined }))
    if (put.length === 0) return
    this.#noteSaved(await connection.save({ put, token }))
    for (const { name, oneOff } of put)
      app.context.logger.info(
        `The periodic task "${name}" is disabled: ${oneOff ? 'it was to run once' : 'its time is over'}.`,
      )
    const saved = put.map((entry) => {
      const { lastRunAt, totalRunCount } = known.get(entry.name)!
      return { ...entry, lastRunAt, totalRunCount }
    })
    loader.take(saved, clock.now())
  }
}
