/** The options of `ct worker`: Celery's names (CLI-20), and ct's own: `--log-format`, health, stalls. */
import { availableParallelism } from 'node:os'
import { InvalidArgumentError, Option } from 'commander'
import type { WorkerOptions } from '@ct/worker'
import { scheduleOption, schedulerOption } from '../beat/beat-options.ts'
import { hostAndPort, list, seconds, timerSeconds, wholeNumber } from '../option-values.ts'
import { logLevels, parseLogLevel } from '../output/log.ts'

export interface WorkerCommandOptions {
  readonly hostname?: string
  readonly queues?: readonly string[]
  readonly excludeQueues?: readonly string[]
  readonly include?: readonly string[]
  readonly concurrency?: number | 'auto'
  readonly autoscale?: { readonly max: number; readonly min: number }
  readonly maxTasksPerChild?: number
  readonly maxMemoryPerChild?: number
  readonly poolStartMethod?: string
  readonly pool?: string
  readonly taskEvents?: boolean
  readonly timeLimit?: number
  readonly softTimeLimit?: number
  readonly prefetchMultiplier?: number
  readonly disablePrefetch?: boolean
  readonly purge?: boolean
  readonly optimization?: string
  readonly withoutGossip?: boolean
  readonly statedb?: string
  readonly withoutMingle?: boolean
  readonly withoutHeartbeat?: boolean
  readonly heartbeatInterval?: number
  readonly loglevel?: number
  readonly logFormat?: 'text' | 'json'
  readonly logfile?: string
  readonly detach?: boolean
  readonly pidfile?: string
  readonly uid?: string
  readonly gid?: string
  readonly umask?: string
  readonly executable?: string
  readonly beat?: boolean
  readonly schedule?: string
  readonly scheduleFilename?: string
  readonly scheduler?: string
  readonly healthFile?: string
  readonly stallReport?: number
  readonly healthPort?: { readonly host: string | undefined; readonly port: number }
}

export function workerCommandOptions(): readonly Option[] {
  return [
    new Option(
      '-n, --hostname <name>',
      'node name; %h is the host, %n its first part, %d its domain (default: celery@%h)',
    ),
    new Option('-Q, --queues <names>', 'consume from these queues, separated by commas').argParser(list),
    new Option('-X, --exclude-queues <names>', 'consume from all queues but these').argParser(list),
    new Option('-I, --include <modules>', 'further modules with tasks, separated by commas').argParser(list),
    new Option(
      '-c, --concurrency <n>',
      'tasks that run at a time, or "auto" for the number of CPUs (default: 50 in the async pool, else the number of CPUs)',
    ).argParser(concurrency),
    new Option(
      '-P, --pool <name>',
      'where tasks run: async (many on the event loop; also eventlet, gevent), solo (one at a time), threads, processes (also prefork) (default: async)',
    ),
    new Option(
      '--autoscale <max,min>',
      'grow and shrink the pool with what there is to do, between these sizes',
    ).argParser(autoscale),
    new Option(
      '--max-tasks-per-child <n>',
      'renew a thread or child process after so many tasks (default: never)',
    ).argParser(wholeNumber),
    new Option(
      '--max-memory-per-child <KiB>',
      'renew a thread or child process that has grown beyond this (default: never)',
    ).argParser(wholeNumber),
    new Option(
      '--pool-start-method <name>',
      'accepted as in Celery; Node has one way to start processes',
    ).choices(['fork', 'spawn']),
    new Option('-E, --task-events', 'send task events, for monitors'),
    new Option('--events', 'the same').hideHelp(),
    new Option(
      '-l, --loglevel <level>',
      'debug, info, warning, error or critical (default: warning)',
    ).argParser(level),
    new Option('--log-format <format>', 'text, or one JSON object per line').choices(['text', 'json']),
    new Option('-f, --logfile <path>', 'append the log to this file instead of standard error'),
    new Option('-D, --detach', 'run in the background'),
    new Option('--pidfile <path>', 'write the pid here; a worker that lives and has it is not started twice'),
    new Option('--uid <user>', 'become this user first'),
    new Option('--gid <group>', 'become this group first (default: that of the user)'),
    new Option('--umask <mask>', 'for files that are made, octal'),
    new Option('--executable <path>', 'the Node to run in the background (default: this one)'),
    new Option('--health-file <path>', 'write there every two seconds whether the worker is alive and ready'),
    new Option(
      '--health-port <port>',
      'answer /livez, /readyz and /healthz over HTTP; also host:port',
    ).argParser(hostAndPort),
    new Option(
      '--stall-report <seconds>',
      'log where the event loop stands still for so long while it does; 0: never (default: 5, in pools that run tasks on it)',
    ).argParser(timerSeconds),
    new Option('-B, --beat', 'send periodic tasks too; of one worker only, unless their store is a server'),
    scheduleOption('-s, --schedule <path>'),
    new Option('--schedule-filename <path>', 'the same').hideHelp(),
    schedulerOption('--scheduler <name>'),
    new Option('--time-limit <seconds>', 'hard limit of tasks that have none').argParser(seconds),
    new Option('--soft-time-limit <seconds>', 'soft limit of tasks that have none').argParser(seconds),
    new Option(
      '--prefetch-multiplier <n>',
      'messages taken ahead per slot; 0: no limit (default: 4)',
    ).argParser(wholeNumber),
    new Option('--disable-prefetch', 'take a message only when a slot is free'),
    new Option('--purge', 'delete what waits in the queues before the start'),
    new Option('--discard', 'the same').hideHelp(),
    new Option('-O, --optimization <profile>', 'accepted as in Celery; both do the same here').choices([
      'default',
      'fair',
    ]),
    new Option(
      '--without-gossip',
      'do not follow the events of other workers (default, unless workerGossip is on)',
    ),
    new Option(
      '-S, --statedb <path>',
      'file that keeps revoked ids across restarts; %n and %h are the node name',
    ),
    new Option('--without-mingle', 'do not ask other workers for revoked ids at the start'),
    new Option('--without-heartbeat', 'send no heartbeats'),
    new Option('--heartbeat-interval <seconds>', 'between heartbeats (default: 2)').argParser(seconds),
  ]
}

/** By either of its names. */
export function scheduleOf(options: WorkerCommandOptions): string | undefined {
  return options.schedule ?? options.scheduleFilename
}

/** What the command line says about the worker itself; settings and modules are the command's business. */
export function workerOptions(
  options: WorkerCommandOptions & { readonly events?: boolean; readonly discard?: boolean },
): WorkerOptions {
  const given = {
    hostname: options.hostname,
    queues: options.queues,
    excludeQueues: options.excludeQueues,
    concurrency: options.concurrency,
    pool: options.pool,
    autoscale: options.autoscale,
    maxTasksPerChild: options.maxTasksPerChild,
    maxMemoryPerChild: options.maxMemoryPerChild,
    taskEvents: options.taskEvents ?? options.events,
    timeLimit: options.timeLimit,
    softTimeLimit: options.softTimeLimit,
    prefetchMultiplier: options.prefetchMultiplier,
    purge: options.purge ?? options.discard,
    stateDb: options.statedb,
    withoutMingle: options.withoutMingle,
    withoutHeartbeat: options.withoutHeartbeat,
    heartbeatInterval: options.heartbeatInterval,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as WorkerOptions
}

function concurrency(text: string): number | 'auto' {
  if (text === 'auto') return text
  const value = wholeNumber(text)
  // As in Celery, 0 is the number of CPUs.
  return value === 0 ? availableParallelism() : value
}

/** Two numbers in any order, as in Celery; one is the most, and the least is then none. */
function autoscale(text: string): { readonly max: number; readonly min: number } {
  const numbers = text.split(',').map((one) => wholeNumber(one.trim()))
  const [first, second = 0] = numbers
  if (first === undefined || numbers.length > 2)
    throw new InvalidArgumentError('Give two numbers, such as 10,2.')
  const [max, min] = [Math.max(first, second), Math.min(first, second)]
  if (max === 0) throw new InvalidArgumentError('Give at least one slot.')
  return { max, min }
}

function level(text: string): number {
  const value = parseLogLevel(text)
  if (value === undefined) {
    throw new InvalidArgumentError(
      `Levels: ${Object.keys(logLevels).join(', ').toLowerCase()}, or a number such as 20.`,
    )
  }
  return value
}
