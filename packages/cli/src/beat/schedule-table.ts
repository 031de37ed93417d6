/** `ct beat --list`: each entry with its schedule in words, its last run, and what comes next, in the app's zone and in UTC. */
import type { PeriodicTask } from '@ct/beat'
import type { Style } from '../output/style.ts'

export interface ScheduleTableOptions {
  /** Next runs of each. */
  readonly count: number
  readonly style: Style
  readonly now: Date
  /** IANA name of the zone in which local times are shown: the app's. */
  readonly zone: string
}

export function scheduleTable(
  tasks: readonly PeriodicTask[],
  { count, style, now, zone }: ScheduleTableOptions,
): string {
  if (tasks.length === 0)
    return 'No periodic tasks. Declare some in beatSchedule, or with app.addPeriodicTask().'
  const local = localTime(zone)
  const isUtc = zone === 'UTC'
  const both = (at: Date): string => (isUtc ? local(at) : `${local(at)}  ${style.paint('dim', utc(at))}`)
  const blocks = tasks.map((task) => {
    const next = task.next(count, now)
    const row = (name: string, value: string): string => `  ${style.paint('dim', name.padEnd(10))}${value}`
    const state = task.enabled ? '' : style.paint('yellow', '  disabled')
    const runs = task.totalRunCount === 1 ? 'once' : `${task.totalRunCount} times`
    return [
      `${style.paint('bold', task.name)}${state}`,
      row('task', `${task.task}${task.origin === 'run-time' ? '  (added at run time)' : ''}`),
      row('schedule', task.schedule.describe()),
      row('last run', task.lastRunAt === undefined ? 'never' : `${both(task.lastRunAt)}  ${runs}`),
      ...(next.length === 0
        ? [row('next', task.enabled ? 'never, as far as can be foreseen' : 'never, while it is disabled')]
        : next.map((at, index) => row(index === 0 ? 'next' : '', both(at)))),
    ].join('\n')
  })
  const total = `${tasks.length} periodic task${tasks.length === 1 ? '' : 's'}; times in ${isUtc ? zone : `${zone}, and in UTC`}.`
  return [...blocks, total].join('\n\n')
}

function utc(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** `2026-03-29 03:30:00 CEST`, with the weekday in front. */
function localTime(zone: string): (at: Date) => string {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'short',
  })
  return (at) => {
    const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]))
    return `${parts['weekday']} ${parts['year']}-${parts['month']}-${parts['day']} ${parts['hour']}:${parts['minute']}:${parts['second']} ${parts['timeZoneName']}`
  }
}
