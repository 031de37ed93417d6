import type { App } from '@ct/client'
import { App as CoreApp } from '@ct/client'
import { describe, expectTypeOf, it } from 'vitest'
import {
  expectSent,
  fakeClock,
  startTestWorker,
  testApp,
  type AppSentTask,
  type TestWorker,
} from '../src/index.ts'
import { celeryFixture } from '../src/node.ts'
import { test } from '../src/vitest.ts'

class OwnApp extends CoreApp {
  readonly own = true
}

describe('types of the helpers for tests', () => {
  it('TEST-10: the app is of the class that made it', () => {
    expectTypeOf(testApp()).toEqualTypeOf<App>()
    expectTypeOf(testApp({}, (options) => new OwnApp(options))).toEqualTypeOf<OwnApp>()
    expectTypeOf(testApp({ time: fakeClock() })).toEqualTypeOf<App>()
    // @ts-expect-error an app has no such setting
    testApp({ taskAlwaysEagre: true })
  })

  it('TEST-13: the worker is disposed of by itself', async () => {
    await using worker = await startTestWorker(testApp(), { concurrency: 2, pingTimeoutMs: 10 })
    expectTypeOf(worker).toEqualTypeOf<TestWorker>()
    // @ts-expect-error a test worker has no such option
    void startTestWorker(testApp(), { pingTimeout: 10 })
  })

  it('a sent task', () => {
    expectTypeOf(
      expectSent(testApp(), 'proj.add', { args: [1], queue: 'q', eta: null }),
    ).toEqualTypeOf<AppSentTask>()
    // @ts-expect-error nothing sent has a field of that name
    expectSent(testApp(), 'proj.add', { arguments: [1] })
  })

  it('TEST-21…23: fixtures', () => {
    test('of vitest', ({ celeryApp, celeryWorker, celerySessionApp, celerySessionWorker }) => {
      expectTypeOf(celeryApp).toEqualTypeOf<App>()
      expectTypeOf(celerySessionApp).toEqualTypeOf<App>()
      expectTypeOf(celeryWorker).toEqualTypeOf<TestWorker>()
      expectTypeOf(celerySessionWorker).toEqualTypeOf<TestWorker>()
    })
    expectTypeOf(celeryFixture().worker).toEqualTypeOf<TestWorker>()
    // @ts-expect-error neither of the two scopes
    celeryFixture({ scope: 'file' })
  })
})
