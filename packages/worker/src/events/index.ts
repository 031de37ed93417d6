export { Heartbeat, softwareInfo, type HeartbeatOptions } from './heartbeat.ts'
export { heartbeatFor, workerDispatcher } from './worker-dispatcher.ts'
