/** Times of zones as Python writes them. */
import { python, tryPython } from '@ct-tools/interop'
import { expect, it } from 'vitest'
import { isoformatIn } from './zone.ts'

const ready = await tryPython('5.7')
const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  'Australia/Lord_Howe',
  'Africa/Monrovia',
]

it.skipIf(!ready)(
  'SET-165 APP-76: instants in every kind of zone, around each change of the clock',
  async () => {
    await using client = await python('5.7', { broker: 'memory://', backend: 'cache+memory://' })
    const seconds = Array.from(
      { length: 400 },
      (_, n) => Date.UTC(1971, 0, 1) / 1000 + n * 4_294_967.5 + 0.123,
    )
    for (const year of [1996, 2024])
      for (let hour = 0; hour < 366 * 24; hour++) seconds.push(Date.UTC(year, 0, 1, hour) / 1000)
    const instants = seconds.map((one) => Math.round(one * 1000) / 1000)
    for (const zone of zones) {
      const theirs = await client.exec<string[]>(
        `
      from zoneinfo import ZoneInfo
      [datetime.datetime.fromtimestamp(one, ZoneInfo(zone)).isoformat() for one in instants]
      `,
        { instants, zone },
      )
      const write = isoformatIn(zone)
      const ours = instants.map((one) => write(Math.round(one * 1000)))
      expect(ours.filter((text, at) => text !== theirs[at])).toEqual([])
    }
  },
)
