/**
 * Signals of a worker's process besides those that stop it (celery/apps/worker.py 5.7; WORK-13):
 *
 *   SIGHUP   warm shutdown, then the same command again; on a terminal it is left alone: the window was closed
 *   SIGUSR1  what the worker is at: running tasks, memory, what is open. Celery prints the stacks of all threads; the stack of JavaScript
 *            that runs cannot be seen from a signal handler, which waits for its end
 *   SIGUSR2  with CELERY_RDBSIG set: opens Node's inspector on 127.0.0.1, for a debugger
 */
import { open as openInspector, url as inspectorUrl } from 'node:inspector'
import type { Worker } from '@ct/worker'
import { canRestart } from './restart.ts'

export interface ControlSignals {
  readonly onRestart: () => void
  readonly say: (text: string) => void
  readonly terminal: boolean
}

/** Installs the handlers; returns what takes them away again. */
export function installControlSignals(worker: Worker, options: ControlSignals): () => void {
  const handlers: [NodeJS.Signals, () => void][] = [['SIGUSR1', () => options.say(whatRuns(worker))]]
  if (!options.terminal) {
    handlers.push([
      'SIGHUP',
      () => {
        if (!canRestart()) {
          options.say('SIGHUP: this Node cannot start itself anew; the worker goes on.')
          return
        }
        options.say(`Restarting the worker ${worker.hostname} (${process.argv.slice(2).join(' ')})`)
        options.onRestart()
      },
    ])
  }
  if ((process.env['CELERY_RDBSIG'] ?? '') !== '') {
    handlers.push([
      'SIGUSR2',
      () => {
        if (inspectorUrl() === undefined) openInspector(0, '127.0.0.1')
        options.say(`Debugger: ${inspectorUrl()}`)
      },
    ])
  }
  for (const [signal, handler] of handlers) process.on(signal, handler)
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler)
  }
}

function whatRuns(worker: Worker): string {
  const { running, counts } = worker
  const open = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) open.set(kind, (open.get(kind) ?? 0) + 1)
  const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`
  const { rss, heapUsed } = process.memoryUsage()
  return [
    `=== ${worker.hostname} (pid ${process.pid}, ${worker.status}): ${counts.active} running, ${counts.processed} started ===`,
    ...running.map(({ id, name, seconds }) => `  ${name}[${id}] for ${seconds.toFixed(1)} s`),
    `  memory ${megabytes(rss)}, heap ${megabytes(heapUsed)}, up ${Math.round(process.uptime())} s`,
    `  open ${[...open].map(([kind, count]) => `${kind} ${count}`).join(', ') || 'nothing'}`,
  ].join('\n')
}
