/**
 * Contract: ScheduleStore. Where periodic entries live; beat computes what is due.
 *
 * Shaped against a file (one beat, no election), Redis (election by lease) and django-celery-beat's tables (edited by others,
 * change detection by a marker row).
 *
 * Duties
 *  S1  Making a store opens nothing.
 *  S2  `load` returns every entry; one that cannot be read is reported in `broken` and does not hide the others.
 *  S3  `save` is all or nothing; after it resolved, a crash loses nothing of it. `put` writes what somebody declared: an entry that is there keeps
 *      its `lastRunAt` and `totalRunCount` unless the one given has a `lastRunAt`. `runs` writes those two of entries that are there, and nothing
 *      else: what others changed meanwhile stays.
 *  S4  With `election`: at most one holder at a time; each acquisition has a higher `token`; a `save` or `fire` with an older token is
 *      refused with `CT_LEASE_LOST`.
 *  S5  With `changes`: `changeMarker` differs after anybody put or removed an entry, and stays after `runs` and `fire`.
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
  /** Entries may be changed by others while beat runs. */
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
  load(options?: CallOptions): Promise<{
    readonly entries: readonly StoredScheduleEntry[]
    readonly broken: readonly { readonly name: string; readonly reason: string }[]
  }>
  save(change: ScheduleChange, options?: CallOptions): Promise<void>
  /** Undefined where the capability is missing. */
  changeMarker(options?: CallOptions): Promise<string | undefined>
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
