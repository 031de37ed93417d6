/** One submitted job on its way through a pool of slots. */
import type { PoolJob, PoolJobEvents, PoolOutcome, PoolTicket } from '../pool.ts'

/** What a ticket needs of its pool. */
export interface TicketOwner {
  abortRunning(ticket: SlotTicket, reason: Error): void
  killRunning(ticket: SlotTicket, signal: string | undefined): boolean
}

/**
 *   queued ─► given to a slot ─► started ─► ended
 *     ▲              │
 *     └── not taken ─┘ (its slot died or blocked before it began)
 */
export class SlotTicket implements PoolTicket {
  readonly job: PoolJob
  readonly events: PoolJobEvents
  readonly outcome: Promise<PoolOutcome>
  started = false
  ended = false
  /** How often a slot died or blocked with the job in hand before it began. */
  notTaken = 0
  abortReason: Error | undefined
  readonly #owner: TicketOwner
  #resolve!: (outcome: PoolOutcome) => void

  constructor(owner: TicketOwner, job: PoolJob, events: PoolJobEvents) {
    this.#owner = owner
    this.job = job
    this.events = events
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  abort(reason: Error): void {
    if (this.ended || this.abortReason !== undefined) return
    this.abortReason = reason
    this.#owner.abortRunning(this, reason)
  }

  kill(signal?: string): boolean {
    return !this.ended && this.#owner.killRunning(this, signal)
  }

  end(outcome: PoolOutcome): void {
    if (this.ended) return
    this.ended = true
    this.#resolve(outcome)
  }
}

export function lost(
  reason: string,
  exit: { readonly signal: string | undefined; readonly exitCode: number | undefined } = {
    signal: undefined,
    exitCode: undefined,
  },
): PoolOutcome {
  return { kind: 'lost', reason, signal: exit.signal, exitCode: exit.exitCode }
}
