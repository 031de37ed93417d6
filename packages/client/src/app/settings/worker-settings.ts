/** Settings of workers (celery/app/defaults.py 5.7). Durations are seconds unless the name says otherwise. */
import { setting } from './setting.ts'

export const workerSettings = {
  /** Agent class started with the consumer. */
  workerAgent: setting<string | null>('string', null, { old: 'CELERYD_AGENT' }),
  /** Autoscaler class. */
  workerAutoscaler: setting<string>('string', 'celery.worker.autoscale:Autoscaler', {
    old: 'CELERYD_AUTOSCALER',
  }),
  /** Cancel late-ack tasks when the broker is lost. */
  workerCancelLongRunningTasksOnConnectionLoss: setting<boolean>('bool', false, {
    old: 'CELERYD_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS',
  }),
  /** Slots; unset = 50 in the async pool, CPUs otherwise (with `defaults: celery` always CPUs). */
  workerConcurrency: setting<number | 'auto' | null>(['int', 'string'], null, {
    old: 'CELERYD_CONCURRENCY',
    min: 0,
  }),
  /** Consumer class. */
  workerConsumer: setting<string>('string', 'celery.worker.consumer:Consumer', { old: 'CELERYD_CONSUMER' }),
  /** Skip redelivered tasks already successful. */
  workerDeduplicateSuccessfulTasks: setting<boolean>('bool', false, {
    old: 'CELERYD_DEDUPLICATE_SUCCESSFUL_TASKS',
  }),
  /** No channel-wide prefetch with quorum queues; ct never has one, so of no effect. */
  workerDetectQuorumQueues: setting<boolean>('bool', true, { old: 'CELERYD_DETECT_QUORUM_QUEUES' }),
  /** Own direct queue per worker. */
  workerDirect: setting<boolean>('bool', false, { old: 'CELERY_WORKER_DIRECT' }),
  /** Fetch only when a slot is free (Redis). */
  workerDisablePrefetch: setting<boolean>('bool', false, { old: 'CELERYD_DISABLE_PREFETCH' }),
  /** Ignore rate limits. */
  workerDisableRateLimits: setting<boolean>('bool', false, { old: 'CELERY_DISABLE_RATE_LIMITS' }),
  /** Lower prefetch after reconnect. */
  workerEnablePrefetchCountReduction: setting<boolean>('bool', true, {
    old: 'CELERYD_ENABLE_PREFETCH_COUNT_REDUCTION',
  }),
  /** Control queue on. */
  workerEnableRemoteControl: setting<boolean>('bool', true, { old: 'CELERY_ENABLE_REMOTE_CONTROL' }),
  /** Soft shutdown also when idle. */
  workerEnableSoftShutdownOnIdle: setting<boolean>('bool', false, {
    old: 'CELERYD_ENABLE_SOFT_SHUTDOWN_ON_IDLE',
  }),
  /** Ceiling of prefetch raised by ETA tasks. */
  workerEtaTaskLimit: setting<number | null>('int', null, { old: 'CELERYD_ETA_TASK_LIMIT' }),
  /** Replace root logger handlers. */
  workerHijackRootLogger: setting<boolean>('bool', true, { old: 'CELERYD_HIJACK_ROOT_LOGGER' }),
  /** Coloured log; unset = if terminal. */
  workerLogColor: setting<boolean | null>('bool', null, { old: 'CELERYD_LOG_COLOR' }),
  /** Time format of log lines. */
  workerLogDatefmt: setting<string | null>('string', null, { old: 'CELERYD_LOG_DATEFMT' }),
  /** Log line format. */
  workerLogFormat: setting<string>('string', '[%(asctime)s: %(levelname)s/%(processName)s] %(message)s', {
    old: 'CELERYD_LOG_FORMAT',
  }),
  /** Seconds to wait for a late result of a lost child. */
  workerLostWait: setting<number>('float', 10, { old: 'CELERYD_WORKER_LOST_WAIT' }),
  /** KiB before a child is replaced. */
  workerMaxMemoryPerChild: setting<number | null>('int', null, { old: 'CELERYD_MAX_MEMORY_PER_CHILD' }),
  /** Tasks before a child is replaced. */
  workerMaxTasksPerChild: setting<number | null>('int', null, { old: 'CELERYD_MAX_TASKS_PER_CHILD' }),
  /** Pool that runs tasks: `async`, `solo`, `threads`, `processes` (Celery’s `prefork` means `processes`); `async` unless somebody says so, with either set of defaults. */
  workerPool: setting<string>('string', 'prefork', { old: 'CELERYD_POOL', ct: 'async' }),
  /** Block submission when all slots are busy. */
  workerPoolPutlocks: setting<boolean>('bool', true, { old: 'CELERYD_POOL_PUTLOCKS' }),
  /** Allow `poolRestart`. */
  workerPoolRestarts: setting<boolean>('bool', false, { old: 'CELERYD_POOL_RESTARTS' }),
  /** How Python starts child processes; of no effect in ct: Node has one way. */
  workerPoolStartMethod: setting<string>('string', 'fork', { old: 'CELERYD_POOL_START_METHOD' }),
  /** Messages prefetched per slot; 0 = unlimited. */
  workerPrefetchMultiplier: setting<number>('int', 4, { old: 'CELERYD_PREFETCH_MULTIPLIER', min: 0 }),
  /** Seconds for a thread or child of the pool to come up, and to take up a task; Node loads its modules meanwhile. */
  workerProcAliveTimeout: setting<number>('float', 4, { old: 'CELERYD_PROC_ALIVE_TIMEOUT', ct: 20 }),
  /** Send stdout/stderr to the log. */
  workerRedirectStdouts: setting<boolean>('bool', true, { old: 'CELERY_REDIRECT_STDOUTS' }),
  /** Level of redirected output. */
  workerRedirectStdoutsLevel: setting<string>('string', 'WARNING', { old: 'CELERY_REDIRECT_STDOUTS_LEVEL' }),
  /** Task events on from start. */
  workerSendTaskEvents: setting<boolean>('bool', false, { old: 'CELERY_SEND_EVENTS' }),
  /** Seconds of soft shutdown; 0 = off. */
  workerSoftShutdownTimeout: setting<number>('float', 0, {
    old: 'CELERYD_SOFT_SHUTDOWN_TIMEOUT',
    ct: 20,
    min: 0,
  }),
  /** File for revoked ids. */
  workerStateDb: setting<string | null>('string', null, { old: 'CELERYD_STATE_DB' }),
  /** Time format of log lines inside tasks. */
  workerTaskLogDatefmt: setting<string | null>('string', null, { old: 'CELERYD_TASK_LOG_DATEFMT' }),
  /** Log line format inside tasks. */
  workerTaskLogFormat: setting<string>(
    'string',
    '[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s',
    { old: 'CELERYD_TASK_LOG_FORMAT' },
  ),
  /** Timer class. */
  workerTimer: setting<string | null>('string', null, { old: 'CELERYD_TIMER' }),
  /** ETA timer resolution, seconds. */
  workerTimerPrecision: setting<number>('float', 1, { old: 'CELERYD_TIMER_PRECISION' }),
  /** Daemon option of `ct worker`. */
  workerLogfile: setting<string | null>('string', null, { onDemand: true }),
  /** Daemon option of `ct worker`. */
  workerPidfile: setting<string | null>('string', null, { onDemand: true }),
  /** Daemon option of `ct worker`. */
  workerUid: setting<string | number | null>(['string', 'int'], null, { onDemand: true }),
  /** Daemon option of `ct worker`. */
  workerGid: setting<string | number | null>(['string', 'int'], null, { onDemand: true }),
  /** Daemon option of `ct worker`. */
  workerUmask: setting<string | number | null>(['string', 'int'], null, { onDemand: true }),
  /** Daemon option of `ct worker`. */
  workerExecutable: setting<string | null>('string', null, { onDemand: true }),
}
