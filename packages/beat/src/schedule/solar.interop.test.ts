/** Events of the sun against Celery's, that is ephem's. */
import { tryPython } from '@ct-tools/interop'
import { seededRandom } from '@ct/testing'
import { expect, it } from 'vitest'
import { CeleryJudge, isLong, type Case, type SolarSpec } from '../../test/celery-judge.ts'
import { pick } from '../../test/random-schedules.ts'
import { solar, type SolarEvent } from './index.ts'

type SolarCase = Case & { readonly spec: SolarSpec }

const ready = await tryPython('5.7')
const rounds = isLong ? 6000 : 500

const events = [
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

it.skipIf(!ready)(
  'BEAT-40 BEAT-41 BEAT-42 D57-99: within a minute of Celery, polar days and nights too',
  async () => {
    await using judge = await CeleryJudge.open()
    const random = seededRandom(5)
    const cases = Array.from({ length: rounds }, (): SolarCase => {
      // A third of the places lies where the sun does not rise or set every day.
      const latitude =
        random.next() < 2 / 3 ? 124 * random.next() - 62 : pick(random, [-1, 1]) * (62 + 27 * random.next())
      const spec = [pick(random, events), latitude, 360 * random.next() - 180] as const
      const last = Date.UTC(1990, 0, 1) + random.below(50 * 365 * 86_400) * 1000
      return { kind: 'solar', spec, zone: 'UTC', last, now: last + random.below(40 * 3_600_000) }
    })
    const theirs = await judge.answers(cases)
    const compared = cases.map(({ spec, last, now }, at) => {
      const [event, latitude, longitude] = spec
      const schedule = solar({ event: event as SolarEvent, latitude, longitude })
      const answer = theirs[at]!
      return {
        spec,
        answer,
        ours: schedule.next(new Date(last), new Date(last))!.getTime(),
        state: schedule.isDue(new Date(last), new Date(now)),
        scheduled: answer.scheduled,
      }
    })
    const near = compared.filter(({ ours, scheduled }) => Math.abs(ours - scheduled) <= 60_000)
    expect(near.length).toBeGreaterThanOrEqual(rounds * 0.99)
    const wrong = near.filter(
      ({ answer, state }) =>
        state.due !== answer.due || (!state.due && Math.abs(state.nextMs - answer.nextMs) > 60_000),
    )
    // Somebody asked in the very seconds between the two.
    expect(wrong.length).toBeLessThanOrEqual(rounds * 0.002)
    // Where they differ by more, the sun only grazes the height, and ephem's steps went past it: ct's instant is earlier, and there by ephem's own reckoning.
    const grazing = compared.filter((one) => !near.includes(one))
    const heights = await judge.heights(
      grazing.map(
        ({ spec: [event, latitude, longitude], ours }) => [event, latitude, longitude, ours] as const,
      ),
    )
    expect(
      grazing.filter(({ ours, scheduled }, at) => ours > scheduled || Math.abs(heights[at]!) > 0.01),
    ).toEqual([])
  },
  300_000,
)
