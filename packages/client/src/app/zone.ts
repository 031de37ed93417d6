import { isoformat } from '@ct/contracts'
import type { Settings } from './settings/index.ts'

/** IANA name of the zone an app lives in (celery/app/base.py 5.7, `timezone`): the setting, else UTC, with `enableUtc` off the system's. */
export function zoneOf({ timezone, enableUtc }: Pick<Settings, 'timezone' | 'enableUtc'>): string {
  if (timezone !== null) return timezone
  return enableUtc ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone
}

/** Offsets change on the quarter of an hour, everywhere and since long before computers. */
const quarterMs = 15 * 60_000

/**
 * Writes instants as Python's `isoformat()` writes an aware time of that zone: `2024-05-01T12:00:00.123000+02:00`. Error: `CT_ENCODE` for
 * what is no date, or lies outside the years 1 to 9999.
 */
export function isoformatIn(zone: string): (epochMs: number) => string {
  if (zone === 'UTC') return isoformat
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
  let quarter = NaN
  let offset = ''
  let offsetMs = 0
  return (epochMs) => {
    if (!Number.isFinite(epochMs)) return isoformat(epochMs)
    const current = Math.floor(epochMs / quarterMs)
    // Asking is slow, and nearly every instant lies in the same quarter as the one before. Before 1970 there were odd offsets.
    if (current !== quarter || current < 0) {
      quarter = current
      offset = offsetIn(format, epochMs)
      offsetMs = milliseconds(offset)
    }
    return isoformat(epochMs + offsetMs).slice(0, -'+00:00'.length) + offset
  }
}

/** `+02:00`, or with seconds `-00:44:30`. */
function offsetIn(format: Intl.DateTimeFormat, epochMs: number): string {
  const name = format.formatToParts(epochMs).find(({ type }) => type === 'timeZoneName')?.value ?? ''
  const offset = /[+-]\d\d:\d\d(?::\d\d)?$/.exec(name)
  return offset === null ? '+00:00' : offset[0]
}

function milliseconds(offset: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = offset.slice(1).split(':').map(Number)
  return (offset.startsWith('-') ? -1000 : 1000) * (hours * 3600 + minutes * 60 + seconds)
}
