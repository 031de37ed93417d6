/** Options of the Redis result backend: `result_backend_transport_options` and the `redis_…` settings in camelCase (celery/backends/redis.py 5.7). */
import { checkOptions, type OptionTable } from '@ct/contracts/broker-kit'
import { keyPrefix } from './broker-options.ts'
import {
  resolveServer,
  serverOptionTable,
  withUrlQuery,
  type RedisServer,
  type RedisServerOptions,
} from './server-options.ts'

export interface RedisBackendOptions extends RedisServerOptions {
  /** Before every key; an underscore is put in between unless it ends in one of `: _ - .`, as Celery does. */
  readonly globalKeyprefix?: string
  /** Chord parts in a sorted set (true) or a list (false); all workers must agree. Default true. */
  readonly resultChordOrdered?: boolean
}

/** Resolved: what `backend/` works with. */
export interface BackendSettings {
  readonly server: RedisServer
  /** Complete, separator included. */
  readonly prefix: string
  readonly chordOrdered: boolean
}

const table: OptionTable = {
  ...serverOptionTable,
  globalKeyprefix: 'string',
  resultChordOrdered: 'boolean',
  // Core retries, and knows what of; visibility_timeout often stands in both option tables.
  retryPolicy: 'any',
  additionalConnectionErrors: 'any',
  visibilityTimeout: 'number',
}

/** Error: `CT_CONFIGURATION`. */
export function backendSettings(given: Readonly<Record<string, unknown>>): BackendSettings {
  const owner = 'redisBackend'
  const options = checkOptions(owner, withUrlQuery(given), table) as RedisBackendOptions
  const server = resolveServer(owner, options as Record<string, unknown>)
  const prefix = keyPrefix(owner, options.globalKeyprefix, server)
  return {
    server,
    prefix: prefix === '' || /[:_.-]$/.test(prefix) ? prefix : `${prefix}_`,
    chordOrdered: options.resultChordOrdered ?? true,
  }
}
