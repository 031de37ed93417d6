import { isCeleryError } from '@ct/contracts'
import { describe, expect, it } from 'vitest'
import { crontab, scheduleFromJSON, type CrontabSchedule } from './index.ts'

const at = (text: string): Date => new Date(text)

/** The next `count` runs in UTC, without seconds. */
function runs(schedule: CrontabSchedule, after: string, count: number): readonly string[] {
  const found: string[] = []
  for (let last = at(after); found.length < count;) {
    const next = schedule.next(last, last)
    if (next === undefined) break
    found.push(next.toISOString().slice(0, 16))
    last = next
  }
  return found
}

/** The error of declaring this. */
function refusal(declare: () => unknown): unknown {
  try {
    return declare()
  } catch (error) {
    return isCeleryError(error) ? { code: error.code, message: error.message, ...error.details } : error
  }
}

describe('crontab', () => {
  it('BEAT-28: five fields that are * unless given', () => {
    expect(runs(crontab(), '2026-01-01T00:00:30Z', 2)).toEqual(['2026-01-01T00:01', '2026-01-01T00:02'])
    expect(runs(crontab({ minute: 5, hour: [0, 12] }), '2026-01-01T00:05Z', 2)).toEqual([
      '2026-01-01T12:05',
      '2026-01-02T00:05',
    ])
  })

  it('BEAT-29: one text has the order of cron', () => {
    const monday = crontab('30 7 1-7 jan mon', { timezone: 'UTC' })
    expect(
      monday.equals(
        crontab({
          minute: 30,
          hour: 7,
          dayOfMonth: '1-7',
          monthOfYear: 1,
          dayOfWeek: 1,
          timezone: 'UTC',
        }),
      ),
    ).toBe(true)
    for (const text of ['0 0 * *', '0 0 * * * *', '0  0 * * *', '@daily', ''])
      expect(() => crontab(text)).toThrow(
        /is no crontab\. Allowed are five fields with one blank between them/,
      )
  })

  it('BEAT-31 BEAT-32 BEAT-33: lists, ranges past the end, steps', () => {
    const values = (fields: Parameters<typeof crontab>[0]): unknown => {
      const made = crontab(fields).fields
      return Object.values(made)
        .filter(({ text }) => text !== '*')
        .map((field) => field.values)
    }
    expect(values({ minute: '*/25,3,58-1' })).toEqual([[0, 1, 3, 25, 50, 58, 59]])
    expect(values({ hour: '22-2' })).toEqual([[0, 1, 2, 22, 23]])
    expect(values({ hour: '22-4/3' })).toEqual([[1, 4, 22]])
    expect(values({ dayOfWeek: 'FRI-Monday' })).toEqual([[0, 1, 5, 6]])
    expect(values({ dayOfMonth: '*/10' })).toEqual([[1, 11, 21, 31]])
    expect(values({ monthOfYear: 'november-feb/2' })).toEqual([[1, 11]])
    expect(values({ monthOfYear: '*/99' })).toEqual([[1]])
    expect(values({ minute: new Set([3, 1]) })).toEqual([[1, 3]])
  })

  it('BEAT-34 D57-203: names the field, the value and what is allowed', () => {
    expect(refusal(() => crontab({ hour: '1,24' }))).toEqual({
      code: 'CT_CONFIGURATION',
      message:
        'crontab(): hour "1,24" has 24, which is out of range. Allowed are 0 to 23, ranges a-b, steps */n and a-b/n, and lists of them.',
      field: 'hour',
      value: '1,24',
      allowed: '0 to 23',
    })
    const reasons: readonly (readonly [object, RegExp])[] = [
      [{ dayOfWeek: 7 }, /dayOfWeek 7 is out of range/],
      [{ dayOfWeek: '7' }, /dayOfWeek "7" has 7, which is out of range; Sunday is 0\./],
      [{ minute: -1 }, /minute -1 is out of range/],
      [{ minute: '-1' }, /has a negative number in "-1"/],
      [{ minute: '1,,2' }, /has an empty part/],
      [{ minute: '' }, /has an empty part/],
      [{ minute: '5/10' }, /has a step behind the single value "5"; give a range or \*, such as 5-59\/10/],
      [{ minute: '*/0' }, /has a step of 0/],
      [{ minute: '*/' }, /has no step behind the slash/],
      [{ minute: '*/1.5' }, /has "\*\/1\.5", which is neither/],
      [{ minute: '1-5-7' }, /has "1-5-7", which is neither/],
      [{ minute: ' 5' }, /has a blank in " 5"/],
      [{ minute: '+5' }, /has "\+5", which is neither/],
      [{ minute: '1_0' }, /has "1_0", which is neither/],
      [{ minute: '٣' }, /has "٣", which is neither/],
      [{ minute: 'jan' }, /has "jan", which is no name here/],
      [{ dayOfWeek: 'monkey' }, /has "monkey", which is no name here/],
      [{ dayOfWeek: 'mo' }, /has "mo", which is no name here/],
      [{ dayOfWeek: 'mar' }, /has "mar", which is no name here/],
      [{ hour: '1#2' }, /which other crons know|neither/],
      [{ hour: 2.5 }, /hour 2\.5 is not a whole number/],
      [{ hour: [] }, /hour \[\] is empty/],
      [{ hour: null }, /hour null is neither a number, a text nor a list/],
      [{ timezone: 'Europe/Berlim' }, /No zone named "Europe\/Berlim" is known here/],
      [{ dayofweek: 1 }, /has no field "dayofweek"\. Did you mean "dayOfWeek"\?/],
      [{ day_of_month: 1 }, /Did you mean "dayOfMonth"\?/],
      [{ nowfun: () => 1 }, /give timezone/],
    ]
    for (const [fields, reason] of reasons) expect(() => crontab(fields)).toThrow(reason)
  })

  it('BEAT-35: day of week and day of month must both fit', () => {
    expect(runs(crontab('0 0 13 * fri'), '2026-01-01T00:00Z', 3)).toEqual([
      '2026-02-13T00:00',
      '2026-03-13T00:00',
      '2026-11-13T00:00',
    ])
  })

  it('BEAT-36 D57-96: days that never come are refused, leap days are waited for', () => {
    expect(() => crontab('0 0 30 feb *')).toThrow(/dayOfMonth "30" never comes in monthOfYear "feb"/)
    expect(() => crontab({ dayOfMonth: 31, monthOfYear: '4,6,9,11' })).toThrow(/never comes/)
    expect(runs(crontab('0 0 29 2 mon'), '2026-01-01T00:00Z', 3)).toEqual([
      '2044-02-29T00:00',
      '2072-02-29T00:00',
      '2112-02-29T00:00',
    ])
    expect(crontab('0 0 29 2 *').next(at('9999-01-01T00:00Z'), at('9999-01-01T00:00Z'))).toBeUndefined()
  })

  it('BEAT-30 D57-97: a late run is made once, unless it was missed by more than the deadline', () => {
    const hourly = crontab({ minute: 0 })
    const [last, now] = [at('2026-01-01T08:00:01Z'), at('2026-01-01T11:20:00Z')]
    expect(hourly.isDue(last, now)).toEqual({ due: true, nextMs: 40 * 60_000 })
    expect(hourly.dueAt(last, now)).toEqual(at('2026-01-01T09:00Z'))
    const within = hourly.bind({ timezone: 'UTC', beatCronStartingDeadline: 1200 })
    expect(within.isDue(last, now)).toEqual({ due: true, nextMs: 40 * 60_000 })
    const past = hourly.bind({ timezone: 'UTC', beatCronStartingDeadline: 1199 })
    expect(past.isDue(last, now)).toEqual({ due: false, nextMs: 40 * 60_000 })
    expect(past.dueAt(last, now)).toBeUndefined()
  })

  it('BEAT-39: not twice in one minute', () => {
    const daily = crontab('30 2 * * *')
    expect(daily.isDue(at('2026-01-01T02:30:00.000Z'), at('2026-01-01T02:30:59.999Z'))).toEqual({
      due: false,
      nextMs: 86_400_000 - 59_999,
    })
  })

  it('BEAT-37: runs by the clock of its own zone, else of the app’s', () => {
    const own = crontab('0 9 * * *', { timezone: 'Asia/Kathmandu' })
    const apps = crontab('0 9 * * *')
    for (const [schedule, utc] of [
      [own, '2026-01-01T03:15'],
      [apps, '2026-01-01T09:00'],
      [own.bind({ timezone: 'America/New_York' }), '2026-01-01T03:15'],
      [apps.bind({ timezone: 'America/New_York' }), '2026-01-01T14:00'],
    ] as const)
      expect(runs(schedule, '2026-01-01T00:00Z', 1)).toEqual([utc])
  })

  it('D57-203: a last run in the second pass of an hour is no reason to be due for ever', () => {
    const quarterly = crontab({ minute: '*/15', timezone: 'Europe/Berlin' })
    const second = at('2026-10-25T01:10:00Z')
    expect(quarterly.isDue(second, at('2026-10-25T01:20:00Z'))).toEqual({ due: false, nextMs: 40 * 60_000 })
    expect(runs(quarterly, '2026-10-25T01:10Z', 1)).toEqual(['2026-10-25T02:00'])
  })

  it('says what it does', () => {
    const told: Readonly<Record<string, string>> = {
      '* * * * *': 'every minute (UTC)',
      '*/15 * * * *': 'every 15 minutes (UTC)',
      '*/7 9-17 * * *': 'at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of hours 9 to 17 every day (UTC)',
      '0 * * * *': 'at minute 0 of every hour (UTC)',
      '30 2 * * *': 'at 02:30 every day (UTC)',
      '0,30 7,19 * * mon-fri': 'at 07:00, 07:30, 19:00 and 19:30 on Monday to Friday (UTC)',
      '0 0 1 jan *': 'at 00:00 on day 1 of the month in January (UTC)',
      '0 4 1-7 * fri-mon': 'at 04:00 on days 1 to 7 of the month if that is Friday to Monday (UTC)',
      '* 22-2 * 11-2 sat,sun':
        'every minute of hours 22 to 2 on Saturday and Sunday in November to February (UTC)',
    }
    expect(Object.keys(told).map((text) => crontab(text).describe())).toEqual(Object.values(told))
    expect(crontab('0 4 * * *').bind({ timezone: 'Asia/Tokyo' }).describe()).toBe(
      'at 04:00 every day (Asia/Tokyo)',
    )
  })

  it('comes back from its data', () => {
    const declared = crontab({ minute: '*/5', hour: [8, 20], dayOfWeek: 'mon', timezone: 'Europe/Berlin' })
    const data: unknown = JSON.parse(JSON.stringify(declared))
    expect(data).toEqual({
      type: 'crontab',
      minute: '*/5',
      hour: '8,20',
      dayOfWeek: 'mon',
      dayOfMonth: '*',
      monthOfYear: '*',
      timezone: 'Europe/Berlin',
    })
    expect(scheduleFromJSON(data as Record<string, unknown>).equals(declared)).toBe(true)
    expect(crontab('0 0 * * *').equals(crontab('0-0 0 * * *'))).toBe(true)
    expect(crontab('0 0 * * *').equals(crontab('0 0 * * *', { timezone: 'Asia/Tokyo' }))).toBe(false)
  })

  it('answers in microseconds', () => {
    const many = Array.from({ length: 20_000 }, (_, n) =>
      crontab({ minute: n % 60, hour: n % 24, dayOfMonth: '1-28', timezone: 'Europe/Berlin' }),
    )
    const [last, now] = [at('2026-03-01T00:00Z'), at('2026-05-01T00:00Z')]
    const began = process.cpuUsage()
    for (const one of many) one.isDue(last, now)
    // Work of this process, in microseconds: a machine that stands still adds none. About half of one.
    expect(process.cpuUsage(began).user / many.length).toBeLessThan(20)
  })
})
