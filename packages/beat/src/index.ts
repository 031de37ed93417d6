/** Periodic tasks: schedules, and the service that sends what is due. */
export * from './schedule/index.ts'
