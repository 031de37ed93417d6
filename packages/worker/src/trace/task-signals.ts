/**
 * The signals of tasks, as the worker fires them (celery/app/trace.py, celery/worker/request.py 5.7). Each asks `wanted` first; what it
 * needs is put together only then. Handlers find the task they are called for as the current one.
 */
import { runInTask, type AppSignals, type ExceptionInfo, type SignalMap } from '@ct/client'
import { pythonTraceback } from '@ct/contracts'
import type { Request } from '../request/index.ts'
import type { TraceServices } from './ports.ts'
import { plainValue } from './plain-value.ts'
import { taskRequest } from './task-request.ts'
import { TaskRun } from './task-run.ts'

/** Nothing runs any more that could be told to stop. */
const settled = new AbortController().signal

type Sent = Promise<void> | undefined
export type EndState = SignalMap['taskPostrun']['state']

export class TaskSignals {
  readonly #signals: AppSignals
  readonly #services: TraceServices
  /** Tasks run in this thread: what is said before and after a run is said here. */
  readonly #runsTasks: boolean

  constructor(services: TraceServices) {
    this.#signals = services.app.signals
    this.#services = services
    this.#runsTasks = services.runsTasks !== false
  }

  /** Somebody wants to know what a run comes to, success included: it then takes the long way. */
  get afterRun(): boolean {
    const { taskSuccess, taskPostrun } = this.#signals
    return taskSuccess.wanted || (this.#runsTasks && taskPostrun.wanted)
  }

  /** As {@link afterRun}, for failures. */
  get afterFailure(): boolean {
    const { taskFailure, taskPostrun } = this.#signals
    return taskFailure.wanted || (this.#runsTasks && taskPostrun.wanted)
  }

  get beforeRun(): boolean {
    return this.#signals.taskPrerun.wanted
  }

  prerun(request: Request, run: TaskRun): Sent {
    const { taskPrerun } = this.#signals
    return taskPrerun.wanted ? runInTask(run, () => taskPrerun.send(subject(request))) : undefined
  }

  postrun(request: Request, state: EndState, retval: unknown): Sent {
    const { taskPostrun } = this.#signals
    if (!taskPostrun.wanted || !this.#runsTasks) return undefined
    return this.#within(request, () =>
      taskPostrun.send({ ...subject(request), retval: plainValue(retval), state }),
    )
  }

  success(request: Request, result: unknown): Sent {
    const { taskSuccess } = this.#signals
    if (!taskSuccess.wanted) return undefined
    const { runtime } = request
    return this.#within(request, () =>
      taskSuccess.send({ sender: request.strategy.task, result: plainValue(result), runtime }),
    )
  }

  failure(request: Request, exception: unknown, traceback: string): Sent {
    const { taskFailure } = this.#signals
    if (!taskFailure.wanted) return undefined
    const { sender, taskId, args, kwargs } = subject(request)
    const einfo = info(exception, traceback)
    return this.#within(request, () =>
      taskFailure.send({ sender, taskId, exception, args, kwargs, traceback, einfo }),
    )
  }

  /** Without `reason`: a shutdown cancelled it. */
  retry(request: Request, reason: unknown, traceback: string | null): Sent {
    const { taskRetry } = this.#signals
    if (!taskRetry.wanted) return undefined
    return this.#within(request, () =>
      taskRetry.send({
        sender: request.strategy.task,
        request: this.#view(request),
        reason,
        einfo: traceback === null ? null : info(reason, traceback),
      }),
    )
  }

  revoked(request: Request, terminated: boolean, signum: number | null, expired: boolean): Sent {
    const { taskRevoked } = this.#signals
    if (!taskRevoked.wanted) return undefined
    return taskRevoked.send({
      sender: request.strategy.task,
      request: this.#view(request),
      terminated,
      signum,
      expired,
    })
  }

  internalError(request: Request, exception: unknown): Sent {
    const { taskInternalError } = this.#signals
    if (!taskInternalError.wanted) return undefined
    const { sender, taskId, args, kwargs } = subject(request)
    const traceback = pythonTraceback(exception)
    return this.#within(request, () =>
      taskInternalError.send({
        sender,
        taskId,
        args,
        kwargs,
        request: this.#view(request),
        exception,
        traceback,
        einfo: info(exception, traceback),
      }),
    )
  }

  #view(request: Request): ReturnType<typeof taskRequest> {
    return taskRequest(request, this.#services.hostname)
  }

  #within(request: Request, send: () => Sent): Sent {
    const slot = { signal: settled, send: () => Promise.resolve(undefined) }
    return runInTask(new TaskRun(this.#services, request, slot), send)
  }
}

function subject(request: Request): SignalMap['taskPrerun'] {
  const { task } = request.strategy
  const { args, kwargs } = request.body
  return { sender: task, task, taskId: request.id, args, kwargs }
}

function info(exception: unknown, traceback: string): ExceptionInfo {
  const type = exception instanceof Error ? exception.name : typeof exception
  return { type, exception, traceback }
}
