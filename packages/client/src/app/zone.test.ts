import { afterEach, expect, it } from 'vitest'
import { capturedApp, nowMs } from '../../test/captured-app.ts'
import type { CapturedApp } from '../../test/captured-app.ts'
import { createApp } from './index.ts'
import { isoformatIn, zoneOf } from './zone.ts'

let captured: CapturedApp | undefined
afterEach(() => captured?.[Symbol.asyncDispose]())

it('writes an instant with the offset of the zone at that instant', () => {
  const berlin = isoformatIn('Europe/Berlin')
  const change = Date.UTC(2024, 2, 31, 1)
  expect([change - 1, change, change + 250.9].map(berlin)).toEqual([
    '2024-03-31T01:59:59.999000+01:00',
    '2024-03-31T03:00:00+02:00',
    '2024-03-31T03:00:00.250000+02:00',
  ])
  expect(isoformatIn('Asia/Kolkata')(0)).toBe('1970-01-01T05:30:00+05:30')
  expect(isoformatIn('America/St_Johns')(0)).toBe('1969-12-31T20:30:00-03:30')
  expect(isoformatIn('Africa/Monrovia')(Date.UTC(1971, 0, 1))).toBe('1970-12-31T23:15:30-00:44:30')
  expect(isoformatIn('UTC')(0)).toBe('1970-01-01T00:00:00+00:00')
  expect(isoformatIn('Europe/London')(0)).toBe('1970-01-01T01:00:00+01:00')
  expect(() => berlin(NaN)).toThrow(/valid/)
})

it('SET-165 APP-76: eta, expires and date_done are written in the app’s zone', async () => {
  captured = capturedApp({ timezone: 'America/New_York' })
  const { app } = captured
  expect([app.timezone, app.now()]).toEqual(['America/New_York', new Date(nowMs)])
  const task = app.task('proj.add', (x: number) => x)
  const result = await task.applyAsync([1], { countdown: 10, expires: 86_400 * 90 })
  await task.applyAsync([1], { eta: new Date('2024-07-01T00:00:00Z'), expires: '2024-07-01T00:00:00Z' })
  expect(
    (await captured.sent()).map(({ headers, properties }) => [
      headers['eta'],
      headers['expires'],
      properties.expiration,
    ]),
  ).toEqual([
    ['2001-09-08T21:46:50-04:00', '2001-12-07T20:46:40-05:00', String(86_400_000 * 90)],
    ['2024-06-30T20:00:00-04:00', '2024-07-01T00:00:00+00:00', String(Date.UTC(2024, 6, 1) - nowMs)],
  ])
  await app.context.results.storeResult({ taskId: result.id, state: 'SUCCESS', result: 1 })
  const meta = await result.meta()
  expect(meta.dateDone).toBe('2001-09-08T21:46:40-04:00')
  expect(await result.dateDone()).toEqual(new Date(nowMs))
})

it('SET-74, SET-212: UTC, or with enableUtc off the zone of the system', () => {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone
  expect(zoneOf({ timezone: null, enableUtc: true })).toBe('UTC')
  expect(zoneOf({ timezone: null, enableUtc: false })).toBe(here)
  expect(zoneOf({ timezone: 'Asia/Tokyo', enableUtc: false })).toBe('Asia/Tokyo')
  expect(createApp({ enableUtc: false, environment: {} }).timezone).toBe(here)
})

it('SET-165: a zone nobody knows is refused', () => {
  expect(() => createApp({ timezone: 'Europe/Berlin2', environment: {} })).toThrow(
    /"Europe\/Berlin2"\. Give a name such as/,
  )
})
