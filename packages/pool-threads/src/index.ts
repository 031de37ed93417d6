/** Pool of worker threads: `-P threads`. */
export { threads } from './adapter.ts'
export { threadsPool, type ThreadsPoolOptions } from './threads-pool.ts'
