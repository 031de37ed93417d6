/** Settings of results (celery/app/defaults.py 5.7). Durations are seconds unless the name says otherwise. */
import { setting } from './setting.ts'
import type { Options } from './setting.ts'

export const resultSettings = {
  /** As `acceptContent`, for results. */
  resultAcceptContent: setting<readonly string[] | null>('list', null),
  /** URL of the result store; unset = results are disabled. */
  resultBackend: setting<string | null>('string', null, { old: 'CELERY_RESULT_BACKEND' }),
  /** Retry recoverable store errors. */
  resultBackendAlwaysRetry: setting<boolean>('bool', false, { old: 'CELERY_RESULT_BACKEND_ALWAYS_RETRY' }),
  /** First back-off, ms. */
  resultBackendBaseSleepBetweenRetriesMs: setting<number>('int', 10, {
    old: 'CELERY_RESULT_BACKEND_BASE_SLEEP_BETWEEN_RETRIES_MS',
  }),
  /** Retries. */
  resultBackendMaxRetries: setting<number | null>('float', Infinity, {
    old: 'CELERY_RESULT_BACKEND_MAX_RETRIES',
    nullable: true,
  }),
  /** Longest back-off, ms. */
  resultBackendMaxSleepBetweenRetriesMs: setting<number>('int', 10_000, {
    old: 'CELERY_RESULT_BACKEND_MAX_SLEEP_BETWEEN_RETRIES_MS',
  }),
  /** Store options (prefix, Sentinel, retry policy, visibility …). */
  resultBackendTransportOptions: setting<Options>(
    'dict',
    {},
    { old: 'CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS' },
  ),
  /** Client cache of results; −1 off, 0 unlimited. */
  resultCacheMax: setting<number>('int', -1, { old: 'CELERY_MAX_CACHED_RESULTS' }),
  /** Life of the keys of an open chord, seconds; unset = as results, 0 = never expires. */
  resultChordExpires: setting<number | null>('float', null, { old: 'CELERY_RESULT_CHORD_EXPIRES' }),
  /** Seconds to join a chord header. */
  resultChordJoinTimeout: setting<number>('float', 3, { old: 'CELERY_RESULT_CHORD_JOIN_TIMEOUT' }),
  /** Seconds between chord polls. */
  resultChordRetryInterval: setting<number>('float', 1, { old: 'CELERY_RESULT_CHORD_RETRY_INTERVAL' }),
  /** Compression of results sent as messages. */
  resultCompression: setting<string | null>('string', null, { old: 'CELERY_RESULT_COMPRESSION' }),
  /** Legacy, of no effect. */
  resultExchange: setting<string>('string', 'celeryresults', { old: 'CELERY_RESULT_EXCHANGE' }),
  /** Legacy, of no effect. */
  resultExchangeType: setting<string>('string', 'direct', { old: 'CELERY_RESULT_EXCHANGE_TYPE' }),
  /** Life of results. */
  resultExpires: setting<number | null>('float', 86_400, {
    old: 'CELERY_TASK_RESULT_EXPIRES',
    min: 0,
    nullable: true,
  }),
  /** Store name, args, worker …. */
  resultExtended: setting<boolean>('bool', false, { old: 'CELERY_RESULT_EXTENDED' }),
  /** Life of a FAILURE document, seconds; unset = as results, 0 = never expires. */
  resultFailureExpires: setting<number | null>('float', null, {
    old: 'CELERY_RESULT_FAILURE_EXPIRES',
    min: 0,
  }),
  /** Durable RPC results. */
  resultPersistent: setting<boolean | null>('bool', null, { old: 'CELERY_RESULT_PERSISTENT' }),
  /** Serializer of results. */
  resultSerializer: setting<string>('string', 'json', { old: 'CELERY_RESULT_SERIALIZER' }),
  /** Share one backend between threads. */
  resultBackendThreadSafe: setting<boolean>('bool', false, { onDemand: true }),
}
