/** Settings of beat (celery/app/defaults.py 5.7). Durations are seconds unless the name says otherwise. */
import { setting } from './setting.ts'
import type { Options } from './setting.ts'

export const beatSettings = {
  /** Skip crontab runs missed by more than this many seconds. */
  beatCronStartingDeadline: setting<number | null>('int', null, { old: 'CELERYBEAT_CRON_STARTING_DEADLINE' }),
  /** Beat answers `ping` as a control node. */
  beatEnableRemoteControl: setting<boolean>('bool', false, { old: 'CELERYBEAT_ENABLE_REMOTE_CONTROL' }),
  /** Longest beat sleep; 0 = scheduler default (300 s). */
  beatMaxLoopInterval: setting<number>('float', 0, { old: 'CELERYBEAT_MAX_LOOP_INTERVAL' }),
  /** Seconds without a scheduler pass after which that node stays silent; unset = from the loop interval, 0 = never. */
  beatRemoteControlMaxTickAge: setting<number | null>('float', null, {
    old: 'CELERYBEAT_REMOTE_CONTROL_MAX_TICK_AGE',
  }),
  /** Periodic entries. */
  beatSchedule: setting<Options>('dict', {}, { old: 'CELERYBEAT_SCHEDULE' }),
  /** File of the store `file`: ct's own format, and so not the file of a beat in Python. */
  beatScheduleFilename: setting<string>('string', 'celerybeat-schedule', {
    ct: 'ctbeat-schedule',
    old: 'CELERYBEAT_SCHEDULE_FILENAME',
  }),
  /** Where beat keeps entries and runs: `file`, `memory`, `broker` (on the broker's own server), or a URL such as `redis://localhost`. */
  beatScheduler: setting<string>('string', 'celery.beat:PersistentScheduler', {
    ct: 'file',
    old: 'CELERYBEAT_SCHEDULER',
  }),
  /** Save the runs after this many sends; 0 = only by time. Where several beats share a store every run is saved. */
  beatSyncEvery: setting<number>('int', 0, { ct: 1, min: 0, old: 'CELERYBEAT_SYNC_EVERY' }),
  /** Daemon option of `ct beat`. */
  beatLogfile: setting<string | null>('string', null, { onDemand: true }),
  /** Daemon option of `ct beat`. */
  beatPidfile: setting<string | null>('string', null, { onDemand: true }),
  /** Daemon option of `ct beat`. */
  beatUid: setting<string | number | null>(['string', 'int'], null, { onDemand: true }),
  /** Daemon option of `ct beat`. */
  beatGid: setting<string | number | null>(['string', 'int'], null, { onDemand: true }),
  /** Daemon option of `ct beat`. */
  beatUmask: setting<string | number | null>(['string', 'int'], null, { onDemand: true }),
  /** Daemon option of `ct beat`. */
  beatExecutable: setting<string | null>('string', null, { onDemand: true }),
}
