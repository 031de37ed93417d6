export type LogFields = Readonly<Record<string, unknown>>

/** Where ct logs to. Levels are Celery's; `fields` are structured data, never secrets. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  critical(message: string, fields?: LogFields): void
  /** A logger that adds these fields to each record. */
  child(fields: LogFields): Logger
  /** Whether lines of that level are wanted; workers ask before they put one together. Without it all are. */
  isEnabled?(level: 'debug' | 'info'): boolean
}

/**
 * The logger of an app that was given none: a client library is silent but for warnings and worse, which go to `console`.
 * A worker brings its own.
 */
export function createConsoleLogger(fields: LogFields = {}): Logger {
  const write = (method: 'warn' | 'error', message: string, more: LogFields | undefined): void => {
    const all = { ...fields, ...more }
    if (Object.keys(all).length === 0) console[method](`ct: ${message}`)
    else console[method](`ct: ${message}`, all)
  }
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: (message, more) => write('warn', message, more),
    error: (message, more) => write('error', message, more),
    critical: (message, more) => write('error', message, more),
    child: (more) => createConsoleLogger({ ...fields, ...more }),
    isEnabled: () => false,
  }
}
