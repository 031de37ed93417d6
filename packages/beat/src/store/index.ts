/** Where entries are kept: a file, or what the name or URL of a store stands for. */
export { faultOf } from './entry-fault.ts'
export { fileScheduleStore } from './file-schedule-store.ts'
export type { FileScheduleStoreOptions } from './file-schedule-store.ts'
export { scheduleStoreOf } from './store-source.ts'
export { timedConnection } from './timed-connection.ts'
