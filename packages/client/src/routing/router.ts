import type { ExchangeType, QueueDeclaration } from '@ct/contracts'
import { ConfigurationError } from '@ct/contracts'
import type { DeliveryMode } from './exchange.ts'
import { deliveryModeNumber, Exchange } from './exchange.ts'
import { Queue } from './queue.ts'
import type { Queues } from './queues.ts'
import type { RoutedTask, RouteOptions, TaskRoutes } from './route-options.ts'
import type { CompiledRoutes } from './routes.ts'
import { compileRoutes } from './routes.ts'

/** Where a message goes, computed; what the publisher needs and nothing to decide any more. Frozen, may be shared. */
export interface Destination {
  /** `''`: the default exchange, `routingKey` is then the queue. */
  readonly exchange: string
  readonly routingKey: string
  readonly exchangeType: ExchangeType
  readonly queue: Queue | undefined
  /** Name of the queue as events report it. */
  readonly queueName: string | undefined
  /** To be declared before publishing, once per connection. */
  readonly declare: readonly QueueDeclaration[]
  readonly deliveryMode: 1 | 2
  /** 0 when nobody said anything, undefined when somebody said null: sent without. */
  readonly priority: number | undefined
  /** The call's options over the route's: serializer, compression, headers, retry… */
  readonly options: RouteOptions
}

export interface RouterSettings {
  readonly taskRoutes?: TaskRoutes | null | undefined
  /** Default `persistent`. */
  readonly taskDefaultDeliveryMode?: DeliveryMode | undefined
}

/** What route functions are told; looked at only when there are any. */
export interface RoutedCall {
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly task?: RoutedTask | undefined
}

const noOptions: RouteOptions = Object.freeze({})
const noCall: RoutedCall = Object.freeze({ args: [], kwargs: {} })

/**
 * From a task's name and options to a {@link Destination} (celery/app/routes.py and amqp.py 5.7).
 *
 * Precedence: options of the call, options of the task (whoever calls merges these two), route, default queue. Null counts as not
 * given. A direct exchange is used only when exchange *and* routing key were given; else the message goes to the default exchange
 * under the name of the queue.
 */
export class Router {
  readonly queues: Queues
  readonly #settings: RouterSettings
  #routes: CompiledRoutes
  #byName = new Map<string, Destination>()
  #byOptions = new WeakMap<RouteOptions, Map<string, Destination>>()
  #version: number

  /** Throws `CT_CONFIGURATION` when a route is malformed. */
  constructor(queues: Queues, settings: RouterSettings = {}) {
    this.queues = queues
    this.#settings = settings
    this.#routes = compileRoutes(settings.taskRoutes)
    this.#version = queues.version
  }

  /** Forgets what was computed and takes other routes, as after a change of the settings. */
  setRoutes(routes: TaskRoutes | null | undefined): void {
    this.#routes = compileRoutes(routes)
    this.#forget()
  }

  /**
   * Where a task goes. Cheap to call with the same name and no options, or with the same *frozen* options object: the answer is
   * then remembered, unless a route function has to be asked. Throws `CT_QUEUE_NOT_FOUND`.
   */
  route(name: string, options: RouteOptions = noOptions, call: RoutedCall = noCall): Destination {
    if (!this.#routes.byNameOnly) return this.#compute(name, options, call)
    if (this.#version !== this.queues.version) this.#forget()
    const known = this.#cacheOf(options)?.get(name)
    if (known !== undefined) return known
    const destination = this.#compute(name, options, call)
    // Computing may have created the queue: what was remembered before is void, this answer is not.
    if (this.#version !== this.queues.version) this.#forget()
    const cache = this.#cacheOf(options)
    // Names may come from outside: bounded, so that a flood of them does not fill the memory.
    if (cache !== undefined && cache.size >= 10_000) cache.clear()
    cache?.set(name, destination)
    return destination
  }

  #cacheOf(options: RouteOptions): Map<string, Destination> | undefined {
    if (isEmpty(options)) return this.#byName
    const cache = this.#byOptions.get(options)
    if (cache !== undefined) return cache
    if (!Object.isFrozen(options)) return undefined
    const fresh = new Map<string, Destination>()
    this.#byOptions.set(options, fresh)
    return fresh
  }

  #forget(): void {
    this.#version = this.queues.version
    this.#byName = new Map()
    this.#byOptions = new WeakMap()
  }

  #compute(name: string, given: RouteOptions, call: RoutedCall): Destination {
    let merged: RouteOptions = given
    let routed = false
    for (const router of this.#routes.routers) {
      const route = router(name, call.args, call.kwargs, given, call.task)
      if (route == null) continue
      const fromRoute: RouteOptions =
        typeof route === 'string' || Queue.isQueue(route) ? { queue: route } : route
      routed = Object.keys(fromRoute).length > 0
      merged = mergeOptions(fromRoute, given)
      break
    }
    // A route without a queue leaves the queue open, and so does a complete address; else the default queue fills the gaps.
    const addressed = merged.exchange != null && merged.exchange !== '' && merged.routingKey != null
    if (!routed && !addressed && merged.queue == null)
      merged = { ...merged, queue: this.queues.defaultQueueName }
    return this.#destination(name, merged)
  }

  #destination(name: string, options: RouteOptions): Destination {
    const exchange = this.#exchange(options.exchange)
    let queue: Queue | undefined
    if (Queue.isQueue(options.queue)) queue = this.queues.complete(options.queue)
    else if (typeof options.queue === 'string' && options.queue !== '') queue = this.queues.get(options.queue)
    else if (exchange.name === undefined) queue = this.queues.get(this.queues.defaultQueueName)

    const queueType = queue?.exchange?.type ?? 'direct'
    let type = options.exchangeType ?? queueType
    let routingKey = options.routingKey ?? ''
    let exchangeName: string
    // Without both, a direct exchange adds nothing to the queue's own name.
    if ((exchange.name === undefined || routingKey === '') && type === 'direct') {
      if (queue === undefined) {
        throw new ConfigurationError(
          `Task "${name}" is to be sent to exchange "${exchange.name ?? ''}" without a routing key. Give routingKey as well, or a queue.`,
        )
      }
      exchangeName = ''
      routingKey = queue.name
    } else if (exchange.name === undefined) {
      exchangeName = queue?.exchange?.name ?? this.queues.defaultExchange.name
      if (routingKey === '') routingKey = queue?.routingKey ?? this.queues.defaultRoutingKey
    } else {
      exchangeName = exchange.name
      type = options.exchangeType ?? exchange.type ?? queueType
    }

    const deliveryMode =
      options.deliveryMode ??
      exchange.deliveryMode ??
      queue?.exchange?.deliveryMode ??
      this.#settings.taskDefaultDeliveryMode ??
      2
    return Object.freeze({
      exchange: exchangeName,
      routingKey,
      exchangeType: type,
      queue,
      queueName: queue?.name,
      declare: queue === undefined || queue.isBroadcast ? [] : [queue.declaration],
      deliveryMode: deliveryModeNumber(deliveryMode),
      priority: options.priority === null ? undefined : (options.priority ?? 0),
      options: Object.isFrozen(options) ? options : Object.freeze({ ...options }),
    })
  }

  /** The exchange asked for, with its type where any queue or the caller tells it. */
  #exchange(exchange: string | Exchange | null | undefined): {
    readonly name: string | undefined
    readonly type?: ExchangeType | undefined
    readonly deliveryMode?: 1 | 2 | undefined
  } {
    if (exchange == null || exchange === '') return { name: undefined }
    if (Exchange.isExchange(exchange)) {
      return exchange.name === '' ? { name: undefined } : exchange
    }
    for (const queue of this.queues) if (queue.exchange?.name === exchange) return queue.exchange
    return { name: exchange }
  }
}

function isEmpty(options: RouteOptions): boolean {
  for (const _ in options) return false
  return true
}

/** The second over the first; what is null or undefined in the second is not given, except an explicit `priority: null`. */
export function mergeOptions(base: RouteOptions, over: RouteOptions): RouteOptions {
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) {
    if (value != null || (key === 'priority' && value === null && merged['priority'] === undefined))
      merged[key] = value
  }
  return merged
}
