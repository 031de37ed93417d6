import { diagnostics, type TaskRunMessage } from '@ct/client'
import type { PoolOutcome } from '@ct/contracts'
import type { Request } from '../request/index.ts'
import type { Outcome } from './outcome.ts'
import { matches } from './retry.ts'
import type { TaskRun } from './task-run.ts'

/** A run that is told on the channel `ct:task:run`, and has what subscribers bound to its start (`bindStore`) around it. */
export function tracedRun(
  request: Request,
  run: TaskRun,
  invoke: () => Promise<PoolOutcome> | PoolOutcome,
): Promise<PoolOutcome> | PoolOutcome {
  const { taskRun } = diagnostics
  const message: TaskRunMessage = {
    app: run.app,
    taskId: request.id,
    task: run.task,
    request: run.request,
    headers: request.message.headers,
    queue: request.delivery.queue,
    ...(request.carried === undefined ? {} : { carried: request.carried }),
  }
  return taskRun.start.runStores(message, () => {
    const ended = invoke()
    if (!(ended instanceof Promise)) {
      note(request, message, ended)
      taskRun.end.publish(message)
      return ended
    }
    taskRun.end.publish(message)
    return ended.then((outcome) => {
      note(request, message, outcome)
      taskRun.asyncStart.publish(message)
      taskRun.asyncEnd.publish(message)
      return outcome
    })
  })
}

function note(request: Request, message: TaskRunMessage, ended: PoolOutcome): void {
  if (ended.kind !== 'done') return
  const outcome = ended.value as Outcome
  if (outcome.kind === 'returned') message.result = outcome.value
  else if (outcome.kind === 'threw') {
    message.error = outcome.error
    message.expected = matches(request.strategy.options.throws, outcome.error)
    diagnostics.taskRun.error.publish(message)
  }
}
