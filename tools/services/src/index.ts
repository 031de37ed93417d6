export { cacheDirectory } from './cache.ts'
export { ServiceError, type ServiceErrorCode } from './errors.ts'
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
export { freePort } from './ports.ts'
export { say, waitUntil, type WaitOptions } from './progress.ts'
export { ensureVenv, type Venv } from './python-venv.ts'
export { RabbitManagement } from './rabbitmq-management.ts'
export { RedisConnection, RedisReplyError, type RedisAddress, type RedisReply } from './redis-connection.ts'
export { findProgram, run, type RunOptions, type RunResult } from './run.ts'
export { SERVICE_NAMES, type ServiceName } from './service.ts'
