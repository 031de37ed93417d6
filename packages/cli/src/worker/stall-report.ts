/**
 * Tells of an event loop that stands still while it does, from a thread of its own: a task that never lets go of the loop silences the worker for
 * good, and nothing on that loop could say so.
 */
import { url as inspectorUrl } from 'node:inspector'
import { Worker as Thread } from 'node:worker_threads'
import { currentTask } from '@ct/client'
import type { LogShape } from './worker-log.ts'

/** `workerData` of the thread. */
export interface StallThreadData {
  readonly thresholdMs: number
  /** Key of a global symbol: a function that names the task it is called in. */
  readonly taskKey: string
  readonly log: LogShape
}

/** Sign of life. */
export interface StallAnswer {
  /** Somebody debugs this process. */
  readonly inspected: boolean
}

export interface StallReportOptions {
  /** Told after so long, after twice as long, and so on. */
  readonly thresholdMs: number
  readonly log: LogShape
  /** The thread could not do its work, and is gone. */
  readonly onLost: (error: Error) => void
}

const taskKey = '@ct/cli: name of the running task'

/** MiB. The thread does next to nothing. */
const resourceLimits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 }

export function reportStalls({ thresholdMs, log, onLost }: StallReportOptions): AsyncDisposable {
  const named = globalThis as { [key: symbol]: unknown }
  named[Symbol.for(taskKey)] = nameOfTask
  const { NODE_OPTIONS: _, ...env } = process.env
  const thread = new Thread(threadFile(), {
    name: 'ct stalls',
    workerData: { thresholdMs, taskKey, log } satisfies StallThreadData,
    resourceLimits,
    // What a program loads before itself (instrumentation, profilers) is not meant for this thread.
    env,
    execArgv: conditions(process.execArgv),
  })
  thread.unref()
  thread.on('message', () => {
    const answer: StallAnswer = { inspected: inspectorUrl() !== undefined }
    thread.postMessage(answer, [])
  })
  thread.on('error', onLost)
  return {
    [Symbol.asyncDispose]: async () => {
      thread.off('error', onLost)
      await thread.terminate()
      delete named[Symbol.for(taskKey)]
    },
  }
}

function nameOfTask(): string | undefined {
  const task = currentTask()
  return task === undefined ? undefined : `${task.name}[${task.request.id}]`
}

/** Beside this file in the sources; a bundle has its entries below the folder of the chunks. */
function threadFile(): URL {
  const here = import.meta.url
  return new URL(here.endsWith('.ts') ? './stall-thread.ts' : './worker/stall-thread.js', here)
}

/** Of Node's own options those by which modules are found. */
function conditions(execArgv: readonly string[]): string[] {
  return execArgv.flatMap((word, index) => {
    if (word.startsWith('--conditions=')) return [word]
    if (word === '--conditions' || word === '-C') return [word, execArgv[index + 1] ?? '']
    return []
  })
}
