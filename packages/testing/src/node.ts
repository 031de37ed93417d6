/** Celery's fixtures for node:test: an app and a worker for each test of a file, or one of each for all of them. */
import { after, afterEach, before, beforeEach } from 'node:test'
import type { App } from '@ct/client'
import { ConfigurationError } from '@ct/contracts'
import { includeTasks, type TaskSource } from './celery-fixtures.ts'
import { testApp, type TestAppOptions } from './test-app.ts'
import { startTestWorker, type TestWorker, type TestWorkerOptions } from './test-worker.ts'

export type { TaskSource } from './celery-fixtures.ts'

export interface CeleryFixtureOptions {
  /** Options of the app. */
  readonly config?: TestAppOptions
  /** Options of the worker; false: no worker. */
  readonly worker?: TestWorkerOptions | false
  /** What defines tasks on the app. */
  readonly includes?: readonly TaskSource[]
  /** `test` (default): an app and a worker of its own for each test. `session`: one of each for all of the file or `describe`. */
  readonly scope?: 'test' | 'session'
}

/** To be read inside tests. */
export interface CeleryFixture {
  readonly app: App
  readonly worker: TestWorker
}

/**
 * Registers hooks of node:test where it is called: in a file, or in a `describe`. Reading `app` or `worker` outside a test is an error
 * (`CT_CONFIGURATION`).
 *
 * @example
 * const celery = celeryFixture({ includes: [defineTasks] })
 * test('adds', async () => {
 *   const result = await celery.app.sendTask('proj.add', { args: [2, 2] })
 *   assert.equal(await result.get({ timeoutMs: 5_000 }), 4)
 * })
 */
export function celeryFixture(options: CeleryFixtureOptions = {}): CeleryFixture {
  const { config = {}, worker: parameters = {}, includes = [], scope = 'test' } = options
  let app: App | undefined
  let worker: TestWorker | undefined
  const [start, end] = scope === 'test' ? [beforeEach, afterEach] : [before, after]
  start(async () => {
    app = testApp(config)
    await includeTasks(app, includes)
    if (parameters !== false) worker = await startTestWorker(app, parameters)
  })
  end(async () => {
    const [endedWorker, endedApp] = [worker, app]
    worker = undefined
    app = undefined
    try {
      await endedWorker?.[Symbol.asyncDispose]()
    } finally {
      await endedApp?.close()
    }
  })
  const there = <T>(what: string, value: T | undefined): T => {
    if (value !== undefined) return value
    throw new ConfigurationError(
      `There is no ${what} here: read it inside a test, and do not say worker: false.`,
    )
  }
  return {
    get app() {
      return there('app', app)
    },
    get worker() {
      return there('worker', worker)
    },
  }
}
