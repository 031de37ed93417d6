import { ConfigurationError } from '@ct/contracts'
import {
  givenParts,
  currentTask,
  publishTask,
  resultHandle,
  sendMany,
  signatureFromDict,
  TaskSignature,
  toSignatureOptions,
} from '../canvas/index.ts'
import type { AnySignature, ApplyOptions, CallOptions, HandleOf, Signature } from '../canvas/index.ts'
import type { Events } from '../events/index.ts'
import type { Control, DefineCommand, RegisteredCommand } from '../mailbox/index.ts'
import { AsyncResult, restoreGroup } from '../result/index.ts'
import type { GroupResult } from '../result/index.ts'
import type { AppSignals } from '../signals/index.ts'
import { RemoteTask, TaskObject } from '../task/index.ts'
import type { DefineTask, RegisteredTask, TaskContext, TaskDefinition, TaskRegistry } from '../task/index.ts'
import { AppServices } from './app-context.ts'
import { assertRuntime, checkAppOptions, timeProvider, type AppOptions } from './app-options.ts'
import { bugReport } from './bug-report.ts'
import type { AppContext } from './context.ts'
import { createConsoleLogger } from './logger.ts'
import type { Logger } from './logger.ts'
import { DiscoveredModules, type PackageList } from './discovered-modules.ts'
import { generatedTaskName } from './naming.ts'
import { Configuration } from './settings/configuration.ts'
import { DeprecationWarnings } from './settings/deprecation-warnings.ts'
import type { Settings, SettingsInput } from './settings/index.ts'
import { settingsAsText } from './settings/setting-display.ts'
import { settingsFromEnvironment, settingsFromObject } from './settings/setting-sources.ts'
import type { ConfigSourceOptions, Environment } from './settings/setting-sources.ts'
import { StepSet } from './steps.ts'
import type { UserOptions, WorkerStepParents } from './steps.ts'
import { zoneOf } from './zone.ts'

/** Where settings come from a file. */
export interface FileSourceOptions extends ConfigSourceOptions {
  /** A file that cannot be read is no error. Default false. */
  readonly silent?: boolean | undefined
}

/** Options of `sendTask`. */
export interface SendTaskOptions extends CallOptions {
  readonly args?: readonly unknown[] | undefined
  readonly kwargs?: Readonly<Record<string, unknown>> | undefined
}

/**
 * An application: tasks, settings, one connection to the broker and one to the result store, each made when first needed. Made by
 * `createApp`. There is no global one.
 */
export class App {
  readonly name: string | undefined
  readonly #configuration: Configuration
  readonly #deprecations = new DeprecationWarnings()
  readonly #services: AppServices
  readonly #hasLogger: boolean
  /** Parts of your own for every worker of this app, to be added before it is made (APP-72). */
  readonly steps: {
    readonly worker: StepSet<WorkerStepParents['worker']>
    readonly consumer: StepSet<WorkerStepParents['consumer']>
  } = { worker: new StepSet(), consumer: new StepSet() }
  /** Options of your own on the command line (APP-73); what is given for `worker` reaches the constructors of steps. */
  readonly userOptions: UserOptions = { worker: [], beat: [], events: [], preload: [] }
  #finalized = false
  readonly #modules = new DiscoveredModules()

  constructor(options: AppOptions = {}) {
    assertRuntime()
    const {
      name,
      broker,
      backend,
      adapters,
      discover,
      serializers,
      compressors,
      defaults,
      logger,
      now,
      time,
      environment,
      ...settings
    } = options
    checkAppOptions(options)
    this.name = name
    this.#configuration = new Configuration(
      {
        ...settings,
        // URLs are settings; the environment then wins over them as over every other source.
        ...(typeof broker === 'string' ? { brokerUrl: broker } : {}),
        ...(typeof backend === 'string' ? { resultBackend: backend } : {}),
      },
      { defaults: defaults ?? 'ct', environment: environment ?? process.env },
    )
    this.#services = new AppServices(this, this.#configuration, {
      broker: typeof broker === 'string' ? undefined : broker,
      backend: typeof backend === 'string' ? undefined : backend,
      adapters: adapters ?? [],
      discover,
      serializers: serializers ?? [],
      compressors: compressors ?? [],
      logger: logger ?? createConsoleLogger(),
      time: timeProvider(time, now),
    })
    this.#hasLogger = logger !== undefined
    this.task = this.#defineTask.bind(this) as DefineTask
    this.controlCommand = this.#defineCommand.bind(this, 'control') as DefineCommand
    this.inspectCommand = this.#defineCommand.bind(this, 'inspect') as DefineCommand
    this.#deprecations.warn(this.#configuration.deprecations(), this.#services.logger)
    this.onInit()
  }

  /** For classes that extend App: the last step of construction (APP-66). Their own fields are not set yet. */
  onInit(): void {}

  /** What the app is made of; for workers, beat and tools. */
  get context(): AppContext {
    return this.#services
  }

  /** Resolved and frozen; see {@link configure}. */
  get settings(): Settings {
    return this.#services.settings
  }

  get tasks(): TaskRegistry {
    return this.#services.tasks
  }

  /**
   * The moments that code outside can hook into: every signal of Celery, its name in camelCase.
   *
   * ```ts
   * app.signals.taskFailure.connect(({ sender, taskId, exception }) => report(sender.name, taskId, exception), { sender: add })
   * ```
   */
  get signals(): AppSignals {
    return this.#services.signals
  }

  /**
   * Names packages whose tasks are in a module of their own, `tasks` by default (APP-59): folders (a path or URL, relative to the working folder)
   * or npm packages, or a function that gives them. They are imported when a worker or beat starts, with `force` at once. A package without such
   * a module is passed over; an error inside of one ends the start.
   */
  async autodiscoverTasks(
    packages: PackageList | (() => PackageList),
    options: { readonly relatedName?: string | null; readonly force?: boolean } = {},
  ): Promise<void> {
    const { relatedName = 'tasks', force = false } = options
    await this.#modules.add({ packages, relatedName }, force)
  }

  /**
   * Imports the modules with tasks: sends `importModules`, whose handlers may end the start, then what `autodiscoverTasks` was told. Workers and
   * beat do it as they start. Resolves to the URLs of what was imported. Idempotent.
   */
  importModules(): Promise<readonly string[]> {
    return this.#modules.importAll(() => this.signals.importModules.sendOrThrow({ sender: this }))
  }

  /** All tasks are registered: `onAfterFinalize` is sent, once. Workers and beat do it as they start (APP-51). */
  finalize(): void {
    if (this.#finalized) return
    this.#finalized = true
    void this.signals.onAfterFinalize.send({ sender: this })
  }

  /** Remote control of workers. */
  get control(): Control {
    return this.#services.control
  }

  /** Sends events, hears them, and puts together what a fleet is doing: `receiver`, `dispatcher`, `state`. */
  get events(): Events {
    return this.context.events
  }

  /** IANA name of the zone that `eta`, `expires` and `date_done` are written in: `timezone`, else UTC, with `enableUtc` off the system's. */
  get timezone(): string {
    return zoneOf(this.settings)
  }

  /** The app's clock. */
  now(): Date {
    return new Date(this.context.now())
  }

  /** The task this code runs in, if any. */
  get currentTask(): TaskContext | undefined {
    return currentTask()
  }

  /**
   * Defines and registers a task.
   *
   * ```ts
   * const add = app.task('proj.add', (x: number, y: number) => x + y)
   * const fetchPage = app.task('proj.fetch', { bind: true, maxRetries: 5 }, async (task, url: string) => …)
   * ```
   * The name defaults to `<app name>.<function name>`. Errors: `CT_CONFIGURATION`, `CT_ALREADY_REGISTERED`.
   */
  readonly task: DefineTask

  #defineTask(...given: readonly unknown[]): TaskObject {
    const name = typeof given[0] === 'string' ? given[0] : undefined
    const rest = name === undefined ? given : given.slice(1)
    const fn = rest.at(-1)
    if (typeof fn !== 'function') {
      throw new ConfigurationError('app.task() needs a function: app.task("proj.add", (x, y) => x + y).')
    }
    const definition = (rest.length > 1 ? rest[0] : {}) as TaskDefinition
    const taskName = name ?? definition.name ?? generatedTaskName(this.name, fn)
    if (taskName === '') throw new ConfigurationError('A task name must not be empty.')
    const task = new TaskObject(this, taskName, definition, fn as (...args: readonly unknown[]) => unknown)
    this.tasks.register(task)
    return task
  }

  /**
   * A task that others work, with types that you declare: `app.remoteTask<(n: number) => string>('py.describe', { queue: 'py' })`. `options` are
   * those of each of its calls. Error: `CT_CONFIGURATION`.
   */
  remoteTask<F extends (...args: never[]) => unknown>(
    name: string,
    options: CallOptions = {},
  ): RemoteTask<Parameters<F>, Awaited<ReturnType<F>>> {
    if (typeof name !== 'string' || name === '')
      throw new ConfigurationError('A task name must not be empty.')
    return new RemoteTask(this, name, options)
  }

  /**
   * A remote control command of your own, that changes something in the workers of this app; answer `{ ok: … }` or `{ error: … }`.
   *
   * ```ts
   * app.controlCommand({ name: 'set_level', args: { level: 'text' }, required: ['level'], help: 'set the log level' },
   *   (worker, { level }) => { setLevel(level); return { ok: `level is ${level}` } })
   * ```
   * `ct control set_level debug -A ./tasks.ts`, or `app.control.broadcast('set_level', { arguments: { level: 'debug' } })` from
   * anywhere. It runs in the worker's main thread, one command at a time. Errors: `CT_CONFIGURATION`, `CT_ALREADY_REGISTERED`.
   */
  readonly controlCommand: DefineCommand

  /** As {@link controlCommand}, for commands that look and change nothing: `ct inspect <name>`. */
  readonly inspectCommand: DefineCommand

  #defineCommand(
    kind: RegisteredCommand['kind'],
    definition: RegisteredCommand['definition'],
    run: RegisteredCommand['run'],
  ): void {
    if (typeof run !== 'function')
      throw new ConfigurationError(`The command ${JSON.stringify(definition.name)} needs a function.`)
    this.context.commands.add({ kind, definition, run })
  }

  /** Registers a task that was made elsewhere. */
  registerTask<T extends RegisteredTask>(task: T): T {
    this.tasks.register(task)
    return task
  }

  /**
   * Sends a task by name; it need not be known here (APP-64). Eager mode does not apply. Unless said, the worker's task decides
   * whether the result is ignored. Errors: as `Task.applyAsync`.
   */
  async sendTask<R = unknown>(name: string, options: SendTaskOptions = {}): Promise<AsyncResult<R>> {
    const { args = [], kwargs = {}, ...call } = options
    const result = await publishTask(this.context, {
      task: name,
      args,
      kwargs,
      options: toSignatureOptions(call),
      signal: call.signal,
      byName: true,
    })
    return resultHandle(this.context, result) as AsyncResult<R>
  }

  /**
   * Sends many signatures in one step where the broker can: thousands in a call. Resolves to their handles, in order. Wrong arguments
   * (`CT_ARGUMENTS`) are found before anything is sent. When some were not taken it rejects with `PublishError` (`CT_PUBLISH`),
   * `details.failures` says which; the others are sent. Publish retry options are those of the first.
   */
  async sendMany<const S extends readonly AnySignature[]>(
    signatures: S,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<{ -readonly [I in keyof S]: HandleOf<S[I]> }> {
    return (await sendMany(this.context, signatures, options)) as { -readonly [I in keyof S]: HandleOf<S[I]> }
  }

  /** A signature of a task by name, known here or not; or from how one travels. */
  signature<R = unknown>(
    name: string,
    options?: SendTaskOptions & { readonly immutable?: boolean },
  ): Signature<readonly unknown[], R>
  signature(dict: object): AnySignature
  signature(source: unknown, options: SendTaskOptions & { readonly immutable?: boolean } = {}): unknown {
    if (typeof source !== 'string') return signatureFromDict(this, source)
    const { args, kwargs, immutable, ...call } = options as ApplyOptions &
      SendTaskOptions & { readonly immutable?: boolean }
    return new TaskSignature({
      app: this,
      task: source,
      ...givenParts({ args, kwargs, immutable }),
      options: toSignatureOptions(call),
    })
  }

  /** A handle of a task's result by its id. */
  asyncResult<R = unknown>(taskId: string): AsyncResult<R> {
    return new AsyncResult<R>(taskId, this.context.resultContext)
  }

  /** The handle of a saved group (`GroupResult.save`), or undefined. */
  async groupResult<R = unknown>(
    groupId: string,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<GroupResult<R> | undefined> {
    return await restoreGroup<R>(groupId, this.context.resultContext, options)
  }

  /**
   * Changes settings. Before something was sent or read everything may change, after that only settings that begin with
   * `task` (routes, queues, eager mode, defaults of tasks). Errors: `CT_CONFIGURATION`.
   */
  configure(changes: SettingsInput): this {
    this.#services.assertMayChange(Object.keys(changes))
    this.#configuration.update(changes)
    this.#changed()
    return this
  }

  /**
   * Settings from an object or module. Names may be camelCase, lower_case, or UPPER_CASE as before Celery 4, not mixed; with
   * `namespace` those behind the prefix. What the app was made or configured with stays above them (APP-20).
   */
  configFromObject(source: object, options: ConfigSourceOptions = {}): this {
    const settings = settingsFromObject(source, options)
    this.#services.assertMayChange(Object.keys(settings))
    this.#configuration.setSource(settings)
    this.#changed()
    return this
  }

  /**
   * Settings from a module or JSON file: its default export, or its exports. Names as in {@link configFromObject}. Errors: `CT_CONFIGURATION`; what
   * was configured before then stays. With `silent` a file that cannot be read changes nothing and is no error.
   */
  async configFromFile(path: string | URL, options: FileSourceOptions = {}): Promise<this> {
    await this.#readFile(path, options)
    return this
  }

  /** False: it could not be read, and that is no error (`silent`). */
  async #readFile(path: string | URL, { silent, ...options }: FileSourceOptions): Promise<boolean> {
    const { configurationFrom } = await import('./settings/configuration-file.ts')
    const read = await configurationFrom(path, silent === true)
    if (read !== undefined) this.configFromObject(read, options)
    return read !== undefined
  }

  /**
   * The file that an environment variable names (APP-23). Errors: `CT_CONFIGURATION` when it is unset or cannot be read, unless `silent`: it then
   * resolves to false.
   */
  async configFromEnvvar(
    variable: string,
    options: FileSourceOptions & { readonly environment?: Environment } = {},
  ): Promise<boolean> {
    const path = (options.environment ?? process.env)[variable]
    if (path === undefined || path === '') {
      if (options.silent === true) return false
      throw new ConfigurationError(
        `The environment variable ${variable} is not set; it should name a file with the app's configuration.`,
      )
    }
    const { environment: _, ...source } = options
    return await this.#readFile(path, source)
  }

  /** Settings from environment variables `CELERY_…`, new names or old; see the user guide. */
  configFromEnvironment(environment: Environment = process.env, prefix?: string): this {
    const settings = settingsFromEnvironment(environment, prefix)
    this.#services.assertMayChange(Object.keys(settings))
    this.#configuration.setSource(settings)
    this.#changed()
    return this
  }

  /** A layer below every other; a function is asked when settings are first read. */
  addDefaults(layer: SettingsInput | (() => SettingsInput)): this {
    this.#configuration.addDefaults(layer)
    this.#changed()
    return this
  }

  /** Settings that somebody changed, by Python's names, without secrets; for logs and `inspect conf`. */
  describeSettings(options: { readonly withDefaults?: boolean | undefined } = {}): string {
    return settingsAsText(options.withDefaults === true ? this.settings : this.#configuration.changes())
  }

  /** Versions, platform, servers and changed settings, several lines without secrets: for bug reports, and what `report` answers (APP-12). */
  bugReport(): string {
    return bugReport(this.#services)
  }

  /** What runs the app says where its log goes: `ct worker` does. Nothing changes when the app was made with a logger of its own. */
  logTo(logger: Logger): this {
    if (!this.#hasLogger) this.#services.logger = logger
    return this
  }

  /** Waits for what is being sent, then closes all connections. Idempotent, never rejects. */
  close(): Promise<void> {
    return this.#services.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #changed(): void {
    this.#services.forgetSettings()
    this.#deprecations.warn(this.#configuration.deprecations(), this.#services.logger)
  }
}

/**
 * Makes an app. Opens nothing; a setting that is unknown or wrong throws `CT_CONFIGURATION` at once.
 *
 * ```ts
 * const app = createApp({ name: 'proj', broker: redisBroker({ url: 'redis://localhost' }), taskTrackStarted: true })
 * ```
 */
export function createApp(options: AppOptions = {}): App {
  return new App(options)
}
