export { Blueprint, type BlueprintOptions } from './blueprint.ts'
export { ConsumerStep, type StepConsumer } from './consumer-step.ts'
export type { WorkerConsumer } from './worker-consumer.ts'
export { WorkerSteps } from './worker-steps.ts'
