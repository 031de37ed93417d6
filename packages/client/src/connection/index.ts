export { abortable, abortedError, delay } from './abortable.ts'
export { backoffMs } from './backoff.ts'
export type { BackoffOptions } from './backoff.ts'
export { Deadline, longestTimerMs } from './deadline.ts'
export { failoverBroker } from './failover-broker.ts'
export type { FailoverStrategy } from './failover-broker.ts'
export { didYouMean, nearestName } from '@ct/contracts'
export { ReconnectingConnection } from './reconnecting-connection.ts'
export type {
  ConnectionListener,
  ConnectionState,
  ReconnectingOptions,
  WhenReadyOptions,
} from './reconnecting-connection.ts'
export { resolvePool } from './resolve-pool.ts'
export { resolveBackend, resolveBroker, resolveScheduleStore } from './resolve.ts'
export type { BackendSource, BrokerSource, DiscoverAdapter, ResolveOptions } from './resolve.ts'
export { maskedUrl, packageForScheme, schemeOf } from './schemes.ts'
