import { ReconnectingConnection, type App } from '@ct/client'
import { BackendUnavailableError, type ScheduleStoreConnection } from '@ct/contracts'
import { configuredEntries } from './entry/index.ts'
import { PeriodicTasks } from './periodic-tasks.ts'
import { checkBeatOptions, type BeatOptions } from './service/beat-options.ts'
import { scheduleStoreOf } from './store/index.ts'

/** Periodic tasks without a beat: closes with `close()` or `await using`. */
export class OpenPeriodicTasks extends PeriodicTasks implements AsyncDisposable {
  readonly #close: () => Promise<void>

  constructor(options: ConstructorParameters<typeof PeriodicTasks>[0], close: () => Promise<void>) {
    super(options)
    this.#close = close
  }

  /** Idempotent, never rejects. The app stays open. */
  close(): Promise<void> {
    return this.#close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * The entries of a schedule from outside: a web server that lets people change them, a script. Beat runs elsewhere and sees changes within a
 * second, where it keeps its entries on a server (`beatScheduler: 'broker'`, or a URL). A file is beat's alone: while it runs, changes are refused
 * (`CT_BACKEND`). Opens nothing. Errors: `CT_CONFIGURATION`, `CT_ADAPTER`.
 */
export function openPeriodicTasks(
  app: App,
  options: Pick<BeatOptions, 'store' | 'scheduleFilename' | 'schedules' | 'entries'> = {},
): OpenPeriodicTasks {
  checkBeatOptions(options)
  const { settings } = app
  const source = options.store ?? settings.beatScheduler
  const store =
    typeof source === 'string'
      ? scheduleStoreOf(app, source, options.scheduleFilename ?? settings.beatScheduleFilename)
      : source
  const readers = options.schedules ?? {}
  const connection = new ReconnectingConnection<ScheduleStoreConnection>({
    connect: (connect) => store.connect(connect),
    describe: () => `the schedule store ${store.describe().url}`,
    connectTimeoutMs: 10_000,
    unavailable: (message, cause) => new BackendUnavailableError(message, { cause }),
  })
  const configured = configuredEntries(app, options.entries ?? {}, readers)
  return new OpenPeriodicTasks(
    {
      app,
      // Somebody waits for an answer.
      connection: () => connection.whenReady({ maxAttempts: 3 }),
      readers,
      settings: { timezone: app.timezone, beatCronStartingDeadline: settings.beatCronStartingDeadline },
      lazyOf: (name) => configured.get(name)?.lazy,
      onChanged: () => undefined,
    },
    async () => {
      await connection.close()
      if (typeof source === 'string') await store.close()
    },
  )
}
