export type WorkerStatus =
  | 'idle'
  | 'starting'
  | 'running'
  | 'reconnecting'
  | 'warm'
  | 'soft'
  | 'cold'
  | 'stopped'

export interface WorkerHealth {
  readonly node: string
  readonly pid: number
  readonly status: WorkerStatus
  /** There is a connection to the broker, and a consumer on it. */
  readonly connected: boolean
  /** By `worker.pause()`. */
  readonly paused: boolean
  readonly queues: readonly string[]
  readonly active: number
  readonly processed: number
  /** When the last heartbeat event was sent, epoch ms; null: none yet, or heartbeats are off. */
  readonly lastHeartbeat: number | null
}
