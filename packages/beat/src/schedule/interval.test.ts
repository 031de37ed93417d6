import { expect, it } from 'vitest'
import {
  BaseSchedule,
  crontab,
  interval,
  isSchedule,
  maybeSchedule,
  scheduleFromJSON,
  type ScheduleData,
} from './index.ts'

const at = (text: string): Date => new Date(text)

it('BEAT-25: due when the interval has passed since the last run', () => {
  const every = interval(30)
  const last = at('2026-01-01T00:00:00Z')
  expect(every.isDue(last, at('2026-01-01T00:00:29.999Z'))).toEqual({ due: false, nextMs: 1 })
  expect(every.isDue(last, at('2026-01-01T00:00:30Z'))).toEqual({ due: true, nextMs: 30_000 })
  expect(every.dueAt(last, at('2026-01-01T00:10:00Z'))).toEqual(at('2026-01-01T00:00:30Z'))
  expect(every.next(last, at('2026-01-01T00:10:00Z'))).toEqual(at('2026-01-01T00:10:30Z'))
})

it('BEAT-2: seconds, or units that are added up as in timedelta', () => {
  expect(
    interval({ weeks: 1, days: 1, hours: 1, minutes: 1, seconds: 1, milliseconds: 1, microseconds: 1 })
      .everyMs,
  ).toBe(694_861_001.001)
  expect(maybeSchedule(0.5).equals(interval({ milliseconds: 500 }))).toBe(true)
  const daily = crontab('0 0 * * *')
  expect(maybeSchedule(daily)).toBe(daily)
})

it('BEAT-26: relative rounds down to the unit of the interval, not to its multiple', () => {
  const last = at('2026-01-01T10:47:13Z')
  const next = (schedule: ReturnType<typeof interval>): string => schedule.next(last, last)!.toISOString()
  expect(next(interval({ minutes: 30 }, { relative: true }))).toBe('2026-01-01T11:17:00.000Z')
  expect(next(interval({ hours: 2 }, { relative: true }))).toBe('2026-01-01T12:00:00.000Z')
  expect(next(interval({ days: 1 }, { relative: true }))).toBe('2026-01-02T00:00:00.000Z')
  const tokyo = interval({ days: 1 }, { relative: true }).bind({ timezone: 'Asia/Tokyo' })
  expect(next(tokyo)).toBe('2026-01-01T15:00:00.000Z')
  expect(
    next(interval({ days: 1 }, { relative: true, timezone: 'Asia/Tokyo' }).bind({ timezone: 'UTC' })),
  ).toBe('2026-01-01T15:00:00.000Z')
  // A late run is followed by one on the boundary again.
  expect(interval({ hours: 1 }, { relative: true }).isDue(last, at('2026-01-01T11:20:00Z'))).toEqual({
    due: true,
    nextMs: 40 * 60_000,
  })
})

it('refuses what is no time above zero, and unknown words', () => {
  for (const every of [0, -5, NaN, Infinity, 1e-9, {}, { seconds: -1 }])
    expect(() => interval(every)).toThrow(/^interval\(\): every is .*; allowed is a time of more than 0/)
  expect(() => interval({ minute: 5 } as object)).toThrow(/unknown unit "minute"\. Did you mean "minutes"\?/)
  expect(() => interval({ minutes: '5' } as object)).toThrow(/minutes is "5"; allowed is a number/)
  expect(() => interval('5' as unknown as number)).toThrow(/every is "5"; allowed is seconds, or an object/)
  expect(() => interval(5, { relativ: true } as object)).toThrow(
    /unknown option "relativ"\. Did you mean "relative"\?/,
  )
  expect(() => interval(5, { relative: 1 } as object)).toThrow(/relative is 1; allowed is true or false/)
  expect(() => interval(5, { timezone: 'Nowhere' })).toThrow(/No zone named "Nowhere"/)
  expect(() => interval(5).isDue(new Date(NaN), new Date())).toThrow(/invalid Date/)
})

it('says what it does', () => {
  expect(
    [interval(1), interval(90), interval({ days: 10 }), interval({ weeks: 2 }), interval(0.25)].map((one) =>
      one.describe(),
    ),
  ).toEqual([
    'every second',
    'every 1 minute 30 seconds',
    'every 10 days',
    'every 2 weeks',
    'every 250 milliseconds',
  ])
  expect(interval({ hours: 2 }, { relative: true }).describe()).toBe(
    'every 2 hours, rounded to the hour (UTC)',
  )
})

it('comes back from its data; data that nobody reads is refused', () => {
  for (const one of [interval(30), interval({ hours: 2 }, { relative: true, timezone: 'Asia/Tokyo' })])
    expect(scheduleFromJSON(JSON.parse(JSON.stringify(one)) as Record<string, unknown>).equals(one)).toBe(
      true,
    )
  expect(interval(30).equals(interval(30, { relative: true }))).toBe(false)
  expect(() => scheduleFromJSON({ type: 'lunar' })).toThrow(/type "lunar"; known are interval, crontab/)
  expect(() => scheduleFromJSON({})).toThrow(/type undefined/)
  expect(() => scheduleFromJSON({ type: 'interval', seconds: 'x' })).toThrow(/every is "x"/)
  expect(() => scheduleFromJSON({ type: 'crontab', minute: '61' })).toThrow(/minute "61"/)
})

/** Doubles its distance from midnight. */
class Doubling extends BaseSchedule {
  readonly kind = 'doubling'
  protected following(lastRunAt: number): number | undefined {
    const midnight = Math.floor(lastRunAt / 86_400_000) * 86_400_000
    const next = Math.max(1000, 2 * (lastRunAt - midnight))
    return next < 86_400_000 ? midnight + next : undefined
  }
  describe(): string {
    return 'twice as late each time'
  }
  toJSON(): ScheduleData {
    return { type: this.kind }
  }
}

it('BEAT-2: schedules of a user’s own', () => {
  const own = new Doubling()
  expect([isSchedule(own), isSchedule({ kind: 'x' }), isSchedule(5)]).toEqual([true, false, false])
  const noon = at('2026-01-01T12:00:00Z')
  expect(own.isDue(at('2026-01-01T00:00:01Z'), at('2026-01-01T00:00:03Z'))).toEqual({
    due: true,
    nextMs: 3000,
  })
  expect(own.isDue(noon, noon)).toEqual({ due: false, nextMs: Infinity })
  expect(own.next(noon, noon)).toBeUndefined()
  expect(own.dueAt(noon, noon)).toBeUndefined()
  expect(scheduleFromJSON({ type: 'doubling' }, { doubling: () => new Doubling() }).equals(own)).toBe(true)
})
