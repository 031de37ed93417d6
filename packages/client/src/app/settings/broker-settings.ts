/** Settings of the broker connection (celery/app/defaults.py 5.7). Durations are seconds unless the name says otherwise. */
import { setting } from './setting.ts'
import type { Options } from './setting.ts'

export const brokerSettings = {
  /** Go on trying when the broker refuses a queue (RabbitMQ: other arguments, no rights). */
  brokerChannelErrorRetry: setting<boolean>('bool', false),
  /** Attempts before giving up; 0/None = for ever. */
  brokerConnectionMaxRetries: setting<number | null>('int', 100, { nullable: true }),
  /** Reconnect after a lost connection. */
  brokerConnectionRetry: setting<boolean>('bool', true),
  /** Retry the very first connection; unset = follow the previous. */
  brokerConnectionRetryOnStartup: setting<boolean | null>('bool', null),
  /** Connect timeout, seconds. */
  brokerConnectionTimeout: setting<number | null>('float', 4, { nullable: true }),
  /** How alternates are cycled (`round-robin`, `shuffle`, function). */
  brokerFailoverStrategy: setting<
    'round-robin' | 'shuffle' | ((servers: readonly string[]) => Iterable<string>) | null
  >(['string', 'function'], null, { oneOf: ['round-robin', 'shuffle'] }),
  /** AMQP heartbeat, seconds. */
  brokerHeartbeat: setting<number | null>('float', 120, { nullable: true }),
  /** Checks per heartbeat interval. */
  brokerHeartbeatCheckrate: setting<number>('float', 3),
  /** Old-style host override. */
  brokerHost: setting<string | null>('string', null),
  /** SASL method. */
  brokerLoginMethod: setting<string | null>('string', null),
  /** Type of the queues `celery_delayed_…` on RabbitMQ: `quorum` or `classic`. */
  brokerNativeDelayedDeliveryQueueType: setting<string>('string', 'quorum'),
  /** Old-style password. */
  brokerPassword: setting<string | null>('string', null),
  /** Seconds to wait for a pooled connection. */
  brokerPoolAcquireTimeout: setting<number | null>('float', null),
  /** Connections (and producers) per process; 0/None = no pool. */
  brokerPoolLimit: setting<number | null>('int', 10, { nullable: true }),
  /** Old-style port. */
  brokerPort: setting<number | null>('int', null),
  /** Broker for consuming. */
  brokerReadUrl: setting<string | readonly string[] | null>(['string', 'list'], null),
  /** Old-style transport name. */
  brokerTransport: setting<string | null>('string', null),
  /** Options of the transport (section 11). */
  brokerTransportOptions: setting<Options | null>('dict', {}, { nullable: true }),
  /** Broker URL or list; unset = local AMQP. */
  brokerUrl: setting<string | readonly string[] | null>(['string', 'list'], null),
  /** TLS on, or TLS options. */
  brokerUseSsl: setting<boolean | Options>(['bool', 'dict'], false),
  /** Old-style user. */
  brokerUser: setting<string | null>('string', null),
  /** Old-style virtual host. */
  brokerVhost: setting<string | null>('string', null),
  /** Broker for publishing. */
  brokerWriteUrl: setting<string | readonly string[] | null>(['string', 'list'], null),
}
