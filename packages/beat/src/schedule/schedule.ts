/**
 * What every schedule can tell, and what a schedule of a user's own has to.
 *
 * A schedule is immutable and has no clock: whoever asks says when the entry last ran and what time it is. So the arithmetic can be compared
 * with Celery's instant by instant, and a scheduler may ask about any time, past or future.
 */

/** What `isDue` answers. */
export interface DueState {
  /** Run it now. */
  readonly due: boolean
  /**
   * Milliseconds from `now` until it should be asked again, with the new last run where `due`; never negative. `Infinity`: not in the time
   * that can be foreseen; ask when something changes.
   */
  readonly nextMs: number
}

/** A schedule as plain data, for stores: JSON gives it back as it was. `type` says who can read the rest. */
export type ScheduleData = Readonly<Record<string, unknown>> & { readonly type: string }

/** What an app says about its schedules, under the names of its settings. */
export interface ScheduleSettings {
  /** IANA name, `app.timezone`. */
  readonly timezone: string
  /** Seconds; a crontab's run that was missed by more is left out. Null or missing: every missed run is made up for, once. */
  readonly beatCronStartingDeadline?: number | null
}

/** When an entry is due (celery/schedules.py 5.7, `BaseSchedule`). */
export interface Schedule {
  /** `interval`, `crontab`, `solar`, or the name of a user's own; the `type` of its data. */
  readonly kind: string

  /** Whether it is due at `now` given the last run, and when to ask again: `is_due` of Celery with the clock as an argument. */
  isDue(lastRunAt: Date, now: Date): DueState

  /**
   * The scheduled instant behind a due answer: the first one after `lastRunAt`, however late `now` is. Undefined when nothing is due. Two
   * schedulers with the same last run get the same instant, so it can name the firing.
   */
  dueAt(lastRunAt: Date, now: Date): Date | undefined

  /**
   * The first instant after `after` at which it falls due. A run that is overdue at `after` counts as made then. Undefined if never. For
   * lists of what comes next: `t1 = next(lastRunAt, now)`, `t2 = next(t1, t1)`.
   */
  next(lastRunAt: Date, after: Date): Date | undefined

  /** The schedule in words, `at 02:30 on Monday (Europe/Berlin)`. */
  describe(): string

  /** The data that `scheduleFromJSON` makes an equal schedule of. */
  toJSON(): ScheduleData

  equals(other: Schedule): boolean

  /** The same schedule with what it leaves to the app filled in; asked once, before anything else. May be missing where that is nothing. */
  bind?(settings: ScheduleSettings): Schedule
}
