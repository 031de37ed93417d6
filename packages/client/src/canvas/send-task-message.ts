import type {
  ChainSource,
  OutgoingMessage,
  SignatureOptions,
  SignatureSource,
  TaskMessageInput,
  TaskMessageOptions,
} from '@ct/contracts'
import { buildTaskMessage, isCeleryError, isRawJson, parseIso, stepsOfChain } from '@ct/contracts'
import type { RawJson } from '@ct/contracts'
import type { AppContext } from '../app/context.ts'
import type { PublishOptions } from '../producer/index.ts'
import { delaysNatively } from '../routing/index.ts'
import type { Destination } from '../routing/index.ts'
import { builtinTasks } from './builtin-task-names.ts'
import { refuseWrongOption } from './call-option-names.ts'
import { placedAs, routedCall, routeOptions } from './call-routing.ts'
import type { MappedTask } from './call-routing.ts'
import { runningTask } from './current-task.ts'
import { taskResult } from './frozen-result.ts'
import type { FrozenResult } from './frozen-result.ts'
import { instant } from './moments.ts'
import { newTaskId } from './new-task-id.ts'
import type { Outbox } from './outbox.ts'
import { publishOptions } from './publish-options.ts'
import { announcement } from './publish-signals.ts'
import type { Announcement } from './publish-signals.ts'
import { sendPlan } from './send-plan.ts'
import type { SendPlan } from './send-plan.ts'
import { decoded, embeddable } from './signature-source.ts'

/** One task to send. `options` are those of a signature: Python's names (see `CallOptions` for their meaning). */
export interface TaskCall {
  readonly task: string
  /** `RawJson` of an array forwards arguments as they were received. */
  readonly args: readonly unknown[] | RawJson
  readonly kwargs: Readonly<Record<string, unknown>> | RawJson
  readonly options?: Readonly<Record<string, unknown>> | undefined
  readonly signal?: AbortSignal | undefined
  /** Takes the message instead of the producer, if it can. */
  readonly outbox?: Outbox | undefined
  /** Sent by name (`sendTask`): the executing task decides whether its result is ignored, unless the call says so. */
  readonly byName?: boolean | undefined
}

/** A message that is ready to be published. */
export interface PreparedTask {
  readonly message: OutgoingMessage
  readonly publish: PublishOptions
  readonly result: FrozenResult
  /** A running task has it among its children: {@link notSent} takes it back. */
  readonly isChild: boolean
  /** Whoever publishes it tells the listeners before and after; undefined: there are none. */
  readonly announcement: Announcement | undefined
}

const noOptions: SignatureOptions = Object.freeze({})

/**
 * The one way every task is sent: options of call, task and route are merged, ids and parents filled in, the message built
 * (celery/app/base.py 5.7, `send_task`). Publishes nothing. Errors: `CT_CONFIGURATION`, `CT_INVALID_MESSAGE`, `CT_ENCODE`,
 * `CT_QUEUE_NOT_FOUND`.
 */
export function prepareTask(ctx: AppContext, call: TaskCall): PreparedTask {
  const plan = sendPlan(ctx, call.task)
  const options = (call.options ?? noOptions) as SignatureOptions
  const plain = call.options === undefined
  const settings = ctx.settings
  const running = runningTask()
  const id = (options.task_id as string | null | undefined) ?? newTaskId()
  const own = plain && running === undefined ? plan.route : routeOptions(ctx, plan, options, running)
  const mapped = mappedTask(call)
  const route = mapped === undefined ? own : placedAs(ctx, mapped, own)
  const routeName = (options['route_name'] as string | undefined) ?? mapped?.task ?? call.task
  const destination = ctx.router.route(routeName, route, routedCall(call, plan))
  const serializer = ctx.serializers.get(destination.options.serializer ?? settings.taskSerializer)
  const json = serializer.contentType === 'application/json'
  const compression = destination.options.compression ?? settings.taskCompression
  const now = ctx.now()
  const ignoreResult = ignored(ctx, options, plan, call, destination)
  const input: Mutable<TaskMessageInput> = {
    task: call.task,
    id,
    args: json ? call.args : (decoded(call.args) as readonly unknown[]),
    kwargs: json ? call.kwargs : (decoded(call.kwargs) as Readonly<Record<string, unknown>>),
    origin: ctx.origin,
    timeLimit: plan.timeLimit,
    softTimeLimit: plan.softTimeLimit,
    ignoreResult,
    replyTo: (options.reply_to as string | null | undefined) ?? ctx.oid,
    priority: destination.priority ?? null,
    deliveryMode: destination.deliveryMode,
    eta: null,
    expires: instant(plan.expires, now),
    rootId: options.root_id ?? null,
    parentId: options.parent_id ?? null,
  }
  if (running !== undefined && !running.context.request.calledDirectly) {
    const { request } = running.context
    input.rootId ??= request.rootId ?? request.id
    input.parentId ??= request.id
  }
  if (plan.task?.options.shadowName !== undefined) input.shadow = shadowOf(plan, call)
  if (!plain) addCallOptions(input, options, now, json)
  if (destination.options.headers != null) input.headers = destination.options.headers
  const extra = destination.options.properties
  if (extra != null) input.properties = extra
  const build: TaskMessageOptions = {
    serializer,
    compression:
      compression === null || compression === undefined
        ? null
        : { name: compression, compressors: ctx.compressors },
    reprMaxLevels: settings.taskReprMaxlevels,
    nowMs: now,
    formatDate: ctx.formatDate,
  }
  const content = buildTaskMessage(input, build)
  const result = taskResult(id, ignoreResult === true)
  const isChild = running?.children !== undefined && options['add_to_parent'] !== false
  if (isChild) running.children!.push(result)
  const message = addressed(ctx, content, destination, input)
  const publish = publishOptions(ctx, { destination, headers: content.headers, options, signal: call.signal })
  const announced = announcement(ctx, { message, publish, input, build })
  return { message, publish, result, isChild, announcement: announced }
}

/** {@link prepareTask}, published. Resolves when the broker has taken it. Errors besides: `CT_PUBLISH`, `CT_ABORTED`, `CT_CLOSED`. */
export function publishTask(ctx: AppContext, call: TaskCall): Promise<FrozenResult> {
  return publishTaskAs(ctx, call, (result) => result)
}

/** {@link publishTask}; resolves to what `handle` makes of the result. */
export function publishTaskAs<T>(
  ctx: AppContext,
  call: TaskCall,
  handle: (result: FrozenResult) => T,
): Promise<T> {
  try {
    const { producer } = ctx
    const prepared = prepareTask(ctx, call)
    const { result, message, publish, isChild } = prepared
    if (prepared.announcement !== undefined)
      return publishAnnounced(ctx, call, prepared, prepared.announcement).then(handle)
    if (result.ignored !== true) ctx.results.willSend(result.id)
    const ready = ctx.results.beforePublish({ signal: call.signal })
    if (ready === undefined && call.outbox?.take([prepared]) === true) return Promise.resolve(handle(result))
    const taken = (): T => handle(result)
    const published =
      ready === undefined
        ? producer.publish(message, publish, taken)
        : ready.then(() => producer.publish(message, publish, taken))
    if (!isChild) return published
    return published.catch((error: unknown) => {
      if (!mayHaveBeenSent(error)) notSent(result)
      throw error
    })
  } catch (error) {
    return Promise.reject(error instanceof Error ? error : new Error(String(error)))
  }
}

async function publishAnnounced(
  ctx: AppContext,
  call: TaskCall,
  prepared: PreparedTask,
  announced: Announcement,
): Promise<FrozenResult> {
  const { message, publish, result } = prepared
  try {
    await announced.before()
    await ctx.results.beforePublish({ signal: call.signal })
    if (call.outbox?.take([prepared]) === true) return result
    await ctx.producer.publish(message, publish)
  } catch (error) {
    announced.failed(error)
    if (!mayHaveBeenSent(error)) notSent(result)
    throw error
  }
  await announced.after()
  return result
}

export function mayHaveBeenSent(error: unknown): boolean {
  return isCeleryError(error) && error.details['maybeDelivered'] === true
}

/** The running task has no such child after all: nobody will ever store its result. */
export function notSent(result: FrozenResult): void {
  const children = runningTask()?.children
  const at = children?.indexOf(result) ?? -1
  if (at >= 0) children!.splice(at, 1)
}

/** The task that map, starmap and chunks call, from its signature: they are routed as it (CANVAS-53). */
function mappedTask({ task, kwargs }: TaskCall): MappedTask | undefined {
  if (task !== builtinTasks.map && task !== builtinTasks.starmap && task !== builtinTasks.chunks)
    return undefined
  const inner = isRawJson(kwargs) ? undefined : kwargs['task']
  const source = (isRawJson(inner) ? inner.decode() : inner) as Partial<MappedTask> | null | undefined
  return typeof source?.task === 'string' ? { task: source.task, options: source.options } : undefined
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Of copies that run everywhere under one id, the last result would win (PAIN-64): ct keeps none, unless the call says so. */
function ignored(
  ctx: AppContext,
  options: SignatureOptions,
  plan: SendPlan,
  call: TaskCall,
  { queue }: Destination,
): boolean | null {
  const given = options['ignore_result']
  if (typeof given === 'boolean') return given
  if (queue?.isBroadcast === true && ctx.defaults === 'ct') return true
  return call.byName === true ? null : plan.ignoreResult
}

function addCallOptions(
  input: Mutable<TaskMessageInput>,
  options: SignatureOptions,
  now: number,
  json: boolean,
): void {
  const given = options as Readonly<Record<string, unknown>>
  const eta = given['eta']
  const countdown = given['countdown']
  if (eta != null) input.eta = eta instanceof Date ? instant(eta, now) : (eta as string)
  else if (countdown != null && countdown !== 0) {
    refuseWrongOption('countdown', countdown)
    input.eta = now + (countdown as number) * 1000
  }
  // null clears what the task has; a key that is not there leaves it.
  if (given['expires'] !== undefined)
    input.expires = instant(given['expires'] as number | Date | string | null, now)
  if (given['time_limit'] !== undefined) input.timeLimit = given['time_limit'] as number | null
  if (given['soft_time_limit'] !== undefined) input.softTimeLimit = given['soft_time_limit'] as number | null
  if (options.group_id != null) input.group = options.group_id
  if (options.group_index != null) input.groupIndex = options.group_index
  if (given['retries'] != null) input.retries = given['retries'] as number
  if (given['shadow'] != null) input.shadow = given['shadow'] as string
  if (given['argsrepr'] != null) input.argsrepr = given['argsrepr'] as string
  if (given['kwargsrepr'] != null) input.kwargsrepr = given['kwargsrepr'] as string
  if (given['replaced_task_nesting'] != null)
    input.replacedTaskNesting = given['replaced_task_nesting'] as number
  if (given['origin'] != null) input.origin = given['origin'] as string
  const source = (value: unknown): SignatureSource => embeddable(value, json)
  if (options.link != null && options.link.length > 0) input.callbacks = options.link.map(source)
  if (options.link_error != null && options.link_error.length > 0)
    input.errbacks = options.link_error.map(source)
  const chain = given['chain'] as ChainSource | null | undefined
  if (chain != null)
    input.chain = json && isRawJson(chain) ? chain : (stepsOfChain(chain) as readonly unknown[]).map(source)
  if (options.chord != null) input.chord = source(options.chord)
  const names = given['stamped_headers']
  if (Array.isArray(names) && names.length > 0) {
    const stamps = [...new Set(names as string[])]
    input.stampedHeaders = stamps
    input.stamps = Object.fromEntries(stamps.map((name) => [name, given[name]]))
  }
}

function shadowOf(plan: SendPlan, call: TaskCall): string | null {
  const { args, kwargs } = routedCall(call, plan)!
  return plan.task?.options.shadowName?.(args, kwargs) ?? null
}

function addressed(
  ctx: AppContext,
  content: ReturnType<typeof buildTaskMessage>,
  destination: Destination,
  input: TaskMessageInput,
): Mutable<OutgoingMessage> {
  const message: Mutable<OutgoingMessage> = {
    body: content.body,
    contentType: content.contentType,
    contentEncoding: content.contentEncoding,
    headers: content.headers,
    properties: content.properties,
    exchange: destination.exchange,
    routingKey: destination.routingKey,
    exchangeType: destination.exchangeType,
  }
  if (destination.options.mandatory === true || mayVanish(ctx, destination)) message.mandatory = true
  if (input.eta != null && delaysNatively(ctx.broker, ctx.queues)) message.notBefore = epochMs(input.eta)
  return message
}

/**
 * A queue that we have declared may be deleted by others later, and the broker then drops what is sent to it, confirmed as ever. A message that
 * is returned instead makes the producer declare the queue again.
 */
function mayVanish(ctx: AppContext, { exchange, declare }: Destination): boolean {
  if (exchange !== '' || declare.length === 0) return false
  const { mandatory, queuesOnPublish } = ctx.broker.capabilities
  return mandatory && !queuesOnPublish
}

function epochMs(moment: Date | number | string): number {
  if (typeof moment === 'string') return parseIso(moment).epochMs
  return typeof moment === 'number' ? moment : moment.getTime()
}
