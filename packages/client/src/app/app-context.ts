import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type {
  Adapter,
  Broker,
  Compressor,
  Pool,
  ResultBackend,
  ScheduleStore,
  Serializer,
  TimeProvider,
} from '@ct/contracts'
import { ClosedError, CompressorRegistry, ConfigurationError, SerializerRegistry } from '@ct/contracts'
import { runningTask } from '../canvas/index.ts'
import { resolveBackend, resolveBroker, resolvePool, resolveScheduleStore } from '../connection/index.ts'
import type { BackendSource, BrokerSource, DiscoverAdapter } from '../connection/index.ts'
import { Events } from '../events/index.ts'
import type { EventDispatcher } from '../events/index.ts'
import { CommandRegistry, Control } from '../mailbox/index.ts'
import { Producer } from '../producer/index.ts'
import { ResultStore } from '../result/index.ts'
import type { ResultContext } from '../result/index.ts'
import { Queues, Router } from '../routing/index.ts'
import { closeSignals, createSignals } from '../signals/index.ts'
import type { AppSignals } from '../signals/index.ts'
import { TaskRegistry } from '../task/index.ts'
import type { App } from './app.ts'
import { backendAdapterOptions, brokerAdapterOptions, brokerSource } from './broker-source.ts'
import type { AppContext } from './context.ts'
import { LogicalClock } from './logical-clock.ts'
import type { Logger } from './logger.ts'
import type { Configuration } from './settings/configuration.ts'
import type { Settings, SettingsInput } from './settings/index.ts'
import { isoformatIn, zoneOf } from './zone.ts'

export interface AppParts {
  readonly broker: BrokerSource | undefined
  readonly backend: BackendSource | undefined
  readonly adapters: readonly Adapter[]
  readonly discover: DiscoverAdapter | undefined
  readonly serializers: readonly Serializer[]
  readonly compressors: readonly Compressor[]
  readonly logger: Logger
  readonly time: TimeProvider
}

/** The parts of one app, each made when it is first asked for: making an app opens and reads nothing (APP-1). */
export class AppServices implements AppContext {
  readonly app: App
  readonly tasks: TaskRegistry = new TaskRegistry()
  readonly signals: AppSignals = createSignals((message, error) => this.logger.error(message, { error }))
  readonly commands: CommandRegistry = new CommandRegistry()
  readonly serializers: SerializerRegistry
  readonly compressors: CompressorRegistry
  readonly clock: LogicalClock = new LogicalClock()
  logger: Logger
  readonly hostname: string = hostname()
  readonly origin: string = `gen${process.pid}@${this.hostname}`
  readonly now: () => number
  readonly time: TimeProvider
  readonly #configuration: Configuration
  readonly #parts: AppParts
  #queues: Queues | undefined
  #router: Router | undefined
  #broker: Broker | undefined
  #readBroker: Broker | undefined
  #backend: ResultBackend | null | undefined
  #producer: Producer | undefined
  #results: ResultStore | undefined
  #resultContext: ResultContext | undefined
  #control: Control | undefined
  #events: Events | undefined
  #sentEvents: EventDispatcher | undefined
  #formatDate: ((epochMs: number) => string) | undefined
  #oid: string | undefined
  #configured = false
  #closing: Promise<void> | undefined

  constructor(app: App, configuration: Configuration, parts: AppParts) {
    this.app = app
    this.#configuration = configuration
    this.#parts = parts
    this.serializers = new SerializerRegistry(parts.serializers)
    this.compressors = new CompressorRegistry(parts.compressors)
    this.logger = parts.logger
    this.time = parts.time
    this.now = parts.time.now
  }

  get settings(): Settings {
    if (!this.#configured) this.#configure()
    return this.#configuration.settings
  }

  /** The first look at the settings: handlers of `onConfigure` may still change everything. */
  #configure(): void {
    this.#configured = true
    const { signals, app } = this
    void signals.onConfigure.send({ sender: app })
    void signals.onAfterConfigure.send({ sender: app, source: this.#configuration.settings })
  }

  changes(): SettingsInput {
    return this.#configuration.changes()
  }

  get defaults(): 'ct' | 'celery' {
    return this.#configuration.defaults
  }

  get queues(): Queues {
    return (this.#queues ??= new Queues(this.settings))
  }

  get router(): Router {
    return (this.#router ??= new Router(this.queues, this.settings))
  }

  get broker(): Broker {
    return (this.#broker ??= this.#resolveBroker('write'))
  }

  get readBroker(): Broker {
    if (this.#parts.broker !== undefined || this.settings.brokerReadUrl === null) return this.broker
    return (this.#readBroker ??= this.#resolveBroker('read'))
  }

  get backend(): ResultBackend | undefined {
    if (this.#backend === undefined) {
      const source = this.#parts.backend ?? this.settings.resultBackend
      this.#backend =
        source === null || source === 'disabled://' || source === 'disabled'
          ? null
          : resolveBackend(source, {
              adapters: this.#parts.adapters,
              discover: this.#parts.discover,
              options:
                typeof source === 'string'
                  ? backendAdapterOptions(source, this.settings, this.#configuration.given())
                  : {},
            })
    }
    return this.#backend ?? undefined
  }

  scheduleStore(url?: string): ScheduleStore {
    const { settings } = this
    const given: unknown = brokerSource(this.#parts.broker, settings, 'write')
    const source: unknown = url ?? (Array.isArray(given) ? given[0] : given)
    if (typeof source !== 'string')
      throw new ConfigurationError(
        "The app's broker was given as an object, so that the address of its server is not known. Give beat the URL, or a store: app.beat({ store: redisScheduleStore({ … }) }).",
      )
    return resolveScheduleStore(source, {
      adapters: this.#parts.adapters,
      discover: this.#parts.discover,
      options: url === undefined ? brokerAdapterOptions(source, settings, this.#configuration.given()) : {},
    })
  }

  pool(name: string): Pool {
    const { adapters, discover } = this.#parts
    return resolvePool(name, { adapters, discover })
  }

  get producer(): Producer {
    this.#assertOpen()
    return (this.#producer ??= this.#makeProducer())
  }

  #makeProducer(): Producer {
    const producer = new Producer({
      broker: () => this.broker,
      settings: this.settings,
      onSent: (event) => this.taskSent(event),
    })
    producer.listen({
      onNotice: (notice) => {
        if (notice.kind === 'warning') this.logger.warn(notice.message)
        else if (notice.kind === 'connection-blocked')
          this.logger.warn(`The broker blocks publishing: ${notice.reason}`)
        else if (notice.kind === 'connection-unblocked') this.logger.info('The broker takes messages again.')
      },
    })
    return producer
  }

  get results(): ResultStore {
    // One that is there says by itself that it is closed.
    if (this.#results === undefined) this.#assertOpen()
    return (this.#results ??= new ResultStore({
      backend: () => this.backend,
      serializers: this.serializers,
      compressors: this.compressors,
      settings: this.settings,
      now: this.now,
      formatDate: this.formatDate,
      warn: (message) => this.logger.warn(message),
    }))
  }

  get formatDate(): (epochMs: number) => string {
    return (this.#formatDate ??= isoformatIn(zoneOf(this.settings)))
  }

  get resultContext(): ResultContext {
    const results = (): ResultStore => this.results
    return (this.#resultContext ??= {
      // Asked for when a handle is used: who closes the app while it sends still gets his handle.
      get store() {
        return results()
      },
      control: () => this.control,
      assertMayWait,
    })
  }

  /** Where only the caller can read results (RPC), its backend has chosen the queue. */
  get oid(): string {
    return (this.#oid ??= this.backend?.replyTo ?? randomUUID())
  }

  get control(): Control {
    this.#assertOpen()
    return (this.#control ??= new Control({
      broker: () => this.broker,
      producer: this.producer,
      serializers: this.serializers,
      clock: this.clock,
      oid: this.oid,
      settings: this.settings,
      now: this.now,
      warn: (message) => this.logger.warn(message),
      queues: () => this.queues.consumeFrom.keys(),
    }))
  }

  get events(): Events {
    return (this.#events ??= new Events({
      broker: () => this.broker,
      readBroker: () => this.readBroker,
      // Also while the app closes: this is the end of what was sent before.
      publish: async (message, options) =>
        await (this.#closing === undefined ? this.producer : this.#producer)?.publish(message, options),
      serializers: this.serializers,
      clock: this.clock,
      settings: () => this.settings,
      origin: this.origin,
      wakeup: () => this.control.heartbeat(),
      now: this.now,
      warn: (message) => this.logger.warn(message),
    }))
  }

  taskSent(fields: Readonly<Record<string, unknown>>): void {
    this.#sentEvents ??= this.events.dispatcher()
    this.#sentEvents.send('task-sent', fields)
  }

  /** Which settings may still change: once something is connected, only what concerns single tasks. */
  assertMayChange(names: readonly string[]): void {
    if (this.#producer === undefined && this.#results === undefined) return
    const late = names.filter((name) => !name.startsWith('task') || name.startsWith('taskPublish'))
    if (late.length === 0) return
    throw new ConfigurationError(
      `${late.join(', ')} cannot be changed any more: the app has begun to send or to read results. Configure it before.`,
    )
  }

  /** After a change of settings: what was computed from them is computed again. */
  forgetSettings(): void {
    this.#queues = undefined
    this.#router = undefined
    this.#formatDate = undefined
    if (this.#producer !== undefined || this.#results !== undefined) return
    this.#broker = undefined
    this.#readBroker = undefined
    this.#backend = undefined
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    // What is under way may have something to report when it is confirmed.
    await this.#producer?.idle()
    await this.#sentEvents?.close()
    // While there is a connection to delete its queue with.
    await this.#control?.close()
    await this.#producer?.close()
    await this.#results?.close()
    closeSignals(this.signals)
    // What came in as an object may serve others too: whoever made it closes it.
    if (this.#parts.broker === undefined)
      await Promise.all([this.#broker?.close(), this.#readBroker?.close()])
    if (this.#parts.backend === undefined) await this.#backend?.close()
  }

  #assertOpen(): void {
    if (this.#closing !== undefined)
      throw new ClosedError('The app was closed: it neither sends nor reads any more. Make a new one.')
  }

  #resolveBroker(purpose: 'read' | 'write'): Broker {
    const { settings } = this
    const source = brokerSource(this.#parts.broker, settings, purpose)
    return resolveBroker(source, {
      adapters: this.#parts.adapters,
      discover: this.#parts.discover,
      options: brokerAdapterOptions(source, settings, this.#configuration.given()),
      failoverStrategy: settings.brokerFailoverStrategy,
    })
  }
}

/** RES-12: a task that waits for another may wait for one that has no slot to run in. */
function assertMayWait(): void {
  const running = runningTask()
  if (running === undefined || running.context.request.isEager || running.context.request.calledDirectly)
    return
  throw new ConfigurationError(
    `Task ${running.context.name} waits for the result of another task: that can block a worker for ever. Use a chain or chord, or get({ disableSyncSubtasks: false }).`,
  )
}
