import { cwd } from 'node:process'
import { fileURLToPath } from 'node:url'
import { relative } from 'node:path'
import { createBeat, type Beat, type BeatOptions } from '@ct/beat'
import { nodeName, settingsFromCommandLine, type App } from '@ct/client'
import { isCeleryError } from '@ct/contracts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { loadModules } from '../load-modules.ts'
import { logLevels } from '../output/log.ts'
import { daemonOptions, isParent, runInBackground } from '../process/daemon.ts'
import { isDetached, reportStarted } from '../process/detach.ts'
import { PidFile } from '../process/pid-file.ts'
import { become } from '../process/privileges.ts'
import { serviceManager } from '../process/service-manager.ts'
import type { Session } from '../session.ts'
import { catchProcessErrors } from '../worker/process-errors.ts'
import { openLog } from '../worker/worker-log.ts'
import type { BeatCommandOptions } from './beat-options.ts'
import { scheduleTable } from './schedule-table.ts'

/** Runs beat until it is told to stop (celery/bin/beat.py, celery/apps/beat.py 5.7); in the order in which `ct worker` does it. */
export async function runBeat(
  session: Session,
  words: readonly string[],
  options: BeatCommandOptions,
): Promise<void> {
  if (session.globals.app === undefined && session.options.app === undefined) {
    throw new CommandFailure(
      'Which periodic tasks? Give the file that exports your app: ct beat -A ./tasks.ts',
      exitCodes.usage,
    )
  }
  const { app, module } = await session.found()
  app.configure(settingsFromCommandLine(words, 'beat'))
  if (options.list !== undefined) {
    await loadModules(app, module, [])
    await listEntries(session, app, options)
    return
  }
  const node = nodeName(options.hostname ?? 'celerybeat@%h', app.context.hostname)
  const pidfile =
    options.pidfile ?? app.settings.beatPidfile ?? (options.detach === true ? 'celerybeat.pid' : undefined)
  const daemon = daemonOptions(
    app,
    'beat',
    { ...options, ...(pidfile === undefined ? {} : { pidfile }) },
    node,
  )
  if (isParent(options)) {
    await runInBackground(session, 'beat', daemon)
    return
  }
  if (!isDetached()) become(daemon)
  await loadModules(app, module, [])
  await using log = await openLog(app, session, {
    level: options.loglevel ?? logLevels.WARNING,
    format: options.logFormat ?? 'text',
    logfile: daemon.logfile,
  })
  const beat = createBeat(app, { ...beatOptions(options), signals: true })
  using _pidFile =
    daemon.pidfile === undefined
      ? undefined
      : PidFile.acquire(daemon.pidfile, (text) => session.complain(text))
  const about = {
    node: beat.hostname,
    version: session.options.version,
    app: module === undefined ? (app.name ?? '') : relative(cwd(), fileURLToPath(module)),
    broker: app.context.broker.describe().url,
    schedule: beat.storeUrl,
    maxInterval: beat.maxIntervalMs / 1000,
    timezone: app.timezone,
  }
  if (options.logFormat === 'json') log.logger.info('beat starting', about)
  else if (session.globals.quiet !== true && !isDetached()) session.print(banner(about, session))
  if ((process.env['NOSETPS'] ?? '') === '') process.title = `ct beat: ${beat.hostname}`
  let failed = false
  const release = catchProcessErrors(log.logger, () => {
    failed = true
    void beat.stop()
  })
  const manager = serviceManager((text) => log.logger.warn(text))
  beat.on('leading', () => void manager?.ready(`${beat.size} periodic tasks`))
  beat.on('standby', () => void manager?.ready('another beat leads'))
  const watchdog = manager?.watch(() => beat.status !== 'stopped')
  try {
    reportStarted()
    await beat.start()
    log.logger.info(`${beat.hostname} ${beat.status === 'standby' ? 'stands by' : 'ready'}.`)
    await beat.finished()
  } catch (error) {
    // Told to stop before it was ready: it has done as it was told.
    if (!(isCeleryError(error) && error.code === 'CT_CLOSED')) throw error
  } finally {
    await beat.stop()
    watchdog?.[Symbol.dispose]()
    release()
  }
  session.exitCode = failed ? 1 : exitCodes.ok
}

/** What the command line says about beat itself; as in Celery, of `-B` as well. */
export function beatOptions(options: {
  readonly schedule?: string | undefined
  readonly scheduler?: string | undefined
  readonly maxInterval?: number | undefined
  readonly hostname?: string | undefined
  readonly enableRemoteControl?: boolean | undefined
}): BeatOptions {
  const given = {
    scheduleFilename: options.schedule,
    store: options.scheduler,
    maxInterval: options.maxInterval,
    hostname: options.hostname,
    enableRemoteControl: options.enableRemoteControl,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as BeatOptions
}

/** A beat inside a worker's process (BEAT-16). */
export function embeddedBeat(app: App, options: Parameters<typeof beatOptions>[0]): Beat {
  return createBeat(app, { ...beatOptions(options), embedded: true })
}

async function listEntries(session: Session, app: App, options: BeatCommandOptions): Promise<void> {
  const count = typeof options.list === 'number' ? options.list : 3
  await using beat = createBeat(app, beatOptions(options))
  const { tasks, broken } = await beat.preview()
  session.print(scheduleTable(tasks, { count, style: session.style, now: app.now(), zone: app.timezone }))
  for (const { name, reason } of broken)
    session.complain(`"${name}" cannot be read and is left out: ${reason}`)
  if (broken.length > 0) session.exitCode = exitCodes.error
}

function banner(about: Readonly<Record<string, string | number>>, session: Session): string {
  const { style } = session
  const row = (name: string, value: string | number | undefined): string =>
    `  ${style.paint('dim', name.padEnd(13))}${String(value)}`
  return [
    '',
    `  ${style.paint(['bold', 'green'], 'ct')} ${about['version']}  ${style.paint('bold', String(about['node']))}  pid ${process.pid}`,
    '',
    row('app', about['app']),
    row('broker', about['broker']),
    row('schedule', about['schedule']),
    row('max interval', `${about['maxInterval']} s`),
    row('time zone', about['timezone']),
    '',
  ].join('\n')
}
