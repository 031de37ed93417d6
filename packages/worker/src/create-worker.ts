import type { App } from '@ct/client'
import { checkWorkerOptions, type WorkerOptions } from './options.ts'
import { Worker } from './worker.ts'

/**
 * Makes a worker for the tasks of an app. Nothing is connected before `start()`.
 *
 * @example
 * await using worker = createWorker(app, { queues: ['celery', 'images'], concurrency: 20 })
 * await worker.start()
 *
 * Throws `ConfigurationError` (`CT_CONFIGURATION`) for unknown options and wrong values.
 */
export function createWorker(app: App, options: WorkerOptions = {}): Worker {
  checkWorkerOptions(options)
  return new Worker(app, options)
}
