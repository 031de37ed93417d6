import { expect, it } from 'vitest'
import { scheduleFromJSON, solar, type SolarEvent } from './index.ts'

const berlin = { latitude: 52.52, longitude: 13.405 }
const at = (text: string): Date => new Date(text)

it('BEAT-40 BEAT-41: the events of a day in their order, to the minute that Celery 5.7 gives', () => {
  const start = at('2026-03-20T00:00:00Z')
  const times = (
    [
      'dawn_astronomical',
      'dawn_nautical',
      'dawn_civil',
      'sunrise',
      'solar_noon',
      'sunset',
      'dusk_civil',
      'dusk_nautical',
      'dusk_astronomical',
    ] as const
  ).map((event) =>
    solar({ event, ...berlin })
      .next(start, start)
      ?.toISOString()
      .slice(11, 16),
  )
  expect(times).toEqual(['03:13', '03:55', '04:35', '05:09', '11:13', '17:19', '17:53', '18:33', '19:16'])
})

it('BEAT-40: due once a day', () => {
  const sunset = solar({ event: 'sunset', ...berlin })
  const last = at('2026-03-20T12:00:00Z')
  const first = sunset.next(last, last)!
  expect(sunset.isDue(last, new Date(first.getTime() - 1))).toEqual({ due: false, nextMs: 1 })
  const state = sunset.isDue(last, first)
  expect(state.due).toBe(true)
  expect(sunset.dueAt(last, new Date(first.getTime() + 5000))).toEqual(first)
  expect(state.nextMs / 3_600_000).toBeCloseTo(24.03, 1)
  expect(sunset.isDue(first, first).due).toBe(false)
})

it('BEAT-42 D57-209: waits for the end of the polar day, and of the polar night', () => {
  const next = (event: SolarEvent, latitude: number, from: string): string | undefined =>
    solar({ event, latitude, longitude: 18.96 }).next(at(from), at(from))?.toISOString().slice(0, 10)
  expect(next('sunset', 69.65, '2026-06-01T00:00Z')).toBe('2026-07-25')
  expect(next('sunrise', 69.65, '2026-12-01T00:00Z')).toBe('2027-01-15')
  expect(next('dawn_astronomical', 60, '2026-06-01T00:00Z')).toBe('2026-08-21')
  expect(next('solar_noon', 80, '2026-12-24T00:00Z')).toBe('2026-12-24')
  // Once a year at the pole itself, where Celery gives the end of its search (D57-209).
  expect(next('sunrise', 90, '2026-06-01T00:00Z')).toBe('2027-03-18')
  expect(next('sunset', -90, '2026-06-01T00:00Z')).toBe('2027-03-22')
})

it('BEAT-40: a place that is not on earth and an unknown event are refused', () => {
  const declare =
    (options: object): (() => unknown) =>
    (): unknown =>
      solar({ event: 'sunset', ...berlin, ...options } as never)
  expect(declare({ latitude: 90.1 })).toThrow(
    /latitude is 90\.1; allowed is a number of degrees from -90 to 90/,
  )
  expect(declare({ longitude: -181 })).toThrow(
    /longitude is -181; allowed is a number of degrees from -180 to 180/,
  )
  expect(declare({ latitude: NaN })).toThrow(/latitude is null/)
  expect(declare({ event: 'noon' })).toThrow(
    /event is "noon"; allowed is dawn_astronomical, .*, dusk_astronomical/,
  )
  expect(declare({ lat: 5 })).toThrow(/unknown option "lat"/)
})

it('says what it does and comes back from its data', () => {
  expect(solar({ event: 'sunset', ...berlin }).describe()).toBe('at sunset at 52.52° N, 13.405° E')
  const dawn = solar({ event: 'dawn_civil', latitude: -33.9, longitude: -18.4 })
  expect(dawn.describe()).toBe('at civil dawn at 33.9° S, 18.4° W')
  expect(scheduleFromJSON(JSON.parse(JSON.stringify(dawn)) as Record<string, unknown>).equals(dawn)).toBe(
    true,
  )
  expect(() => scheduleFromJSON({ type: 'solar', event: 'x' })).toThrow(/event is "x"/)
})
