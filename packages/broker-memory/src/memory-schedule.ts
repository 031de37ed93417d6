/** Periodic entries of the hub, and who leads. */
import {
  LeaseLostError,
  type ScheduleChange,
  type ScheduleChanges,
  type ScheduleContents,
  type ScheduleRun,
  type ScheduleSaved,
  type StoredScheduleEntry,
} from '@ct/contracts'
import { ChangeLog } from '@ct/contracts/schedule-kit'

export class MemorySchedule {
  readonly #entries = new Map<string, StoredScheduleEntry>()
  #leader: { readonly holder: string; readonly token: number; readonly expiresAt: number } | undefined
  #lastToken = 0
  readonly #log = new ChangeLog()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  load(names?: readonly string[]): ScheduleContents {
    const entries =
      names === undefined
        ? [...this.#entries.values()]
        : names.map((name) => this.#entries.get(name)).filter((entry) => entry !== undefined)
    return { entries, broken: [], marker: this.#log.marker }
  }

  changes(since: string): ScheduleChanges | undefined {
    const logged = this.#log.since(since)
    if (logged === undefined) return undefined
    const { names, marker, more } = logged
    return { ...this.load(names), removed: names.filter((name) => !this.#entries.has(name)), marker, more }
  }

  save({ put = [], remove = [], runs = [], token }: ScheduleChange): ScheduleSaved {
    this.check(token)
    for (const entry of put) {
      const before = this.#entries.get(entry.name)
      const keeps = before !== undefined && entry.lastRunAt === undefined
      const { lastRunAt, totalRunCount } = keeps ? before : entry
      this.#entries.set(entry.name, structuredClone({ ...entry, lastRunAt, totalRunCount }))
    }
    for (const name of remove) this.#entries.delete(name)
    for (const run of runs) this.#run(run)
    return this.#log.add([...put.map(({ name }) => name), ...remove])
  }

  /** S6: whether the run is one to be sent; then it is noted. */
  fire(run: ScheduleRun, token: number | undefined): boolean {
    this.check(token)
    const entry = this.#entries.get(run.name)
    if (entry === undefined || (entry.lastRunAt ?? -Infinity) >= run.lastRunAt) return false
    this.#run(run)
    return true
  }

  lead(holder: string, ttlMs: number): { readonly token: number; readonly expiresAt: number } | undefined {
    const now = this.#now()
    const leader = this.#leader !== undefined && this.#leader.expiresAt > now ? this.#leader : undefined
    if (leader !== undefined && leader.holder !== holder) return undefined
    const token = leader?.token ?? ++this.#lastToken
    this.#leader = { holder, token, expiresAt: now + ttlMs }
    return { token, expiresAt: now + ttlMs }
  }

  resign(holder: string): void {
    if (this.#leader?.holder === holder) this.#leader = undefined
  }

  /** A token is good until somebody else got a higher one, even when its time is over. */
  check(token: number | undefined): void {
    if (token === undefined || token === this.#lastToken) return
    throw new LeaseLostError(`Another beat leads now (token ${this.#lastToken}, ours is ${token}).`, {
      details: { token },
    })
  }

  #run({ name, lastRunAt, totalRunCount }: ScheduleRun): void {
    const entry = this.#entries.get(name)
    if (entry !== undefined) this.#entries.set(name, { ...entry, lastRunAt, totalRunCount })
  }
}
