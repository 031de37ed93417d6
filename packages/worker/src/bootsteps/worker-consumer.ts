import type { App, EventDispatcher, Queue } from '@ct/client'
import type { BrokerConnection, Pool } from '@ct/contracts'
import type { Worker } from '../worker.ts'

/** What steps of the consumer are given: the worker's connection while it lasts, and what hangs on it. */
export interface WorkerConsumer {
  readonly app: App
  readonly worker: Worker
  readonly hostname: string
  /** Another one after each reconnect; a step is stopped and started again with it. */
  readonly connection: BrokerConnection
  readonly pool: Pool
  /** Undefined: the worker sends no events. */
  readonly eventDispatcher: EventDispatcher | undefined
  addTaskQueue(queue: string | Queue): Promise<void>
  cancelTaskQueue(name: string): Promise<void>
  /** Every rate limit starts anew with what its task says. */
  resetRateLimits(): void
}
