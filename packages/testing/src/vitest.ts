/* oxlint-disable no-empty-pattern -- vitest reads from the pattern which fixtures another one needs */
/**
 * Celery's pytest fixtures for vitest (celery/contrib/pytest.py 5.7): `celeryApp`, `celeryWorker`, and one of each for a whole file.
 *
 * ```ts
 * import { test } from '@ct/testing/vitest'
 *
 * const it = test.override({ celeryIncludes: () => [defineTasks] })
 * it('adds', async ({ celeryApp, celeryWorker }) => { … })
 * ```
 */
import type { App } from '@ct/client'
import { test as base, type TestAPI } from 'vitest'
import { includeTasks, withoutWorkers, withTestWorker, type TaskSource } from './celery-fixtures.ts'
import { testApp, type TestAppOptions } from './test-app.ts'
import type { TestWorker, TestWorkerOptions } from './test-worker.ts'

export type { TaskSource } from './celery-fixtures.ts'

/** Fixtures of one test, and the points where a test, a `describe` or a file of its own changes them. */
export interface CeleryFixtures {
  /** Options of the app (Celery's `celery_config` and `celery_parameters`). Default none: those of `testApp`. */
  celeryConfig: TestAppOptions
  /** Options of the worker, its pool among them (Celery's `celery_worker_parameters`, `celery_worker_pool`). */
  celeryWorkerParameters: TestWorkerOptions
  /** What defines tasks on the app, before a worker starts (Celery's `celery_includes`). */
  celeryIncludes: readonly TaskSource[]
  /** Write the app's log. Default false. */
  celeryEnableLogging: boolean
  /** A fresh test app for this test, closed after it. */
  celeryApp: App
  /** A worker for `celeryApp` in this process. With the environment variable `NO_WORKER` the test is skipped. */
  celeryWorker: TestWorker
  /** As those above, for the app and the worker of the whole file. */
  celerySessionConfig: TestAppOptions
  celerySessionWorkerParameters: TestWorkerOptions
  celerySessionIncludes: readonly TaskSource[]
  /** One app for all tests of the file. Its hub is its own: it never meets the apps of single tests. */
  celerySessionApp: App
  /** One worker for `celerySessionApp`. */
  celerySessionWorker: TestWorker
}

/** vitest's `test` with Celery's fixtures. None of them does anything for tests that do not ask for it. */
export const test: TestAPI<CeleryFixtures> = base.extend<CeleryFixtures>({
  celeryConfig: async ({}, use) => use({}),
  celeryWorkerParameters: async ({}, use) => use({}),
  celeryIncludes: async ({}, use) => use([]),
  celeryEnableLogging: async ({}, use) => use(false),
  celeryApp: async ({ celeryConfig, celeryIncludes, celeryEnableLogging }, use) => {
    await using app = testApp({ enableLogging: celeryEnableLogging, ...celeryConfig })
    await includeTasks(app, celeryIncludes)
    await use(app)
  },
  celeryWorker: async ({ celeryApp, celeryWorkerParameters, skip }, use) => {
    if (withoutWorkers()) skip('NO_WORKER is set')
    await withTestWorker(celeryApp, celeryWorkerParameters, use)
  },
  celerySessionConfig: [async ({}, use) => use({}), { scope: 'file' }],
  celerySessionWorkerParameters: [async ({}, use) => use({}), { scope: 'file' }],
  celerySessionIncludes: [async ({}, use) => use([]), { scope: 'file' }],
  celerySessionApp: [
    async ({ celerySessionConfig, celerySessionIncludes }, use) => {
      await using app = testApp(celerySessionConfig)
      await includeTasks(app, celerySessionIncludes)
      await use(app)
    },
    { scope: 'file' },
  ],
  celerySessionWorker: [
    async ({ celerySessionApp, celerySessionWorkerParameters }, use) => {
      await withTestWorker(celerySessionApp, celerySessionWorkerParameters, use)
    },
    { scope: 'file' },
  ],
})
