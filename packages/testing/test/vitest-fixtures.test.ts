/* oxlint-disable no-empty-pattern -- vitest reads from the pattern which fixtures another one needs */
import type { App } from '@ct/client'
import { afterAll, describe, expect } from 'vitest'
import { sent, type TestWorker } from '../src/index.ts'
import { test } from '../src/vitest.ts'

const defineTasks = (app: App): void => {
  app.task('proj.add', (x: number, y: number) => x + y)
}
const seen = new Set<App>()

describe('fixtures for vitest', () => {
  test.override({ celeryIncludes: [defineTasks] })

  test('TEST-21: an app of its own for each test', ({ celeryApp }) => {
    expect(seen.has(celeryApp)).toBe(false)
    seen.add(celeryApp)
    expect(celeryApp.name).toBe('celery.tests')
  })

  test('TEST-21, TEST-22: and a worker for it, which knows the tasks of celeryIncludes', async ({
    celeryApp,
    celeryWorker,
  }) => {
    expect(seen.has(celeryApp)).toBe(false)
    expect(celeryWorker.app).toBe(celeryApp)
    const result = await celeryApp.sendTask<number>('proj.add', { args: [2, 2] })
    expect(await result.get({ timeoutMs: 20_000 })).toBe(4)
    expect(sent(celeryApp)).toHaveLength(1)
  })

  describe('changed for a describe', () => {
    test.override({
      celeryConfig: { timezone: 'Europe/Berlin', name: 'other' },
      celeryWorkerParameters: { concurrency: 3 },
    })

    test('TEST-24, TEST-26: settings of the app and options of its worker', ({ celeryApp, celeryWorker }) => {
      expect(celeryApp.name).toBe('other')
      expect(celeryApp.timezone).toBe('Europe/Berlin')
      expect(celeryWorker.concurrency).toBe(3)
    })
  })

  let session: App | undefined
  let sessionWorker: TestWorker | undefined
  // vitest takes fixtures of the file down after the leak guard has looked; a worker may be stopped twice.
  afterAll(() => sessionWorker?.[Symbol.asyncDispose]())
  for (const time of ['first', 'second']) {
    test(`TEST-23: one app and one worker for the file, ${time} use`, async ({
      celerySessionApp,
      celerySessionWorker,
    }) => {
      session ??= celerySessionApp
      sessionWorker ??= celerySessionWorker
      expect(celerySessionWorker).toBe(sessionWorker)
      expect(celerySessionApp).toBe(session)
      expect(celerySessionWorker.status).toBe('running')
      if (time === 'second') expect(celerySessionWorker.counts.processed).toBe(1)
    })
  }
})

describe('without workers', () => {
  test.override({
    celeryWorkerParameters: async ({}, use) => {
      process.env['NO_WORKER'] = '1'
      await use({})
      delete process.env['NO_WORKER']
    },
  })

  test('TEST-22: a test that needs one is skipped when NO_WORKER is set', ({ celeryWorker }) => {
    expect.unreachable(`there should be no ${celeryWorker.hostname}`)
  })
})
