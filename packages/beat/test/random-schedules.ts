/** Random crontabs, intervals and instants, the same for a seed everywhere. */
import type { SeededRandom } from '@ct/testing'
import { timeZone } from '../src/schedule/time-zone.ts'

export type Random = SeededRandom

export function pick<T>(random: Random, items: readonly [T, ...T[]]): T {
  return items[random.below(items.length)] ?? items[0]
}

/** Of every kind: none, whole hours, parts of them, days left out, clocks changed at midnight, backwards summers, twice a year and oftener. */
export const zones: readonly [string, ...string[]] = [
  'UTC',
  'Europe/Berlin',
  'Europe/London',
  'Europe/Dublin',
  'America/New_York',
  'America/St_Johns',
  'America/Sao_Paulo',
  'America/Havana',
  'America/Santiago',
  'America/Caracas',
  'Australia/Lord_Howe',
  'Australia/Sydney',
  'Asia/Kathmandu',
  'Asia/Tehran',
  'Asia/Beirut',
  'Asia/Gaza',
  'Asia/Kolkata',
  'Asia/Pyongyang',
  'Africa/Casablanca',
  'Africa/Cairo',
  'Africa/Monrovia',
  'Antarctica/Troll',
  'Pacific/Apia',
  'Pacific/Kwajalein',
  'Pacific/Chatham',
]

const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/** One field: `*` in `stars` of ten cases, else of every form that Celery knows. */
export function randomField(
  random: Random,
  min: number,
  max: number,
  stars: number,
  names: readonly string[] = [],
): string {
  if (random.next() * 10 < stars) return '*'
  const value = (): string => {
    const at = random.below(max - min + 1)
    const name = names[at]
    return name !== undefined && random.next() < 0.3 ? name : String(at + min)
  }
  const part = (): string => {
    const form = random.next()
    const step = 1 + random.below(form < 0.1 ? 70 : 8)
    if (form < 0.3) return `*/${step}`
    if (form < 0.6) return value()
    return form < 0.8 ? `${value()}-${value()}` : `${value()}-${value()}/${step}`
  }
  return Array.from({ length: 1 + (random.next() < 0.3 ? random.below(4) : 0) }, part).join(',')
}

/** Minute, hour, day of week, day of month, month of year: the order of Celery's arguments. */
export type FiveFields = readonly [string, string, string, string, string]

export function randomCrontab(random: Random): FiveFields {
  return [
    randomField(random, 0, 59, 2),
    randomField(random, 0, 23, 4),
    randomField(random, 0, 6, 6, weekdays),
    randomField(random, 1, 31, 6),
    randomField(random, 1, 12, 7, months),
  ]
}

const first = Date.UTC(1971, 0, 1)
const last = Date.UTC(2036, 0, 1)

/** Half of them anywhere, half within hours of a change of the zone's clock. */
export function randomInstant(random: Random, zone: string): number {
  const anywhere = first + random.below(last - first)
  const changes = random.next() < 0.5 ? timeZone(zone).changes(anywhere - 2 * 365 * 86_400_000, anywhere) : []
  const change = changes[random.below(changes.length)]
  if (change === undefined) return anywhere
  const near = change.at + random.below(6 * 3_600_000) - 3 * 3_600_000
  return random.next() < 0.3 ? near - (near % 60_000) : near
}

/** How long after the last run somebody asks. */
export function randomLateness(random: Random): number {
  const scale = pick(random, [
    1000,
    60_000,
    3_600_000,
    6 * 3_600_000,
    86_400_000,
    40 * 86_400_000,
    2 * 365 * 86_400_000,
  ])
  return random.below(scale)
}
