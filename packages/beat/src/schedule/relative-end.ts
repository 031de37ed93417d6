/** The rounded end of a relative interval (celery/utils/time.py 5.7, `remaining` and `delta_resolution`), in epoch ms. */
import { dayMs } from './civil-date.ts'
import type { TimeZone } from './time-zone.ts'

const hourMs = 3_600_000
const minuteMs = 60_000

/**
 * The last boundary of the unit at or before `start + every`, as the zone's clock shows it. Where the clock repeats or skips the boundary:
 * days take the first midnight after the start, smaller units the latest that is not past the end. May lie at or before `start` when the
 * unit is the second.
 */
export function relativeEnd(zone: TimeZone, start: number, every: number): number {
  const unit = every >= dayMs ? dayMs : every >= hourMs ? hourMs : every >= minuteMs ? minuteMs : 1000
  const startWall = zone.wallAt(start)
  if (unit === dayMs) {
    const end = startWall + every
    const midnights = boundaries(zone, end, unit).filter((instant) => instant > start)
    return midnights.length > 0 ? Math.min(...midnights) : zone.instantOf(end, 0)
  }
  const end = start + every
  const found = boundaries(zone, zone.wallAt(end), unit)
  const boundary = latestNotAfter(found, end) ?? Math.min(...found)
  if (unit === 1000 || boundary > start) return boundary
  // Clocks went back by less than the unit, and the boundary is one that the start has already seen.
  const more = [
    ...found,
    ...boundaries(zone, zone.wallAt(end) + unit, unit),
    ...boundaries(zone, startWall + every, unit),
  ].filter((instant) => instant > start)
  return latestNotAfter(more, end) ?? (more.length > 0 ? Math.min(...more) : end)
}

function latestNotAfter(instants: readonly number[], end: number): number | undefined {
  const before = instants.filter((instant) => instant <= end)
  return before.length > 0 ? Math.max(...before) : undefined
}

/** Both instants of the boundary at or before a wall time. One that falls into a gap moves forward by the gap's length. */
function boundaries(zone: TimeZone, wall: number, unit: number): readonly number[] {
  const rounded = Math.floor(wall / unit) * unit
  return ([0, 1] as const).map((fold) => {
    const instant = zone.instantOf(rounded, fold)
    if (zone.wallAt(instant) === rounded) return instant
    const gap = zone.offsetAtWall(rounded + dayMs, 0) - zone.offsetAtWall(rounded - dayMs, 0)
    return gap > 0 ? zone.instantOf(rounded + gap, 0) : instant
  })
}
