import { describe, expect, it } from 'vitest'
import { zones } from '../../test/random-schedules.ts'
import { dateOf, daysInMonth, daysOf, weekdayOf } from './civil-date.ts'
import { timeZone } from './time-zone.ts'

const hour = 3_600_000

it('dates are those of the calendar, 0001 to 9999', () => {
  const dates = Array.from({ length: 20_000 }, (_, at) => -719_162 + at * 182)
  expect(
    dates.filter((days) => {
      const { year, month, day } = dateOf(days)
      const date = new Date(days * 86_400_000)
      return (
        daysOf(year, month, day) !== days ||
        year !== date.getUTCFullYear() ||
        month !== date.getUTCMonth() + 1 ||
        day !== date.getUTCDate() ||
        weekdayOf(days) !== date.getUTCDay() ||
        daysInMonth(year, month) !== new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate()
      )
    }),
  ).toEqual([])
})

describe('zones', () => {
  it('have at every hour of three years the offset that Intl tells', () => {
    const wrong: string[] = []
    for (const name of zones) {
      const format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' })
      const zone = timeZone(name)
      for (let ms = Date.UTC(2022, 0, 1, 0, 59); ms < Date.UTC(2025, 0, 1); ms += 6 * hour) {
        const told = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(format.format(ms)) ?? []
        const minutes = (told[1] === '-' ? -1 : 1) * (Number(told[2] ?? 0) * 60 + Number(told[3] ?? 0))
        if (zone.offsetAt(ms) !== minutes * 60_000) wrong.push(`${name} ${ms}`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('know the second of each change, and offsets with seconds of long ago', () => {
    const changes = timeZone('Europe/Berlin').changes(Date.UTC(2026, 0, 1), Date.UTC(2027, 0, 1))
    expect(changes).toEqual([
      { at: Date.UTC(2026, 2, 29, 1), before: hour, after: 2 * hour },
      { at: Date.UTC(2026, 9, 25, 1), before: 2 * hour, after: hour },
    ])
    expect(timeZone('Africa/Monrovia').offsetAt(0)).toBe(-(44 * 60 + 30) * 1000)
    expect(timeZone('UTC').changes(0, Date.UTC(2030, 0, 1))).toEqual([])
  })

  it('give a wall time that comes twice both its instants, and one that never comes the offsets of both sides', () => {
    const berlin = timeZone('Europe/Berlin')
    const twice = Date.UTC(2026, 9, 25, 2, 30)
    expect([berlin.instantOf(twice, 0), berlin.instantOf(twice, 1)]).toEqual([twice - 2 * hour, twice - hour])
    const never = Date.UTC(2026, 2, 29, 2, 30)
    expect([berlin.instantOf(never, 0), berlin.instantOf(never, 1)]).toEqual([never - hour, never - 2 * hour])
    // Samoa left a whole day out.
    const apia = timeZone('Pacific/Apia')
    expect(apia.wallAt(apia.instantOf(Date.UTC(2011, 11, 30, 12), 0))).toBe(Date.UTC(2011, 11, 31, 12))
  })

  it('are known by IANA name alone', () => {
    for (const name of ['Mars/Olympus', '+02:00', '', 'Europe/Berlin2'])
      expect(() => timeZone(name)).toThrow(/No zone named .* is known here\. Give an IANA name/)
  })
})
