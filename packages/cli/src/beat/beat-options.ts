/** The options of `ct beat`: Celery's names (CLI-21), ct's own `--list` and `--log-format`. */
import { InvalidArgumentError, Option } from 'commander'
import { seconds } from '../option-values.ts'
import { logLevels, parseLogLevel } from '../output/log.ts'
import type { DaemonCommandOptions } from '../process/daemon.ts'

export interface BeatCommandOptions extends DaemonCommandOptions {
  readonly list?: boolean | number
  readonly schedule?: string
  readonly scheduler?: string
  readonly maxInterval?: number
  readonly enableRemoteControl?: boolean
  readonly hostname?: string
  readonly loglevel?: number
  readonly logFormat?: 'text' | 'json'
}

/** Of beat, and of a worker that brings one (`-B`). */
export const scheduleOption = (flags: string): Option =>
  new Option(flags, 'file that keeps the entries and when they ran (default: ctbeat-schedule)')

export const schedulerOption = (flags: string): Option =>
  new Option(
    flags,
    'where they are kept: file, memory, broker (the broker’s own server), or a URL; several beats may share a server (default: file)',
  )

export function beatCommandOptions(): readonly Option[] {
  return [
    new Option(
      '--list [next]',
      'show the entries, in words, with so many next runs, and end (default: 3)',
    ).argParser(count),
    scheduleOption('-s, --schedule <path>'),
    schedulerOption('-S, --scheduler <name>'),
    new Option('--max-interval <seconds>', 'longest sleep (default: 300)').argParser(seconds),
    new Option('--enable-remote-control', 'answer "ping", as a node of the fleet'),
    new Option('--no-enable-remote-control', 'be silent (default)'),
    new Option(
      '-n, --hostname <name>',
      'node name; %h is the host, %n its first part, %d its domain (default: celerybeat@%h)',
    ),
    new Option(
      '-l, --loglevel <level>',
      'debug, info, warning, error or critical (default: warning)',
    ).argParser(level),
    new Option('--log-format <format>', 'text, or one JSON object per line').choices(['text', 'json']),
    new Option('-f, --logfile <path>', 'append the log to this file instead of standard error'),
    new Option('--detach', 'run in the background'),
    new Option(
      '--pidfile <path>',
      'write the pid here (with --detach: celerybeat.pid); a beat that lives and has it is not started twice',
    ),
    new Option('--uid <user>', 'become this user first'),
    new Option('--gid <group>', 'become this group first (default: that of the user)'),
    new Option('--umask <mask>', 'for files that are made, octal'),
    new Option('--executable <path>', 'the Node to run in the background (default: this one)'),
  ]
}

function level(text: string): number {
  const value = parseLogLevel(text)
  if (value !== undefined) return value
  throw new InvalidArgumentError(
    `Levels: ${Object.keys(logLevels).join(', ').toLowerCase()}, or a number such as 20.`,
  )
}

function count(text: string): number {
  if (/^[1-9]\d?$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Give a number from 1 to 99.')
}
