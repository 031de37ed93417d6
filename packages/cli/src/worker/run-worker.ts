import { relative } from 'node:path'
import { cwd } from 'node:process'
import { fileURLToPath } from 'node:url'
import { nodeName, nodePath, settingsFromCommandLine, type App } from '@ct/client'
import { isCeleryError } from '@ct/contracts'
import { createWorker } from '@ct/worker'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { locateModule } from '../find-app.ts'
import { logLevels } from '../output/log.ts'
import { installControlSignals } from '../process/control-signals.ts'
import { detach, isDetached, reportStarted } from '../process/detach.ts'
import { reportHealth } from '../process/health.ts'
import { LogFile } from '../process/log-file.ts'
import { PidFile } from '../process/pid-file.ts'
import { become } from '../process/privileges.ts'
import { restart } from '../process/restart.ts'
import { serviceManager } from '../process/service-manager.ts'
import type { Session } from '../session.ts'
import { banner, profileOf } from './banner.ts'
import { catchProcessErrors } from './process-errors.ts'
import { openLog } from './worker-log.ts'
import { workerOptions, type WorkerCommandOptions } from './worker-options.ts'

/**
 * Runs a worker until it stops; the session's exit code is then the worker's. What is done in which order is Celery's (celery/bin/worker.py,
 * celery/apps/worker.py 5.7):
 *
 *   app found ─► (in the background from here) ─► user, group, umask ─► modules ─► worker made ─► log ─► pid file ─► banner ─► started
 *   told to stop ─► worker stopped ─► pid file gone ─► log closed ─► ended, or the same again after SIGHUP
 */
export async function runWorker(
  session: Session,
  words: readonly string[],
  options: WorkerCommandOptions,
  userOptions: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const given = workerOptions(options)
  if (session.globals.app === undefined && session.options.app === undefined) {
    throw new CommandFailure(
      'Which tasks? Give the file that exports your app: ct worker -A ./tasks.ts',
      exitCodes.usage,
    )
  }
  const { app, module } = await session.found()
  app.configure({
    ...settingsFromCommandLine(words, 'worker'),
    ...(options.disablePrefetch === true ? { workerDisablePrefetch: true } : {}),
    ...(options.withoutGossip === true ? { workerGossip: false } : {}),
  })
  const daemon = daemonOptions(app, options)
  if (options.detach === true && !isDetached() && (process.env['C_FAKEFORK'] ?? '') === '') {
    await runInBackground(session, daemon)
    return
  }
  if (!isDetached()) become(daemon)
  const modules = await loadModules(app, module, options.include ?? [])
  const worker = createWorker(app, { ...given, modules, signals: true, userOptions })
  const level = options.loglevel ?? logLevels.WARNING
  await using log = await openLog(app, session, {
    level,
    format: options.logFormat ?? 'text',
    logfile: daemon.logfile,
  })
  using _pidFile =
    daemon.pidfile === undefined
      ? undefined
      : PidFile.acquire(daemon.pidfile, (text) => session.complain(text))
  const profile = profileOf(app, worker, {
    version: session.options.version,
    module: module === undefined ? '' : relative(cwd(), fileURLToPath(module)),
    taskEvents: given.taskEvents ?? app.settings.workerSendTaskEvents,
  })
  if (options.logFormat === 'json') log.logger.info('worker starting', { ...profile })
  else if (session.globals.quiet !== true && !isDetached()) {
    session.print(banner(profile, { style: session.style, listTasks: level <= logLevels.INFO }))
  }
  if ((process.env['NOSETPS'] ?? '') === '') process.title = `ct worker: ${worker.hostname}`
  let failed = false
  const release = catchProcessErrors(log.logger, () => {
    failed = true
    void worker.stop({ mode: 'soft' })
  })
  const manager = serviceManager((text) => log.logger.warn(text))
  const removeSignals = installControlSignals(worker, {
    terminal: session.stdout.isTTY === true,
    say: (text) => session.complain(text),
    onRestart: () => {
      session.restart = () => restart(session.programArguments)
      void manager?.reloading()
      void worker.stop()
    },
  })
  worker.on('ready', () => {
    log.logger.info(`${worker.hostname} ready.`)
    void manager?.ready(`consuming from ${worker.queues.join(', ')}`)
  })
  worker.on('reconnecting', () => void manager?.ready('the connection to the broker is lost; reconnecting'))
  worker.on('stopping', () => {
    if (session.restart === undefined) void manager?.stopping()
  })
  const watchdog = manager?.watch(() => worker.status !== 'stopped')
  let health: AsyncDisposable | undefined
  try {
    if (options.healthFile !== undefined || options.healthPort !== undefined) {
      const file = options.healthFile
      health = await reportHealth(worker, {
        file: file === undefined ? undefined : nodePath(file, worker.hostname),
        port: options.healthPort,
      })
    }
    reportStarted()
    await worker.start()
    await worker.finished()
  } catch (error) {
    // Told to stop before it was ready: it has done as it was told.
    if (!(isCeleryError(error) && error.code === 'CT_CLOSED')) throw error
  } finally {
    await worker.stop()
    await health?.[Symbol.asyncDispose]()
    watchdog?.[Symbol.dispose]()
    removeSignals()
    release()
  }
  session.exitCode = failed ? 1 : worker.exitCode
}

interface DaemonOptions {
  readonly logfile: string | undefined
  readonly pidfile: string | undefined
  readonly uid: string | number | undefined
  readonly gid: string | number | undefined
  readonly umask: string | number | undefined
  readonly executable: string | undefined
}

/** The command line, else the settings `workerLogfile`, `workerPidfile` … (WORK-9). */
function daemonOptions(app: App, options: WorkerCommandOptions): DaemonOptions {
  const { settings } = app
  const node = nodeName(options.hostname, app.context.hostname)
  const path = (given: string | null | undefined): string | undefined =>
    given === null || given === undefined || given === '' ? undefined : nodePath(given, node)
  return {
    logfile: path(options.logfile ?? settings.workerLogfile),
    pidfile: path(options.pidfile ?? settings.workerPidfile),
    uid: options.uid ?? settings.workerUid ?? undefined,
    gid: options.gid ?? settings.workerGid ?? undefined,
    umask: options.umask ?? settings.workerUmask ?? undefined,
    executable: options.executable ?? settings.workerExecutable ?? undefined,
  }
}

/** The parent's part of `--detach`: it becomes the other user already, so that the child's files are his. */
async function runInBackground(session: Session, daemon: DaemonOptions): Promise<void> {
  become(daemon)
  // Found now, while somebody looks: that a live worker has the pid file, or that the log cannot be written.
  if (daemon.pidfile !== undefined)
    PidFile.acquire(daemon.pidfile, (text) => session.complain(text)).release()
  using log =
    daemon.logfile === undefined ? undefined : new LogFile(daemon.logfile, (text) => session.complain(text))
  await detach({
    argv: session.programArguments,
    executable: daemon.executable,
    output: log?.fd ?? 'ignore',
    logfile: daemon.logfile,
  })
}

/**
 * What `importModules` and `app.autodiscoverTasks` bring, then `-I` and the settings `imports` and `include` (WORK-6): each is run, so that its
 * tasks are registered.
 */
async function loadModules(
  app: App,
  main: string | undefined,
  include: readonly string[],
): Promise<string[]> {
  const urls = [...(main === undefined ? [] : [main]), ...(await app.importModules())]
  for (const name of [...include, ...app.settings.imports, ...app.settings.include]) {
    const url = locateModule(name, cwd(), '--include')
    if (urls.includes(url)) continue
    urls.push(url)
    await import(url)
  }
  return urls
}
