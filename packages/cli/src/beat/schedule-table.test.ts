import type { PeriodicTask } from '@ct/beat'
import { expect, it } from 'vitest'
import { scheduleTable } from './schedule-table.ts'

const at = new Date('2026-03-29T05:30:00Z')
const task = {
  name: 'morning',
  task: 'proj.report',
  schedule: { describe: () => 'at 07:30 every day' },
  enabled: true,
  origin: 'configuration',
  lastRunAt: at,
  totalRunCount: 1,
  next: () => [at],
} as unknown as PeriodicTask
const style = { coloured: false, paint: (_format: unknown, text: string) => text }

it('CLI-21: ct beat --list shows times in the zone of the app and in UTC, and once where that is UTC', () => {
  const table = (zone: string): string[] =>
    scheduleTable([task], { count: 1, style, now: at, zone }).split('\n')
  expect(table('Europe/Berlin')).toEqual([
    'morning',
    '  task      proj.report',
    '  schedule  at 07:30 every day',
    expect.stringMatching(/^ {2}last run {2}Sun 2026-03-29 07:30:00 \S+ {2}2026-03-29 05:30:00 UTC {2}once$/),
    expect.stringMatching(/^ {2}next {6}Sun 2026-03-29 07:30:00 \S+ {2}2026-03-29 05:30:00 UTC$/),
    '',
    '1 periodic task; times in Europe/Berlin, and in UTC.',
  ])
  expect(table('UTC').slice(3)).toEqual([
    '  last run  Sun 2026-03-29 05:30:00 UTC  once',
    '  next      Sun 2026-03-29 05:30:00 UTC',
    '',
    '1 periodic task; times in UTC.',
  ])
})
