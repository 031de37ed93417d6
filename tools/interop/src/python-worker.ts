import { randomUUID } from 'node:crypto'
import { type CeleryProcess, startCelery } from './celery-process.ts'
import type { PythonApp, PythonName } from './python-environment.ts'

export interface PythonWorkerOptions extends PythonApp {
  version: PythonName
  /** `-Q`. Default: Celery's, i.e. `task_default_queue`. */
  queues?: readonly string[]
  /** `-c`. Default 1. */
  concurrency?: number
  /** `-P`. Default `prefork`. */
  pool?: 'prefork' | 'solo' | 'threads'
  /** `-n`. Default: a name that nobody else has. */
  nodename?: string
  /** `-l`. Default `INFO`. */
  loglevel?: 'DEBUG' | 'INFO' | 'WARNING'
  /** Look for peers at start, which costs a second. Default false. */
  mingle?: boolean
  /** Follow peers' events. Default false. */
  gossip?: boolean
  /** `-E`. Default false. */
  events?: boolean
  /** More arguments of `celery worker`. */
  args?: readonly string[]
}

export interface PythonWorker extends CeleryProcess {
  /** Its name for remote control, e.g. `py-1f0c2a9e@interop`. */
  readonly nodename: string
}

/**
 * Starts a real Python worker with the tasks of `interop_tasks.py`; resolves when it is ready for tasks.
 * Use `await using`, or call `stop` or `kill` when done.
 */
export async function startPythonWorker(options: PythonWorkerOptions): Promise<PythonWorker> {
  const { queues, concurrency = 1, pool = 'prefork', loglevel = 'INFO', args = [] } = options
  const nodename = options.nodename ?? `py-${randomUUID().slice(0, 8)}@interop`
  const words = ['worker', '-n', nodename, '-c', String(concurrency), '-P', pool, '-l', loglevel]
  if (queues) words.push('-Q', queues.join(','))
  if (!options.mingle) words.push('--without-mingle')
  if (!options.gossip) words.push('--without-gossip')
  if (options.events) words.push('-E')
  // "ready" is logged at INFO; quieter workers are ready once they printed the banner's end.
  const ready = loglevel === 'WARNING' ? /\[tasks\]/ : `${nodename} ready.`
  const worker = await startCelery({ ...options, args: [...words, ...args] }, ready)
  return Object.assign(worker, { nodename })
}
