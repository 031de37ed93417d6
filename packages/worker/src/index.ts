/** Works Celery tasks: consumer → request → pool → trace, with events and remote control. */
import type { WorkerConsumer } from './bootsteps/index.ts'
import type { Worker } from './worker.ts'

export {
  bootstepGraph,
  ConsumerStep,
  type BootstepNode,
  type StepConsumer,
  type WorkerConsumer,
} from './bootsteps/index.ts'
export { createWorker } from './create-worker.ts'
export type { WorkerOptions } from './options.ts'
export { asyncPool, soloPool } from './pool/index.ts'
export { installSignals, type SignalHandlers, type StopMode } from './process-signals.ts'
export { workerVersion } from './version.ts'
export { Worker, type StopOptions } from './worker.ts'
export type { WorkerHealth, WorkerStatus } from './worker-health.ts'
export type { TaskEvent, WorkerEventMap, WorkerEventName } from './worker-events.ts'

declare module '@ct/client' {
  interface StepParents {
    readonly worker: Worker
    readonly consumer: WorkerConsumer
  }
}
