import type { ExchangeType, HeaderTable } from '@ct/contracts'
import { ConfigurationError } from '@ct/contracts'
import { didYouMean } from '../connection/index.ts'
import type { DeliveryMode, Exchange } from './exchange.ts'
import type { Queue } from './queue.ts'
import { camelCased } from './queue-definition.ts'

/** Celery's publish retry policy in camelCase; durations are seconds (`task_publish_retry_policy`). */
export interface RetryPolicy {
  /** Tries after the first; null means as long as the time allowed lasts. Default 3. */
  readonly maxRetries: number | null
  /** Seconds before the first retry. Default 0. */
  readonly intervalStart: number
  /** Seconds added for each further retry. Default 0.2. */
  readonly intervalStep: number
  /** Most seconds between two tries. Default 1. */
  readonly intervalMax: number
}

/** What decides where and how a message is published; a call, a task or a route may give any of it. */
export interface RouteOptions {
  readonly queue?: string | Queue | null | undefined
  /** Counts on a direct exchange only together with `routingKey`. */
  readonly exchange?: string | Exchange | null | undefined
  readonly exchangeType?: ExchangeType | null | undefined
  readonly routingKey?: string | null | undefined
  /** Null: send without any priority. */
  readonly priority?: number | null | undefined
  readonly deliveryMode?: DeliveryMode | null | undefined
  readonly serializer?: string | null | undefined
  readonly compression?: string | null | undefined
  readonly headers?: HeaderTable | null | undefined
  /** Whether to retry a publish that failed. */
  readonly retry?: boolean | null | undefined
  readonly retryPolicy?: Partial<RetryPolicy> | null | undefined
  /** Fail when no queue takes the message (where the broker can tell). */
  readonly mandatory?: boolean | null | undefined
  /** Further message properties, e.g. `{ MessageGroupId: '1' }` for SQS. */
  readonly properties?: HeaderTable | null | undefined
}

/** A task, as route functions see it. */
export interface RoutedTask {
  readonly name: string
}

/**
 * Where a task goes: a queue name, options, or null to ask the next router. `{}` ends the search with the default queue.
 */
export type Route = string | Queue | RouteOptions | null | undefined

/** `(name, args, kwargs, options, task)`, as in Celery; `task` is undefined when the app does not know the task. */
export type RouteFunction = (
  name: string,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  options: RouteOptions,
  task: RoutedTask | undefined,
) => Route

export interface RouteObject {
  routeForTask(name: string, args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>): Route
}

/** Names, globs (any key with a `*`) and expressions; exact names are looked up first, the others in order. */
export type RouteMap =
  | Readonly<Record<string, string | Queue | RouteOptions>>
  | ReadonlyMap<string | RegExp, string | Queue | RouteOptions>
  | readonly (readonly [string | RegExp, string | Queue | RouteOptions])[]

export type TaskRouter = RouteMap | RouteFunction | RouteObject

/** One router or several in order: the first that answers anything but null wins. */
export type TaskRoutes = TaskRouter | readonly TaskRouter[]

const routeKeys: ReadonlySet<string> = new Set<keyof RouteOptions>([
  'queue',
  'exchange',
  'exchangeType',
  'routingKey',
  'priority',
  'deliveryMode',
  'serializer',
  'compression',
  'headers',
  'retry',
  'retryPolicy',
  'mandatory',
  'properties',
])

/** Options of a call that Celery takes before it routes; in a route they are a mistake that must not pass silently. */
const callOnlyKeys: ReadonlySet<string> = new Set([
  'expires',
  'eta',
  'countdown',
  'taskId',
  'timeLimit',
  'softTimeLimit',
  'link',
  'linkError',
  'retries',
  'ignoreResult',
  'replyTo',
  'shadow',
  'args',
  'kwargs',
])

/**
 * Checks the options a route gives and brings them into one spelling. Unknown keys that begin with a capital letter are message
 * properties (`MessageGroupId`), everything else unknown is refused with `CT_CONFIGURATION`.
 */
export function routeOptionsFrom(route: RouteOptions, where: string): RouteOptions {
  const options: Record<string, unknown> = {}
  let properties: Record<string, unknown> | undefined
  for (const [key, value] of Object.entries(route)) {
    const option = camelCased(key)
    if (routeKeys.has(option)) {
      options[option] = value
    } else if (/^[A-Z]/.test(key)) {
      properties = { ...properties, [key]: value }
    } else if (callOnlyKeys.has(option)) {
      throw new ConfigurationError(
        `${where} sets "${key}", which routes cannot set. Give it when calling the task, or as an option of the task.`,
        { details: { option: key } },
      )
    } else {
      throw new ConfigurationError(
        `${where} has an unknown option "${key}".${didYouMean(option, routeKeys)}`,
        {
          details: { option: key },
        },
      )
    }
  }
  if (properties !== undefined)
    options['properties'] = { ...(options['properties'] as object), ...properties }
  return options
}
