/**
 * What a pool and its slots tell each other: small arrays that can be cloned, each with its kind in front. Bodies and results are in them
 * as the bytes they are. `jobId` is the slot's own number of the job: one that is handed to it again has another. Frames travel in batches: what is said in one turn is one message.
 */
import type { ErrorData } from './error-data.ts'

export const toSlot = { open: 0, job: 1, abort: 2, answer: 3, close: 4, takeBack: 5, word: 6 } as const

export type ToSlot =
  | readonly [
      kind: typeof toSlot.open,
      entry: string,
      modules: readonly string[],
      config: unknown,
      index: number,
    ]
  | readonly [
      kind: typeof toSlot.job,
      jobId: number,
      taskId: string,
      taskName: string,
      body: Uint8Array,
      contentType: string,
      contentEncoding: string,
      request: Readonly<Record<string, unknown>>,
      /** Of a job that is handed ahead: ms of {@link monotonicMs} until which it may begin without asking. 0: it may. */
      beginBefore: number,
    ]
  | readonly [kind: typeof toSlot.abort, jobId: number, reason: ErrorData]
  | readonly [kind: typeof toSlot.answer, messageId: number, value: unknown, error: ErrorData | undefined]
  | readonly [kind: typeof toSlot.close]
  /** It is wanted back if it has not begun. */
  | readonly [kind: typeof toSlot.takeBack, jobId: number]
  /** Answers `asks`: it may begin, or it is somebody else's by now. */
  | readonly [kind: typeof toSlot.word, jobId: number, begin: boolean]

export const fromSlot = {
  ready: 0,
  started: 1,
  message: 2,
  done: 3,
  post: 4,
  failed: 5,
  retire: 6,
  returned: 7,
  asks: 8,
} as const

export type FromSlot =
  | readonly [kind: typeof fromSlot.ready, pid: number]
  /** `at` in epoch ms, `atMonotonic` by {@link monotonicMs}. */
  | readonly [kind: typeof fromSlot.started, jobId: number, at: number, atMonotonic: number]
  | readonly [kind: typeof fromSlot.message, jobId: number, messageId: number, name: string, payload: unknown]
  /** `lost` is why there is no value; `memoryKb` is what the slot has in use, 0 where nobody asked; `ranMs` is how long it ran. */
  | readonly [
      kind: typeof fromSlot.done,
      jobId: number,
      value: unknown,
      lost: string | undefined,
      memoryKb: number,
      retires: boolean,
      ranMs: number,
    ]
  | readonly [kind: typeof fromSlot.post, name: string, payload: unknown]
  | readonly [kind: typeof fromSlot.failed, error: ErrorData]
  | readonly [kind: typeof fromSlot.retire]
  /** A job that it was handed has not begun and will not. */
  | readonly [kind: typeof fromSlot.returned, jobId: number]
  /** The time of a job that was handed ahead is over: may it begin? */
  | readonly [kind: typeof fromSlot.asks, jobId: number]

/** False for what no slot of ours would say. */
export function isFromSlot(value: unknown): value is FromSlot {
  return Array.isArray(value) && typeof value[0] === 'number' && value[0] >= 0 && value[0] <= fromSlot.asks
}

/** One clock for all threads and processes of a machine. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}
