/**
 * What tasks print goes into the log, line by line (WORK-23; celery/app/log.py `redirect_stdouts_to_logger` 5.7): a worker whose log is a file has
 * nobody who reads its standard output. What the logger itself writes is let through.
 */
import { currentTask, type LogFields, type Logger, type TaskContext } from '@ct/client'
import type { LogLevel } from '../output/log.ts'

/** `process.stdout` and `process.stderr` are such. */
export interface Redirected {
  write: typeof process.stdout.write
}

/** Characters of a line that has not ended; a task that prints dots for ever never ends one. */
const mostHalf = 16_384

const methods: Readonly<Record<string, 'debug' | 'info' | 'warn' | 'error' | 'critical'>> = {
  DEBUG: 'debug',
  INFO: 'info',
  WARNING: 'warn',
  ERROR: 'error',
  CRITICAL: 'critical',
  FATAL: 'critical',
} satisfies Record<LogLevel, keyof Logger>

function fieldsOf({ name, request }: TaskContext): LogFields {
  return { taskName: name, taskId: request.id, rootId: request.rootId ?? request.id }
}

/** Returns what gives the streams back; half a line that was left is logged then. */
export function redirectOutput(
  logger: Logger,
  level: string,
  streams: readonly Redirected[] = [process.stdout, process.stderr],
): () => void {
  const method = methods[level.toUpperCase()] ?? 'warn'
  let logging = false
  const log = (line: string): void => {
    if (line.trim() === '') return
    logging = true
    try {
      const task = currentTask()
      logger[method](line, task === undefined ? undefined : fieldsOf(task))
    } finally {
      logging = false
    }
  }
  const restore = streams.map((stream) => {
    const { write } = stream
    let half = ''
    stream.write = ((chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
      if (logging) return Reflect.apply(write, stream, [chunk, ...rest]) as boolean
      const lines = `${half}${typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()}`.split('\n')
      half = lines.pop() ?? ''
      for (const line of lines) log(line)
      if (half.length > mostHalf) {
        log(half)
        half = ''
      }
      const done = rest.at(-1)
      if (typeof done === 'function') process.nextTick(done)
      return true
    }) as typeof write
    return () => {
      stream.write = write
      log(half)
    }
  })
  return () => {
    for (const one of restore) one()
  }
}
