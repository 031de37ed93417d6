import type { CallOptions } from '@ct/client'
import type { ScheduleData, ScheduleInput } from '../schedule/index.ts'

/** What is sent when, as it is declared (celery/beat.py 5.7, `ScheduleEntry`; BEAT-1). */
export interface PeriodicTaskInput {
  /** Its name, or a task of the app. */
  readonly task: string | { readonly name: string }
  /** Seconds, a duration, a schedule, or a schedule as data (`{ type: 'crontab', hour: 7 }`). */
  readonly schedule: ScheduleInput | ScheduleData
  /** A function is asked at each run (BEAT-4); only in the configuration, where it need not travel. */
  readonly args?: readonly unknown[] | (() => readonly unknown[])
  readonly kwargs?: Readonly<Record<string, unknown>> | (() => Readonly<Record<string, unknown>>)
  /** Options of each call; Python's names are understood too. */
  readonly options?: CallOptions
  /** Of an interval: round it down to its unit. */
  readonly relative?: boolean
  /** Default true. */
  readonly enabled?: boolean
  /** One run, then it is disabled. */
  readonly oneOff?: boolean
  /** No run before. An interval then counts from it, its first run included. */
  readonly startAt?: Date | string
  /** No run from then on: the entry is disabled. */
  readonly expiresAt?: Date | string
  readonly description?: string
}

/** Entries by name, as the setting `beatSchedule` holds them. */
export type BeatSchedule = Readonly<Record<string, PeriodicTaskInput>>
