/**
 * Which entries are due, and when the next one will be (celery/beat.py 5.7, `Scheduler.tick`). It has no clock, sends nothing and stores nothing:
 * whoever runs it says what time it is and what became of a firing.
 *
 *   planned (in the heap, at the instant at which its schedule is to be asked) ── take(), due ──► firing ──┬─ made() ───► planned
 *      ▲  │ not due: asked again when its schedule says                                                    └─ failed() ─► planned, the same firing
 *      │  ▼
 *   resting (its schedule sees no further run; or disabled, over, or run once)
 *
 * A schedule that throws, or answers what is no answer, costs a line in the log and is asked again after the longest pause; one that calls itself
 * due again at once is asked again after a second. Neither holds up the others.
 */
import type { Logger } from '@ct/client'
import type { ScheduleRun } from '@ct/contracts'
import type { Entry } from '../entry/index.ts'
import { EntryHeap } from './entry-heap.ts'

/** One run of an entry that is due. */
export interface Firing {
  readonly entry: Entry
  /** Epoch ms: the instant that the run is made for, the first one after the run before. */
  readonly scheduledAt: number
  /** What the entry's run will be when it is sent. */
  readonly run: ScheduleRun
  /** How often it was tried before. */
  attempts: number
}

export interface SchedulerOptions {
  readonly maxIntervalMs: number
  readonly logger: Logger
}

/** Of a schedule that would otherwise be due for ever. */
const shortestPauseMs = 1000

interface Verdict {
  /** Undefined: not due. */
  readonly scheduledAt: number | undefined
  /** Epoch ms at which to ask again; Infinity: not in the time that can be foreseen. */
  readonly when: number
}

export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #entries = new Map<string, Entry>()
  readonly #heap = new EntryHeap<Entry>()
  /** Firings that failed and are to be tried again. */
  readonly #again = new Map<Entry, Firing>()
  readonly #underWay = new Set<Entry>()
  #finished: Entry[] = []
  readonly #complained = new Set<string>()

  constructor(options: SchedulerOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#entries.size
  }

  /** Epoch ms at which `take()` has something to do. Infinity: never, as things are. */
  get next(): number {
    return this.#heap.earliest
  }

  get(name: string): Entry | undefined {
    return this.#entries.get(name)
  }

  entries(): IterableIterator<Entry> {
    return this.#entries.values()
  }

  clear(): void {
    this.#entries.clear()
    this.#heap.clear()
    this.#again.clear()
    this.#underWay.clear()
    this.#finished = []
  }

  put(entry: Entry, now: number): void {
    this.remove(entry.stored.name)
    this.#entries.set(entry.stored.name, entry)
    this.#plan(entry, now)
  }

  remove(name: string): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    this.#entries.delete(name)
    this.#heap.delete(entry)
    this.#again.delete(entry)
    this.#underWay.delete(entry)
  }

  /** Everything anew: the clock was set back, so that what was planned lies further off than it should. */
  replan(now: number): void {
    for (const entry of this.#entries.values()) if (!this.#underWay.has(entry)) this.#plan(entry, now)
  }

  /** What is due, at most `limit`; each is under way until `made` or `failed` is called for it. */
  take(now: number, limit: number = Infinity): Firing[] {
    const firings: Firing[] = []
    while (firings.length < limit && this.#heap.earliest <= now) {
      const entry = this.#heap.pop()!
      const verdict = this.#judge(entry, now)
      if (verdict === undefined) continue
      if (verdict.scheduledAt === undefined) {
        // Asked in time, so that "now" is no answer.
        this.#set(entry, Math.max(verdict.when, now + 1))
        continue
      }
      const again = this.#again.get(entry)
      this.#again.delete(entry)
      this.#underWay.add(entry)
      const run = { name: entry.stored.name, lastRunAt: now, totalRunCount: entry.totalRunCount + 1 }
      firings.push(again ?? { entry, scheduledAt: verdict.scheduledAt, run, attempts: 0 })
    }
    return firings
  }

  /** It was sent, or never will be. */
  made({ entry, run }: Firing, now: number): void {
    if (!this.#underWay.delete(entry)) return
    entry.lastRunAt = run.lastRunAt
    entry.totalRunCount = run.totalRunCount
    const verdict = this.#judge(entry, now)
    if (verdict === undefined) return
    if (verdict.scheduledAt === undefined) {
      this.#set(entry, verdict.when)
      return
    }
    // Due again although it has just run: late by a whole period, or a schedule that is always due.
    if (verdict.scheduledAt <= run.lastRunAt) {
      this.#complain(entry, 'is due again at the instant at which it ran; it is asked again after a second')
      this.#set(entry, now + shortestPauseMs)
    } else this.#set(entry, now)
  }

  /** It was not sent and shall be, as the same firing. */
  failed(firing: Firing, retryAt: number): void {
    if (!this.#underWay.delete(firing.entry)) return
    firing.attempts++
    this.#again.set(firing.entry, firing)
    this.#set(firing.entry, retryAt)
  }

  /** Entries that are over or had their only run and are not disabled yet. Each is told once. */
  takeFinished(): readonly Entry[] {
    const finished = this.#finished
    this.#finished = []
    return finished
  }

  #plan(entry: Entry, now: number): void {
    this.#heap.delete(entry)
    if (this.#again.has(entry)) {
      this.#set(entry, now)
      return
    }
    const verdict = this.#judge(entry, now)
    if (verdict !== undefined) this.#set(entry, verdict.scheduledAt === undefined ? verdict.when : now)
  }

  #set(entry: Entry, when: number): void {
    if (when !== Infinity) this.#heap.set(entry, when)
  }

  /** Undefined: it is not to be asked any more. */
  #judge(entry: Entry, now: number): Verdict | undefined {
    const { enabled, oneOff, startAt, expiresAt } = entry.stored
    if (!enabled) return undefined
    if ((expiresAt !== undefined && now >= expiresAt) || (oneOff && entry.totalRunCount > 0)) {
      this.#finished.push(entry)
      return undefined
    }
    if (startAt !== undefined && now < startAt) return { scheduledAt: undefined, when: startAt }
    const verdict = this.#ask(entry, now)
    const when = expiresAt === undefined ? verdict.when : Math.min(verdict.when, expiresAt)
    return { ...verdict, when }
  }

  #ask(entry: Entry, now: number): Verdict {
    const { schedule } = entry
    try {
      const last = new Date(lastRunOf(entry))
      const at = new Date(now)
      const { due, nextMs } = schedule.isDue(last, at)
      if (due) {
        const scheduledAt = schedule.dueAt(last, at)?.getTime() ?? NaN
        if (Number.isNaN(scheduledAt)) throw new Error('it says that it is due, but not since when')
        return { scheduledAt, when: now }
      }
      if (typeof nextMs !== 'number' || Number.isNaN(nextMs) || nextMs < 0)
        throw new Error(`it says that the next run is in ${String(nextMs)} ms`)
      return { scheduledAt: undefined, when: now + (nextMs === 0 ? shortestPauseMs : nextMs) }
    } catch (error) {
      this.#complain(
        entry,
        `cannot say when it is due: ${error instanceof Error ? error.message : String(error)}`,
        error,
      )
      return { scheduledAt: undefined, when: now + this.#options.maxIntervalMs }
    }
  }

  /** Once for each entry and reason: what is asked every few minutes would fill the log. */
  #complain({ stored }: Entry, what: string, error?: unknown): void {
    const line = `The schedule of the periodic task "${stored.name}" ${what}.`
    if (this.#complained.has(line)) return
    if (this.#complained.size > 10_000) this.#complained.clear()
    this.#complained.add(line)
    this.#options.logger.error(line, error === undefined ? {} : { error })
  }
}

/** What its schedule counts from. One that was never run and has a start begins there: an interval with a run at that very instant. */
export function lastRunOf({ stored, schedule, lastRunAt, totalRunCount }: Entry): number {
  const { startAt } = stored
  if (startAt === undefined || totalRunCount > 0) return lastRunAt
  const everyMs = schedule.kind === 'interval' && 'everyMs' in schedule ? Number(schedule.everyMs) : 1
  return startAt - everyMs
}
