/**
 * Runs when the sun rises, sets, stands highest, or dawn or dusk begins or ends (celery/schedules.py 5.7, `solar`): seen at sea level, without
 * refraction beyond the 34 minutes of arc that Celery adds for rise and set. Where the sun does not rise or set for months, the next run is the
 * first one after them.
 */
import { didYouMean } from '@ct/client'
import { ConfigurationError } from '@ct/contracts'
import { BaseSchedule } from './base-schedule.ts'
import type { ScheduleData } from './schedule.ts'
import { SunAt, type Horizon } from './sun.ts'

interface Passing {
  readonly horizon: Horizon
  readonly upwards: boolean
}

const centreAt = (altitude: number): Horizon => ({ altitude, upperLimb: false })
const edge: Horizon = { altitude: -34 / 60, upperLimb: true }

/** Celery's names. `solar_noon` is no height but the meridian. */
const passings = {
  dawn_astronomical: { horizon: centreAt(-18), upwards: true },
  dawn_nautical: { horizon: centreAt(-12), upwards: true },
  dawn_civil: { horizon: centreAt(-6), upwards: true },
  sunrise: { horizon: edge, upwards: true },
  solar_noon: undefined,
  sunset: { horizon: edge, upwards: false },
  dusk_civil: { horizon: centreAt(-6), upwards: false },
  dusk_nautical: { horizon: centreAt(-12), upwards: false },
  dusk_astronomical: { horizon: centreAt(-18), upwards: false },
} as const satisfies Readonly<Record<string, Passing | undefined>>

export type SolarEvent = keyof typeof passings

const events = Object.keys(passings) as readonly SolarEvent[]

/** Every event comes at least once a year at every place; a day more, for the years that are longer. */
const furthestHalfDays = 2 * 367

export interface SolarOptions {
  readonly event: SolarEvent
  /** Degrees, -90 to 90, north is positive. */
  readonly latitude: number
  /** Degrees, -180 to 180, east is positive. */
  readonly longitude: number
}

export class SolarSchedule extends BaseSchedule {
  readonly kind = 'solar'
  readonly event: SolarEvent
  readonly latitude: number
  readonly longitude: number
  readonly #sun: SunAt
  // The last answer, which holds for every last run in between: working one out takes hundreds of microseconds.
  #from = NaN
  #next = NaN

  constructor({ event, latitude, longitude }: SolarOptions) {
    super()
    this.event = event
    this.latitude = latitude
    this.longitude = longitude
    this.#sun = new SunAt(latitude, longitude)
  }

  protected following(lastRunAt: number): number | undefined {
    if (lastRunAt >= this.#from && lastRunAt < this.#next) return this.#next
    const found = this.#search(lastRunAt)
    if (found === undefined) return undefined
    this.#from = lastRunAt
    this.#next = found
    return found
  }

  #search(lastRunAt: number): number | undefined {
    const passing: Passing | undefined = passings[this.event]
    const first = this.#sun.halfDayBefore(lastRunAt)
    let begin = this.#sun.beginOf(first)
    let isAbove = passing === undefined ? false : this.#sun.above(begin, passing.horizon) >= 0
    for (let halfDay = first; halfDay < first + furthestHalfDays; halfDay++) {
      const end = this.#sun.beginOf(halfDay + 1)
      let found: number | undefined
      if (passing === undefined) {
        if (halfDay % 2 === 0) found = end
      } else {
        const wasAbove = isAbove
        isAbove = this.#sun.above(end, passing.horizon) >= 0
        if (isAbove !== wasAbove && isAbove === passing.upwards)
          found = this.#sun.passing(begin, end, passing.horizon)
      }
      // Whole milliseconds, so that the run at this instant is not followed by itself.
      if (found !== undefined && Math.ceil(found) > lastRunAt) return Math.ceil(found)
      begin = end
    }
    return undefined
  }

  describe(): string {
    const { event, latitude, longitude } = this
    const north = `${Math.abs(latitude)}° ${latitude < 0 ? 'S' : 'N'}`
    const east = `${Math.abs(longitude)}° ${longitude < 0 ? 'W' : 'E'}`
    const [first = '', second] = event.split('_')
    const words = event === 'solar_noon' ? 'solar noon' : second === undefined ? first : `${second} ${first}`
    return `at ${words} at ${north}, ${east}`
  }

  toJSON(): ScheduleData {
    const { event, latitude, longitude } = this
    return { type: this.kind, event, latitude, longitude }
  }
}

/**
 * Runs at an event of the sun: `solar({ event: 'sunset', latitude: 52.5, longitude: 13.4 })`. Error: `CT_CONFIGURATION` for an unknown event
 * or a place that is not on earth.
 */
export function solar(options: SolarOptions): SolarSchedule {
  const known = ['event', 'latitude', 'longitude']
  const given: Readonly<Record<string, unknown>> = { ...options }
  for (const key of Object.keys(given))
    if (!known.includes(key))
      throw new ConfigurationError(`solar() has an unknown option "${key}".${didYouMean(key, known)}`, {
        details: { field: key, allowed: known },
      })
  const { event, latitude, longitude } = options
  if (!events.includes(event)) throw invalid('event', event, events.join(', '))
  for (const [field, value, most] of [
    ['latitude', latitude, 90],
    ['longitude', longitude, 180],
  ] as const)
    if (typeof value !== 'number' || !(Math.abs(value) <= most))
      throw invalid(field, value, `a number of degrees from -${most} to ${most}`)
  return new SolarSchedule({ event, latitude, longitude })
}

function invalid(field: string, value: unknown, allowed: string): ConfigurationError {
  return new ConfigurationError(
    `solar(): ${field} is ${JSON.stringify(value) ?? String(value)}; allowed is ${allowed}.`,
    { details: { field, value, allowed } },
  )
}
