import { relative } from 'node:path'
import { cwd } from 'node:process'
import { fileURLToPath } from 'node:url'
import { nodeName, nodePath, settingsFromCommandLine, type App } from '@ct/client'
import { isCeleryError } from '@ct/contracts'
import { createWorker, type Worker } from '@ct/worker'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { loadModules } from '../load-modules.ts'
import { logLevels } from '../output/log.ts'
import { installControlSignals } from '../process/control-signals.ts'
import { daemonOptions, isParent, runInBackground } from '../process/daemon.ts'
import { isDetached, reportStarted } from '../process/detach.ts'
import { reportHealth } from '../process/health.ts'
import { PidFile } from '../process/pid-file.ts'
import { become } from '../process/privileges.ts'
import { restart } from '../process/restart.ts'
import { serviceManager } from '../process/service-manager.ts'
import type { Session } from '../session.ts'
import { banner, profileOf } from './banner.ts'
import { catchProcessErrors } from './process-errors.ts'
import { reportStalls } from './stall-report.ts'
import { openLog, type WorkerLog } from './worker-log.ts'
import { redirectOutput } from '../process/redirect-output.ts'
import { scheduleOf, workerOptions, type WorkerCommandOptions } from './worker-options.ts'

/** Longer than what an occasional computation takes, shorter than what others wait for a heartbeat. */
const defaultStallSeconds = 5

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
  const daemon = daemonOptions(app, 'worker', options, nodeName(options.hostname, app.context.hostname))
  if (isParent(options)) {
    await runInBackground(session, 'worker', daemon)
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
  // A log that is a file is where people look; on a terminal, or in a container, what tasks print is where it belongs already.
  const giveBack =
    app.settings.workerRedirectStdouts && daemon.logfile !== undefined
      ? redirectOutput(log.logger, app.settings.workerRedirectStdoutsLevel)
      : undefined
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
      session.restart = () => restart(session.programArguments, session.startFolder)
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
  await using _stalls = stallReport(worker, log, options)
  const watchdog = manager?.watch(() => worker.status !== 'stopped')
  let health: AsyncDisposable | undefined
  let beat: AsyncDisposable | undefined
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
    if (options.beat === true) beat = await startEmbeddedBeat(app, options)
    await worker.finished()
  } catch (error) {
    // Told to stop before it was ready: it has done as it was told.
    if (!(isCeleryError(error) && error.code === 'CT_CLOSED')) throw error
  } finally {
    await beat?.[Symbol.asyncDispose]()
    await worker.stop()
    await health?.[Symbol.asyncDispose]()
    watchdog?.[Symbol.dispose]()
    removeSignals()
    giveBack?.()
    release()
  }
  session.exitCode = failed ? 1 : worker.exitCode
}

function stallReport(
  worker: Worker,
  log: WorkerLog,
  options: WorkerCommandOptions,
): AsyncDisposable | undefined {
  const seconds = options.stallReport ?? (worker.pool.capabilities.isolatesCpu ? 0 : defaultStallSeconds)
  if (seconds === 0) return undefined
  return reportStalls({
    thresholdMs: seconds * 1000,
    log: log.shape,
    onLost: (error) => log.logger.debug('An event loop that stands still will not be told of.', { error }),
  })
}

/** `-B` (BEAT-16): in this process, on the same event loop. */
async function startEmbeddedBeat(app: App, options: WorkerCommandOptions): Promise<AsyncDisposable> {
  const { embeddedBeat } = await import('../beat/run-beat.ts')
  const beat = embeddedBeat(app, { schedule: scheduleOf(options), scheduler: options.scheduler })
  await beat.start()
  return beat
}
