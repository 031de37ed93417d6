/** The log of a worker's process, with the signals around it (celery/app/log.py 5.7; SIG-25, SIG-26, WORK-22). */
import type { App, Logger } from '@ct/client'
import { lineFormat } from '../output/line-format.ts'
import { createStreamLogger } from '../output/log.ts'
import { createStyle, type Style } from '../output/style.ts'
import { LogFile } from '../process/log-file.ts'
import type { Session } from '../session.ts'

/** All that lines of the log are made by, as data. */
export interface LogShape extends LogOptions {
  readonly coloured: boolean
  readonly own: LineShape
  readonly task: LineShape
}

interface LineShape {
  readonly format: string
  readonly datefmt: string | null
  /** Where the format comes from, for errors. */
  readonly setting: string
}

export interface LogOptions {
  /** Python's number. */
  readonly level: number
  readonly format: 'text' | 'json'
  /** undefined: standard error. */
  readonly logfile: string | undefined
}

export interface WorkerLog extends AsyncDisposable {
  readonly logger: Logger
  /** For a thread that writes to the same place in the same way. */
  readonly shape: LogShape
}

/** With a handler of `setupLogging` nothing is set up, and the app's own logger is used. Rejects with what the handler throws (D57-133). */
export async function openLog(app: App, session: Session, options: LogOptions): Promise<WorkerLog> {
  const { setupLogging, afterSetupLogger, afterSetupTaskLogger } = app.signals
  const { level, format, logfile } = options
  const shapes = lineShapes(app)
  // Wrong formats stop the worker before it starts, not at its first line.
  const lines = {
    own: lineFormat(shapes.own.format, shapes.own),
    task: lineFormat(shapes.task.format, shapes.task),
  }
  const file = logfile === undefined ? undefined : new LogFile(logfile, (text) => session.complain(text))
  const style = logStyle(app, session, file !== undefined)
  const shape = { level, format, logfile, coloured: style.coloured, ...shapes }
  const setUp = {
    sender: null,
    loglevel: level,
    logfile: logfile ?? null,
    format,
    colorize: style.coloured,
  } as const
  if (setupLogging.wanted) {
    await setupLogging.sendOrThrow(setUp)
    file?.[Symbol.dispose]()
    return { logger: app.context.logger, shape, [Symbol.asyncDispose]: () => Promise.resolve() }
  }
  const write = (line: string): void => {
    if (file === undefined) session.stderr.write(line)
    else file.write(line)
  }
  app.logTo(createStreamLogger({ level, format, style, write, lines }))
  // The app's own, where it was made with one.
  const { logger } = app.context
  await afterSetupLogger.send({ ...setUp, logger })
  await afterSetupTaskLogger.send({ ...setUp, logger })
  return {
    logger,
    shape,
    [Symbol.asyncDispose]: () => {
      file?.[Symbol.dispose]()
      return Promise.resolve()
    },
  }
}

function lineShapes(app: App): { readonly own: LineShape; readonly task: LineShape } {
  const { workerLogFormat, workerLogDatefmt, workerTaskLogFormat, workerTaskLogDatefmt } = app.settings
  return {
    own: { format: workerLogFormat, datefmt: workerLogDatefmt, setting: 'workerLogFormat' },
    task: { format: workerTaskLogFormat, datefmt: workerTaskLogDatefmt, setting: 'workerTaskLogFormat' },
  }
}

/** As Celery: a file has no colours and a terminal has, unless `workerLogColor` says; `--no-color` always wins. */
function logStyle(app: App, session: Session, isFile: boolean): Style {
  const { workerLogColor } = app.settings
  if (session.globals.color === false || workerLogColor === false) return createStyle({}, { color: false })
  if (workerLogColor === true) return createStyle({}, { always: true })
  return isFile ? createStyle({}, { color: false }) : session.errorStyle
}
