/**
 * Contract: ScheduleStore. Where periodic entries live; beat computes what is due.
 *
 * Shaped against a file (one beat, no election), Redis (election by lease) and django-celery-beat's tables (edited by others,
 * change detection by a marker row).
 *
 * Duties
 *  S1  Making a store opens nothing.
 *  S2  `load` returns every entry; one that cannot be read is reported in `broken` and does not hide the others.
 *  S3  `save` is all or nothing; after it resolved, a crash loses nothing of it.
 *  S4  With `election`: at most one holder at a time; each acquisition has a higher `token`; a `save` or `fire` with an older token is
 *      refused with `CT_LEASE_LOST`.
 *  S5  With `changes`: `changeMarker` differs after anybody changed an entry.
 *  S6  With `fire`: the check of the token, the publish and the entry's new state happen in one step.
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

/** Plain data; `schedule` is one of beat's own JSON forms (`{ type: 'crontab', … }`). */
export interface StoredScheduleEntry {
  readonly name: string
  readonly task: string
  readonly schedule: Readonly<Record<string, unknown>>
  /** JSON text, kept as it is. */
  readonly args: string
  readonly kwargs: string
  readonly options: string
  readonly enabled: boolean
  /** Epoch ms. */
  readonly lastRunAt: number | undefined
  readonly totalRunCount: number
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
  save(
    change: {
      readonly put?: readonly StoredScheduleEntry[]
      readonly remove?: readonly string[]
      readonly token?: number | undefined
    },
    options?: CallOptions,
  ): Promise<void>
  /** Undefined where the capability is missing. */
  changeMarker(options?: CallOptions): Promise<string | undefined>
  /** Undefined: somebody else leads. Calling it again while leading renews. */
  lead(
    candidate: { readonly holder: string; readonly ttlMs: number },
    options?: CallOptions,
  ): Promise<{ readonly token: number; readonly expiresAt: number } | undefined>
  resign(holder: string): Promise<void>
  /** See S6. Rejects with `CT_UNSUPPORTED` unless `firesWith` said yes. */
  fire(
    firing: {
      readonly entry: StoredScheduleEntry
      readonly message: OutgoingMessage
      readonly token: number | undefined
    },
    options?: CallOptions,
  ): Promise<void>
}
