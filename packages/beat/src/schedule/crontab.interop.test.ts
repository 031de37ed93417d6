/** Crontabs and intervals against Celery's own, instant by instant. */
import { tryPython } from '@ct-tools/interop'
import { isCeleryError } from '@ct/contracts'
import { seededRandom } from '@ct/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CeleryJudge, isLong, type Answer, type Case } from '../../test/celery-judge.ts'
import {
  pick,
  randomCrontab,
  randomField,
  randomInstant,
  randomLateness,
  zones,
  type FiveFields,
  type Random,
} from '../../test/random-schedules.ts'
import { crontab, interval, type CrontabSchedule, type Schedule } from './index.ts'

const ready = await tryPython('5.7')
const rounds = isLong ? 40_000 : 4000

interface Verdict {
  readonly due: boolean
  readonly nextMs: number
  readonly scheduled: number | undefined
}

function ask(schedule: Schedule, { zone, last, now, deadline = null }: Case): Verdict {
  const bound = schedule.bind?.({ timezone: zone, beatCronStartingDeadline: deadline }) ?? schedule
  const [lastRunAt, at] = [new Date(last), new Date(now)]
  const { due, nextMs } = bound.isDue(lastRunAt, at)
  const scheduled = bound.next(lastRunAt, lastRunAt)?.getTime()
  if (due) expect(bound.dueAt(lastRunAt, at)?.getTime()).toBe(scheduled)
  return { due, nextMs, scheduled }
}

function crontabOf(fields: FiveFields): CrontabSchedule {
  const [minute, hour, dayOfWeek, dayOfMonth, monthOfYear] = fields
  return crontab({ minute, hour, dayOfWeek, dayOfMonth, monthOfYear })
}

const sameTime = (a: number, b: number): boolean => Math.abs(a - b) < 0.002

describe.skipIf(!ready)('schedules are due when Celery 5.7 says so', () => {
  let judge: CeleryJudge

  beforeAll(async () => {
    judge = await CeleryJudge.open()
  })

  afterAll(() => judge?.close())

  async function compare(
    cases: readonly Case[],
    make: (one: Case) => Schedule,
    agree: (theirs: Answer, ours: Verdict, one: Case) => boolean,
  ): Promise<void> {
    const theirs = await judge.answers(cases)
    const compared = cases.flatMap((one, at) => {
      const answer = theirs[at]
      return answer?.sameZone === true ? [{ one, theirs: answer, ours: ask(make(one), one) }] : []
    })
    expect(compared.filter((found) => !agree(found.theirs, found.ours, found.one)).slice(0, 5)).toEqual([])
    // Editions of the zones differ in a country or two.
    expect(compared.length).toBeGreaterThan(0.98 * cases.length)
  }

  it('BEAT-28 BEAT-30..33 BEAT-35 BEAT-37..39 D57-96 D57-97: random crontabs × zones × instants', async () => {
    const random = seededRandom(7)
    const candidates = Array.from({ length: rounds }, (): Case & { spec: FiveFields } => {
      const zone = pick(random, zones)
      const last = randomInstant(random, zone)
      const deadline = random.next() < 0.3 ? pick(random, [60, 600, 3600, 86_400]) : null
      const now = last + randomLateness(random)
      return { kind: 'crontab', spec: randomCrontab(random), zone, last, now, deadline }
    })
    const expanded = await judge.expand(candidates.map(({ spec }) => spec))
    const cases = candidates.filter((_, at) => typeof expanded[at] !== 'string')
    const impossible = candidates.filter((_, at) => typeof expanded[at] === 'string')
    expect(cases.length).toBeGreaterThan(0.95 * rounds)
    for (const { spec } of impossible) expect(() => crontabOf(spec)).toThrow(/never comes/)
    await compare(
      cases,
      ({ spec }) => crontabOf(spec as FiveFields),
      (theirs, ours, { last }) => {
        // D57-203: a last run in the second pass of a repeated hour gets a next run in the past from Celery, "due" for ever. Ours lies ahead.
        if (theirs.second.last && theirs.scheduled <= last)
          return ours.scheduled !== undefined && ours.scheduled > last
        if (ours.scheduled !== theirs.scheduled) return false
        if (ours.due !== theirs.due) return theirs.second.since && theirs.due
        return sameTime(ours.nextMs, theirs.nextMs) || (theirs.second.now && theirs.nextMs === 0)
      },
    )
  }, 600_000)

  it('BEAT-25 BEAT-26 D57-98: random intervals, relative or not', async () => {
    const random = seededRandom(8)
    const cases = Array.from({ length: rounds }, (): Case => {
      const zone = pick(random, zones)
      const last = randomInstant(random, zone)
      const unit = pick(random, [1, 1000, 60_000, 3_600_000, 86_400_000])
      const every =
        unit * (1 + random.below(unit === 1 ? 5000 : 90)) + (random.next() < 0.2 ? random.below(unit) : 0)
      return {
        kind: 'interval',
        spec: [every, random.next() < 0.7],
        zone,
        last,
        now: last + randomLateness(random),
      }
    })
    await compare(
      cases,
      ({ spec }) => interval({ milliseconds: spec[0] as number }, { relative: spec[1] as boolean }),
      (theirs, ours) =>
        ours.due === theirs.due &&
        sameTime(ours.nextMs, theirs.nextMs) &&
        sameTime(ours.scheduled ?? NaN, theirs.scheduled),
    )
  }, 600_000)

  it('BEAT-31..34 D57-203: what ct takes for a field, Celery takes for the same values', async () => {
    const random = seededRandom(9)
    const crontabs = Array.from({ length: rounds }, () => randomText(random)).flatMap((text) =>
      Array.from({ length: 5 }, (_, at): FiveFields => {
        const star = (field: number): string => (field === at ? text : '*')
        return [star(0), star(1), star(2), star(3), star(4)]
      }),
    )
    const pairs = (await judge.expand(crontabs)).map((theirs, at) => {
      const fields = crontabs[at] ?? ['', '', '', '', '']
      return { text: fields.find((text) => text !== '*') ?? '*', theirs, ours: valuesOf(fields) }
    })
    const taken = pairs.filter(({ ours }) => typeof ours !== 'string')
    expect(taken.length).toBeGreaterThan(rounds / 2)
    expect(taken.filter(({ ours, theirs }) => JSON.stringify(ours) !== JSON.stringify(theirs))).toEqual([])
    // Refused here alone is what D57-203 calls garbage, and nothing that keeps to the grammar. Names are in the random crontabs.
    const sane = /^(?:\*|[0-9]+|(?:\*|[0-9]+-[0-9]+)\/[0-9]+|[0-9]+-[0-9]+)(?:,|$)/
    const isSane = (text: string): boolean => text.split(',').every((part) => sane.test(part))
    const refused = pairs.filter(({ ours, theirs }) => typeof ours === 'string' && typeof theirs !== 'string')
    expect(refused.filter(({ text }) => isSane(text))).toEqual([])
    expect(new Set(pairs.flatMap(({ ours }) => (typeof ours === 'string' ? [ours] : [])))).toEqual(
      new Set(['CT_CONFIGURATION']),
    )
  }, 120_000)
})

const words = [
  ...['*', '/', '-', ',', '0', '1', '2', '5', '59', '31'],
  ...['mon', 'fri', 'jan', 'sunday', 'x', ' ', '+', '.', '_'],
]

function randomText(random: Random): string {
  if (random.next() < 0.3) return randomField(random, 0, 59, 0)
  return Array.from({ length: 1 + random.below(6) }, () => words[random.below(words.length)]).join('')
}

/** What it expands to, or the code of the error. */
function valuesOf(spec: FiveFields): string | readonly (readonly number[])[] {
  try {
    const { minute, hour, dayOfWeek, dayOfMonth, monthOfYear } = crontabOf(spec).fields
    return [minute, hour, dayOfWeek, dayOfMonth, monthOfYear].map(({ values }) => values)
  } catch (error) {
    return isCeleryError(error) ? error.code : String(error)
  }
}
