/** Formats of log lines in the words of Python's `logging` (`worker_log_format`, `worker_task_log_format`): `%(asctime)s`, `%(levelname)-8s`. */
import { pid } from 'node:process'
import { isMainThread, threadId } from 'node:worker_threads'
import { ConfigurationError } from '@ct/contracts'
import { strftime } from './strftime.ts'

/** What a line is made of. */
export interface LineRecord {
  readonly level: string
  readonly levelno: number
  readonly message: string
  /** Epoch ms. */
  readonly now: number
  readonly taskName?: string | undefined
  readonly taskId?: string | undefined
}

export interface LineFormatOptions {
  /** `strftime`'s words for `%(asctime)s`; null: `2026-11-24 03:30:57,123`. */
  readonly datefmt?: string | null | undefined
  /** The setting it comes from, for errors. */
  readonly setting?: string | undefined
}

export type LineFormat = (record: LineRecord) => string

type Attribute = (record: LineRecord, asctime: (now: number) => string) => string | number

const started = Date.now()

/** Of Python's LogRecord, what means something here; `???` is what Celery writes outside of tasks. */
const attributes: Readonly<Record<string, Attribute>> = {
  asctime: ({ now }, asctime) => asctime(now),
  created: ({ now }) => now / 1000,
  levelname: ({ level }) => level,
  levelno: ({ levelno }) => levelno,
  message: ({ message }) => message,
  msecs: ({ now }) => now % 1000,
  name: ({ taskName }) => taskName ?? 'celery',
  process: () => pid,
  processName: () => 'MainProcess',
  relativeCreated: ({ now }) => now - started,
  task_id: ({ taskId }) => taskId ?? '???',
  task_name: ({ taskName }) => taskName ?? '???',
  thread: () => threadId,
  threadName: () => (isMainThread ? 'MainThread' : `Thread-${threadId}`),
}

const placeholder = /%(?:%|\((\w*)\)([-0 +#]*)(\d+)?(?:\.(\d+))?([a-zA-Z]))|%/g

/** Throws `CT_CONFIGURATION` for what Python's `%` would not take, and for attributes that a line does not have. */
export function lineFormat(
  format: string,
  { datefmt, setting = 'the format' }: LineFormatOptions = {},
): LineFormat {
  const own = datefmt !== undefined && datefmt !== null && datefmt !== ''
  const words = own ? datefmt : '%Y-%m-%d %H:%M:%S'
  // No directive is finer than a second, and a busy worker writes many lines in one.
  let second = Number.NaN
  let text = ''
  const asctime = (now: number): string => {
    const at = Math.floor(now / 1000)
    if (at !== second) {
      second = at
      text = strftime(words, new Date(now))
    }
    return own ? text : `${text},${String(Math.floor(now) - at * 1000).padStart(3, '0')}`
  }
  const pieces: (string | ((record: LineRecord) => string))[] = []
  let end = 0
  for (const match of format.matchAll(placeholder)) {
    const [whole, name, flags = '', width, precision, type] = match
    pieces.push(format.slice(end, match.index))
    end = match.index + whole.length
    if (whole === '%%') {
      pieces.push('%')
      continue
    }
    const attribute = name !== undefined && Object.hasOwn(attributes, name) ? attributes[name] : undefined
    if (attribute === undefined || !'sdif'.includes(type ?? ' ')) {
      const what =
        attribute !== undefined || name === undefined
          ? `"${format.slice(match.index, match.index + 12)}" is no placeholder such as %(message)s; a percent sign is written %%`
          : `a line has no ${name}; it has ${Object.keys(attributes).join(', ')}`
      throw new ConfigurationError(`${setting} cannot be used: ${what}.`)
    }
    pieces.push((record) =>
      pad(shown(attribute(record, asctime), type!, precision), flags, Number(width ?? 0)),
    )
  }
  pieces.push(format.slice(end))
  return (record) => pieces.map((piece) => (typeof piece === 'string' ? piece : piece(record))).join('')
}

function shown(value: string | number, type: string, precision: string | undefined): string {
  if (type === 'f') return Number(value).toFixed(Number(precision ?? 6))
  if (type === 'd' || type === 'i') return String(Math.trunc(Number(value)))
  const text = String(value)
  return precision === undefined ? text : text.slice(0, Number(precision))
}

function pad(text: string, flags: string, width: number): string {
  if (flags.includes('-')) return text.padEnd(width)
  return text.padStart(width, flags.includes('0') ? '0' : ' ')
}
