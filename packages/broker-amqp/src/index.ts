/** RabbitMQ over AMQP 0-9-1: a broker that shares queues, events and remote control with Celery's `pyamqp`. */
export { amqp } from './adapter.ts'
export { amqpBroker } from './broker/broker.ts'
export type { AmqpBrokerOptions, AmqpCredentials } from './options/broker-options.ts'
export { BacklogLimitExceeded } from './rpc/backlog-limit-exceeded.ts'
export { rpcBackend } from './rpc/backend.ts'
export type { RpcBackendOptions } from './rpc/backend.ts'
export type { AmqpTlsOptions } from './options/tls.ts'
