/**
 * What a pool and its slots tell each other: small arrays that can be cloned, each with its kind in front. Bodies and results are in them
 * as the bytes they are.
 */
import type { ErrorData } from './error-data.ts'

export const toSlot = { open: 0, job: 1, abort: 2, answer: 3, close: 4 } as const

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
    ]
  | readonly [kind: typeof toSlot.abort, jobId: number, reason: ErrorData]
  | readonly [kind: typeof toSlot.answer, messageId: number, value: unknown, error: ErrorData | undefined]
  | readonly [kind: typeof toSlot.close]

export const fromSlot = {
  ready: 0,
  started: 1,
  message: 2,
  done: 3,
  post: 4,
  failed: 5,
  retire: 6,
} as const

export type FromSlot =
  | readonly [kind: typeof fromSlot.ready, pid: number]
  | readonly [kind: typeof fromSlot.started, jobId: number, at: number]
  | readonly [kind: typeof fromSlot.message, jobId: number, messageId: number, name: string, payload: unknown]
  /** `lost` is why there is no value; `memoryKb` is what the slot has in use, 0 where nobody asked. */
  | readonly [
      kind: typeof fromSlot.done,
      jobId: number,
      value: unknown,
      lost: string | undefined,
      memoryKb: number,
      retires: boolean,
    ]
  | readonly [kind: typeof fromSlot.post, name: string, payload: unknown]
  | readonly [kind: typeof fromSlot.failed, error: ErrorData]
  | readonly [kind: typeof fromSlot.retire]

/** False for what no slot of ours would say. */
export function isFromSlot(value: unknown): value is FromSlot {
  return Array.isArray(value) && typeof value[0] === 'number' && value[0] >= 0 && value[0] <= fromSlot.retire
}
