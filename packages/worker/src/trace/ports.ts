/**
 * What tracing needs of the rest: results, sending, events, logging. Implemented over the app by `app-services.ts`, and by recorders
 * in tests of the order of effects.
 */
import type { App, Logger, Outbox, RegisteredTask } from '@ct/client'
import type {
  CeleryError,
  ChainSource,
  ChordCounter,
  NativeChord,
  ResultHandle,
  ResultMeta,
  ResultWrite,
  SignatureSource,
} from '@ct/contracts'
import type { Request } from '../request/index.ts'
import type { ChordMember } from './chord-member.ts'

/** Whose state is written: of the running request, or of another task that belongs to its workflow. */
export interface ResultSubject {
  readonly taskId: string
  /** Undefined: the writer has no request (revoke command, chord body, later chain steps). */
  readonly request?: Request | undefined
  readonly groupId?: string | undefined
  readonly parentId?: string | undefined
}

export interface ResultState {
  readonly state: string
  /** A value, or the error in exception states. */
  readonly result: unknown
  readonly traceback?: string | null
  readonly children?: readonly ResultHandle[] | null
}

export interface Results {
  /** False: the app has no result backend. */
  readonly enabled: boolean
  /** True when results can go with the ack, in one step. */
  readonly canSettle: boolean
  /** Stored results can be read by anyone, for de-duplication and the like. */
  readonly readable: boolean
  /** Undefined where there is nothing to write to (no backend, no reply queue). Throws `EncodeError` (`CT_ENCODE`). */
  encode(subject: ResultSubject, state: ResultState): ResultWrite | undefined
  store(writes: readonly ResultWrite[]): Promise<void>
  meta(taskId: string): Promise<ResultMeta | undefined>
  /** The error of a document in an exception state. */
  errorOf(meta: ResultMeta): Error
}

/** One recorded member of a chord. */
export interface ChordPartValue {
  readonly taskId: string
  readonly state: string
  /** Source text with JSON: it is only passed on to the body. In exception states the error. */
  readonly value: unknown
}

export interface Chords {
  readonly kind: 'native' | 'counter' | 'unlock' | 'none'
  /** True when parts can go with the ack, in one step. */
  readonly canSettle?: boolean
  native(): Promise<NativeChord>
  counter(): Promise<ChordCounter>
  /** Undefined: for good. */
  readonly expiresInMs: number | undefined
  encodePart(taskId: string, state: string, result: unknown): Uint8Array
  decodePart(part: Uint8Array): ChordPartValue
  savedGroup(groupId: string): Promise<ResultHandle | undefined>
  forgetGroup(groupId: string): Promise<void>
}

export interface CallOf {
  readonly args: readonly unknown[]
  /** Remaining steps of the chain, the last is next. */
  readonly chain?: ChainSource | undefined
  readonly rootId: string
  readonly parentId: string
  readonly priority?: number | undefined
  /** Takes the messages, where they can go along with the settlement of the task they follow from. */
  readonly outbox?: Outbox | undefined
  readonly groupId?: string | undefined
}

export interface Sender {
  /** Sends what the signature stands for; it may be a task, chain, group or chord. */
  call(signature: SignatureSource, call: CallOf): Promise<ResultHandle>
  /** Sends them together as one new group. */
  callGroup(signatures: readonly SignatureSource[], call: CallOf): Promise<ResultHandle>
  /** For what follows from this request; undefined where the broker publishes nothing together with an ack. */
  outbox?(request: Request): Outbox | undefined
  /** Broadcasts a revoke of these ids. */
  revoke(taskIds: readonly string[]): Promise<void>
}

export interface TaskEvents {
  /** Task events are wanted at the moment. */
  readonly enabled: boolean
  send(type: string, fields: Readonly<Record<string, unknown>>): void
}

/** How loud the log is; asked before a line is put together. */
export interface TraceLog extends Logger {
  readonly infoEnabled: boolean
  readonly debugEnabled: boolean
}

/** Told of every part that leaves a chord open. */
export interface OpenChordsPort {
  /** `total`: undefined while the store has not been told it. */
  seen(groupId: string, body: SignatureSource, member: ChordMember, total: number | undefined): void
  ended(groupId: string): void
}

export interface TraceServices {
  readonly app: App
  readonly hostname: string
  readonly results: Results
  readonly chords: Chords
  readonly sender: Sender
  readonly events: TaskEvents
  readonly log: TraceLog
  readonly defaults: 'ct' | 'celery'
  /** Undefined: nobody watches chords that stay open. */
  readonly openChords?: OpenChordsPort | undefined
  /** Milliseconds without a new part after which a chord fails; undefined: never. */
  readonly chordStallMs?: number | undefined
  readonly inheritPriority: boolean
  /** Seconds. */
  readonly chordJoinTimeout: number
  /** Milliseconds that publishing a chord body may take, retries included. */
  readonly publishBoundMs: number
  readonly task: (name: string) => RegisteredTask | undefined
  /** Resolves false when the worker stops for good before `ms` have passed. */
  pause(ms: number): Promise<boolean>
  onInternalError(error: CeleryError | Error): void
  /** False: tasks run in other threads or processes, which send `taskPrerun` and `taskPostrun`. Default true. */
  readonly runsTasks?: boolean
}
