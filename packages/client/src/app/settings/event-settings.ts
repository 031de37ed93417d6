/** Settings of events and remote control (celery/app/defaults.py 5.7). Durations are seconds unless the name says otherwise. */
import { setting } from './setting.ts'

export const eventSettings = {
  /** Name before `.pidbox` of the control exchange. */
  controlExchange: setting<string>('string', 'celery'),
  /** Durable control queues. */
  controlQueueDurable: setting<boolean>('bool', false),
  /** Exclusive control queues. */
  controlQueueExclusive: setting<boolean>('bool', true),
  /** Idle life of control queues, seconds. */
  controlQueueExpires: setting<number | null>('float', 10, { nullable: true }),
  /** Message TTL in control queues, seconds. */
  controlQueueTtl: setting<number | null>('float', 300, { nullable: true }),
  /** Event exchange name. */
  eventExchange: setting<string>('string', 'celeryev', { old: 'CELERY_EVENT_EXCHANGE' }),
  /** Durable monitor queues. */
  eventQueueDurable: setting<boolean>('bool', false, { old: 'CELERY_EVENT_QUEUE_DURABLE' }),
  /** Exclusive monitor queues. */
  eventQueueExclusive: setting<boolean>('bool', true, { old: 'CELERY_EVENT_QUEUE_EXCLUSIVE' }),
  /** Idle life of monitor queues, seconds. */
  eventQueueExpires: setting<number | null>('float', 60, {
    old: 'CELERY_EVENT_QUEUE_EXPIRES',
    nullable: true,
  }),
  /** Prefix of monitor queue names. */
  eventQueuePrefix: setting<string>('string', 'celeryev', { old: 'CELERY_EVENT_QUEUE_PREFIX' }),
  /** TTL of events, seconds. */
  eventQueueTtl: setting<number | null>('float', 5, { old: 'CELERY_EVENT_QUEUE_TTL', nullable: true }),
  /** Serializer of events. */
  eventSerializer: setting<string>('string', 'json', { old: 'CELERY_EVENT_SERIALIZER' }),
  /** Daemon option of `ct events`. */
  eventsLogfile: setting<string | null>('string', null, { onDemand: true }),
  /** Daemon option of `ct events`. */
  eventsPidfile: setting<string | null>('string', null, { onDemand: true }),
  /** Daemon option of `ct events`. */
  eventsUid: setting<string | number | null>(['string', 'int'], null, { onDemand: true }),
  /** Daemon option of `ct events`. */
  eventsGid: setting<string | number | null>(['string', 'int'], null, { onDemand: true }),
  /** Daemon option of `ct events`. */
  eventsUmask: setting<string | number | null>(['string', 'int'], null, { onDemand: true }),
  /** Daemon option of `ct events`. */
  eventsExecutable: setting<string | null>('string', null, { onDemand: true }),
}
