/** The slot's half of the work for pools that share memory: set the current task, run the handler, report what came of it. */
import { diagnostics, runInTask } from '@ct/client'
import type { PoolJob, PoolOutcome, SlotPort } from '@ct/contracts'
import type { Request } from '../request/index.ts'
import type { Outcome } from './outcome.ts'
import type { TraceServices } from './ports.ts'
import { TaskRun } from './task-run.ts'
import { TaskSignals } from './task-signals.ts'
import { tracedRun } from './traced-run.ts'
import { thrown } from './thrown.ts'

export function executor(
  services: TraceServices,
): (job: PoolJob, slot: SlotPort) => Promise<PoolOutcome> | PoolOutcome {
  const signals = new TaskSignals(services)
  return (job, slot) => {
    const request = job.local as Request
    const { strategy } = request
    const { options } = strategy
    const run = new TaskRun(services, request, slot)
    if (
      options.beforeStart === undefined &&
      !signals.beforeRun &&
      !(options.trackStarted && !request.ignoreResult && services.results.enabled)
    ) {
      return start(request, run)
    }
    return prepare(services, signals, request, run).then(
      () => start(request, run),
      (error: unknown) => threw(error),
    )
  }
}

async function prepare(
  services: TraceServices,
  signals: TaskSignals,
  request: Request,
  run: TaskRun,
): Promise<void> {
  const { options } = request.strategy
  await signals.prerun(request, run)
  if (options.trackStarted && !request.ignoreResult) {
    const write = services.results.encode(
      { taskId: request.id, request },
      { state: 'STARTED', result: { pid: process.pid, hostname: services.hostname }, children: null },
    )
    // Only a courtesy to who watches: a store that is away must not keep the task from running.
    if (write !== undefined) {
      await services.results.store([write]).catch((error: unknown) => {
        services.log.warn(`STARTED of task ${request.label} could not be stored.`, { error })
      })
    }
  }
  if (options.beforeStart !== undefined) {
    await runInTask(run, () => options.beforeStart!(request.id, request.body.args, request.body.kwargs))
  }
}

/** A task that awaits nothing has ended when this returns. */
function start(request: Request, run: TaskRun): Promise<PoolOutcome> | PoolOutcome {
  return diagnostics.taskRun.hasSubscribers
    ? tracedRun(request, run, () => invoke(request, run))
    : invoke(request, run)
}

function invoke(request: Request, run: TaskRun): Promise<PoolOutcome> | PoolOutcome {
  const { task } = request.strategy
  const { args, kwargs } = request.body
  let value: unknown
  try {
    value = runInTask(run, () => task.run(run, args, kwargs))
    // Within the net: asking a value for its `then` may throw.
    if (isThenable(value)) return Promise.resolve(value).then(returned, threw)
  } catch (error) {
    return threw(error)
  }
  return returned(value)
}

function returned(value: unknown): PoolOutcome {
  return { kind: 'done', value: { kind: 'returned', value } satisfies Outcome }
}

function threw(error: unknown): PoolOutcome {
  return { kind: 'done', value: { kind: 'threw', error: thrown(error) } satisfies Outcome }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
