/** Broker, result backend and schedule store inside one process; the template for adapter authors. */
export { memory } from './adapter.ts'
export { memoryBackend } from './memory-backend.ts'
export { memoryBroker } from './memory-broker.ts'
export type { MemoryBrokerOptions } from './memory-broker.ts'
export { memoryHub } from './memory-hub.ts'
export type { MemoryHub } from './memory-hub.ts'
export { memoryScheduleStore } from './memory-schedule-store.ts'
export type { MemoryOptions } from './options.ts'
