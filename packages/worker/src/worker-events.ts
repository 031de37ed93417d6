import type { WorkerRecord } from '@ct/client'

/** What a program can listen to on a worker of its own (`worker.on('taskSucceeded', …)`). Fields are those of Celery's events. */
export interface TaskEvent {
  readonly uuid: string
  readonly [field: string]: unknown
}

export interface WorkerEventMap {
  /** Tasks are consumed. */
  ready: []
  /** The connection to the broker is lost; another one is being made. */
  reconnecting: [error: Error]
  /** A stop has begun. */
  stopping: [mode: 'warm' | 'soft' | 'cold']
  stopped: []
  /** The worker cannot go on: the broker refuses it, or attempts are used up. It stops. */
  failed: [error: Error]
  /** Another worker was heard of for the first time, or has started (gossip). */
  nodeJoin: [node: WorkerRecord]
  /** Another worker has said that it stops (gossip). */
  nodeLeave: [node: WorkerRecord]
  /** Another worker was not heard of for too long (gossip). */
  nodeLost: [node: WorkerRecord]
  taskReceived: [event: TaskEvent]
  taskStarted: [event: TaskEvent]
  taskSucceeded: [event: TaskEvent & { readonly result: string | null; readonly runtime: number | null }]
  taskFailed: [event: TaskEvent & { readonly exception: string; readonly traceback?: string }]
  taskRetried: [event: TaskEvent & { readonly exception: string; readonly traceback: string }]
  taskRejected: [event: TaskEvent & { readonly requeue: boolean }]
  taskRevoked: [
    event: TaskEvent & {
      readonly terminated: boolean
      readonly signum: number | null
      readonly expired: boolean
    },
  ]
  taskCancelled: [event: TaskEvent]
}

export type WorkerEventName = keyof WorkerEventMap

/** `task-succeeded` → `taskSucceeded`; undefined for events without a listener of that name. */
export const hookNames: Readonly<Record<string, WorkerEventName>> = {
  'task-received': 'taskReceived',
  'task-started': 'taskStarted',
  'task-succeeded': 'taskSucceeded',
  'task-failed': 'taskFailed',
  'task-retried': 'taskRetried',
  'task-rejected': 'taskRejected',
  'task-revoked': 'taskRevoked',
  'task-cancelled': 'taskCancelled',
}
