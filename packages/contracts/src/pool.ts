/**
 * Contract: Pool. Runs jobs in slots: on the event loop, in threads, in child processes.
 *
 * A job is data, never a closure: encoded bytes in, encoded bytes out (architecture §3, "where the process boundary runs"). What needs
 * the worker (publish a retry, store a state) is a {@link SlotMessage} that the worker answers. Pools that do not share memory load the
 * module `entry` in each slot and open a {@link Slot} there; `@ct/contracts/pool-kit` is the rest of such a pool, so that threads and
 * processes only bring their way of starting, speaking to and ending a slot.
 *
 *   submit ─► queued ─► accepted ─► running ─► outcome
 *               │          │           ├─ abort()  ─► task.signal fires ─► outcome as the task decides
 *               │          │           └─ kill()   ─► lost (threads, processes only)
 *               └─ withdraw(), stop(), close() ─► withdrawn
 *
 * Duties
 *  P1  `start` resolves when `size` slots are ready; without `modules` a pool that cannot share memory rejects with `CT_CONFIGURATION`.
 *  P2  Every submitted job ends with exactly one outcome, also when its slot dies (`lost`), the pool closes, or it answers twice. Only a job
 *      that has begun is `lost` with its slot; one that has not begins in another.
 *  P3  `onAccepted` comes once, before the job's first user code, with the pid and the start time; never for a job that did not start. A
 *      slot that was given a job and does not take it up (its event loop is blocked) is replaced, and the job starts in another one.
 *  P4  Jobs start in the order of submission as slots become free; `size` bounds how many run at a time. A pool may hand a job to a slot that is
 *      busy with short ones ahead of time; it is taken back when its turn does not come soon, and begins where a slot is free.
 *  P5  `abort` reaches the job's signal; `kill` ends the slot where `capabilities.canKill`, and a new slot takes its place.
 *  P6  Slot messages are answered in order per job; an answer that rejects rejects in the slot.
 *  P7  A slot that dies, leaks, blocks or answers nonsense never takes the worker down. Where `capabilities.canKill`, it is replaced, with a
 *      pause that grows while new ones fail to start; a slot is also replaced after `maxTasksPerChild` jobs, and after a job that left
 *      more memory in use than `maxMemoryPerChildKb`.
 *  P8  `grow`, `shrink` and `restart` never interrupt running jobs.
 *  P9  `stop` resolves when running jobs have ended; `close` ends them now. Both idempotent. What has not begun is `withdrawn` and will not begin.
 *  P10 `withdraw` takes a job back that has not begun: `withdrawn`, and it never begins. What has begun goes on.
 */
import type { Closable } from './lifecycle.ts'

export interface PoolCapabilities {
  /** Celery's name of the implementation, for `stats`: e.g. `celery.concurrency.prefork:TaskPool` for processes. */
  readonly implementation: string
  /** Jobs run in this thread: `PoolJob.local` is handed over as it is. */
  readonly sharesMemory: boolean
  /** A running job can be ended against its will: hard time limit, terminate. */
  readonly canKill: boolean
  /** The worker's own timers keep running while a task computes. */
  readonly isolatesCpu: boolean
  readonly resizable: boolean
}

export interface PoolStartOptions {
  readonly size: number
  /** Module that a thread or child runs, a {@link SlotEntry}; supplied by `@ct/worker`. */
  readonly entry: URL
  /** URLs of the modules that register the tasks. */
  readonly modules: readonly string[]
  /** Plain data that the entry needs to set the app up. */
  readonly config: unknown
  /** Runs a job in this thread; used by pools that share memory. No promise: it has ended already. */
  readonly execute: (job: PoolJob, slot: SlotPort) => Promise<PoolOutcome> | PoolOutcome
  /** A slot died or misbehaved outside any job. */
  readonly onSlotError: (error: Error) => void
  /** What a slot says outside of any job, log lines say. Wants no answer. */
  readonly onSlotMessage?: ((message: SlotMessage, slot: SlotIdentity) => void) | undefined
  /** A slot is about to be made, is ready (its modules are loaded), or is gone. Pools that share memory tell nothing. */
  readonly onSlotChange?: ((change: SlotChange) => void) | undefined
  readonly maxTasksPerChild: number | undefined
  readonly maxMemoryPerChildKb: number | undefined
  /** Longest time that a slot may take to be ready. Default 20,000. */
  readonly aliveTimeoutMs?: number | undefined
  /** Longest time that a slot may take to take up a job that it was given (P3). Default: `aliveTimeoutMs`. */
  readonly takeUpTimeoutMs?: number | undefined
  /** Longest wait for what a dead slot still had to say. Default 10,000. */
  readonly lostWaitMs?: number | undefined
  /** Seconds, soft and hard: the worker's own limits, shown in {@link Pool.info} as Celery does. The worker enforces them. */
  readonly timeLimits?: readonly [soft: number | null, hard: number | null] | undefined
}

/** Which slot. */
export interface SlotIdentity {
  /** From 0; whoever replaces a slot has its number. */
  readonly index: number
  readonly pid: number
}

export type SlotChange =
  /** It is about to be made. */
  | { readonly kind: 'opening'; readonly index: number }
  | (SlotIdentity & { readonly kind: 'started' })
  | (SlotIdentity & {
      readonly kind: 'exited'
      readonly exitCode: number | undefined
      readonly signal: string | undefined
      /** It was told to: shrunk, restarted, replaced after its last job, or the pool has ended. */
      readonly expected: boolean
    })

/** What the module at {@link PoolStartOptions.entry} exports. It is loaded in the thread or child. */
export interface SlotEntry {
  /** Loads the modules; resolves when jobs can run. What it rejects with, the pool's `start` rejects with. */
  openSlot(start: SlotStart): Promise<Slot>
}

export interface SlotStart {
  readonly modules: readonly string[]
  readonly config: unknown
  readonly index: number
  /** To the worker's `onSlotMessage`. Never throws: data that cannot be cloned is left out. */
  post(message: SlotMessage): void
  /** This slot is not fit for further jobs: it ends after the one that runs, and another takes its place. */
  retire(): void
}

export interface Slot {
  /** One at a time. Bytes in the outcome belong to the pool afterwards: each array must be the only one on its buffer. */
  run(job: SlotJob, port: SlotPort): Promise<PoolOutcome>
  /** The slot ends in good order. Bounded by the pool. */
  close(): Promise<void>
}

export interface PoolJob {
  /** Unique per submission (one task id may be submitted again). */
  readonly jobId: number
  readonly taskId: string
  readonly taskName: string
  readonly body: Uint8Array
  readonly contentType: string
  readonly contentEncoding: string
  /** Request fields as plain data: headers, delivery info, properties. */
  readonly request: Readonly<Record<string, unknown>>
  /** Nobody waits to hear that it has begun or ended, so that it may be heard with others, within 20 ms. Default false. */
  readonly patient?: boolean
  /** What the worker prepared already, for pools that share memory; opaque to the pool. */
  readonly local?: unknown
}

/** A job as it arrives in a slot elsewhere. */
export type SlotJob = Omit<PoolJob, 'local'>

/** What a running job may ask of the worker. */
export interface SlotPort {
  readonly signal: AbortSignal
  send(message: SlotMessage): Promise<unknown>
}

/** `kind` is `update-state`, `publish`, …: agreed between the worker and its entry, opaque to the pool; structured-cloneable data. */
export interface SlotMessage {
  readonly kind: string
  readonly payload: unknown
}

export interface PoolJobEvents {
  /** `startedAt` in epoch ms; `agoMs` is how long ago that was, where it is heard later than it happens. */
  onAccepted(info: { readonly pid: number; readonly startedAt: number; readonly agoMs?: number }): void
  onMessage(message: SlotMessage): Promise<unknown>
}

/** `kind` beyond `lost` is the trace's own, agreed between the worker and its entry. */
export type PoolOutcome =
  /** `ranMs`: how long it ran, where that was measured. */
  | { readonly kind: 'done'; readonly value: unknown; readonly ranMs?: number }
  | {
      readonly kind: 'lost'
      readonly reason: string
      readonly signal: string | undefined
      readonly exitCode: number | undefined
    }
  /** It has not begun, and will not: withdrawn, or the pool has ended before its turn. */
  | { readonly kind: 'withdrawn' }

export interface PoolTicket {
  readonly outcome: Promise<PoolOutcome>
  /** Tells the outcome without a promise, at once when it is there. Once per ticket. */
  whenEnded(listener: (outcome: PoolOutcome) => void): void
  /** See P10. The outcome says whether it was in time. */
  withdraw(): void
  /** Fires the job's signal with this reason (soft limit, revoke, shutdown, lost lease). */
  abort(reason: Error): void
  /** See P5. False where it cannot. */
  kill(signal?: string): boolean
}

export interface Pool extends Closable {
  readonly kind: 'pool'
  readonly name: string
  readonly packageName: string
  readonly contractVersion: string
  readonly capabilities: PoolCapabilities
  readonly size: number
  /** Jobs submitted and not ended. */
  readonly active: number
  /**
   * A job that is submitted now begins at once, or is handed to a slot that is about to be free. Else it waits in the pool, where its
   * owner can only withdraw it.
   */
  readonly hasRoom: boolean
  start(options: PoolStartOptions): Promise<void>
  submit(job: PoolJob, events: PoolJobEvents): PoolTicket
  grow(slots: number): Promise<void>
  /** At least one slot stays. Busy slots go after their job. */
  shrink(slots: number): Promise<void>
  /**
   * Replaces every slot, busy ones after their job, so that modules are loaded afresh; resolves when those that were idle are replaced.
   * Pools that share memory have no such thing.
   */
  restart?(options?: { readonly modules?: readonly string[] | undefined }): Promise<void>
  /** For `inspect stats`: shape of worker-behaviour §7.2 `pool`. */
  info(): Readonly<Record<string, unknown>>
  stop(): Promise<void>
}
