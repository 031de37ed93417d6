/** Which entries are due, and when the next one will be. */
export { lastRunOf, Scheduler } from './scheduler.ts'
export type { Firing, SchedulerOptions } from './scheduler.ts'
