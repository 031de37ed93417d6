import type { AppContext } from '../app/context.ts'
import type { RouteOptions } from '../routing/index.ts'
import type { Settings } from '../app/settings/index.ts'
import type { RegisteredTask } from '../task/registered-task.ts'

/** What every send of one task has in common, computed once per configuration. */
export interface SendPlan {
  readonly task: RegisteredTask | undefined
  /** Frozen, and one object for all sends: the router remembers its answer for it. */
  readonly route: RouteOptions
  readonly timeLimit: number | null
  readonly softTimeLimit: number | null
  readonly expires: number | Date | null
  /** null: the executing task decides (D57-17). */
  readonly ignoreResult: boolean | null
}

const unknownTask: SendPlan = Object.freeze({
  task: undefined,
  route: Object.freeze({}),
  timeLimit: null,
  softTimeLimit: null,
  expires: null,
  ignoreResult: null,
})

const plans = new WeakMap<Settings, Map<string, SendPlan>>()

/** Options of a registered task as send options; nothing for a name that is not registered here. */
export function sendPlan(ctx: AppContext, name: string): SendPlan {
  const settings = ctx.settings
  let byName = plans.get(settings)
  if (byName === undefined) plans.set(settings, (byName = new Map()))
  const known = byName.get(name)
  const task = ctx.tasks.get(name)
  if (known !== undefined && known.task === task) return known
  if (task === undefined) return unknownTask
  const plan = planOf(task)
  byName.set(name, plan)
  return plan
}

function planOf(task: RegisteredTask): SendPlan {
  const options = task.options
  const route: { -readonly [K in keyof RouteOptions]: RouteOptions[K] } = {}
  if (options.queue !== undefined) route.queue = options.queue
  if (options.exchange !== undefined) route.exchange = options.exchange
  if (options.routingKey !== undefined) route.routingKey = options.routingKey
  if (options.priority !== null) route.priority = options.priority
  if (options.deliveryMode !== undefined) route.deliveryMode = options.deliveryMode
  if (options.serializer !== null) route.serializer = options.serializer
  if (options.compression !== null) route.compression = options.compression
  return Object.freeze({
    task,
    route: Object.freeze(route),
    timeLimit: options.timeLimit,
    softTimeLimit: options.softTimeLimit,
    expires: options.expires,
    ignoreResult: options.ignoreResult,
  })
}
