import { TaskSignature, toSignatureOptions } from '../canvas/index.ts'
import type { ApplyOptions, CallOptions, Callback, Signature } from '../canvas/index.ts'
import type { TaskContext } from './task-context.ts'

/** Options of `task.signatureFromRequest()`. */
export interface RequestSignatureOptions extends ApplyOptions {
  /** Default: those that the task was called with, as are `kwargs`. */
  readonly args?: readonly unknown[] | undefined
}

/** What `task.signatureFromRequest()` gives (celery/app/task.py 5.7, `signature_from_request`, `Context.as_execution_options`). */
export function signatureFromRequest(
  { app, task, request }: Pick<TaskContext, 'app' | 'task' | 'request'>,
  { args = request.args, kwargs = request.kwargs, ...given }: RequestSignatureOptions = {},
): Signature<readonly unknown[], unknown> {
  const { exchange, routingKey, priority } = request.deliveryInfo
  const { chord, chain, callbacks, errbacks, stamps } = request
  // The default exchange delivers to the queue that the key names.
  const place: CallOptions =
    given.queue !== undefined || routingKey === null
      ? {}
      : exchange === '' || exchange === null
        ? { queue: routingKey }
        : { exchange, routingKey }
  const call: CallOptions = {
    ...(request.id === '' ? {} : { taskId: request.id }),
    rootId: request.rootId,
    parentId: request.parentId,
    groupId: request.group,
    groupIndex: request.groupIndex,
    shadow: request.shadow ?? undefined,
    chord: chord as Callback | null,
    chain: chain as readonly Callback[] | null,
    link: (callbacks as readonly Callback[] | null) ?? undefined,
    linkError: (errbacks as readonly Callback[] | null) ?? undefined,
    expires: request.expires,
    timeLimit: request.timeLimit,
    softTimeLimit: request.softTimeLimit,
    headers: request.headers ?? undefined,
    retries: request.retries,
    replyTo: request.replyTo ?? undefined,
    ignoreResult: request.ignoreResult ?? undefined,
    replacedTaskNesting: request.replacedTaskNesting,
    priority: priority ?? undefined,
    stamps: stamps ?? undefined,
    ...place,
    ...given,
  }
  const options = toSignatureOptions(call)
  if (request.origin !== null) options['origin'] = request.origin
  return new TaskSignature<readonly unknown[], unknown>({ app, task: task.name, args, kwargs, options })
}
