/** Options of the Redis broker: kombu's transport options in camelCase (kombu/transport/redis.py 5.7), Celery's units (seconds). */
import { ConfigurationError } from '@ct/contracts'
import { checkOptions, type OptionTable } from '@ct/contracts/broker-kit'
import {
  resolveServer,
  serverOptionTable,
  withUrlQuery,
  type RedisServer,
  type RedisServerOptions,
} from './server-options.ts'

/** All nodes that share a database must agree on `sep`, `prioritySteps`, `globalKeyprefix`, `fanoutPrefix`, `fanoutPatterns` and the `unacked…` keys. */
export interface RedisBrokerOptions extends RedisServerOptions {
  /** Seconds a held message stays ours without renewal. The smallest of any live node wins. Default 3600. */
  readonly visibilityTimeout?: number
  readonly unackedKey?: string
  readonly unackedIndexKey?: string
  readonly unackedMutexKey?: string
  /** Seconds. Default 300. */
  readonly unackedMutexExpire?: number
  /** Most messages that one sweep restores. Default 1000; ct sweeps again at once while there are more. */
  readonly unackedRestoreLimit?: number
  /** Seconds between looks for overdue messages (kombu: times `unackedRestoreThrottle`; here alone). Default 10. */
  readonly unackedRestoreInterval?: number
  readonly unackedRestoreThrottle?: number
  /** False: messages are gone when taken, a crash loses what was held. Default true. */
  readonly ackEmulation?: boolean
  /** Between queue name and priority step. Default the bytes 06 16. */
  readonly sep?: string
  /** Ascending, the first must be 0. Default 0, 3, 6, 9. */
  readonly prioritySteps?: readonly number[]
  /** True: `/<db>.`; false: none; or a text that starts with `/` and ends with `.`. Default true. */
  readonly fanoutPrefix?: boolean | string
  readonly fanoutPatterns?: boolean
  /** Sentinel: also speak the fanout topic of kombu before 5.4. Default false. */
  readonly sentinelFanoutCompat?: boolean
  readonly globalKeyprefix?: string
  /** Default `round_robin`. */
  readonly queueOrderStrategy?: 'round_robin' | 'sorted' | 'priority'
  /** Queue for messages that no binding wants. Default: they are dropped, as in AMQP. */
  readonly deadletterQueue?: string
  /** Seconds between looks where the server refuses client tracking. Default 1. */
  readonly pollingInterval?: number
}

/** Resolved: what `broker/` works with. */
export interface BrokerSettings {
  readonly server: RedisServer
  readonly visibilityTimeoutMs: number
  readonly unackedKey: string
  readonly unackedIndexKey: string
  readonly unackedMutexKey: string
  readonly unackedMutexExpireMs: number
  readonly restoreLimit: number
  readonly restoreIntervalMs: number
  readonly ackEmulation: boolean
  readonly sep: string
  readonly prioritySteps: readonly number[]
  readonly fanoutPrefix: string
  readonly fanoutPatterns: boolean
  readonly fanoutCompat: string | undefined
  readonly prefix: string
  readonly queueOrder: 'round_robin' | 'sorted' | 'priority'
  readonly deadletterQueue: string | undefined
  readonly pollingIntervalMs: number
}

export const brokerOptionTable: OptionTable = {
  ...serverOptionTable,
  visibilityTimeout: 'number',
  unackedKey: 'string',
  unackedIndexKey: 'string',
  unackedMutexKey: 'string',
  unackedMutexExpire: 'number',
  unackedRestoreLimit: 'number',
  unackedRestoreInterval: 'number',
  unackedRestoreThrottle: 'number',
  ackEmulation: 'boolean',
  sep: 'string',
  prioritySteps: (value) => prioritySteps(value),
  fanoutPrefix: (value) => fanoutPrefix(value),
  fanoutPatterns: 'boolean',
  sentinelFanoutCompat: 'boolean',
  globalKeyprefix: 'string',
  queueOrderStrategy: (value) => {
    if (value === 'round_robin' || value === 'sorted' || value === 'priority') return value
    throw new TypeError('round_robin, sorted or priority')
  },
  deadletterQueue: 'string',
  pollingInterval: 'number',
  // Of kombu's, without meaning here: bodies are always base64, reads never block, the result backend has its own settings.
  bodyEncoding: (value) => {
    if (value === 'base64') return value
    throw new TypeError('base64; that is what ct writes, it reads utf-8 as well')
  },
  brpopTimeout: 'number',
  reauthCheckInterval: 'number',
  confirmPublish: 'any',
}

/** Error: `CT_CONFIGURATION`. */
export function brokerSettings(given: Readonly<Record<string, unknown>>): BrokerSettings {
  const owner = 'redisBroker'
  const options = checkOptions(owner, withUrlQuery(given), brokerOptionTable) as Omit<
    RedisBrokerOptions,
    'fanoutPrefix'
  > & {
    fanoutPrefix?: boolean | string
  }
  const server = resolveServer(owner, options as Record<string, unknown>)
  const prefix = keyPrefix(owner, options.globalKeyprefix, server)
  if (options.visibilityTimeout === 0)
    throw new ConfigurationError(`${owner}: visibilityTimeout must be more than 0 seconds`)
  const fanout = options.fanoutPrefix ?? true
  return {
    server,
    visibilityTimeoutMs: (options.visibilityTimeout ?? 3600) * 1000,
    unackedKey: prefix + (options.unackedKey ?? 'unacked'),
    unackedIndexKey: prefix + (options.unackedIndexKey ?? 'unacked_index'),
    unackedMutexKey: prefix + (options.unackedMutexKey ?? 'unacked_mutex'),
    unackedMutexExpireMs: (options.unackedMutexExpire ?? 300) * 1000,
    restoreLimit: Math.max(1, Math.floor(options.unackedRestoreLimit ?? 1000)),
    restoreIntervalMs: Math.max(0.1, options.unackedRestoreInterval ?? 10) * 1000,
    ackEmulation: options.ackEmulation ?? true,
    sep: options.sep ?? '\x06\x16',
    prioritySteps: options.prioritySteps ?? [0, 3, 6, 9],
    fanoutPrefix: prefix + (fanout === true ? `/${server.db}.` : fanout === false ? '' : fanout),
    fanoutPatterns: options.fanoutPatterns ?? true,
    // kombu < 5.4 forgot to fill its own template in; the braces are literal (D57-35).
    fanoutCompat:
      options.sentinelFanoutCompat === true && server.kind === 'sentinel' ? `${prefix}/{db}.` : undefined,
    prefix,
    queueOrder: options.queueOrderStrategy ?? 'round_robin',
    deadletterQueue: options.deadletterQueue,
    pollingIntervalMs: Math.min(1000, Math.max(50, (options.pollingInterval ?? 1) * 1000)),
  }
}

/** In a cluster every key must fall into one slot: the prefix needs a hash tag, and gets one where none was given. */
export function keyPrefix(owner: string, given: string | undefined, server: RedisServer): string {
  if (server.kind !== 'cluster') return given ?? ''
  const prefix = given ?? '{celery}:'
  if (!/\{[^}]+\}/.test(prefix)) {
    throw new ConfigurationError(
      `${owner}: with cluster: true, globalKeyprefix must hold a hash tag such as "{myapp}:" so that all keys share one slot, not ${JSON.stringify(prefix)}`,
    )
  }
  return prefix
}

function prioritySteps(value: unknown): readonly number[] {
  const steps = (typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : []).map(Number)
  const ascending = steps.every(
    (step, index) =>
      Number.isInteger(step) && step >= 0 && step <= 9 && (index === 0 || step > (steps[index - 1] ?? 0)),
  )
  if (steps.length === 0 || steps[0] !== 0 || !ascending)
    throw new TypeError('an ascending list of steps from 0 to 9 that begins with 0')
  return steps
}

function fanoutPrefix(value: unknown): boolean | string {
  if (typeof value === 'boolean') return value
  if (value === 'true') return true
  if (value === 'false') return false
  if (typeof value === 'string' && value.startsWith('/') && value.endsWith('.')) return value
  throw new TypeError('true, false, or a text that starts with / and ends with .')
}
