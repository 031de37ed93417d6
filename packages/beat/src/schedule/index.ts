/** When entries are due: the seam, and Celery's schedules behind it. */
export type { DueState, Schedule, ScheduleData } from './schedule.ts'
