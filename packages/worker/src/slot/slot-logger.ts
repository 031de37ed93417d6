/** The logger of an app in a slot elsewhere: its lines are the worker's. */
import type { LogFields, Logger } from '@ct/client'
import type { SlotMessage } from '@ct/contracts'
import type { SlotConfig } from './slot-config.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'critical'

export interface LogLine {
  readonly level: LogLevel
  readonly message: string
  readonly fields: LogFields
}

export function slotLogger(
  post: (message: SlotMessage) => void,
  config: Pick<SlotConfig, 'logsInfo' | 'logsDebug'>,
  fields: LogFields = {},
): Logger {
  const wanted = { debug: config.logsDebug, info: config.logsInfo }
  const write = (level: LogLevel, message: string, more: LogFields | undefined): void => {
    const all = Object.entries({ ...fields, ...more }).map(([key, value]) => [key, cloneable(value)])
    const line: LogLine = { level, message: String(message), fields: Object.fromEntries(all) as LogFields }
    post({ kind: 'log', payload: line })
  }
  return {
    debug: (message, more) => (wanted.debug ? write('debug', message, more) : undefined),
    info: (message, more) => (wanted.info ? write('info', message, more) : undefined),
    warn: (message, more) => write('warn', message, more),
    error: (message, more) => write('error', message, more),
    critical: (message, more) => write('critical', message, more),
    child: (more) => slotLogger(post, config, { ...fields, ...more }),
    isEnabled: (level) => wanted[level],
  }
}

/** Errors keep name, message and stack; what cannot be cloned is shown as text. */
function cloneable(value: unknown): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') return String(value)
  if (typeof value !== 'object' || value === null) return value
  try {
    return structuredClone(value)
  } catch {
    try {
      return String(value)
    } catch {
      return 'a value that cannot be shown'
    }
  }
}
