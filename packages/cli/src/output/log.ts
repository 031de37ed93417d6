import { inspect } from 'node:util'
import type { LogFields, Logger } from '@ct/client'
import { lineFormat, type LineFormat } from './line-format.ts'
import type { Format, Style } from './style.ts'

/** Celery's levels; the numbers are Python's, so that `-l 20` works. */
export const logLevels = { DEBUG: 10, INFO: 20, WARNING: 30, ERROR: 40, CRITICAL: 50, FATAL: 50 } as const

export type LogLevel = keyof typeof logLevels

/** `info`, `INFO` or `20`; undefined for what is no level. */
export function parseLogLevel(text: string): number | undefined {
  const upper = text.toUpperCase()
  if (upper in logLevels) return logLevels[upper as LogLevel]
  return /^\d+$/.test(text) ? Number(text) : undefined
}

export interface StreamLoggerOptions {
  /** Records below it are not formatted. */
  readonly level: number
  readonly format: 'text' | 'json'
  readonly style: Style
  readonly write: (line: string) => void
  readonly now?: () => number
  /** Of text; default is Celery's. */
  readonly lines?: LineFormats | undefined
}

/** How a line of the worker is written, and one of a task. */
export interface LineFormats {
  readonly own: LineFormat
  readonly task: LineFormat
}

const celeryLines: LineFormats = {
  own: lineFormat('[%(asctime)s: %(levelname)s/%(processName)s] %(message)s'),
  task: lineFormat('[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s'),
}

const colours: Readonly<Record<string, Format>> = {
  DEBUG: 'blue',
  WARNING: 'yellow',
  ERROR: 'red',
  CRITICAL: 'magenta',
}

/** `[2026-11-24 03:30:57,123: INFO/MainProcess] …` as Celery writes it, or one JSON object per line. */
export function createStreamLogger(options: StreamLoggerOptions, fields: LogFields = {}): Logger {
  const { level, format, style, write, now = Date.now, lines = celeryLines } = options
  const log = (name: LogLevel, message: string, more: LogFields | undefined): void => {
    if (logLevels[name] < level) return
    const all = more === undefined ? fields : { ...fields, ...more }
    write(
      format === 'json'
        ? jsonLine(name, message, all, now())
        : textLine(name, message, all, now(), style, lines),
    )
  }
  return {
    debug: (message, more) => log('DEBUG', message, more),
    info: (message, more) => log('INFO', message, more),
    warn: (message, more) => log('WARNING', message, more),
    error: (message, more) => log('ERROR', message, more),
    critical: (message, more) => log('CRITICAL', message, more),
    isEnabled: (name) => logLevels[name === 'debug' ? 'DEBUG' : 'INFO'] >= level,
    child: (more) => createStreamLogger(options, { ...fields, ...more }),
  }
}

function textLine(
  name: LogLevel,
  message: string,
  fields: LogFields,
  now: number,
  style: Style,
  lines: LineFormats,
): string {
  const { traceback, error, taskName, taskId, rootId: _, ...rest } = fields
  // The lines about a task name it already, as in Celery; what a task logs itself gets the format of Celery's task logger.
  const ofTask = typeof taskName === 'string' && !message.startsWith('Task ')
  const write = ofTask ? lines.task : lines.own
  const more = Object.keys(rest).length === 0 ? '' : ` ${style.paint('dim', fieldsText(rest))}`
  const trace =
    typeof traceback === 'string'
      ? `\n${traceback.trimEnd()}`
      : error instanceof Error && error.stack
        ? `\n${error.stack}`
        : ''
  const head = write({
    level: name,
    levelno: logLevels[name],
    message,
    now,
    taskName: typeof taskName === 'string' ? taskName : undefined,
    taskId: taskId === undefined ? undefined : String(taskId),
  })
  const colour = colours[name]
  return `${colour === undefined ? head : style.paint(colour, head)}${more}${trace}\n`
}

function jsonLine(level: LogLevel, message: string, fields: LogFields, now: number): string {
  const own = { time: new Date(now).toISOString(), level, message }
  const others = Object.entries(fields).map(([name, value]) => [
    Object.hasOwn(own, name) ? `${name}_` : name,
    value,
  ])
  return `${fieldsText({ ...own, ...Object.fromEntries(others) })}\n`
}

/** As JSON. Nobody fails by logging: what cannot be written so (a circle, a `toJSON` that throws) is written as Node shows it. */
function fieldsText(fields: LogFields): string {
  try {
    return JSON.stringify(fields, jsonSafe)
  } catch {
    return JSON.stringify(
      Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, writable(value)])),
      jsonSafe,
    )
  }
}

function writable(value: unknown): unknown {
  try {
    JSON.stringify(value, jsonSafe)
    return value
  } catch {
    try {
      return inspect(value, { breakLength: Infinity })
    } catch {
      return 'a value that cannot be shown'
    }
  }
}

function jsonSafe(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Error) return { name: value.name, message: value.message, stack: value.stack }
  return value
}
