import {
  addPeriodicTask,
  createBeat,
  openPeriodicTasks,
  type AddPeriodicTaskOptions,
  type Beat,
  type BeatOptions,
  type OpenPeriodicTasks,
  type PeriodicTarget,
  type PeriodicTaskInput,
} from '@ct/beat'
import { memory } from '@ct/broker-memory'
import { App as ClientApp, type AppOptions, type SettingsInput } from '@ct/client'
import { ConfigurationError, defineAdapter, type Adapter } from '@ct/contracts'
import { createWorker, type Worker, type WorkerOptions } from '@ct/worker'
import { adapterFinder } from './find-adapter.ts'

/** Where messages and results are when nobody says: in this process. */
const embedded = 'memory://'

/** Settings that say where the broker is; any of them takes the place of the embedded one. */
const brokerSettings = [
  'brokerUrl',
  'brokerReadUrl',
  'brokerWriteUrl',
  'brokerTransport',
  'brokerHost',
] as const

/** An app that can also work. See `createApp`. */
export class App extends ClientApp {
  readonly #hasBroker: boolean
  readonly #hasBackend: boolean
  readonly #layers: (SettingsInput | (() => SettingsInput))[] = []

  constructor(options: AppOptions = {}) {
    let warn = (): void => undefined
    super({
      ...options,
      adapters: [...(options.adapters ?? []), announcingMemory(() => warn())],
      discover: options.discover ?? adapterFinder(),
    })
    this.#hasBroker = options.broker !== undefined
    this.#hasBackend = options.backend !== undefined
    super.addDefaults(() => this.#embeddedDefaults())
    let warned = false
    warn = () => {
      if (warned || this.#embeddedDefaults().brokerUrl === undefined) return
      warned = true
      this.context.logger.warn(
        "No broker is configured, so messages stay in this process and end with it. Give one: createApp({ broker: 'redis://localhost' }) or CELERY_BROKER_URL; broker: 'memory://' says that it is meant.",
      )
    }
  }

  override addDefaults(layer: SettingsInput | (() => SettingsInput)): this {
    this.#layers.push(layer)
    return super.addDefaults(layer)
  }

  /**
   * A worker of this app's tasks in this process. Opens nothing until `start()`; also `await using`.
   *
   * ```ts
   * await using worker = app.worker({ concurrency: 50, queues: ['celery'] })
   * await worker.start()
   * ```
   */
  worker(options: WorkerOptions = {}): Worker {
    return createWorker(this, options)
  }

  /**
   * Runs `ct worker` for this app, with these arguments (default: those of the process): `app.workerMain(['worker', '-l', 'info'])`. Ends the
   * process when the worker has stopped. Errors: `CT_CONFIGURATION` when the first word is not `worker` (APP-68).
   */
  async workerMain(argv: readonly string[] = process.argv.slice(2)): Promise<never> {
    if (argv[0] !== 'worker') {
      throw new ConfigurationError(
        `app.workerMain() runs "worker": its first argument is ${JSON.stringify(argv[0] ?? null)}. app.start() runs any command.`,
      )
    }
    return await this.start(argv)
  }

  /** Runs a command of `ct` for this app, with these arguments (default: those of the process), and ends the process. */
  async start(argv: readonly string[] = process.argv.slice(2)): Promise<never> {
    const { main } = await import('./command.ts')
    return await main(argv, this)
  }

  /**
   * A beat for this app's periodic tasks in this process. Opens nothing until `start()`; also `await using`.
   *
   * ```ts
   * await using beat = app.beat()
   * await beat.start()
   * ```
   */
  beat(options: BeatOptions = {}): Beat {
    return createBeat(this, options)
  }

  /**
   * Declares a periodic task, for the beat of this app: `app.addPeriodicTask(30, add.s(2, 2))`, or with a schedule such as
   * `crontab({ hour: 7 })`. Returns its name. Error: `CT_CONFIGURATION`.
   */
  addPeriodicTask(
    schedule: PeriodicTaskInput['schedule'],
    target: PeriodicTarget,
    options: AddPeriodicTaskOptions = {},
  ): string {
    return addPeriodicTask(this, schedule, target, options)
  }

  /** The periodic tasks of a schedule that beat runs elsewhere: list, add, change, remove, enable, disable, run now. Close it after use. */
  periodicTasks(
    options: Pick<BeatOptions, 'store' | 'scheduleFilename' | 'schedules' | 'entries'> = {},
  ): OpenPeriodicTasks {
    return openPeriodicTasks(this, options)
  }

  #embeddedDefaults(): SettingsInput {
    const others = Object.assign(
      {},
      ...this.#layers.map((layer) => (typeof layer === 'function' ? layer() : layer)),
      this.context.changes(),
    ) as SettingsInput
    const hasBroker = this.#hasBroker || brokerSettings.some((name) => others[name] != null)
    if (hasBroker) return {}
    const hasBackend = this.#hasBackend || others.resultBackend !== undefined
    return { brokerUrl: embedded, ...(hasBackend ? {} : { resultBackend: embedded }) }
  }
}

/** The memory adapter, telling when somebody makes a broker with it. */
function announcingMemory(onBroker: () => void): Adapter {
  return defineAdapter({
    ...memory,
    broker(url, options) {
      onBroker()
      return memory.broker!(url, options)
    },
  })
}

/**
 * Makes an app with everything that `@ct/core` brings: worker, JSON, and brokers by URL from the adapters that are installed.
 *
 * Without a broker, messages and results stay in this process (`memory://`), with a warning; Celery would look for RabbitMQ on this
 * machine. Without a backend, results are disabled, as in Celery. Opens nothing. Errors: `CT_CONFIGURATION`; `CT_ADAPTER`, with
 * the package to install, when a URL's scheme belongs to no installed adapter (at the first connect).
 *
 * ```ts
 * export const app = createApp({ name: 'proj', broker: 'redis://localhost', backend: 'redis://localhost' })
 * ```
 */
export function createApp(options: AppOptions = {}): App {
  return new App(options)
}
