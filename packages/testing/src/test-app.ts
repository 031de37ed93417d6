/** An app for one test (celery/contrib/testing/app.py 5.7, TestApp). */
import { memory, memoryBackend, memoryBroker } from '@ct/broker-memory'
import { App, type AppOptions, type Logger, type SettingsInput } from '@ct/client'
import { CompressorRegistry, SerializerRegistry, type Broker, type TimeProvider } from '@ct/contracts'
import { spyBroker, type SpyBroker } from './task-spy.ts'

export interface TestAppOptions extends AppOptions {
  /** A clock that moves when told, for the app, its broker and its results alike: `fakeClock()`. */
  readonly time?: TimeProvider | undefined
  /** Write the log as apps do; else it is dropped, unless a `logger` is given. Default false. */
  readonly enableLogging?: boolean | undefined
}

const spies = new WeakMap<App, SpyBroker>()

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  critical: () => undefined,
  child: () => silent,
}

/**
 * Celery's settings for tests: the memory broker and results on a hub of their own, JSON alone, UTC. For an app that a module exports:
 * `app.configure(testSettings())` before it is used first.
 */
export function testSettings(changes: SettingsInput = {}): SettingsInput {
  const hub = `test-${crypto.randomUUID()}`
  return {
    acceptContent: ['json'],
    enableUtc: true,
    timezone: 'UTC',
    workerLogColor: false,
    brokerHeartbeat: 0,
    brokerUrl: `memory://${hub}`,
    resultBackend: `cache+memory://${hub}`,
    ...changes,
  }
}

/**
 * Makes an app named `celery.tests` on a memory broker and result store that nobody else has; what it sends is kept for `sent(app)`. `options` win,
 * `broker` and `backend` too; variables of the environment are not read. `make` makes it: pass `createApp` of `@ct/core` for an
 * app with `worker()` and `beat()`.
 *
 * @example
 * await using app = testApp()
 * const add = app.task('proj.add', (x: number, y: number) => x + y)
 */
export function testApp(options?: TestAppOptions): App
export function testApp<A extends App>(options: TestAppOptions, make: (options: AppOptions) => A): A
export function testApp(
  options: TestAppOptions = {},
  make: (options: AppOptions) => App = (given) => new App(given),
): App {
  const { enableLogging = false, adapters = [], ...given } = options
  const { brokerUrl, resultBackend: _, ...defaults } = testSettings()
  const { time } = given
  const watching = {
    serializers: new SerializerRegistry(given.serializers),
    compressors: new CompressorRegistry(given.compressors),
  }
  const name = String(brokerUrl).slice('memory://'.length)
  // URLs are made into brokers by the app itself, so those are not watched.
  const broker = given.broker ?? given.brokerUrl
  const own = broker === undefined
  const spy = own
    ? spyBroker(memoryBroker({ name, time }), watching)
    : isBroker(broker)
      ? spyBroker(broker, watching)
      : undefined
  const app = make({
    name: 'celery.tests',
    environment: {},
    ...(enableLogging ? {} : { logger: silent }),
    ...defaults,
    ...given,
    adapters: [memory, ...adapters],
    ...(spy === undefined ? {} : { broker: spy }),
    ...(given.backend === undefined && given.resultBackend === undefined
      ? { backend: memoryBackend({ name, time }) }
      : {}),
  })
  if (spy !== undefined) spies.set(app, spy)
  return app
}

/** What keeps the tasks that a test app sends; undefined for other apps. */
export function spyOf(app: App): SpyBroker | undefined {
  return spies.get(app)
}

function isBroker(source: unknown): source is Broker {
  return typeof source === 'object' && source !== null && 'connect' in source
}
