/** What schedules share, and where a user's own begins. */
import { CeleryError } from '@ct/contracts'
import type { DueState, Schedule, ScheduleData, ScheduleSettings } from './schedule.ts'

/**
 * A schedule that is given by one question: after a run at this instant, when is the next? Extend it for a schedule of your own:
 *
 * ```ts
 * class EveryFullMoon extends BaseSchedule {
 *   readonly kind = 'full-moon'
 *   protected following(lastRunAt: number): number { return fullMoonAfter(lastRunAt) }
 *   describe(): string { return 'at full moon' }
 *   toJSON(): ScheduleData { return { type: this.kind } }
 * }
 * ```
 */
export abstract class BaseSchedule implements Schedule {
  abstract readonly kind: string

  /** Epoch ms of the run that follows a run at `lastRunAt`, later than that; undefined if none can be foreseen. */
  protected abstract following(lastRunAt: number): number | undefined

  abstract describe(): string

  abstract toJSON(): ScheduleData

  /** Itself, for schedules that leave nothing to the app. */
  bind(_settings: ScheduleSettings): Schedule {
    return this
  }

  isDue(lastRunAt: Date, now: Date): DueState {
    const at = this.#after(lastRunAt)
    const nowMs = instant(now)
    if (at > nowMs || !this.isCurrent(at, nowMs)) {
      const next = at > nowMs ? at : this.#orNever(this.following(nowMs))
      return { due: false, nextMs: Math.max(0, next - nowMs) }
    }
    return { due: true, nextMs: this.pauseAfter(nowMs) }
  }

  dueAt(lastRunAt: Date, now: Date): Date | undefined {
    const at = this.#after(lastRunAt)
    const nowMs = instant(now)
    return at <= nowMs && this.isCurrent(at, nowMs) ? new Date(Math.ceil(at)) : undefined
  }

  next(lastRunAt: Date, after: Date): Date | undefined {
    const first = this.#after(lastRunAt)
    const afterMs = instant(after)
    const at = first > afterMs ? first : this.#orNever(this.following(afterMs))
    return at === Infinity ? undefined : new Date(Math.ceil(at))
  }

  equals(other: Schedule): boolean {
    return this.kind === other.kind && JSON.stringify(this) === JSON.stringify(other)
  }

  /** Whether a run that fell due at `_at` and was not made is still to be made at `_now`. */
  protected isCurrent(_at: number, _now: number): boolean {
    return true
  }

  /** Milliseconds from a run at `now` until the next. */
  protected pauseAfter(now: number): number {
    return Math.max(0, this.#orNever(this.following(now)) - now)
  }

  #after(lastRunAt: Date): number {
    return this.#orNever(this.following(instant(lastRunAt)))
  }

  #orNever(at: number | undefined): number {
    return at ?? Infinity
  }
}

function instant(date: Date): number {
  const epochMs = date.getTime()
  if (!Number.isNaN(epochMs)) return epochMs
  throw new CeleryError(
    'CT_ARGUMENTS',
    'A schedule was asked about an invalid Date. Give one that holds a time.',
  )
}
