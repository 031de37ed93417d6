/** Settings of tasks: defaults, routing, publishing (celery/app/defaults.py 5.7). Durations are seconds unless the name says otherwise. */
import { setting } from './setting.ts'
import type { TaskAnnotations } from './setting.ts'
import type { RetryPolicy, TaskQueues, TaskRoutes } from '../../routing/index.ts'

export const taskSettings = {
  /** Acknowledge after execution. */
  taskAcksLate: setting<boolean>('bool', false, { old: 'CELERY_ACKS_LATE', ct: true }),
  /** Acknowledge failures. */
  taskAcksOnFailure: setting<boolean | null>('bool', null, { old: 'CELERY_ACKS_ON_FAILURE' }),
  /** Acknowledge failures and hard time-outs (late acks). */
  taskAcksOnFailureOrTimeout: setting<boolean>('bool', true, {
    old: 'CELERY_ACKS_ON_FAILURE_OR_TIMEOUT',
    deprecated: 'taskAcksOnFailure and taskAcksOnTimeout',
  }),
  /** Acknowledge hard time-outs. */
  taskAcksOnTimeout: setting<boolean | null>('bool', null, { old: 'CELERY_ACKS_ON_TIMEOUT' }),
  /** Error callbacks also on chord header tasks. */
  taskAllowErrorCbOnChordHeader: setting<boolean>('bool', false, {
    old: 'CELERY_ALLOW_ERROR_CB_ON_CHORD_HEADER',
  }),
  /** Run tasks in the caller. */
  taskAlwaysEager: setting<boolean>('bool', false, { old: 'CELERY_ALWAYS_EAGER' }),
  /** Changes options of tasks from configuration: by name, `*` for all. */
  taskAnnotations: setting<TaskAnnotations | null>(['dict', 'list'], null, { old: 'CELERY_ANNOTATIONS' }),
  /** Default body compression. */
  taskCompression: setting<string | null>('string', null, { old: 'CELERY_MESSAGE_COMPRESSION' }),
  /** Exchange type of auto-created queues. */
  taskCreateMissingQueueExchangeType: setting<string | null>('string', null, {
    old: 'CELERY_CREATE_MISSING_QUEUE_EXCHANGE_TYPE',
  }),
  /** `classic` or `quorum` for auto-created queues. */
  taskCreateMissingQueueType: setting<'classic' | 'quorum'>('string', 'classic', {
    old: 'CELERY_CREATE_MISSING_QUEUE_TYPE',
  }),
  /** Create unknown queues. */
  taskCreateMissingQueues: setting<boolean>('bool', true, { old: 'CELERY_CREATE_MISSING_QUEUES' }),
  /** 2 persistent, 1 transient. */
  taskDefaultDeliveryMode: setting<1 | 2 | 'transient' | 'persistent'>(['int', 'string'], 2, {
    old: 'CELERY_DEFAULT_DELIVERY_MODE',
  }),
  /** Default exchange; unset = default queue name. */
  taskDefaultExchange: setting<string | null>('string', null, { old: 'CELERY_DEFAULT_EXCHANGE' }),
  /** Type of the default exchange. */
  taskDefaultExchangeType: setting<string>('string', 'direct', { old: 'CELERY_DEFAULT_EXCHANGE_TYPE' }),
  /** Default priority. */
  taskDefaultPriority: setting<number | null>('int', null, { old: 'CELERY_DEFAULT_PRIORITY', min: 0 }),
  /** Default queue. */
  taskDefaultQueue: setting<string>('string', 'celery', { old: 'CELERY_DEFAULT_QUEUE' }),
  /** `classic` or `quorum` for the default queue. */
  taskDefaultQueueType: setting<'classic' | 'quorum'>('string', 'classic', {
    old: 'CELERY_DEFAULT_QUEUE_TYPE',
  }),
  /** Rate limit for all tasks. */
  taskDefaultRateLimit: setting<string | number | null>(['string', 'float'], null, {
    old: 'CELERY_DEFAULT_RATE_LIMIT',
  }),
  /** Default key; unset = default queue name. */
  taskDefaultRoutingKey: setting<string | null>('string', null, { old: 'CELERY_DEFAULT_ROUTING_KEY' }),
  /** Eager calls raise. */
  taskEagerPropagates: setting<boolean>('bool', false, { old: 'CELERY_EAGER_PROPAGATES_EXCEPTIONS' }),
  /** Do not store results. */
  taskIgnoreResult: setting<boolean>('bool', false, { old: 'CELERY_IGNORE_RESULT' }),
  /** Children take the parent priority. */
  taskInheritParentPriority: setting<boolean>('bool', false, { old: 'CELERY_INHERIT_PARENT_PRIORITY' }),
  /** Message protocol. ct writes 2 only, and reads 1 too. */
  taskProtocol: setting<1 | 2>('int', 2, { old: 'CELERY_TASK_PROTOCOL', oneOf: [2] }),
  /** Retry publishing. */
  taskPublishRetry: setting<boolean>('bool', true, { old: 'CELERY_TASK_PUBLISH_RETRY' }),
  /** How publishing is retried; durations in seconds. */
  taskPublishRetryPolicy: setting<Partial<RetryPolicy>>(
    'dict',
    { maxRetries: 3, intervalStart: 0, intervalStep: 0.2, intervalMax: 1 },
    { old: 'CELERY_TASK_PUBLISH_RETRY_POLICY' },
  ),
  /** `x-max-priority` for queues without it. */
  taskQueueMaxPriority: setting<number | null>('int', null, { old: 'CELERY_QUEUE_MAX_PRIORITY' }),
  /** Queues to consume and route to. */
  taskQueues: setting<TaskQueues | null>(['dict', 'list'], null, { old: 'CELERY_QUEUES' }),
  /** Requeue when the child process dies (late ack). */
  taskRejectOnWorkerLost: setting<boolean | null>('bool', null, {
    old: 'CELERY_REJECT_ON_WORKER_LOST',
    ct: true,
  }),
  /** Rebuild remote tracebacks on raise. */
  taskRemoteTracebacks: setting<boolean>('bool', false, { old: 'CELERY_REMOTE_TRACEBACKS' }),
  /** Depth of the printable arguments. */
  taskReprMaxlevels: setting<number>('int', 3, { old: 'CELERY_REPR_MAXLEVELS' }),
  /** Retry a task whose worker process is lost. */
  taskRetryOnWorkerLost: setting<boolean>('bool', false, { old: 'CELERY_RETRY_ON_WORKER_LOST' }),
  /** Which queue a task goes to: a map, a function, or a list of them. */
  taskRoutes: setting<TaskRoutes | null>('any', null, { old: 'CELERY_ROUTES' }),
  /** Send `task-sent` events. */
  taskSendSentEvent: setting<boolean>('bool', false, { old: 'CELERY_SEND_TASK_SENT_EVENT' }),
  /** Default serializer. */
  taskSerializer: setting<string>('string', 'json', { old: 'CELERY_TASK_SERIALIZER' }),
  /** Default soft limit, seconds. */
  taskSoftTimeLimit: setting<number | null>('float', null, { old: 'CELERYD_TASK_SOFT_TIME_LIMIT', min: 0 }),
  /** Store results of eager runs. */
  taskStoreEagerResult: setting<boolean>('bool', false, { old: 'CELERY_STORE_EAGER_RESULT' }),
  /** Store errors of ignored results. */
  taskStoreErrorsEvenIfIgnored: setting<boolean>('bool', false, {
    old: 'CELERY_STORE_ERRORS_EVEN_IF_IGNORED',
  }),
  /** Default hard limit, seconds. */
  taskTimeLimit: setting<number | null>('float', null, { old: 'CELERYD_TASK_TIME_LIMIT', min: 0 }),
  /** Store STARTED. */
  taskTrackStarted: setting<boolean>('bool', false, { old: 'CELERY_TRACK_STARTED' }),
}
