/** What the fixtures for test runners share: an app with its tasks, and a worker for it. */
import { pathToFileURL } from 'node:url'
import type { App } from '@ct/client'
import { startTestWorker, type TestWorker, type TestWorkerOptions } from './test-worker.ts'

/**
 * Where tasks come from: a function that defines them on the app, or the URL (or path) of a module to import, whose default export may be such a
 * function.
 */
export type TaskSource = string | URL | ((app: App) => unknown)

/** Celery's `NO_WORKER`: tests that need a worker are left out. */
export function withoutWorkers(): boolean {
  return (process.env['NO_WORKER'] ?? '') !== ''
}

/** Defines the tasks of these sources on the app. */
export async function includeTasks(app: App, sources: readonly TaskSource[]): Promise<void> {
  for (const source of sources) {
    if (typeof source === 'function') {
      await source(app)
      continue
    }
    const url = source instanceof URL || URL.canParse(source) ? String(source) : pathToFileURL(source).href
    const { default: define } = (await import(url)) as { readonly default?: unknown }
    if (typeof define === 'function') await (define as (app: App) => unknown)(app)
  }
}

/** Runs `use` with a worker that has stopped when this resolves. */
export async function withTestWorker(
  app: App,
  options: TestWorkerOptions,
  use: (worker: TestWorker) => Promise<void>,
): Promise<void> {
  await using worker = await startTestWorker(app, options)
  await use(worker)
}
