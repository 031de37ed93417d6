/** A logger that keeps what it is told, for assertions. */
import type { LogFields, Logger } from '@ct/client'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'critical'

export interface LogRecord {
  readonly level: LogLevel
  readonly message: string
  /** Those of the call and of the `child` loggers it went through. */
  readonly fields: LogFields
}

export interface RecordingLogger extends Logger {
  /** Everything so far, children's lines included. */
  readonly records: LogRecord[]
  /** Lines of that level and worse, as `level: message`. */
  lines(atLeast?: LogLevel): string[]
}

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'critical']

export function recordingLogger(): RecordingLogger {
  const records: LogRecord[] = []
  const make = (inherited: LogFields): Logger => {
    const write =
      (level: LogLevel) =>
      (message: string, fields: LogFields = {}): void => {
        records.push({ level, message, fields: { ...inherited, ...fields } })
      }
    return {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      critical: write('critical'),
      child: (fields) => make({ ...inherited, ...fields }),
    }
  }
  return {
    ...make({}),
    records,
    lines: (atLeast = 'debug') =>
      records
        .filter(({ level }) => levels.indexOf(level) >= levels.indexOf(atLeast))
        .map(({ level, message }) => `${level}: ${message}`),
  }
}
