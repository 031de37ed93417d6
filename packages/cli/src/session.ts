import { chdir, cwd } from 'node:process'
import type { App, AppOptions } from '@ct/client'
import { encodeJson } from '@ct/contracts'
import { CommandFailure, exitCodes } from './exit-codes.ts'
import { findApp, locateModule, type FoundApp } from './find-app.ts'
import type { GlobalOptions } from './global-options.ts'
import type { CliCommand } from './package-commands.ts'
import { createStyle, type Style } from './output/style.ts'

/** Where a command writes to. `process.stdout` and `process.stderr` are such. */
export interface OutputStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** What `ct` needs of the package that wires it. */
export interface CliOptions {
  /** Makes an app for commands that need no tasks, where `-A` is not given. */
  readonly createApp: (options: Pick<AppOptions, 'name' | 'broker' | 'environment'>) => App
  /** Version shown by `--version`. */
  readonly version: string
  /** The app of the program that runs the command (`app.workerMain()`); `-A` wins. */
  readonly app?: FoundApp | undefined
  /** Told of the module that `-A` names before it is loaded: its package.json is where adapters are looked for. */
  readonly onModule?: ((url: string) => void) | undefined
  /** Commands of other packages; asked for when one is named that `ct` does not have, or for help. `warn` tells what is left out. */
  readonly commands?: ((warn: (text: string) => void) => Promise<readonly CliCommand[]>) | undefined
  readonly stdout?: OutputStream
  readonly stderr?: OutputStream
  /** What a shell reads in place of the terminal. Default `process.stdin`. */
  readonly stdin?: NodeJS.ReadableStream | undefined
  /** Ends a command that runs until it is told to stop, as Ctrl-C does; for tests. */
  readonly interrupt?: AbortSignal | undefined
  /** Asks on the terminal; undefined where there is nobody to ask. */
  readonly ask?: ((question: string) => Promise<string>) | undefined
}

export interface ConnectFailure {
  readonly error: Error
  readonly attempts: number
}

/** So long after the first signal another one may be the same. */
const handedOnMs = 1_000

/** One run of the command line: its global options, its output, and the app, found when a command first asks for it. */
export class Session {
  readonly options: CliOptions
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  /** What the command line is. */
  argv: readonly string[] = []
  /** Called when everything is closed, in place of ending. */
  restart: (() => never) | undefined
  #begun = false
  #startFolder: string | undefined
  #globals: GlobalOptions = {}
  #style: Style
  #errorStyle: Style
  #found: Promise<FoundApp> | undefined
  #connecting: ConnectFailure | undefined
  /** What the command ends with if nothing fails. */
  exitCode: number = exitCodes.ok

  constructor(options: CliOptions) {
    this.options = options
    this.stdout = options.stdout ?? process.stdout
    this.stderr = options.stderr ?? process.stderr
    this.#style = createStyle(this.stdout)
    this.#errorStyle = createStyle(this.stderr)
  }

  get globals(): GlobalOptions {
    return this.#globals
  }

  /** For standard output. */
  get style(): Style {
    return this.#style
  }

  /** For standard error. */
  get errorStyle(): Style {
    return this.#errorStyle
  }

  /** What starts the same once more: a program that runs the command itself has a line of its own. */
  get programArguments(): readonly string[] {
    return this.options.app === undefined ? this.argv : process.argv.slice(2)
  }

  /** Where the same line has to be started once more, since `--workdir` is seen from there; undefined: where this process is. */
  get startFolder(): string | undefined {
    return this.#startFolder
  }

  /** The command is about to run: the working directory comes first, then what the app is to find in the environment. */
  begin(globals: GlobalOptions): void {
    this.#globals = globals
    const color = globals.color !== false
    this.#style = createStyle(this.stdout, { color })
    this.#errorStyle = createStyle(this.stderr, { color })
    if (this.#begun) return
    if (globals.workdir !== undefined) {
      this.#startFolder = cwd()
      enter(globals.workdir)
    }
    this.#begun = true
    // As in Celery: an address on the command line wins over all other sources, in processes that the app starts too (APP-27).
    if (globals.broker !== undefined) process.env['CELERY_BROKER_URL'] = globals.broker
    if (globals.resultBackend !== undefined) process.env['CELERY_RESULT_BACKEND'] = globals.resultBackend
  }

  /** The app that `-A` names; without `-A`, one that knows the broker and no tasks. */
  async app(): Promise<App> {
    return (await this.found()).app
  }

  async found(): Promise<FoundApp> {
    return await (this.#found ??= this.#find())
  }

  /** As {@link app}, for commands that make sense with a broker only. */
  async appWithBroker(): Promise<App> {
    if (
      this.#globals.app === undefined &&
      this.options.app === undefined &&
      (process.env['CELERY_BROKER_URL'] ?? '') === '' &&
      this.#globals.config === undefined
    ) {
      throw new CommandFailure(
        'Which broker? Give the file that exports your app (-A ./tasks.ts), or a URL (-b redis://localhost).',
        exitCodes.usage,
      )
    }
    const app = await this.app()
    // Somebody waits in front of a terminal; a program that sends has more patience.
    if (app.context.changes().publishTimeoutMs === undefined) app.configure({ publishTimeoutMs: 4_000 })
    app.context.producer.listen({
      onConnectFailed: (error, attempts) => {
        this.#connecting = { error, attempts }
      },
    })
    return app
  }

  /** The app, if a command has asked for it and it was found. */
  async foundApp(): Promise<App | undefined> {
    return (await this.#found?.catch(() => undefined))?.app
  }

  /** Why the broker could not be connected to, the last time that it was tried. */
  get connecting(): ConnectFailure | undefined {
    return this.#connecting
  }

  /**
   * For a command that runs until Ctrl-C, SIGTERM or SIGHUP. Release it when done. Who does not end may be told once more, and is then ended as any
   * process is; not at once, as npm and others hand on a Ctrl-C that the terminal has sent to everybody.
   */
  interruption(): { readonly signal: AbortSignal; release(): void } {
    const controller = new AbortController()
    const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
    const release = (): void => {
      for (const name of names) process.off(name, stop)
    }
    const stop = (): void => {
      if (!controller.signal.aborted) setTimeout(release, handedOnMs).unref()
      controller.abort()
    }
    for (const name of names) process.on(name, stop)
    const { interrupt } = this.options
    return {
      signal: interrupt === undefined ? controller.signal : AbortSignal.any([controller.signal, interrupt]),
      release,
    }
  }

  print(text: string): void {
    this.stdout.write(`${text}\n`)
  }

  /** Not with `--quiet`: what is nice to know and no part of the answer. */
  tell(text: string): void {
    if (this.#globals.quiet !== true) this.print(text)
  }

  complain(text: string): void {
    this.stderr.write(`${text}\n`)
  }

  printJson(value: unknown): void {
    this.print(encodeJson(value))
  }

  async close(): Promise<void> {
    await (await this.foundApp())?.close()
  }

  async #find(): Promise<FoundApp> {
    const { app: name, config } = this.#globals
    const found =
      name === undefined
        ? (this.options.app ?? { app: this.options.createApp({ name: 'ct' }), module: undefined })
        : await findApp(name, cwd(), this.options.onModule)
    if (config !== undefined) {
      await found.app.configFromFile(new URL(locateModule(config, cwd(), '--config')))
    }
    return found
  }
}

function enter(folder: string): void {
  try {
    chdir(folder)
  } catch (error) {
    throw new CommandFailure(`There is no folder ${folder} to work in (--workdir).`, exitCodes.usage, {
      cause: error,
    })
  }
}
