/** Pool of child processes, Celery's prefork: `-P processes`. */
export { processes } from './adapter.ts'
export { processesPool, type ProcessesPoolOptions } from './processes-pool.ts'
