/**
 * Zones as Python's `zoneinfo` has them: an instant has one wall time, a wall time has a first (`fold` 0) and a second (`fold` 1) instant.
 * They differ where clocks went back and the time comes twice, and where clocks went forward and it never comes: there the first counts with
 * the offset of before, which lands that much after the gap. Wall times are milliseconds of a clock that shows them in UTC.
 *
 * `Intl` knows the offsets but takes microseconds to tell; each year of a zone is asked once for its changes, and then remembered.
 */
import { ConfigurationError } from '@ct/contracts'
import { dayMs } from './civil-date.ts'

export type Fold = 0 | 1

interface Change {
  readonly at: number
  readonly before: number
  readonly after: number
}

interface Stretch {
  /** The offset with which the stretch begins. */
  readonly offset: number
  readonly changes: readonly Change[]
}

/** Nowhere did clocks change twice within this time and end where they began. */
const probeMs = 5 * dayMs
const stretchMs = 73 * probeMs
/** No offset was ever further from UTC. */
const furthestMs = 16 * 3_600_000

export class TimeZone {
  readonly name: string
  readonly #format: Intl.DateTimeFormat
  readonly #stretches = new Map<number, Stretch>()
  // The span in which the last answer holds: nearly every question is about the same one.
  #from = 0
  #until = 0
  #offset = 0

  constructor(name: string, format: Intl.DateTimeFormat) {
    this.name = name
    this.#format = format
    if (name !== 'UTC') return
    this.#from = -Infinity
    this.#until = Infinity
  }

  /** Milliseconds to add to an instant to get its wall time. */
  offsetAt(instant: number): number {
    if (instant >= this.#from && instant < this.#until) return this.#offset
    const index = Math.floor(instant / stretchMs)
    const { offset, changes } = this.#stretch(index)
    this.#from = index * stretchMs
    this.#until = this.#from + stretchMs
    this.#offset = offset
    for (const { at, after } of changes) {
      if (at > instant) {
        this.#until = at
        break
      }
      this.#from = at
      this.#offset = after
    }
    return this.#offset
  }

  wallAt(instant: number): number {
    return instant + this.offsetAt(instant)
  }

  /** The offset that counts at a wall time. */
  offsetAtWall(wall: number, fold: Fold): number {
    if (this.#until === Infinity) return 0
    let offset = this.offsetAt(wall - furthestMs)
    // Changes are rare: mostly the whole window lies in one span.
    if (wall + furthestMs < this.#until) return offset
    for (const { at, before, after } of this.changes(wall - furthestMs, wall + furthestMs)) {
      if (wall < at + (fold === 0 ? Math.max(before, after) : Math.min(before, after))) break
      offset = after
    }
    return offset
  }

  instantOf(wall: number, fold: Fold): number {
    return wall - this.offsetAtWall(wall, fold)
  }

  /** The changes of the clock after `from`, up to and including `until`. */
  changes(from: number, until: number): readonly Change[] {
    const found: Change[] = []
    if (this.#until === Infinity) return found
    for (let index = Math.floor(from / stretchMs); index * stretchMs <= until; index++)
      for (const change of this.#stretch(index).changes)
        if (change.at > from && change.at <= until) found.push(change)
    return found
  }

  #stretch(index: number): Stretch {
    const known = this.#stretches.get(index)
    if (known !== undefined) return known
    const start = index * stretchMs
    const first = this.#ask(start - 1)
    const changes: Change[] = []
    let before = first
    for (let probe = start - 1 + probeMs; probe < start + stretchMs; probe += probeMs) {
      const after = this.#ask(probe)
      if (after === before) continue
      changes.push({ at: this.#changeBetween(probe - probeMs, probe, before), before, after })
      before = after
    }
    const stretch = { offset: first, changes }
    this.#stretches.set(index, stretch)
    return stretch
  }

  /** Bisects down to the second; clocks never changed in between. */
  #changeBetween(low: number, high: number, before: number): number {
    let from = Math.floor(low / 1000)
    let until = Math.ceil(high / 1000)
    while (until - from > 1) {
      const middle = Math.floor((from + until) / 2)
      if (this.#ask(middle * 1000) === before) from = middle
      else until = middle
    }
    return until * 1000
  }

  #ask(instant: number): number {
    const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(this.#format.format(instant))
    if (match === null) throw new ConfigurationError(`The zone ${this.name} has no offset at ${instant}.`)
    const [, sign, hours = 0, minutes = 0, seconds = 0] = match
    const offset = 1000 * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))
    return sign === '-' ? -offset : offset
  }
}

const zones = new Map<string, TimeZone>()

/** The zone of an IANA name. Error: `CT_CONFIGURATION` for a name that this Node does not know, an offset such as `+02:00` among them. */
export function timeZone(name: string): TimeZone {
  const known = zones.get(name)
  if (known !== undefined) return known
  const zone = new TimeZone(name, formatOf(name))
  zones.set(name, zone)
  return zone
}

function formatOf(name: unknown): Intl.DateTimeFormat {
  let cause: unknown
  // Python's zoneinfo has no offsets for names.
  if (typeof name === 'string' && /^[A-Za-z]/.test(name)) {
    try {
      return new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' })
    } catch (error) {
      cause = error
    }
  }
  throw new ConfigurationError(
    `No zone named ${JSON.stringify(name) ?? String(name)} is known here. Give an IANA name such as "Europe/Berlin", or "UTC".`,
    { cause, details: { field: 'timezone', value: name, allowed: 'an IANA zone' } },
  )
}
