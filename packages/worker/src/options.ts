/** What a worker can be told, checked once. */
import { didYouMean } from '@ct/client'
import { assertContract, ConfigurationError, type Pool } from '@ct/contracts'

/** Names of pools; others belong to adapters. */
export type PoolName =
  | 'async'
  | 'eventlet'
  | 'gevent'
  | 'solo'
  | 'threads'
  | 'processes'
  | 'prefork'
  | (string & {})

export interface WorkerOptions {
  /** Consume from these alone. Default: every configured queue. */
  readonly queues?: string | readonly string[]
  /** Consume from all but these. */
  readonly excludeQueues?: string | readonly string[]
  /** Tasks that run at a time. Default: the setting, else 50 in the async pool and the number of CPUs in others. */
  readonly concurrency?: number | 'auto'
  /** Node name; `%h`, `%n`, `%d` are expanded. Default `celery@<hostname>`. */
  readonly hostname?: string
  /**
   * Where tasks run: `async` (default; also `eventlet`, `gevent`), `solo`, `threads` (of `@ct/pool-threads`), `processes` (also `prefork`; of
   * `@ct/pool-processes`), or a pool object. Default: the setting `workerPool`.
   */
  readonly pool?: PoolName | Pool
  /** The pool grows and shrinks with what waits, between these sizes. Default: it keeps its size. */
  readonly autoscale?: { readonly max: number; readonly min: number }
  /** Messages fetched per slot; 0: no limit. Default: `workerPrefetchMultiplier`. */
  readonly prefetchMultiplier?: number
  /** Most messages to claim in one step. Default: the setting `maxClaim`. */
  readonly maxClaim?: number
  /** Send task events (`-E`). Default: `workerSendTaskEvents`. */
  readonly taskEvents?: boolean
  /** No `worker-online`, heartbeats, `worker-offline`. */
  readonly withoutHeartbeat?: boolean
  /** Seconds between heartbeats. Default 2. */
  readonly heartbeatInterval?: number
  /** Do not ask other workers for their revoked ids. */
  readonly withoutMingle?: boolean
  /** Do not follow other workers' events. Default: the setting `workerGossip`. */
  readonly withoutGossip?: boolean
  /** By topic: what the winner of an election does (`app.control.election`). `task`, which sends a signature, is there already. */
  readonly electionHandlers?: Readonly<Record<string, (action: unknown) => unknown>>
  /** File that keeps revoked ids across restarts; `%n`, `%h`, `%d` are parts of the node name. Default: `workerStateDb`. */
  readonly stateDb?: string
  /** No remote control. Default: `workerEnableRemoteControl`. */
  readonly withoutRemoteControl?: boolean
  /** Seconds; hard limit of tasks that have none. */
  readonly timeLimit?: number
  /** Seconds; soft limit of tasks that have none. */
  readonly softTimeLimit?: number
  /** Discard what waits in the consumed queues before starting. */
  readonly purge?: boolean
  /** URLs of the modules that register the tasks; pools of threads and processes need them. */
  readonly modules?: readonly (string | URL)[]
  /** Tasks before a thread or child is replaced. Default: `workerMaxTasksPerChild`. */
  readonly maxTasksPerChild?: number
  /** KiB in use after a task before a thread or child is replaced. Default: `workerMaxMemoryPerChild`. */
  readonly maxMemoryPerChild?: number
  /** Stop on SIGTERM, SIGINT and SIGQUIT, each further signal escalating. Default false: the program's own business. */
  readonly signals?: boolean
  /** What was given for options of your own (`app.userOptions.worker`), by name: bootsteps get them with the others. */
  readonly userOptions?: Readonly<Record<string, unknown>>
  /** Milliseconds between looks at queues from which nothing comes. Default 30,000; where the connection holds messages (RabbitMQ, memory): none. */
  readonly watchdogMs?: number
}

const known: ReadonlySet<string> = new Set<keyof WorkerOptions>([
  'queues',
  'excludeQueues',
  'concurrency',
  'hostname',
  'pool',
  'autoscale',
  'prefetchMultiplier',
  'maxClaim',
  'taskEvents',
  'withoutHeartbeat',
  'heartbeatInterval',
  'withoutMingle',
  'withoutGossip',
  'electionHandlers',
  'stateDb',
  'withoutRemoteControl',
  'timeLimit',
  'softTimeLimit',
  'purge',
  'modules',
  'maxTasksPerChild',
  'maxMemoryPerChild',
  'signals',
  'userOptions',
  'watchdogMs',
])

const flags = [
  'taskEvents',
  'withoutHeartbeat',
  'withoutMingle',
  'withoutGossip',
  'withoutRemoteControl',
  'purge',
  'signals',
] as const

/** Throws `ConfigurationError` (`CT_CONFIGURATION`) for an unknown option or a wrong value. */
export function checkWorkerOptions(options: WorkerOptions): void {
  for (const key of Object.keys(options)) {
    if (!known.has(key)) {
      throw new ConfigurationError(`A worker has no option "${key}".${didYouMean(key, known)}`, {
        details: { option: key },
      })
    }
  }
  if (options.concurrency !== 'auto') whole(options.concurrency, 'concurrency', 1)
  checkAutoscale(options.autoscale)
  whole(options.prefetchMultiplier, 'prefetchMultiplier', 0)
  whole(options.maxClaim, 'maxClaim', 1)
  whole(options.maxTasksPerChild, 'maxTasksPerChild', 1)
  whole(options.maxMemoryPerChild, 'maxMemoryPerChild', 1)
  above(options.heartbeatInterval, 'heartbeatInterval', 2_147_483)
  above(options.timeLimit, 'timeLimit')
  above(options.softTimeLimit, 'softTimeLimit')
  above(options.watchdogMs, 'watchdogMs', 2_147_483_647)
  for (const name of ['queues', 'excludeQueues'] as const) {
    const value: unknown = options[name]
    if (
      value !== undefined &&
      typeof value !== 'string' &&
      !isListOf(value, (one) => typeof one === 'string')
    )
      throw new ConfigurationError(`The worker option "${name}" must be a queue's name, or a list of them.`)
  }
  const modules: unknown = options.modules
  if (modules !== undefined && !isListOf(modules, (one) => typeof one === 'string' || one instanceof URL)) {
    throw new ConfigurationError('The worker option "modules" must be a list of URLs.')
  }
  if (options.hostname !== undefined && typeof options.hostname !== 'string')
    throw new ConfigurationError('The worker option "hostname" must be text, such as "celery@%h".')
  if (options.stateDb !== undefined && (typeof options.stateDb !== 'string' || options.stateDb === ''))
    throw new ConfigurationError('The worker option "stateDb" must be the path of a file.')
  for (const [topic, handler] of Object.entries(options.electionHandlers ?? {})) {
    if (typeof handler !== 'function')
      throw new ConfigurationError(`The election handler for "${topic}" must be a function.`)
  }
  for (const name of flags) {
    const value: unknown = options[name]
    if (value !== undefined && typeof value !== 'boolean')
      throw new ConfigurationError(`The worker option "${name}" is ${String(value)}. Give true or false.`)
  }
  const { pool } = options
  if (pool !== undefined && typeof pool !== 'string') assertContract(pool, 'pool')
}

function checkAutoscale(range: WorkerOptions['autoscale']): void {
  if (range === undefined) return
  const { max, min } = (range as Partial<typeof range> | null) ?? {}
  if (!isWhole(max) || !isWhole(min) || min < 0 || max < 1 || max < min) {
    throw new ConfigurationError(
      'The worker option "autoscale" must be { max, min }, whole numbers, max at least 1 and not below min.',
    )
  }
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

function whole(value: number | undefined, name: string, least: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least)) return
  throw new ConfigurationError(
    `The worker option "${name}" is ${String(value)}. Give a whole number from ${least}.`,
  )
}

/** `most`: what timers can count to. */
function above(value: number | undefined, name: string, most = Infinity): void {
  if (value === undefined || (typeof value === 'number' && value > 0 && value <= most)) return
  const limit = most === Infinity ? '' : ` and not above ${most}`
  throw new ConfigurationError(
    `The worker option "${name}" is ${String(value)}. Give a number above 0${limit}.`,
  )
}

function isListOf(value: unknown, fits: (one: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(fits)
}
