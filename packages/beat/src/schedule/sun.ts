/** When the sun passes the meridian or a height, seen from one place at sea level without refraction. */
import { Body, Equator, Horizon as horizontal, MakeTime, Observer, SearchHourAngle } from 'astronomy-engine'

const halfDayMs = 12 * 3_600_000
/** 959.63 seconds of arc at a distance of one. */
const sunRadiusAu = 0.004_652_47
const degreesPerRadian = 180 / Math.PI
/** Closer than a millisecond the instants cannot tell. */
const toleranceMs = 0.5

/** A height that the sun passes, and which part of it. */
export interface Horizon {
  /** Degrees; below the horizon is negative. */
  readonly altitude: number
  /** Its upper edge counts, not its centre. */
  readonly upperLimb: boolean
}

/**
 * Half-days are counted: an even one begins when the sun is lowest, an odd one when it passes the meridian. Between the two it only climbs or
 * only sinks, so that a height is passed at most once; near the poles, where it hardly does either, as often as the two ends say.
 */
export class SunAt {
  readonly #observer: Observer
  /** Epoch ms of mean midnight of day 0 at this longitude. */
  readonly #midnight: number

  constructor(latitude: number, longitude: number) {
    this.#observer = new Observer(latitude, longitude, 0)
    this.#midnight = -(longitude / 180) * halfDayMs
  }

  /** A half-day that begins before this instant, at most a day. */
  halfDayBefore(instant: number): number {
    return Math.floor((instant - this.#midnight) / halfDayMs) - 1
  }

  /** Epoch ms. */
  beginOf(halfDay: number): number {
    const isNoon = halfDay % 2 !== 0
    // The sun's clock differs from the mean one by a quarter of an hour at most.
    const from = new Date(this.#midnight + (halfDay - 0.5) * halfDayMs)
    return SearchHourAngle(Body.Sun, this.#observer, isNoon ? 0 : 12, from).time.date.getTime()
  }

  /** Degrees above (or, negative, below) the height. */
  above(instant: number, { altitude, upperLimb }: Horizon): number {
    const time = MakeTime(instant / 86_400_000 - daysTo2000)
    const { ra, dec, dist } = Equator(Body.Sun, time, this.#observer, true, true)
    const centre = horizontal(time, this.#observer, ra, dec).altitude
    const radius = upperLimb ? Math.asin(sunRadiusAu / dist) * degreesPerRadian : 0
    return centre + radius - altitude
  }

  /** When the height is passed between two instants at which the sun is on different sides of it. */
  passing(from: number, until: number, horizon: Horizon): number {
    let [low, high] = [from, until]
    let [belowLow, aboveHigh] = [this.above(low, horizon), this.above(high, horizon)]
    let kept = 0
    while (high - low > toleranceMs) {
      // False position; an end that stays twice loses half its weight (Illinois), else the other creeps.
      const guess = high - (aboveHigh * (high - low)) / (aboveHigh - belowLow)
      const middle = guess > low && guess < high ? guess : (low + high) / 2
      const value = this.above(middle, horizon)
      if (value === 0) return middle
      if (value > 0 === aboveHigh > 0) {
        high = middle
        aboveHigh = value
        if (kept === 1) belowLow /= 2
        kept = 1
      } else {
        low = middle
        belowLow = value
        if (kept === -1) aboveHigh /= 2
        kept = -1
      }
    }
    return (low + high) / 2
  }
}

/** Astronomers count days from noon of the first day of 2000. */
const daysTo2000 = 10_957.5
