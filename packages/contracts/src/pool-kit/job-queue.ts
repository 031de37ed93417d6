/**
 * Jobs that no slot has, and which slot gets each: one that is idle, else one that is soon (hand-ahead.ts).
 */
import { beginSlackMs, RunTimes } from './hand-ahead.ts'
import type { PoolSlot } from './pool-slot.ts'
import type { SlotTicket } from './pool-ticket.ts'
import { monotonicMs } from './slot-frames.ts'

export interface JobQueueOptions {
  readonly slots: () => Iterable<PoolSlot>
  /** Slots that there are to be. */
  readonly size: () => number
  /** It was taken back from the slot that it was handed to: its turn did not come in time. */
  readonly onLate: (ticket: SlotTicket) => void
  /** Calls when all has been heard that slots had said by now. */
  readonly whenHeard: (act: () => void) => void
}

/** Between two looks for jobs that were handed ahead and whose time is over, at least. */
const lateMs = 20

export class JobQueue {
  readonly #owner: JobQueueOptions
  #waiting: SlotTicket[] = []
  readonly #idle: PoolSlot[] = []
  readonly #times = new RunTimes()
  #lateTimer: ReturnType<typeof setTimeout> | undefined
  #serving = false
  #closed = false

  constructor(options: JobQueueOptions) {
    this.#owner = options
  }

  /** A job that is added now does not wait here. */
  get hasRoom(): boolean {
    if (this.#waiting.length > 0) return false
    return this.#idle.length > 0 || this.#soonIdle(monotonicMs()) !== undefined
  }

  add(ticket: SlotTicket): void {
    ticket.expectedMs = this.#times.expected(ticket.job.taskName)
    this.#waiting.push(ticket)
    this.serve()
  }

  /** In its old place: before all that were submitted later. */
  addAgain(ticket: SlotTicket): void {
    ticket.startedLate = undefined
    ticket.expectedMs = this.#times.expected(ticket.job.taskName)
    const at = this.#waiting.findIndex(({ number }) => number > ticket.number)
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, ticket)
    this.serve()
  }

  /** False when it does not wait here. */
  remove(ticket: SlotTicket): boolean {
    return remove(this.#waiting, ticket)
  }

  observed(taskName: string, ranMs: number): void {
    this.#times.observed(taskName, ranMs)
  }

  slotFree(slot: PoolSlot): void {
    this.#idle.push(slot)
    this.serve()
  }

  /** It takes no more jobs. */
  slotGone(slot: PoolSlot): void {
    remove(this.#idle, slot)
  }

  /** Gives what still waits. */
  close(): SlotTicket[] {
    this.#closed = true
    clearTimeout(this.#lateTimer)
    return this.#waiting.splice(0)
  }

  /** Gives what waits to slots that are idle, then to those that soon are. */
  serve(): void {
    // What a ticket's owner does when it ends may come back here.
    if (this.#serving || this.#waiting.length === 0) return
    this.#serving = true
    const now = monotonicMs()
    while (this.#waiting.length > 0) {
      const idle = this.#idle.shift()
      if (idle !== undefined) {
        idle.give(this.#waiting.shift()!, now)
        continue
      }
      const soon = this.#soonIdle(now)
      if (soon === undefined) break
      soon.slot.give(this.#waiting.shift()!, now, soon.load)
      this.#lookLater(now)
    }
    this.#serving = false
  }

  #soonIdle(now: number): { readonly slot: PoolSlot; readonly load: number } | undefined {
    let best: PoolSlot | undefined
    let least = Infinity
    let living = 0
    for (const slot of this.#owner.slots()) {
      if (!slot.retiring) living += 1
      const load = slot.load(now)
      if (load >= least) continue
      best = slot
      least = load
    }
    // Shrunk: the next one that is free goes, so that one has to become free.
    return best === undefined || living > this.#owner.size() ? undefined : { slot: best, load: least }
  }

  /** When the first one can be late. */
  #lookLater(now: number): void {
    if (this.#lateTimer !== undefined) return
    const due = this.#firstDue()
    if (due === Infinity) return
    this.#lateTimer = setTimeout(() => this.#lookForLate(), Math.max(lateMs, due + 1 - now)).unref()
  }

  /** Monotonic ms from which on the first of those that were handed ahead is late, if it has not begun. */
  #firstDue(): number {
    let due = Infinity
    for (const { inHand } of this.#owner.slots())
      for (const { started, beginBefore } of inHand)
        if (!started && beginBefore > 0) due = Math.min(due, beginBefore + beginSlackMs)
    return due
  }

  #lookForLate(): void {
    const now = monotonicMs()
    // The one that it was about has begun: no reason to listen.
    if (this.#firstDue() > now) {
      this.#lateTimer = undefined
      this.#lookLater(now)
      return
    }
    this.#owner.whenHeard(() => {
      this.#lateTimer = undefined
      if (this.#closed) return
      for (const slot of this.#owner.slots())
        for (const ticket of slot.takeBackLate(now)) this.#owner.onLate(ticket)
      this.#lookLater(monotonicMs())
    })
  }
}

function remove<T>(list: T[], item: T): boolean {
  const at = list.indexOf(item)
  if (at >= 0) list.splice(at, 1)
  return at >= 0
}
