import type {
  Broker,
  CompressorRegistry,
  Pool,
  ResultBackend,
  ScheduleStore,
  SerializerRegistry,
  TimeProvider,
} from '@ct/contracts'
import type { Producer } from '../producer/index.ts'
import type { Events } from '../events/index.ts'
import type { CommandRegistry, Control } from '../mailbox/index.ts'
import type { ResultContext, ResultStore } from '../result/index.ts'
import type { Queues, Router } from '../routing/index.ts'
import type { AppSignals } from '../signals/index.ts'
import type { TaskRegistry } from '../task/index.ts'
import type { App } from './app.ts'
import type { LogicalClock } from './logical-clock.ts'
import type { Logger } from './logger.ts'
import type { Settings, SettingsInput } from './settings/index.ts'

/** What an app is made of; for workers, beat and the command line. `app.context` gives it. */
export interface AppContext {
  readonly app: App
  /** Resolved and frozen. A change of configuration makes a new object. */
  readonly settings: Settings
  /** Settings that somebody changed. */
  changes(): SettingsInput
  /** Which set of defaults the app runs with. */
  readonly defaults: 'ct' | 'celery'
  readonly tasks: TaskRegistry
  readonly signals: AppSignals
  /** Remote control commands of the user's own. */
  readonly commands: CommandRegistry
  readonly queues: Queues
  readonly router: Router
  readonly producer: Producer
  readonly results: ResultStore
  /** What result handles are made with. */
  readonly resultContext: ResultContext
  /** The configured broker; `AdapterError` when the URL's scheme belongs to no adapter. */
  readonly broker: Broker
  /** For consuming; another than `broker` only with `brokerReadUrl`. */
  readonly readBroker: Broker
  /** undefined: results are disabled. */
  readonly backend: ResultBackend | undefined
  /**
   * A new schedule store for beat at a URL; without one at the broker's, with the broker's options. Whoever asks closes it. Errors: `CT_ADAPTER`,
   * `CT_CONFIGURATION`.
   */
  scheduleStore(url?: string): ScheduleStore
  /** A new pool of an adapter, by its name (`threads`, `processes`). Errors: `CT_ADAPTER` with the package to install. */
  pool(name: string): Pool
  readonly control: Control
  readonly events: Events
  readonly serializers: SerializerRegistry
  readonly compressors: CompressorRegistry
  readonly clock: LogicalClock
  readonly logger: Logger
  readonly hostname: string
  /** `gen<pid>@<hostname>`, the `origin` header. */
  readonly origin: string
  /** Id of this app in this process; name of its reply queue. */
  readonly oid: string
  /** Tells monitors of a task that was sent by another way than `producer.publish` (`taskSendSentEvent`). */
  taskSent(fields: Readonly<Record<string, unknown>>): void
  /** What `now` and waiting for an ETA go by; tests may replace it. */
  readonly time: TimeProvider
  /** Milliseconds since 1970; tests may replace it. */
  now(): number
  /** Text of an instant in the app's zone (`timezone`, `enableUtc`), as Python writes it: `date_done`, `eta`, `expires`. */
  readonly formatDate: (epochMs: number) => string
}
