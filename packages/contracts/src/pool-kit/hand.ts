/** The jobs that a slot has in hand: the first one runs or is about to, the others were handed ahead. They begin in order. */
import { aheadBudgetMs, beginSlackMs, mostInHand, restMs } from './hand-ahead.ts'
import type { SlotTicket } from './pool-ticket.ts'
import { monotonicMs } from './slot-frames.ts'

export class Hand {
  readonly tickets: SlotTicket[] = []
  /** Monotonic ms since which the first job is the first, or the hand is empty. */
  since = monotonicMs()

  get first(): SlotTicket | undefined {
    return this.tickets[0]
  }

  get size(): number {
    return this.tickets.length
  }

  add(ticket: SlotTicket, now: number): void {
    if (this.tickets.length === 0) this.since = now
    this.tickets.push(ticket)
  }

  take(handing: number): SlotTicket | undefined {
    const at = this.tickets.findIndex((ticket) => ticket.handing === handing)
    if (at < 0) return undefined
    if (at === 0) this.since = monotonicMs()
    return this.tickets.splice(at, 1)[0]
  }

  /** The first one began at this moment, as its slot says; gives how long ago. No slot is believed to come from the future, or to have been silent for longer than a rest. */
  begun(atMonotonic: number): number {
    const now = monotonicMs()
    this.since = Math.min(now, Math.max(this.since - restMs, atMonotonic))
    return now - this.since
  }

  /** Milliseconds of work, as far as one can tell; Infinity where no job may be handed ahead. */
  load(now: number): number {
    const count = this.tickets.length
    if (count === 0 || count >= mostInHand) return Infinity
    let load = Math.max(this.tickets[0]!.expectedMs, now - this.since)
    for (let at = 1; at < count; at++) load += this.tickets[at]!.expectedMs
    return load <= aheadBudgetMs ? load : Infinity
  }

  /** Milliseconds that are likely to pass before nothing is ahead; 0 when somebody waits to hear of one of them. */
  surelyBusyMs(now: number): number {
    if (this.tickets.length < 2) return 0
    let sum = this.since - now
    for (const { job, expectedMs, unwanted, abortReason } of this.tickets) {
      if (job.patient !== true || unwanted || abortReason !== undefined) return 0
      sum += expectedMs
    }
    return sum
  }

  /** Those that were handed ahead and whose time is over. */
  late(now: number): SlotTicket[] {
    return this.tickets.filter(
      ({ started, beginBefore }) => !started && beginBefore > 0 && now > beginBefore + beginSlackMs,
    )
  }
}
