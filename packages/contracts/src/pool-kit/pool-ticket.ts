/** One submitted job on its way through a pool of slots. */
import type { PoolJob, PoolJobEvents, PoolOutcome, PoolTicket } from '../pool.ts'

/** What a ticket needs of its pool. */
export interface TicketOwner {
  withdrawTicket(ticket: SlotTicket): void
  abortRunning(ticket: SlotTicket, reason: Error): void
  killRunning(ticket: SlotTicket, signal: string | undefined): boolean
}

/**
 *   queued ─► given to a slot ─► started ─► ended
 *     ▲              │
 *     └── not taken ─┘ (its slot died or blocked before it began, or it was handed ahead and its turn did not come)
 *
 *   queued, given to a slot ─► withdrawn
 */
export class SlotTicket implements PoolTicket {
  readonly job: PoolJob
  readonly events: PoolJobEvents
  readonly number: number
  started = false
  /** It was started by a slot that was being ended: true only if it gets to its end. */
  startedLate: number | undefined
  /** Wanted back by its owner. */
  unwanted = false
  /** Its number in the slot that has it in hand. */
  handing = 0
  /** Of a job that was handed ahead; see `ToSlot`. */
  beginBefore = 0
  /** Milliseconds that it is expected to run. */
  expectedMs = Infinity
  ended = false
  /** How often a slot died or blocked with the job in hand before it began. */
  notTaken = 0
  abortReason: Error | undefined
  readonly #owner: TicketOwner
  #result: PoolOutcome | undefined
  #listener: ((outcome: PoolOutcome) => void) | undefined
  #promised: PromiseWithResolvers<PoolOutcome> | undefined

  /** `number`: in the order of submission. */
  constructor(owner: TicketOwner, job: PoolJob, events: PoolJobEvents, number: number) {
    this.number = number
    this.#owner = owner
    this.job = job
    this.events = events
  }

  /** Made when somebody looks: the worker listens instead. */
  get outcome(): Promise<PoolOutcome> {
    if (this.#promised === undefined) {
      this.#promised = Promise.withResolvers()
      if (this.#result !== undefined) this.#promised.resolve(this.#result)
    }
    return this.#promised.promise
  }

  whenEnded(listener: (outcome: PoolOutcome) => void): void {
    if (this.#result === undefined) this.#listener = listener
    else listener(this.#result)
  }

  /** `agoMs`: since it began. */
  accept(pid: number, startedAt: number, agoMs: number): void {
    if (this.started) return
    this.started = true
    this.events.onAccepted({ pid, startedAt, agoMs })
  }

  withdraw(): void {
    if (this.ended || this.started || this.unwanted) return
    this.unwanted = true
    this.#owner.withdrawTicket(this)
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
    this.#result = outcome
    this.#promised?.resolve(outcome)
    this.#listener?.(outcome)
  }
}

export const withdrawn: PoolOutcome = { kind: 'withdrawn' }

export function lost(
  reason: string,
  exit: { readonly signal: string | undefined; readonly exitCode: number | undefined } = {
    signal: undefined,
    exitCode: undefined,
  },
): PoolOutcome {
  return { kind: 'lost', reason, signal: exit.signal, exitCode: exit.exitCode }
}
