/**
 * Handing jobs ahead to busy slots (docs/adr/0029): how many, and for how long.
 *
 * A slot that has ended a job would wait for the next one: for the worker to hear of the end, to settle it, and to be heard itself. So a job
 * is handed to a slot while the one before it runs, if that one is expected to end soon: by what jobs of its task took so far. A guess may be
 * wrong. Hence each such job has a time until which it may begin; when that is over, the pool takes it back without asking, even from a
 * slot whose event loop does not turn, and the slot asks before it begins. So nothing waits long behind a long job, and nothing runs twice.
 *
 *   handed ahead ───────── beginBefore ──── beginSlackMs ────►
 *   the slot may begin          │ the slot asks    │ the pool may take it back, unless the slot has said that it began
 */

/** Milliseconds of work that a slot has in hand at most when it is given one more. */
export const aheadBudgetMs = 60
/** Jobs in hand at most, the running one included. */
export const mostInHand = 16
/** Beyond the time that a job's turn is expected to take, before it is late. */
export const aheadPatienceMs = 15
/** For a slot that stood still between looking at the clock and telling that it begins. */
export const beginSlackMs = 10

/** Longest time in which a pool does not listen to slots that have enough to do (rest.ts). */
export const restMs = 35
/** With less work in hand, in any slot, a rest is not worth its beginning. */
export const leastToRestMs = 4

/** What a job of each task is expected to take: the longest time of late, which each shorter one lowers by a quarter. */
export class RunTimes {
  readonly #expected = new Map<string, number>()

  /** Milliseconds; Infinity for a task that nobody has seen end. */
  expected(taskName: string): number {
    return this.#expected.get(taskName) ?? Infinity
  }

  observed(taskName: string, ms: number): void {
    const before = this.#expected.get(taskName)
    this.#expected.set(taskName, before === undefined || ms > before ? ms : before + (ms - before) / 4)
  }
}
