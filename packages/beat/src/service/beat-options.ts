import { didYouMean } from '@ct/client'
import { assertContract, ConfigurationError, type ScheduleStore } from '@ct/contracts'
import type { BeatSchedule } from '../entry/index.ts'
import type { ScheduleReader } from '../schedule/index.ts'
import type { BeatClock } from './beat-clock.ts'

export interface BeatOptions {
  /**
   * Where entries and their runs are kept: a store, or what the setting `beatScheduler` may say: `file`, `memory`, `broker` (the broker's own
   * server), a URL such as `redis://localhost`. Default: that setting.
   */
  readonly store?: ScheduleStore | string
  /** File of the store `file`. Default: the setting `beatScheduleFilename`. */
  readonly scheduleFilename?: string
  /** Longest sleep, seconds; 0: 300. Default: the setting `beatMaxLoopInterval`. */
  readonly maxInterval?: number
  /** Entries besides those of `beatSchedule` and `addPeriodicTask`. */
  readonly entries?: BeatSchedule
  /** Readers of schedules of your own, by their kind. */
  readonly schedules?: Readonly<Record<string, ScheduleReader>>
  /** Node name for remote control. Default `celerybeat@%h`. */
  readonly hostname?: string
  /** Answer `ping`. Default: the setting `beatEnableRemoteControl`; never where it is embedded. */
  readonly enableRemoteControl?: boolean
  /** It runs inside a worker's process. */
  readonly embedded?: boolean
  /** Stop on SIGTERM and SIGINT. Default false: the program's own business. */
  readonly signals?: boolean
  /** Where several beats share a store: milliseconds after which another one takes over from a leader that is silent. Default 10,000. */
  readonly leaseMs?: number
  /** Where others may change the entries: milliseconds between looks for changes. Default 1,000. */
  readonly changesMs?: number
  /** Milliseconds after which a store that gives no answer is taken for lost. Default 30,000. */
  readonly storeTimeoutMs?: number
  /** For tests. */
  readonly clock?: BeatClock
}

const known: ReadonlySet<string> = new Set<keyof BeatOptions>([
  'store',
  'scheduleFilename',
  'maxInterval',
  'entries',
  'schedules',
  'hostname',
  'enableRemoteControl',
  'embedded',
  'signals',
  'leaseMs',
  'changesMs',
  'storeTimeoutMs',
  'clock',
])

/** What the longest sleep is where nobody says (celery/beat.py 5.7, `DEFAULT_MAX_INTERVAL`). */
const defaultMaxIntervalMs = 300_000

/** Error: `CT_CONFIGURATION`. */
export function checkBeatOptions(options: BeatOptions): void {
  for (const key of Object.keys(options))
    if (!known.has(key))
      throw new ConfigurationError(`beat has no option "${key}".${didYouMean(key, [...known])}`, {
        details: { option: key },
      })
  const { store } = options
  if (store !== undefined && typeof store !== 'string') assertContract(store, 'schedule-store')
  number('maxInterval', options.maxInterval, 0)
  number('leaseMs', options.leaseMs, 100)
  number('changesMs', options.changesMs, 10)
  number('storeTimeoutMs', options.storeTimeoutMs, 10)
  for (const name of ['scheduleFilename', 'hostname'] as const)
    if (options[name] !== undefined && (typeof options[name] !== 'string' || options[name] === ''))
      throw wrong(name, options[name], 'a text that is not empty')
  for (const name of ['enableRemoteControl', 'embedded', 'signals'] as const)
    if (options[name] !== undefined && typeof options[name] !== 'boolean')
      throw wrong(name, options[name], 'true or false')
  for (const name of ['entries', 'schedules'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && (typeof value !== 'object' || value === null || Array.isArray(value)))
      throw wrong(name, value, 'an object')
  }
}

/** `seconds`: of the option, else of the setting. */
export function maxIntervalMs(seconds: number): number {
  if (!Number.isFinite(seconds) || seconds < 0)
    throw wrong('maxInterval', seconds, 'a number of seconds, or 0 for the default')
  return seconds === 0 ? defaultMaxIntervalMs : Math.max(1, seconds * 1000)
}

function number(name: string, value: number | undefined, least: number): void {
  if (value === undefined || (typeof value === 'number' && value >= least && value <= 2 ** 31 - 1)) return
  throw wrong(name, value, `a number from ${least}`)
}

function wrong(name: string, value: unknown, allowed: string): ConfigurationError {
  return new ConfigurationError(
    `beat: ${name} is ${typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value))}; allowed is ${allowed}.`,
    { details: { option: name, value, allowed } },
  )
}
