/**
 * For tests: fakes, a worker in this process, and assertions about what was sent. The conformance suites are in
 * `@ct/testing/conformance`.
 */
export { chaosBroker } from './chaos/chaos-broker.ts'
export type { ChaosBroker } from './chaos/chaos-broker.ts'
export type { ChaosControls, ChaosOperation, ChaosOptions, Fault } from './chaos/chaos-controls.ts'
export { fakeClock } from './fake-clock.ts'
export type { FakeClock } from './fake-clock.ts'
export { recordingLogger } from './recording-logger.ts'
export type { LogLevel, LogRecord, RecordingLogger } from './recording-logger.ts'
export { seededRandom } from './seeded-random.ts'
export type { SeededRandom } from './seeded-random.ts'
export { expectNoTaskSent, expectTaskSent, spyBroker } from './task-spy.ts'
export type { ExpectedTask, SentTask, SpyBroker } from './task-spy.ts'
export { startTestWorker } from './test-worker.ts'
