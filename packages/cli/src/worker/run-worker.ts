import { createWriteStream, openSync } from 'node:fs'
import { relative } from 'node:path'
import { cwd } from 'node:process'
import { fileURLToPath } from 'node:url'
import { settingsFromCommandLine, type App, type Logger } from '@ct/client'
import { isCeleryError } from '@ct/contracts'
import { createWorker } from '@ct/worker'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { locateModule } from '../find-app.ts'
import { createStreamLogger, logLevels } from '../output/log.ts'
import { createStyle } from '../output/style.ts'
import type { Session } from '../session.ts'
import { banner, profileOf } from './banner.ts'
import { catchProcessErrors } from './process-errors.ts'
import { workerOptions, type WorkerCommandOptions } from './worker-options.ts'

/** Runs a worker until it stops; the session's exit code is then the worker's. */
export async function runWorker(
  session: Session,
  words: readonly string[],
  options: WorkerCommandOptions,
): Promise<void> {
  const given = workerOptions(options)
  if (session.globals.app === undefined) {
    throw new CommandFailure(
      'Which tasks? Give the file that exports your app: ct worker -A ./tasks.ts',
      exitCodes.usage,
    )
  }
  const { app, module } = await session.found()
  const level = options.loglevel ?? logLevels.WARNING
  await using log = openLog(session, level, options)
  app.logTo(log.logger)
  app.configure({
    ...settingsFromCommandLine(words, 'worker'),
    ...(options.disablePrefetch === true ? { workerDisablePrefetch: true } : {}),
    ...(options.withoutGossip === true ? { workerGossip: false } : {}),
  })
  const modules = await loadModules(app, module!, options.include ?? [])
  const worker = createWorker(app, { ...given, modules, signals: true })
  const profile = profileOf(app, worker, {
    version: session.options.version,
    module: relative(cwd(), fileURLToPath(module!)),
    taskEvents: given.taskEvents ?? app.settings.workerSendTaskEvents,
  })
  if (options.logFormat === 'json') log.logger.info('worker starting', { ...profile })
  else if (session.globals.quiet !== true) {
    session.print(banner(profile, { style: session.style, listTasks: level <= logLevels.INFO }))
  }
  let failed = false
  const release = catchProcessErrors(log.logger, () => {
    failed = true
    void worker.stop({ mode: 'soft' })
  })
  worker.on('ready', () => log.logger.info(`${worker.hostname} ready.`))
  try {
    await worker.start()
    await worker.finished()
  } catch (error) {
    // Told to stop before it was ready: it has done as it was told.
    if (!(isCeleryError(error) && error.code === 'CT_CLOSED')) throw error
  } finally {
    release()
  }
  session.exitCode = failed ? 1 : worker.exitCode
}

/** `-I`, then the settings `imports` and `include` (WORK-6): each is run, so that its tasks are registered. */
async function loadModules(app: App, main: string, include: readonly string[]): Promise<string[]> {
  const urls = [main]
  for (const name of [...include, ...app.settings.imports, ...app.settings.include]) {
    const url = locateModule(name, cwd(), '--include')
    if (urls.includes(url)) continue
    urls.push(url)
    await import(url)
  }
  return urls
}

function openLog(
  session: Session,
  level: number,
  options: WorkerCommandOptions,
): { readonly logger: Logger } & AsyncDisposable {
  const { logfile, logFormat: format = 'text' } = options
  if (logfile === undefined) {
    const logger = createStreamLogger({
      level,
      format,
      style: session.errorStyle,
      write: (line) => void session.stderr.write(line),
    })
    return { logger, [Symbol.asyncDispose]: () => Promise.resolve() }
  }
  const file = createWriteStream(logfile, { fd: openToAppend(logfile) })
  file.on('error', (error) => session.complain(`The log ${logfile} cannot be written: ${error.message}`))
  const logger = createStreamLogger({
    level,
    format,
    style: createStyle({}, { color: false }),
    write: (line) => void file.write(line),
  })
  return { logger, [Symbol.asyncDispose]: () => new Promise((resolve) => void file.end(() => resolve())) }
}

/** At once: a worker that nobody can hear must not start. */
function openToAppend(path: string): number {
  try {
    return openSync(path, 'a')
  } catch (error) {
    throw new CommandFailure(
      `The log ${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`,
      exitCodes.error,
      { cause: error },
    )
  }
}
