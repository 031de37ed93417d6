/** Runs once, at a given instant (django-celery-beat 2.9, `clocked`). One that has passed when the entry is made runs at once. */
import { ConfigurationError } from '@ct/contracts'
import { BaseSchedule } from './base-schedule.ts'
import type { ScheduleData } from './schedule.ts'

export class ClockedSchedule extends BaseSchedule {
  readonly kind = 'clocked'
  /** Epoch ms. */
  readonly at: number

  constructor(at: number) {
    super()
    this.at = at
  }

  protected following(lastRunAt: number): number | undefined {
    return lastRunAt < this.at ? this.at : undefined
  }

  describe(): string {
    return `once, at ${new Date(this.at).toISOString()}`
  }

  toJSON(): ScheduleData {
    return { type: this.kind, at: new Date(this.at).toISOString() }
  }
}

/** Runs once, at that instant: a date, or a text with its offset such as `2026-11-28T07:00:00+01:00`. Error: `CT_CONFIGURATION`. */
export function clocked(at: Date | string): ClockedSchedule {
  const epochMs =
    at instanceof Date ? at.getTime() : typeof at === 'string' && zoned.test(at) ? Date.parse(at) : NaN
  if (!Number.isNaN(epochMs)) return new ClockedSchedule(epochMs)
  const allowed = 'a date, or a time with its offset such as 2026-11-28T07:00:00+01:00'
  throw new ConfigurationError(
    `clocked(): at is ${JSON.stringify(at) ?? String(at)}; allowed is ${allowed}.`,
    {
      details: { field: 'at', value: at, allowed },
    },
  )
}

const zoned = /^\d{4}-\d\d-\d\dT.*(?:Z|[+-]\d\d:?\d\d)$/
