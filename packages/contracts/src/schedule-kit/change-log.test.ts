import { expect, it } from 'vitest'
import { ChangeLog, changesPerLook } from './change-log.ts'

const named = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `e${from + index}`)

it('S5: tells what came after a marker, each name once, in pages that end where the log does', () => {
  const log = new ChangeLog()
  const start = log.marker
  expect(log.since(start)).toEqual({ names: [], marker: start, more: false })
  expect(log.add(['a', 'b', 'a'])).toEqual({ before: start, after: log.marker })
  const { marker } = log
  expect(log.since(start)).toEqual({ names: ['a', 'b'], marker, more: false })
  log.add(named(0, changesPerLook + 1))
  const first = log.since(marker)!
  expect(first).toMatchObject({ names: named(0, changesPerLook), more: true })
  expect(log.since(first.marker)).toEqual({
    names: [`e${changesPerLook}`],
    marker: log.marker,
    more: false,
  })
  expect(log.add([])).toEqual({ before: log.marker, after: log.marker })
})

it('S5: does not answer for what it has forgotten, nor for the markers of others', () => {
  const log = new ChangeLog(100)
  const start = log.marker
  log.add(named(0, 150))
  const middle = log.marker
  expect(log.since(start)?.names).toHaveLength(150)
  log.add(named(150, 100))
  expect(log.since(start)).toBeUndefined()
  expect(log.since(middle)?.names).toEqual(named(150, 100))
  for (const marker of [new ChangeLog().marker, '', '0', `${start}0 x`, start.replace(/0$/, '999')])
    expect(log.since(marker)).toBeUndefined()
})
