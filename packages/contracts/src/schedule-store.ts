/**
 * Contract: ScheduleStore. Where periodic entries live; beat computes what is due.
 *
 * Shaped against a file (one beat, no election), Redis (election by lease) and django-celery-beat's tables (edited by others,
 * change detection by a marker row: docs/adr/0021, 0025).
 *
 * Duties
 *  S1  Making a store opens nothing.
 *  S2  `load` returns every entry, or those of the names that it is given; one that cannot be read is reported in `broken`, does not hide the others,
 *      and stays in the store until somebody puts or removes it by name.
 *  S3  `save` is all or nothing; after it resolved, a crash loses nothing of it. `put` writes what somebody declared: an entry that is there keeps
 *      its `lastRunAt` and `totalRunCount` unless the one given has a `lastRunAt`. `runs` writes those two of entries that are there, and nothing
 *      else: what others changed meanwhile stays.
 *  S4  With `election`: at most one holder at a time; each acquisition has a higher `token`, also after the server lost its data; a `save` or `fire`
 *      with another token than the last one given is refused with `CT_LEASE_LOST`.
 *  S5  A marker names a state of what is declared. `load` gives that of what it returns; `save` gives those before and after it: who has read up to
 *      `before` has read up to `after`, since the change is its own. `changes(marker)` gives the entries that anybody put or removed after it, as
 *      they are now, some at a time; or undefined, where the store cannot say which (too long ago, another history, a table that only knows that
 *      something changed): then everything is to be read. Runs and `fire` are no changes.
 *  S6  With `fire`: the check of the token, the publish and the entry's new run happen in one step. A run that the entry has made already (its
 *      `lastRunAt` is not earlier), and one of an entry that is gone, publishes and changes nothing: so a call whose answer was lost can be made
 *      again.
 */
import type { CallOptions, Broker } from './broker.ts'
import type { Closable, ConnectOptions, ServerDescription } from './lifecycle.ts'
import type { OutgoingMessage } from './message.ts'

export interface ScheduleStoreCapabilities {
  readonly durable: boolean
  /** Several beats may run, one leads. */
  readonly election: boolean
  /** Entries may be changed by others while beat runs: it asks now and then. */
  readonly changes: boolean
}

/** Plain data; `schedule` is one of beat's own JSON forms (`{ type: 'crontab', … }`). Instants are epoch ms. */
export interface StoredScheduleEntry {
  readonly name: string
  readonly task: string
  readonly schedule: Readonly<Record<string, unknown>>
  /** JSON text, kept as it is. */
  readonly args: string
  readonly kwargs: string
  /** Calling options under Python's names, as in a signature. */
  readonly options: string
  readonly enabled: boolean
  /** Disabled after one run. */
  readonly oneOff: boolean
  /** Not before. */
  readonly startAt: number | undefined
  /** Disabled from then on. */
  readonly expiresAt: number | undefined
  readonly description: string
  /** Who declared it: an entry of the configuration goes when the configuration no longer has it. */
  readonly origin: 'configuration' | 'run-time'
  readonly lastRunAt: number | undefined
  readonly totalRunCount: number
}

/** That an entry has run. */
export interface ScheduleRun {
  readonly name: string
  /** Epoch ms. */
  readonly lastRunAt: number
  readonly totalRunCount: number
}

export interface ScheduleChange {
  readonly put?: readonly StoredScheduleEntry[]
  readonly remove?: readonly string[]
  readonly runs?: readonly ScheduleRun[]
  /** Undefined: not checked. */
  readonly token?: number | undefined
}

/** What a store holds at one moment, or the part of it that was asked for. */
export interface ScheduleContents {
  readonly entries: readonly StoredScheduleEntry[]
  readonly broken: readonly { readonly name: string; readonly reason: string }[]
  /** S5. Opaque. */
  readonly marker: string
}

/** What was put or removed since a marker. */
export interface ScheduleChanges extends ScheduleContents {
  /** Changed, and not there any more. */
  readonly removed: readonly string[]
  /** There are more, after `marker`. */
  readonly more: boolean
}

export interface ScheduleLoadOptions extends CallOptions {
  /** Default: all. */
  readonly names?: readonly string[]
}

/** S5: the markers before and after a save. Alike when nothing was put or removed. */
export interface ScheduleSaved {
  readonly before: string
  readonly after: string
}

export interface ScheduleStore extends Closable {
  readonly kind: 'schedule-store'
  readonly name: string
  readonly packageName: string
  readonly contractVersion: string
  readonly capabilities: ScheduleStoreCapabilities
  describe(): ServerDescription
  connect(options: ConnectOptions): Promise<ScheduleStoreConnection>
  /** True when a publish to `broker` can go in one step with the check of the token (S6). */
  firesWith(broker: Broker): boolean
}

export interface ScheduleStoreConnection extends Closable {
  load(options?: ScheduleLoadOptions): Promise<ScheduleContents>
  save(change: ScheduleChange, options?: CallOptions): Promise<ScheduleSaved>
  /** S5. Cheap when nothing has changed. Undefined: load everything. */
  changes(since: string, options?: CallOptions): Promise<ScheduleChanges | undefined>
  /** Undefined: somebody else leads. Calling it again while leading renews. */
  lead(
    candidate: { readonly holder: string; readonly ttlMs: number },
    options?: CallOptions,
  ): Promise<{ readonly token: number; readonly expiresAt: number } | undefined>
  resign(holder: string): Promise<void>
  /** See S6. False: nothing was sent. Rejects with `CT_UNSUPPORTED` unless `firesWith` said yes. */
  fire(
    firing: {
      readonly run: ScheduleRun
      readonly message: OutgoingMessage
      readonly token: number | undefined
    },
    options?: CallOptions,
  ): Promise<boolean>
}
