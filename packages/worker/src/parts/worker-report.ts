import type { WorkerHealth } from '../worker-health.ts'
import type { WorkerParts } from './worker-parts.ts'

export interface WorkerCounts {
  readonly active: number
  readonly processed: number
  readonly received: number
  readonly refused: number
}

export interface RunningTask {
  readonly id: string
  readonly name: string
  /** Since it began. */
  readonly seconds: number
}

export function countsOf({ state, reception }: WorkerParts): WorkerCounts {
  const { active, processed } = state
  return { active, processed, received: reception.received, refused: reception.refused }
}

export function healthOf(parts: WorkerParts): Omit<WorkerHealth, 'node' | 'pid' | 'status'> {
  const { active, processed } = parts.state
  return {
    connected: parts.consumer.connected,
    paused: parts.queues.paused,
    queues: parts.queues.names,
    active,
    processed,
    lastHeartbeat: parts.heartbeat?.lastSent ?? null,
  }
}

/** Longest first. */
export function runningOf({ state }: WorkerParts): RunningTask[] {
  const now = performance.now()
  return [...state.in('active')]
    .map((request) => ({ id: request.id, name: request.name, seconds: (now - request.startedAt) / 1000 }))
    .toSorted((a, b) => b.seconds - a.seconds)
}
