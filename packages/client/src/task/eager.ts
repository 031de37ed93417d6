/**
 * Tasks run in the caller (celery/app/task.py `Task.apply`, celery/app/trace.py 5.7; TEST 16.1). No broker, no limits, no waiting:
 * a retry runs at once.
 *
 *   run ──value──► SUCCESS ─► callbacks        Retry ─► run again, retries + 1
 *    ├──error────► FAILURE ─► error callbacks  Ignore ─► IGNORED    Reject ─► REJECTED
 */
import { randomUUID } from 'node:crypto'
import { hostname as hostName } from 'node:os'
import { Ignore, pythonTraceback, Reject, Replace, Retry, TaskError } from '@ct/contracts'
import type { ResultHandle } from '@ct/contracts'
import type { App } from '../app/app.ts'
import type { AppContext } from '../app/context.ts'
import type { Logger } from '../app/logger.ts'
import { runInTask, runningTask, signatureFromDict, stampsOf } from '../canvas/index.ts'
import type { EagerOutcome, SignatureCall } from '../canvas/index.ts'
import { isAborted } from '../result/index.ts'
import type { ResultNode } from '../result/index.ts'
import { BaseTaskContext } from './base-task-context.ts'
import { callWithFailure, takesFailure } from './error-callback.ts'
import type { RegisteredTask } from './registered-task.ts'
import { automaticRetry, retryArguments } from './retry-control.ts'
import type { TaskRetryOptions } from './task-context.ts'
import type { TaskRequest } from './task-request.ts'

/** The context of a task that runs in the caller: eagerly, or called as a function. */
export class LocalTaskContext extends BaseTaskContext {
  readonly app: App
  readonly request: TaskRequest
  readonly signal: AbortSignal
  #log: Logger | undefined

  constructor(
    task: RegisteredTask,
    request: TaskRequest,
    app: App,
    signal: AbortSignal = new AbortController().signal,
  ) {
    super(task)
    this.request = request
    this.app = app
    this.signal = signal
  }

  get log(): Logger {
    return (this.#log ??= this.app.context.logger.child({ task_id: this.request.id, task_name: this.name }))
  }

  addTrail<T extends ResultNode>(result: T): T {
    const running = runningTask()
    if (running?.context === this) running.children?.push(result.handle())
    return result
  }

  /** Stored only where eager results are (`taskStoreEagerResult`). */
  async updateState(state: string, meta?: unknown): Promise<void> {
    const { context } = this.app
    if (this.request.calledDirectly || !this.task.options.storeEagerResult || context.backend === undefined)
      return
    await context.results.storeResult({ taskId: this.request.id, state, result: meta ?? null })
  }

  async isAborted(): Promise<boolean> {
    return !this.request.calledDirectly && (await isAborted(this.app.context.results, this.request.id))
  }

  sendEvent(): Promise<void> {
    return Promise.resolve()
  }
}

/** A request of nobody's sending. */
export function localRequest(task: string, fields: Partial<TaskRequest>): TaskRequest {
  return {
    id: '',
    rootId: null,
    parentId: null,
    task,
    lang: null,
    args: [],
    kwargs: {},
    argsrepr: null,
    kwargsrepr: null,
    retries: 0,
    isEager: false,
    calledDirectly: true,
    eta: null,
    expires: null,
    timeLimit: null,
    softTimeLimit: null,
    hostname: null,
    origin: null,
    correlationId: null,
    replyTo: null,
    deliveryInfo: { exchange: null, routingKey: null, priority: null, redelivered: false },
    group: null,
    groupIndex: null,
    chord: null,
    chain: null,
    callbacks: null,
    errbacks: null,
    headers: null,
    properties: null,
    stampedHeaders: null,
    stamps: null,
    ignoreResult: null,
    shadow: null,
    replacedTaskNesting: 0,
    utc: true,
    ...fields,
  }
}

export async function runTaskEagerly(
  context: AppContext,
  task: RegisteredTask,
  call: SignatureCall,
): Promise<EagerOutcome> {
  const id = (call.options['task_id'] as string | undefined) ?? randomUUID()
  const { args, kwargs } = call.roundTrip === true ? throughSerializer(context, task, call) : call
  const children: ResultHandle[] | undefined = task.options.trail ? [] : undefined
  const propagate = call.propagate ?? context.settings.taskEagerPropagates
  let attempt: Attempt
  for (
    let retries = (call.options['retries'] as number | undefined) ?? 0, next = { args, kwargs };
    ;
    retries++
  ) {
    const request = eagerRequest(context, task, id, { ...call, ...next }, retries)
    const running = new LocalTaskContext(task, request, context.app, call.signal)
    attempt = await run(running, children)
    if (!(attempt.error instanceof Retry)) break
    await task.options.onRetry?.(attempt.error.exc, id, next.args, next.kwargs, request)
    const again = (attempt.error.sig ?? {}) as TaskRetryOptions
    next = retryArguments(task.parameterNames, next, again)
  }
  if (attempt.error instanceof Replace) {
    // What was linked to the task is linked to what replaces it.
    const made = signatureFromDict(context.app, attempt.error.signature)
    const outcome = await made.runEagerly({
      args: [],
      kwargs: {},
      options: {},
      signal: call.signal,
      propagate: call.propagate,
    })
    return { ...outcome, id, name: task.name }
  }
  return await conclude(context, task, { id, call, args, kwargs, children, propagate }, attempt)
}

interface Attempt {
  readonly request: TaskRequest
  readonly failed: boolean
  readonly value: unknown
  readonly error: unknown
}

async function run(running: LocalTaskContext, children: ResultHandle[] | undefined): Promise<Attempt> {
  const { request, task } = running
  try {
    const value: unknown = await runInTask({ context: running, children }, async () => {
      await task.options.beforeStart?.(request.id, request.args, request.kwargs)
      return await task.run(running, request.args, request.kwargs)
    })
    return { request, failed: false, value, error: undefined }
  } catch (error) {
    return { request, failed: true, value: undefined, error: automaticRetry(running, error) ?? error }
  }
}

interface Conclusion {
  readonly id: string
  readonly call: SignatureCall
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly children: readonly ResultHandle[] | undefined
  readonly propagate: boolean
}

async function conclude(
  context: AppContext,
  task: RegisteredTask,
  { id, call, args, kwargs, children, propagate }: Conclusion,
  attempt: Attempt,
): Promise<EagerOutcome> {
  const outcome = { id, name: task.name, traceback: null, parent: null, members: null }
  const { options } = task
  const { error, request } = attempt
  if (!attempt.failed) {
    const { value } = attempt
    for (const link of (call.options['link'] ?? []) as readonly unknown[]) {
      await signatureFromDict(context.app, link).runEagerly({
        args: [value],
        kwargs: {},
        options: {},
        signal: call.signal,
      })
    }
    await store(context, task, call, {
      taskId: id,
      state: 'SUCCESS',
      result: value,
      children: children ?? null,
    })
    await options.onSuccess?.(value, id, args, kwargs)
    await options.afterReturn?.('SUCCESS', value, id, args, kwargs)
    return { ...outcome, state: 'SUCCESS', value }
  }
  if (error instanceof Ignore) return { ...outcome, state: 'IGNORED', value: error }
  if (error instanceof Reject) return { ...outcome, state: 'REJECTED', value: error }
  // With propagation the caller gets the error instead of the error callbacks.
  if (propagate) throw error
  const traceback = error instanceof Error ? pythonTraceback(error) : null
  await store(context, task, call, {
    taskId: id,
    state: 'FAILURE',
    result: error,
    traceback,
    children: children ?? null,
  })
  for (const errback of (call.options['link_error'] ?? []) as readonly unknown[]) {
    const signature = signatureFromDict(context.app, errback)
    const called = signature.subtaskType === null ? context.tasks.get(signature.task) : undefined
    if (takesFailure(called, signature)) {
      await callWithFailure(context.app, called, signature, [request, error, traceback]).catch(
        (thrown: unknown) => {
          context.logger.error(`Error callback ${signature.task} of ${task.name}[${id}] raised an error.`, {
            error: thrown,
          })
        },
      )
    } else await signature.runEagerly({ args: [id], kwargs: {}, options: {}, signal: call.signal })
  }
  await options.onFailure?.(error, id, args, kwargs, request)
  await options.afterReturn?.('FAILURE', error, id, args, kwargs)
  const value =
    error instanceof Error
      ? error
      : new TaskError('CT_REMOTE', String(error), {
          excType: 'Exception',
          excModule: 'builtins',
          args: [error],
        })
  return { ...outcome, state: 'FAILURE', value, traceback }
}

async function store(
  context: AppContext,
  task: RegisteredTask,
  call: SignatureCall,
  outcome: Parameters<AppContext['results']['storeResult']>[0],
): Promise<void> {
  const ignored = (call.options['ignore_result'] as boolean | undefined) ?? task.options.ignoreResult
  if (ignored || !task.options.storeEagerResult || context.backend === undefined) return
  await context.results.storeResult(outcome)
}

function throughSerializer(
  context: AppContext,
  task: RegisteredTask,
  call: SignatureCall,
): Pick<SignatureCall, 'args' | 'kwargs'> {
  const name =
    (call.options['serializer'] as string | undefined) ??
    task.options.serializer ??
    context.settings.taskSerializer
  const serializer = context.serializers.get(name)
  const [args, kwargs] = serializer.decode(serializer.encode([call.args, call.kwargs])) as [
    unknown[],
    Record<string, unknown>,
  ]
  return { args, kwargs }
}

function eagerRequest(
  context: AppContext,
  task: RegisteredTask,
  id: string,
  call: SignatureCall,
  retries: number,
): TaskRequest {
  const options = call.options
  const text = (key: string): string | null => (typeof options[key] === 'string' ? options[key] : null)
  return localRequest(task.name, {
    id,
    rootId: text('root_id') ?? id,
    parentId: text('parent_id'),
    args: call.args,
    kwargs: call.kwargs,
    retries,
    isEager: true,
    calledDirectly: false,
    hostname: hostName(),
    origin: context.origin,
    group: text('group_id'),
    groupIndex: typeof options['group_index'] === 'number' ? options['group_index'] : null,
    ...stampsOfCall(options),
    callbacks: (options['link'] as readonly unknown[] | undefined) ?? null,
    errbacks: (options['link_error'] as readonly unknown[] | undefined) ?? null,
    headers: (options['headers'] as Readonly<Record<string, unknown>> | undefined) ?? null,
    ignoreResult: (options['ignore_result'] as boolean | undefined) ?? null,
    shadow: text('shadow'),
    deliveryInfo: {
      exchange: text('exchange'),
      routingKey: text('routing_key'),
      priority: typeof options['priority'] === 'number' ? options['priority'] : null,
      redelivered: false,
      isEager: true,
    },
  })
}

function stampsOfCall(options: SignatureCall['options']): Pick<TaskRequest, 'stampedHeaders' | 'stamps'> {
  const stamps = stampsOf(options)
  const names = Object.keys(stamps)
  return names.length === 0 ? { stampedHeaders: null, stamps: null } : { stampedHeaders: names, stamps }
}
