/** Periodic tasks: schedules, and the service that sends what is due. */
export type { DueState, Schedule, ScheduleData } from './schedule/index.ts'
