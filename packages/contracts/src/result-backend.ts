/**
 * Contract: ResultBackend. Stores what tasks came to, as bytes that core has encoded, and tells who waits.
 *
 * Shaped against Redis (documents with expiry, push) and SQL (columns, rows, polling); small stores get there through
 * `@ct/contracts/backend-kit`. RPC is the odd one: only the caller can read, once.
 *
 * Duties
 *  R1  Making a backend opens nothing.
 *  R2  `connect` rejects with a retryable `BackendUnavailableError` when the server is not there, `AbortedError` when the signal fires.
 *  R3  `close`: idempotent, legal at any moment, never rejects, leaves nothing open.
 *  R4  What was stored is read back byte for byte; ids may be any non-empty string.
 *  R5  A stored SUCCESS is never overwritten, neither by another state nor by another SUCCESS; such a write is dropped silently
 *      and nobody is told of it (no notification). Other states overwrite each other.
 *  R6  `getMany` keeps the order of the ids; a missing one is undefined.
 *  R7  `forget` removes the record and what belongs to it; forgetting what is not there is no error.
 *  R8  After `subscription.add(ids)` has resolved no latest state of these ids is missed: what is stored already is delivered, what is
 *      stored later is delivered within the poll interval (`poll`) or at once (`push`). Who polls may not see a state that another one
 *      replaced between two looks. One connection serves any number of ids.
 *  R9  With `capabilities.autoExpire`: a record is gone after `expiresInMs`; undefined means kept for good. Without, `cleanup` removes it.
 *  R10 Groups: saved, read back byte for byte, deleted.
 *  R11 `chord` as `capabilities.chord` says (see {@link NativeChord}, {@link ChordCounter}); every step is idempotent per task id
 *      under redelivery.
 *  R12 Driver errors come out as ours, with `cause` and `retryable`.
 *  R13 `cleanup(olderThan)` removes the records that were last written before that instant, where `capabilities.autoExpire` is false. A
 *      store that keeps `dateDone` may go by it, and by the time of the write where it is null. Where it is true nothing needs to be done.
 */
import type { CallOptions } from './broker.ts'
import type { Closable, ConnectOptions, ServerDescription } from './lifecycle.ts'

export interface ResultBackendCapabilities {
  /** `redis`, `memory`, `sql`, `rpc`, … */
  readonly driverType: string
  readonly durable: boolean
  /** The store removes expired records by itself (Celery's `supports_autoexpire`). */
  readonly autoExpire: boolean
  /** What core hands down and wants back: one encoded document, or encoded columns. */
  readonly format: 'document' | 'columns'
  readonly subscribe: 'push' | 'poll'
  /** `anyone` with the id can read, any number of times; `caller`: RPC. */
  readonly readers: 'anyone' | 'caller'
  readonly groups: boolean
  /** How the members of a chord are counted: by the store, by a counter of the store, or by the task `celery.chord_unlock`. */
  readonly chord: 'native' | 'counter' | 'unlock' | 'none'
  /** `result_compression` applies (D57-25). */
  readonly compression: boolean
  /** `result_failure_expires` applies (D57-9). */
  readonly failureExpires: boolean
  /** Largest document in bytes, null for no practical limit. */
  readonly maxDocumentBytes: number | null
}

/** A configured backend; opens nothing by itself. Made by an adapter's factory through `defineResultBackend()`. */
export interface ResultBackend extends Closable {
  readonly kind: 'result-backend'
  readonly name: string
  readonly packageName: string
  readonly contractVersion: string
  readonly capabilities: ResultBackendCapabilities
  /** Present exactly when `capabilities.readers` is `caller`: where results for this process are sent, `reply_to` of its messages. */
  readonly replyTo?: string
  describe(): ServerDescription
  connect(options: ConnectOptions): Promise<ResultBackendConnection>
}

/** One state of one task, encoded by core. Of one shape for all formats, since one is made for every task. */
export interface ResultWrite {
  readonly taskId: string
  readonly state: string
  /** Celery's ready states: SUCCESS, FAILURE, REVOKED. */
  readonly ready: boolean
  /** The whole document, compression marker included. With the format `columns` it is empty and says nothing. */
  readonly document: Uint8Array
  /** Present exactly when the format is `columns`. */
  readonly columns?: ResultColumns
  /** Undefined: keep for good. */
  readonly expiresInMs: number | undefined
  /** The caller's reply queue and the correlation id, for `readers: 'caller'`. */
  readonly replyTo?: string
  readonly correlationId?: string
}

/**
 * Fields of Celery's meta document that its tables have (celery/backends/database/models.py 5.7: no group and no parent id; those of the extended
 * table are optional). What is `Uint8Array` was encoded with the result serializer.
 */
export interface ResultColumns {
  readonly status: string
  readonly result: Uint8Array
  readonly traceback: string | null
  readonly children: Uint8Array | null
  /** Epoch ms; null unless the state is ready. */
  readonly dateDone: number | null
  readonly name?: string | null
  readonly args?: Uint8Array | null
  readonly kwargs?: Uint8Array | null
  readonly worker?: string | null
  readonly retries?: number | null
  readonly queue?: string | null
  readonly stamps?: Uint8Array | null
}

/** What a write has left, in the format of the backend. */
export type StoredResult =
  | { readonly taskId: string; readonly document: Uint8Array; readonly columns?: undefined }
  | { readonly taskId: string; readonly document?: undefined; readonly columns: ResultColumns }

export interface ResultSubscription extends Closable {
  /** See R8. Ids already added are counted: each `add` needs its `remove`. */
  add(taskIds: readonly string[], options?: CallOptions): Promise<void>
  remove(taskIds: readonly string[]): Promise<void>
}

export interface ResultBackendConnection extends Closable {
  /**
   * Cheap to call often: calls of one turn of the event loop go out together, and fail each by itself. Every write stands alone: a rejection
   * means that nothing is known of the writes of this call. Making it again is safe (R5).
   */
  store(writes: readonly ResultWrite[], options?: CallOptions): Promise<void>
  getMany(taskIds: readonly string[], options?: CallOptions): Promise<readonly (StoredResult | undefined)[]>
  forget(taskIds: readonly string[], options?: CallOptions): Promise<void>
  /** `onResult` is called for every change of state that the store tells, in order per id; must not throw. */
  subscribe(onResult: (result: StoredResult) => void): ResultSubscription
  storeGroup(
    groupId: string,
    document: Uint8Array,
    options?: CallOptions & { readonly expiresInMs?: number | undefined },
  ): Promise<void>
  getGroup(groupId: string, options?: CallOptions): Promise<Uint8Array | undefined>
  forgetGroup(groupId: string, options?: CallOptions): Promise<void>
  /** Present exactly when `capabilities.chord` is `native`. */
  readonly chord?: NativeChord
  /** Present exactly when `capabilities.chord` is `counter`. */
  readonly chordCounter?: ChordCounter
  /** See R13; `olderThan` is epoch ms. Resolves to how many were removed. */
  cleanup(olderThan: number, options?: CallOptions): Promise<number>
}

/**
 * A chord counted by the store (Redis). Celery 5.7.0: celery/backends/redis.py, see D57-1…8.
 *
 *   open ──record (last part)──► claimed ──finish──► done (late parts ignored)
 *    │                             │  └──claim ran out──► open for the next (redelivered) part
 *    └────────── fail ─────────────┴──► failed (size deleted: never completes again)
 */
export interface NativeChord {
  /**
   * Declares how many parts there are; also re-opens a chord that is applied again. With `watch` the note is kept in the same step, as by
   * {@link ChordWatch.remember}, until the chord is done or has failed.
   */
  begin(chord: {
    readonly groupId: string
    readonly size: number
    readonly expiresInMs: number | undefined
    readonly note?: Uint8Array | undefined
  }): Promise<void>
  /** Records the part of a task once, whatever its value. */
  record(part: ChordPart): Promise<ChordProgress>
  /** Encoded parts, ordered by group index. */
  parts(groupId: string): Promise<readonly Uint8Array[]>
  /** Keeps the claim for `claimMs` more, or takes it again if it ran out; false: somebody else has it. */
  extendClaim(chord: {
    readonly groupId: string
    readonly token: string
    readonly claimMs: number
  }): Promise<boolean>
  /** Body published (or given up): removes the parts if the claim is still ours and marks the chord done for `doneMs`. */
  finish(chord: { readonly groupId: string; readonly token: string; readonly doneMs: number }): Promise<void>
  /** A part failed: the size goes, so that the chord cannot complete or fail again. */
  fail(groupId: string): Promise<void>
  /** So many more members (`add_to_chord`), by default one; negative: fewer, those could not be sent. */
  addMember(groupId: string, count?: number): Promise<void>
  /** Left out: open chords are watched by the workers that saw a part of them, and by nobody else. */
  readonly watch?: ChordWatch
}

/** What ct's workers need to end chords that would never end by themselves. Nothing here is known to Celery. */
export interface ChordWatch {
  /** Where an open chord stands; undefined: it is done, has failed or expired. */
  look(groupId: string): Promise<ChordStanding | undefined>
  /** Keeps a note on an open chord for all workers, as long as `expiresInMs`. */
  remember(groupId: string, note: Uint8Array, expiresInMs: number | undefined): Promise<void>
  /** Notes by group id. */
  recall(): Promise<ReadonlyMap<string, Uint8Array>>
  forget(groupIds: readonly string[]): Promise<void>
}

export interface ChordStanding {
  /** undefined: parts have come, but nobody knows of how many. The chord has failed, or the store has lost its size. */
  readonly total: number | undefined
  /** What {@link NativeChord.begin} was told; members that were added are besides. */
  readonly size: number | undefined
  readonly count: number
  /** Ids of members whose part has come; those of Celery before 5.7 are counted only. */
  readonly reported: readonly string[]
}

export interface ChordPart {
  readonly groupId: string
  readonly taskId: string
  readonly groupIndex: number | undefined
  /** `[1, task id, state, value]` encoded with the result serializer, compression marker included. */
  readonly part: Uint8Array
  readonly expiresInMs: number | undefined
  /** How long the claim of the finisher lives. */
  readonly claimMs: number
  /**
   * Name of the claim, 32 hexadecimal digits; by default a new one at each call. With the same name a record whose answer was lost can be
   * made again: a claim of that name is ours.
   */
  readonly token?: string | undefined
}

/**
 * `complete`: we hold the claim `token` and must join and publish the body. `closed`: done or failed before. `claimed`: complete, and
 * somebody else is at it, or died over it; in `retryInMs` his claim has run out unless he has kept it, and recording again may get it.
 */
export type ChordProgress =
  | { readonly state: 'open'; readonly count: number; readonly total: number | undefined }
  | { readonly state: 'complete'; readonly count: number; readonly total: number; readonly token: string }
  | { readonly state: 'claimed'; readonly retryInMs: number }
  | { readonly state: 'closed' }

/** A chord counted by a plain counter (memcached, DynamoDB); core joins by reading the members' documents. */
export interface ChordCounter {
  begin(groupId: string, options: { readonly expiresInMs: number | undefined }): Promise<void>
  /** Atomically adds one and resolves to the new count. */
  increment(groupId: string, options: { readonly expiresInMs: number | undefined }): Promise<number>
  remove(groupId: string): Promise<void>
}
