import type { Logger } from '@ct/core'

/** Trees fail on purpose, so what workers say of that is only wanted while looking into something. */
export function quiet(log: ((line: string) => void) | undefined): Logger {
  const say = (message: string, fields?: Readonly<Record<string, unknown>>): void => {
    const error = fields?.['error']
    log?.(error instanceof Error ? `${message} ${error.stack ?? error.message}` : message)
  }
  const logger: Logger = {
    debug: () => {},
    info: () => {},
    warn: say,
    error: say,
    critical: (message, fields) => {
      console.error(message, fields?.['error'])
      say(message, fields)
    },
    child: () => logger,
  }
  return logger
}
