export { Heartbeat, softwareInfo, type HeartbeatOptions } from './heartbeat.ts'
