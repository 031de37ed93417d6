/**
 * Contract: Pool. Runs jobs in slots: on the event loop, in threads, in child processes.
 *
 * A job is data, never a closure: encoded bytes in, encoded bytes out (architecture §3, "where the process boundary runs"). What needs
 * the worker (publish a retry, store a state) is a {@link SlotMessage} that the worker answers.
 *
 *   submit ─► queued ─► accepted ─► running ─► outcome
 *                          │           ├─ abort()  ─► task.signal fires ─► outcome as the task decides
 *                          │           └─ kill()   ─► lost (threads, processes only)
 *
 * Duties
 *  P1  `start` resolves when `size` slots are ready; without `modules` a pool that cannot share memory rejects with `CT_CONFIGURATION`.
 *  P2  Every submitted job ends with exactly one outcome, also when its slot dies (`lost`), the pool closes, or it answers twice.
 *  P3  `onAccepted` comes once, before the job's first user code, with the pid and the start time.
 *  P4  Jobs start in the order of submission as slots become free; `size` bounds how many run at a time.
 *  P5  `abort` reaches the job's signal; `kill` ends the slot where `capabilities.canKill`, and a new slot takes its place.
 *  P6  Slot messages are answered in order per job; an answer that rejects rejects in the slot.
 *  P7  A slot that dies, leaks, blocks or answers nonsense never takes the worker down.
 *  P8  `grow` and `shrink` never interrupt running jobs.
 *  P9  `stop` resolves when running jobs have ended; `close` ends them now. Both idempotent.
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
  /** Module that a thread or child runs; supplied by `@ct/worker`. */
  readonly entry: URL
  /** URLs of the modules that register the tasks. */
  readonly modules: readonly string[]
  /** Plain data that the entry needs to set the app up. */
  readonly config: unknown
  /** Runs a job in this thread; used by pools that share memory. No promise: it has ended already. */
  readonly execute: (job: PoolJob, slot: SlotPort) => Promise<PoolOutcome> | PoolOutcome
  /** A slot died or misbehaved outside any job. */
  readonly onSlotError: (error: Error) => void
  readonly maxTasksPerChild: number | undefined
  readonly maxMemoryPerChildKb: number | undefined
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
  /** What the worker prepared already, for pools that share memory; opaque to the pool. */
  readonly local?: unknown
}

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
  onAccepted(info: { readonly pid: number; readonly startedAt: number }): void
  onMessage(message: SlotMessage): Promise<unknown>
}

/** `kind` beyond `lost` is the trace's own, agreed between the worker and its entry. */
export type PoolOutcome =
  | { readonly kind: 'done'; readonly value: unknown }
  | {
      readonly kind: 'lost'
      readonly reason: string
      readonly signal: string | undefined
      readonly exitCode: number | undefined
    }

export interface PoolTicket {
  readonly outcome: Promise<PoolOutcome>
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
  start(options: PoolStartOptions): Promise<void>
  submit(job: PoolJob, events: PoolJobEvents): PoolTicket
  grow(slots: number): Promise<void>
  shrink(slots: number): Promise<void>
  /** For `inspect stats`: shape of worker-behaviour §7.2 `pool`. */
  info(): Readonly<Record<string, unknown>>
  stop(): Promise<void>
}
