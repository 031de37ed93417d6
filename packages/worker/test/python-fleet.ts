/** A fleet of ct and Python Celery for one test file: servers of its own, an app, and whoever works and asks; all of it goes with `close`. */
import {
  python,
  startPythonWorker,
  tryPython,
  type CeleryVersion,
  type PythonApp,
  type PythonClient,
  type PythonName,
  type PythonWorker,
  type PythonWorkerOptions,
} from '@ct-tools/interop'
import { freshRedis, freshVhost, tryServices, type Fresh, type FreshVhost } from '@ct-tools/services'
import { amqpBroker } from '@ct/broker-amqp'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { createApp, type App, type AppOptions, type Logger } from '@ct/client'
import { createWorker, type Worker, type WorkerOptions } from '../src/index.ts'

export type FleetTransport = 'redis' | 'amqp'

/** A row of `describe.for`: what it is called, and whether this machine has it. */
export interface FleetBroker {
  readonly name: 'Redis' | 'RabbitMQ'
  readonly transport: FleetTransport
  readonly present: boolean
}

/** Redis and RabbitMQ, for those who need a Python of each of these names as well. */
export async function fleetBrokers(...pythons: readonly PythonName[]): Promise<readonly FleetBroker[]> {
  const ready = await tryPython(...pythons)
  return [
    { name: 'Redis', transport: 'redis', present: ready && (await tryServices(['redis'])) !== undefined },
    {
      name: 'RabbitMQ',
      transport: 'amqp',
      present: ready && (await tryServices(['redis', 'rabbitmq'])) !== undefined,
    },
  ]
}

/** Says nothing but what is critical; with `CT_DEBUG` set, what a worker warns of too. */
export const quietLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: (message, fields) => void (process.env['CT_DEBUG'] !== undefined && console.error(message, fields)),
  error: () => {},
  critical: (message, fields) => console.error(message, fields),
  child: () => quietLogger,
}

export class PythonFleet implements AsyncDisposable {
  /** Results; messages as well where Redis is the broker. */
  readonly redis: Fresh
  /** Where the messages are. */
  readonly line: Fresh | FreshVhost
  readonly app: App
  readonly #transport: FleetTransport
  readonly #apps: App[] = []
  readonly #workers: Worker[] = []
  readonly #pythons: AsyncDisposable[] = []

  private constructor(transport: FleetTransport, redis: Fresh, line: Fresh, options: AppOptions) {
    this.#transport = transport
    this.redis = redis
    this.line = line
    this.app = this.anotherApp(options)
  }

  static async open(transport: FleetTransport, options: AppOptions = {}): Promise<PythonFleet> {
    const redis = await freshRedis()
    return new PythonFleet(transport, redis, transport === 'redis' ? redis : await freshVhost(), options)
  }

  /** What Python connects with. */
  get python(): { readonly broker: string; readonly backend: string } {
    return { broker: this.line.url, backend: this.redis.url }
  }

  /** Another program of the fleet, with a clock and connections of its own. */
  anotherApp(options: AppOptions = {}): App {
    const broker = this.#transport === 'redis' ? redisBroker : amqpBroker
    const app = createApp({
      name: 'interop_tasks',
      broker: broker({ url: this.line.url }),
      backend: redisBackend({ url: this.redis.url }),
      logger: quietLogger,
      ...options,
    })
    this.#apps.push(app)
    return app
  }

  /** A ct worker that is running. */
  async work(options: WorkerOptions = {}, app: App = this.app): Promise<Worker> {
    const worker = createWorker(app, { withoutMingle: true, ...options })
    this.#workers.push(worker)
    await worker.start()
    return worker
  }

  async client(version: CeleryVersion = '5.7', options: PythonApp = {}): Promise<PythonClient> {
    return this.with(await python(version, { ...this.python, ...options }))
  }

  async peer(options: Partial<PythonWorkerOptions> = {}): Promise<PythonWorker> {
    return this.with(await startPythonWorker({ version: '5.7', ...this.python, ...options }))
  }

  /** Ends it with the fleet. */
  with<T extends AsyncDisposable>(one: T): T {
    this.#pythons.push(one)
    return one
  }

  /** Workers end as `mode` says (default: warm, what runs may end), those of Python at once. */
  async close(mode: 'warm' | 'cold' = 'warm'): Promise<void> {
    await Promise.all([
      ...this.#workers.map((worker) => worker.stop({ mode })),
      ...this.#pythons.map((one) => one[Symbol.asyncDispose]()),
    ])
    await Promise.all(this.#apps.map((app) => app.close()))
    await Promise.all([...new Set([this.line, this.redis])].map((one) => one.release()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
