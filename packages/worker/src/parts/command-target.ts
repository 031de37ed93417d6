import type { EventDispatcher } from '@ct/client'
import type { CommandTarget } from '../control/index.ts'
import { softwareInfo } from '../events/index.ts'
import { workerVersion } from '../version.ts'
import { restartPool } from './reload.ts'
import type { PartsHooks, WorkerParts } from './worker-parts.ts'

/** What commands of remote control see and change of a worker. */
export function commandTarget(parts: WorkerParts, hooks: PartsHooks): CommandTarget {
  const { dispatch, queues, workerPool, tasks, credit, steps } = parts
  const toggle =
    (change: (dispatcher: EventDispatcher) => boolean) => (): { readonly changed: boolean } | undefined => {
      if (dispatch === undefined) return undefined
      const changed = change(dispatch)
      parts.events.refresh()
      return { changed }
    }
  return {
    context: parts.app.context,
    worker: hooks.worker,
    hostname: parts.hostname,
    state: parts.state,
    revocations: parts.revocations,
    strategies: tasks.strategies,
    dispatcher: parts.dispatcher,
    reception: parts.reception,
    credit,
    pool: workerPool.pool,
    startedAt: parts.madeAt,
    elections: parts.gossip?.elections,
    openChords: parts.openChords,
    queues: () => queues.all(),
    addQueue: (queue) => queues.add(queue),
    cancelQueue: (name) => queues.cancel(name),
    enableEvents: toggle((dispatcher) => dispatcher.addGroup('task')),
    disableEvents: toggle((dispatcher) => dispatcher.removeGroup('task')),
    sendHeartbeat: () => dispatch?.send('worker-heartbeat', { freq: 5, ...softwareInfo(workerVersion) }),
    resizePool: async (by) => {
      await workerPool.resize(by)
      credit.resize(workerPool.pool.size)
    },
    autoscaler: parts.autoscaler,
    stepInfo: () => steps.info(),
    restartPool: (modules) => restartPool(parts, modules),
    shutdown: () => hooks.onShutdown(),
  }
}
