/** Works Celery tasks: consumer → request → pool → trace, with events and remote control. */
export { createWorker } from './create-worker.ts'
export { nodeName } from './node-name.ts'
export type { WorkerOptions } from './options.ts'
export { asyncPool, soloPool } from './pool/index.ts'
export { installSignals, type SignalHandlers, type StopMode } from './process-signals.ts'
export { workerVersion } from './version.ts'
export { Worker, type StopOptions, type WorkerStatus } from './worker.ts'
export type { TaskEvent, WorkerEventMap, WorkerEventName } from './worker-events.ts'
