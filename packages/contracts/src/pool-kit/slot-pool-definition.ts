import type { PoolCapabilities } from '../pool.ts'
import type { SlotTransport } from './slot-transport.ts'

/** What one pool of slots has that others have not. */
export interface SlotPoolDefinition {
  readonly name: string
  readonly packageName: string
  readonly capabilities: PoolCapabilities
  readonly transport: SlotTransport
  /** What Celery's pool of this kind shows in `stats` besides implementation and size. */
  readonly info: (slots: PoolFigures) => Readonly<Record<string, unknown>>
}

export interface PoolFigures {
  readonly size: number
  readonly pids: readonly number[]
  /** Jobs given to each slot that lives. */
  readonly writes: readonly number[]
  readonly waiting: number
  readonly running: number
  readonly maxTasksPerChild: number | undefined
  readonly timeLimits: readonly [soft: number | null, hard: number | null]
}
