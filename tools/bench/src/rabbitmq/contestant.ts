import type { DrainResult } from '../contestant.ts'

/** What a contestant of the RabbitMQ bench can do; each call runs in a fresh process of its own, in a fresh virtual host. */
export interface RabbitContestant {
  readonly name: string
  readonly about: string
  /** Prefetches at which it is tried for `drain`; its best one counts. */
  readonly prefetches: readonly number[]
  /** Works off what is queued; seconds from the first task received to the last result and acknowledgement written. */
  drain?(url: string, tasks: number, prefetch: number): Promise<DrainResult>
  /** `callers` concurrent callers, each sending one task after the other and awaiting its confirm. */
  publish?(url: string, tasks: number, callers: number): Promise<DrainResult>
  /** A worker that serves until it is stopped. */
  serve?(url: string): Promise<{ stop(): Promise<void> }>
}
