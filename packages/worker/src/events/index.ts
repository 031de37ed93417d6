export { Heartbeat, softwareInfo, type HeartbeatOptions } from './heartbeat.ts'
export { gossips, heartbeatFor, workerDispatcher } from './worker-dispatcher.ts'
