export { cacheDirectory } from './cache.ts'
export { isAlive } from './detached.ts'
export { ServiceError, type ServiceErrorCode } from './errors.ts'
export { freshDatabase, freshRedis, freshVhost } from './fresh.ts'
export type { Fresh, FreshDatabase, FreshRedis, FreshVhost } from './fresh.ts'
export { guardedDirectory, guardProcess } from './guard.ts'
export {
  ensureServices,
  isCi,
  resetService,
  serviceStatus,
  serviceUrl,
  stopService,
  tryServices,
} from './lifecycle.ts'
export type { ServiceStatus } from './lifecycle.ts'
export { withLock } from './lock.ts'
export { oldestNode } from './oldest-node.ts'
export { freePort } from './ports.ts'
export { PrivateRabbit, type PrivateRabbitOptions } from './private-rabbit.ts'
export { PrivateRedis, startPrivateRedis, type PrivateRedisOptions, type RedisUser } from './private-redis.ts'
export { makeCertificates, startPrivateRedisTls } from './private-redis-tls.ts'
export type { PrivateRedisTls, TestCertificates } from './private-redis-tls.ts'
export { say, waitUntil, type WaitOptions } from './progress.ts'
export { ensureVenv, type Venv } from './python-venv.ts'
export { RabbitManagement } from './rabbitmq-management.ts'
export { RedisConnection, RedisReplyError, type RedisAddress, type RedisReply } from './redis-connection.ts'
export { RedisCluster, startRedisCluster } from './redis-cluster.ts'
export { RedisSentinel, startRedisSentinel } from './redis-sentinel.ts'
export { findProgram, run, type RunOptions, type RunResult } from './run.ts'
export { SERVICE_NAMES, type ServiceName } from './service.ts'
