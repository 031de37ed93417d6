/** What options and settings together decide. */
import { availableParallelism } from 'node:os'
import { Exchange, Queue, type AppContext } from '@ct/client'
import { assertContract, ConfigurationError, type MessageCodecs, type Pool } from '@ct/contracts'
import { cpuQuota, cpusAllowed } from './cpu-count.ts'
import type { WorkerOptions } from './options.ts'
import { asyncPool, soloPool } from './pool/index.ts'

/** What they are for in Celery, the event loop is here. */
const asyncNames: ReadonlySet<string> = new Set(['async', 'eventlet', 'gevent'])

/** By option, else by setting. Errors: `CT_ADAPTER` with the package to install. */
export function poolFor({ pool }: WorkerOptions, context: AppContext): Pool {
  // Celery's default is its prefork, which needs a package and modules of their own here: it is a wish only where somebody says so.
  const wanted = pool ?? context.changes().workerPool ?? 'async'
  if (typeof wanted === 'object') {
    assertContract(wanted, 'pool')
    return wanted
  }
  if (wanted === 'solo') return soloPool()
  return asyncNames.has(wanted) ? asyncPool() : context.pool(wanted)
}

/** 50 for the async pool with ct's defaults: its tasks wait more than they compute. */
export function concurrencyFor(pool: Pool, options: WorkerOptions, context: AppContext): number {
  if (pool.name === 'solo') return 1
  if (options.autoscale !== undefined) return options.autoscale.min === 0 ? 1 : options.autoscale.min
  const wanted = options.concurrency ?? context.settings.workerConcurrency
  if (typeof wanted === 'number' && wanted > 0) return wanted
  if (typeof wanted === 'string' && /^[1-9]\d*$/.test(wanted)) return Number(wanted)
  if (wanted === null && pool.name === 'async' && context.defaults === 'ct') return 50
  // Only children are bound to the quota of a container, as in Celery (D57-118).
  if (wanted === 'auto') return pool.name === 'processes' ? cpuQuota() : cpusAllowed()
  return availableParallelism()
}

/** Throws `ConfigurationError` when nothing is left, `QueueNotFoundError` for an unknown queue that may not be created. */
export function queuesFor(
  hostname: string,
  options: WorkerOptions,
  { queues, settings }: AppContext,
): Queue[] {
  const excluded = new Set(listOf(options.excludeQueues).map((name) => queues.find(name)?.name ?? name))
  const chosen =
    options.queues === undefined
      ? [...queues.consumeFrom.values()]
      : listOf(options.queues).map((name) => queues.get(name))
  if (settings.workerDirect) {
    chosen.push(new Queue(`${hostname}.dq2`, { exchange: new Exchange('C.dq2'), routingKey: hostname }))
  }
  const left = chosen.filter((queue) => !excluded.has(queue.name))
  if (left.length === 0) throw new ConfigurationError('The worker has no queue to consume from.')
  return left
}

function listOf(names: string | readonly string[] | undefined): readonly string[] {
  if (names === undefined) return []
  return (typeof names === 'string' ? names.split(',') : names)
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

export function codecsFor({ serializers, compressors, settings }: AppContext): MessageCodecs {
  return {
    serializers,
    compressors,
    accept: serializers.accept(settings.acceptContent),
    maxBytes: settings.maxDecompressedBytes,
  }
}

/** How often connecting is tried, at the start and after a loss; undefined: without end. */
export function attemptsFor({ settings }: AppContext): {
  readonly first: number | undefined
  readonly later: number | undefined
} {
  const retry = settings.brokerConnectionRetry
  const most = settings.brokerConnectionMaxRetries
  const limit = most === null || most === 0 ? undefined : most
  return { first: (settings.brokerConnectionRetryOnStartup ?? retry) ? limit : 1, later: retry ? limit : 1 }
}
