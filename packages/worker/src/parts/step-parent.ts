import { ConfigurationError } from '@ct/contracts'
import type { WorkerConsumer } from '../bootsteps/index.ts'
import type { Worker } from '../worker.ts'
import { resetRateLimits } from './reload.ts'
import type { WorkerParts } from './worker-parts.ts'

/** What steps of the consumer are given, for one connection. */
export function stepParent(worker: Worker, parts: WorkerParts): WorkerConsumer {
  const connection = parts.onConnection.current
  return {
    app: parts.app,
    worker,
    hostname: parts.hostname,
    get connection() {
      if (connection !== undefined) return connection
      throw new ConfigurationError('There is no connection before a step of the consumer is started.')
    },
    pool: parts.workerPool.pool,
    eventDispatcher: parts.dispatch,
    addTaskQueue: (queue) => worker.addConsumer(queue),
    cancelTaskQueue: (name) => parts.queues.cancel(name),
    resetRateLimits: () => resetRateLimits(parts),
  }
}
