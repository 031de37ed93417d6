import type { SignatureOptions } from '@ct/contracts'
import { isPlainObject, isRawJson } from '@ct/contracts'
import type { AppContext } from '../app/context.ts'
import { mergeOptions } from '../routing/index.ts'
import type { RouteOptions } from '../routing/index.ts'
import { knownWireOptions, producerPolicy, refuseWrongOption } from './call-option-names.ts'
import type { RunningTask } from './current-task.ts'
import { sendPlan } from './send-plan.ts'
import type { SendPlan } from './send-plan.ts'
import type { TaskCall } from './send-task-message.ts'

const routeNames: readonly (readonly [wire: string, name: keyof RouteOptions])[] = [
  ['queue', 'queue'],
  ['exchange', 'exchange'],
  ['exchange_type', 'exchangeType'],
  ['routing_key', 'routingKey'],
  ['priority', 'priority'],
  ['serializer', 'serializer'],
  ['compression', 'compression'],
  ['delivery_mode', 'deliveryMode'],
  ['headers', 'headers'],
  ['retry', 'retry'],
  ['retry_policy', 'retryPolicy'],
  ['mandatory', 'mandatory'],
]

/** Options that a chord's own machinery reads, and others that Python leaves in signatures; no message properties. */
const notProperties: ReadonlySet<string> = new Set([
  ...knownWireOptions,
  'interval',
  'max_retries',
  'origin',
  'producer',
  'connection',
])

/** Options of task, call and running task that say where a message goes. The plan’s own object where nothing is added: it is cached. */
export function routeOptions(
  ctx: AppContext,
  plan: SendPlan,
  options: SignatureOptions,
  running: RunningTask | undefined,
): RouteOptions {
  const route: Record<string, unknown> = {}
  let given = false
  for (const [wire, name] of routeNames) {
    const value = options[wire]
    if (value == null) continue
    refuseWrongOption(wire, value)
    route[name] = name === 'retryPolicy' ? producerPolicy(value as object) : value
    given = true
  }
  const stamped = options['stamped_headers']
  for (const key in options) {
    if (notProperties.has(key) || options[key] == null || (Array.isArray(stamped) && stamped.includes(key)))
      continue
    route['properties'] = { ...(route['properties'] as object | undefined), [key]: options[key] }
    given = true
  }
  if (route['priority'] === undefined && running !== undefined && ctx.settings.taskInheritParentPriority) {
    const { priority } = running.context.request.deliveryInfo
    if (priority !== null) {
      route['priority'] = priority
      given = true
    }
  }
  return given ? mergeOptions(plan.route, route) : plan.route
}

/** A task that others call, as its signature names it. */
export interface MappedTask {
  readonly task: string
  readonly options: unknown
}

const placeNames = routeNames.slice(0, 4)

/** `own`, and where that says no place, the place of the mapped task: the queue of its signature, or of its definition. */
export function placedAs(ctx: AppContext, { task, options }: MappedTask, own: RouteOptions): RouteOptions {
  if (own.queue != null || own.exchange != null || own.routingKey != null) return own
  const { route } = sendPlan(ctx, task)
  const given = isPlainObject(options) ? options : {}
  const place: Record<string, unknown> = {}
  for (const [wire, name] of placeNames) {
    if (given[wire] == null) continue
    refuseWrongOption(wire, given[wire])
    place[name] = given[wire]
  }
  if (Object.keys(place).length === 0) for (const [, name] of placeNames) place[name] = route[name]
  return { ...own, ...place }
}

/** Looked at by route functions only, hence decoded only then. */
export function routedCall(call: TaskCall, plan: SendPlan): Parameters<AppContext['router']['route']>[2] {
  const { args, kwargs } = call
  if (!isRawJson(args) && !isRawJson(kwargs)) return { args, kwargs, task: plan.task }
  return {
    get args() {
      return isRawJson(args) ? (args.decode() as unknown[]) : args
    },
    get kwargs() {
      return isRawJson(kwargs) ? (kwargs.decode() as Record<string, unknown>) : kwargs
    },
    task: plan.task,
  }
}
