import type { PoolOutcome, PoolStartOptions } from '../pool.ts'
import type { PoolSlot } from './pool-slot.ts'
import type { SlotTicket } from './pool-ticket.ts'
import type { Rest } from './rest.ts'
import type { SlotExit } from './slot-transport.ts'

/** What a slot knows of its pool, and tells it. */
export interface SlotOwner {
  readonly options: PoolStartOptions
  readonly entry: string
  readonly modules: readonly string[]
  /** Ready for a job, or for its next one. */
  slotFree(slot: PoolSlot): void
  slotGone(slot: PoolSlot, exit: SlotExit): void
  ticketEnded(ticket: SlotTicket, outcome: PoolOutcome): void
  /** It did not begin here and will not: it may begin elsewhere. */
  ticketReturned(ticket: SlotTicket): void
  observed(taskName: string, ranMs: number): void
  readonly rest: Rest
}
