/**
 * The thread of {@link reportStalls}: asks the main thread now and then for a sign, and writes to the log where it is when none comes.
 *
 *   idle ──ask──► asked ──answer──► idle
 *                   │ none for `thresholdMs`, then twice as long, …
 *                   └─► told (stays asked: the answer ends it)
 *
 * The place is taken by Node's own debugger, which can halt code that never comes back to the event loop. It is halted for the moment that this
 * takes, and only then; code that is not JavaScript (a synchronous call of the system) cannot be halted, and is told as such.
 */
import { Session, type Debugger } from 'node:inspector'
import { parentPort, workerData } from 'node:worker_threads'
import type { Logger } from '@ct/client'
import type { StallAnswer, StallThreadData } from './stall-report.ts'

const { thresholdMs, taskKey, log } = workerData as StallThreadData
const main = parentPort!

/** A busy machine takes a while to halt code; what is not JavaScript is not halted before it has ended. */
const haltMs = 1000
const mostFrames = 6

interface Place {
  /** `task[id]`. */
  readonly task: string | undefined
  /** Innermost first. */
  readonly frames: readonly string[]
}

let askedAt: number | undefined
let tellAtMs = thresholdMs
let inspected = false
let looking = false
let lookedAt = performance.now()
let logger: Logger | undefined

main.on('message', (answer: StallAnswer) => {
  inspected = answer.inspected
  askedAt = undefined
})

setInterval(() => {
  const now = performance.now()
  const late = now - lookedAt > thresholdMs
  lookedAt = now
  if (askedAt === undefined) {
    askedAt = now
    tellAtMs = thresholdMs
    main.postMessage(null, [])
  } else if (late) {
    // This thread was kept from running too: the machine slept, or the process was halted.
    askedAt = now
  } else if (!looking && now - askedAt >= tellAtMs) {
    const ms = now - askedAt
    tellAtMs *= 2
    looking = true
    void placeOfMain()
      .then((place) => tell(ms, place))
      .finally(() => (looking = false))
  }
}, thresholdMs / 2)

async function tell(ms: number, place: Place | 'native' | 'inspected'): Promise<void> {
  logger ??= await openLog()
  if (askedAt === undefined) return
  const seconds = (ms / 1000).toFixed(1)
  const { where, fields } = shown(place)
  logger.warn(
    `The event loop has stood still for ${seconds} s and still does, ${where}. Heartbeats, lease renewals, remote control and signals wait for it. Run tasks that compute with -P threads or -P processes.`,
    { delayMs: Math.round(ms), ...fields },
  )
}

/** Loaded when it is needed: most threads never write. */
async function openLog(): Promise<Logger> {
  const [{ lineFormat }, { createStreamLogger }, { createStyle }, { LogFile }, { writeFully }] =
    await Promise.all([
      import('../output/line-format.ts'),
      import('../output/log.ts'),
      import('../output/style.ts'),
      import('../process/log-file.ts'),
      import('../output/write-fully.ts'),
    ])
  const file = log.logfile === undefined ? undefined : new LogFile(log.logfile, () => {})
  return createStreamLogger({
    level: log.level,
    format: log.format,
    style: createStyle({}, log.coloured ? { always: true } : { color: false }),
    write: (line) => (file === undefined ? writeFully(2, line) : file.write(line)),
    lines: { own: lineFormat(log.own.format, log.own), task: lineFormat(log.task.format, log.task) },
  })
}

function shown(place: Place | 'native' | 'inspected'): {
  readonly where: string
  readonly fields: Readonly<Record<string, unknown>>
} {
  if (place === 'native') return { where: 'in a call that is not JavaScript', fields: {} }
  if (place === 'inspected') return { where: 'while a debugger may be at work', fields: {} }
  const { task, frames } = place
  const of = task === undefined ? 'kept by no task' : `kept by task ${task}`
  return { where: of, fields: { traceback: frames.map((frame) => `    at ${frame}`).join('\n') } }
}

/** Halts the main thread, looks, and lets it go on. Who debugs it is not disturbed. */
async function placeOfMain(): Promise<Place | 'native' | 'inspected'> {
  if (inspected) return 'inspected'
  const session = new Session()
  const { promise, resolve } = Promise.withResolvers<Place | 'native'>()
  const timer = setTimeout(() => resolve('native'), haltMs)
  // Frames name their script by number alone.
  const urls = new Map<string, string>()
  session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => urls.set(scriptId, url))
  session.on('Debugger.paused', ({ params: { callFrames } }) => {
    const [top] = callFrames
    if (top === undefined) {
      // Nothing to tell, and nobody else would let it go on.
      session.post('Debugger.resume')
      return
    }
    const question = {
      callFrameId: top.callFrameId,
      expression: `globalThis[Symbol.for(${JSON.stringify(taskKey)})]?.()`,
      returnByValue: true,
    }
    session.post('Debugger.evaluateOnCallFrame', question, (_error, answer) => {
      session.post('Debugger.resume')
      const value: unknown = (answer as Partial<Debugger.EvaluateOnCallFrameReturnType> | undefined)?.result
        ?.value
      resolve({ task: typeof value === 'string' ? value : undefined, frames: framesOf(callFrames, urls) })
    })
  })
  try {
    session.connectToMainThread()
    session.post('Debugger.enable')
    session.post('Debugger.pause')
    return await promise
  } finally {
    clearTimeout(timer)
    // Where it could not be halted, it will not be later.
    session.post('Debugger.disable', () => session.disconnect())
  }
}

function framesOf(frames: readonly Debugger.CallFrame[], urls: ReadonlyMap<string, string>): string[] {
  const all = frames.map(({ functionName, location: { scriptId, lineNumber, columnNumber = 0 } }) => ({
    url: urls.get(scriptId) ?? '',
    text: `${functionName || '(anonymous)'} (${urls.get(scriptId)}:${lineNumber + 1}:${columnNumber + 1})`,
  }))
  const own = all.filter(({ url }) => url !== '' && !url.startsWith('node:'))
  return (own.length === 0 ? all : own).slice(0, mostFrames).map(({ text }) => text)
}
