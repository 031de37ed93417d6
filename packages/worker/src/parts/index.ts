export { PartsLife } from './parts-life.ts'
export { reload } from './reload.ts'
export { WorkerParts } from './worker-parts.ts'
export { countsOf, healthOf, runningOf, type RunningTask, type WorkerCounts } from './worker-report.ts'
