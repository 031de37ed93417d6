import type { ExchangeType } from '@ct/contracts'
import { CeleryError, ConfigurationError } from '@ct/contracts'
import { didYouMean } from '../connection/index.ts'
import { Exchange } from './exchange.ts'
import { Queue } from './queue.ts'
import type { QueueDefinition, TaskQueues } from './queue-definition.ts'
import { queueFromDefinition, queuesFrom } from './queue-definition.ts'

/** A queue is not configured and may not be created. Code `CT_QUEUE_NOT_FOUND`. */
export class QueueNotFoundError extends CeleryError {
  constructor(queue: string, known: Iterable<string>) {
    super(
      'CT_QUEUE_NOT_FOUND',
      `Queue "${queue}" is not in taskQueues, and taskCreateMissingQueues is off.${didYouMean(queue, known)}`,
      { details: { queue } },
    )
  }
}

/** The settings that say which queues there are; durations in seconds, defaults as in Celery. */
export interface QueueSettings {
  readonly taskQueues?: TaskQueues | null | undefined
  /** Default `celery`. */
  readonly taskDefaultQueue?: string | undefined
  /** `classic` (default) or `quorum`. */
  readonly taskDefaultQueueType?: string | undefined
  /** Default: the name of the default queue. */
  readonly taskDefaultExchange?: string | null | undefined
  /** Default `direct`. */
  readonly taskDefaultExchangeType?: ExchangeType | undefined
  /** Default: the name of the default queue. */
  readonly taskDefaultRoutingKey?: string | null | undefined
  /** Default true. */
  readonly taskCreateMissingQueues?: boolean | undefined
  /** `classic` (default) or `quorum`. */
  readonly taskCreateMissingQueueType?: string | null | undefined
  readonly taskCreateMissingQueueExchangeType?: ExchangeType | null | undefined
  readonly taskQueueMaxPriority?: number | null | undefined
}

/**
 * The queues of an app (celery/app/amqp.py 5.7, Queues): those configured, those added, and with `taskCreateMissingQueues` any
 * that is asked for by name. A worker consumes from {@link consumeFrom}.
 */
export class Queues implements Iterable<Queue> {
  readonly defaultExchange: Exchange
  readonly defaultRoutingKey: string
  readonly defaultQueueName: string
  readonly createMissing: boolean
  readonly #settings: QueueSettings
  readonly #queues = new Map<string, Queue>()
  readonly #aliases = new Map<string, Queue>()
  readonly #completed = new WeakMap<Queue, Queue>()
  #selected: Map<string, Queue> | undefined
  #version = 0

  constructor(settings: QueueSettings = {}) {
    this.#settings = settings
    for (const setting of ['taskDefaultQueueType', 'taskCreateMissingQueueType'] as const) {
      const type = settings[setting]
      if (type != null && type !== 'classic' && type !== 'quorum') {
        throw new ConfigurationError(`${setting} is "${type}". Give "classic" or "quorum".`)
      }
    }
    this.defaultQueueName = settings.taskDefaultQueue ?? 'celery'
    this.defaultExchange = new Exchange(settings.taskDefaultExchange ?? this.defaultQueueName, {
      type: settings.taskDefaultExchangeType,
    })
    this.defaultRoutingKey = settings.taskDefaultRoutingKey ?? this.defaultQueueName
    this.createMissing = settings.taskCreateMissingQueues ?? true
    const configured = settings.taskQueues == null ? [] : queuesFrom(settings.taskQueues)
    if (configured.length === 0) configured.push(this.#defaultQueue())
    for (const queue of configured) this.add(queue)
  }

  /** Grows by one with every change; caches compare it. */
  get version(): number {
    return this.#version
  }

  get size(): number {
    return this.#queues.size
  }

  /** Names in the order the queues were added. */
  names(): string[] {
    return [...this.#queues.keys()]
  }

  [Symbol.iterator](): Iterator<Queue> {
    return this.#queues.values()
  }

  /** By name or alias; does not create. */
  has(name: string): boolean {
    return this.#queues.has(name) || this.#aliases.has(name)
  }

  /** By name or alias; does not create. */
  find(name: string): Queue | undefined {
    return this.#aliases.get(name) ?? this.#queues.get(name)
  }

  /**
   * By name or alias. A missing queue is created when `taskCreateMissingQueues` allows it, else `QueueNotFoundError`
   * (`CT_QUEUE_NOT_FOUND`).
   */
  get(name: string): Queue {
    const queue = this.find(name)
    if (queue !== undefined) return queue
    if (!this.createMissing)
      throw new QueueNotFoundError(name, [...this.#queues.keys(), ...this.#aliases.keys()])
    return this.add(this.#missingQueue(name))
  }

  /** Adds or replaces a queue; what it does not say is filled in from the app's defaults. Returns the queue as it is known now. */
  add(queue: Queue | string, definition: QueueDefinition = {}): Queue {
    const complete = this.complete(typeof queue === 'string' ? queueFromDefinition(queue, definition) : queue)
    const old = this.#queues.get(complete.name)
    if (old?.alias !== undefined && this.#aliases.get(old.alias) === old) this.#aliases.delete(old.alias)
    this.#queues.set(complete.name, complete)
    if (complete.alias !== undefined) this.#aliases.set(complete.alias, complete)
    if (this.#selected?.has(complete.name) === true) this.#selected.set(complete.name, complete)
    this.#version++
    return complete
  }

  /** Forgets a queue; unknown names are ignored. */
  remove(name: string): void {
    const queue = this.find(name)
    if (queue === undefined) return
    this.#queues.delete(queue.name)
    if (queue.alias !== undefined) this.#aliases.delete(queue.alias)
    this.#selected?.delete(queue.name)
    this.#version++
  }

  /** What is consumed: the selection, else every queue. */
  get consumeFrom(): ReadonlyMap<string, Queue> {
    return this.#selected ?? this.#queues
  }

  /** Consumes from these alone; unknown ones as {@link get}. An empty list changes nothing. */
  select(names: string | readonly string[]): void {
    const list = typeof names === 'string' ? [names] : names
    if (list.length === 0) return
    this.#selected = new Map(list.map((name) => this.get(name)).map((queue) => [queue.name, queue]))
    this.#version++
  }

  /** Does not consume from these; by name or alias. */
  deselect(names: string | readonly string[]): void {
    const excluded = (typeof names === 'string' ? [names] : names).map(
      (name) => this.find(name)?.name ?? name,
    )
    if (excluded.length === 0) return
    this.#selected = new Map([...this.consumeFrom].filter(([name]) => !excluded.includes(name)))
    this.#version++
  }

  /** Adds a queue, and to the selection if there is one. */
  selectAdd(queue: Queue | string, definition: QueueDefinition = {}): Queue {
    const added = this.add(queue, definition)
    this.#selected?.set(added.name, added)
    return added
  }

  /**
   * The queue with exchange, routing key and highest priority filled in; the same object when it says them all. One answer per queue: what
   * was declared is known by the identity of its declaration.
   */
  complete(queue: Queue): Queue {
    let completed = this.#completed.get(queue)
    if (completed === undefined) this.#completed.set(queue, (completed = this.#complete(queue)))
    return completed
  }

  #complete(queue: Queue): Queue {
    const maxPriority = this.#settings.taskQueueMaxPriority
    const needsExchange = queue.exchange === undefined || queue.exchange.name === ''
    const needsKey = queue.routingKey === undefined || queue.routingKey === ''
    const needsPriority =
      maxPriority != null &&
      queue.maxPriority === undefined &&
      queue.queueArguments?.['x-max-priority'] === undefined
    if (!needsExchange && !needsKey && !needsPriority) return queue
    return queue.with({
      ...(needsExchange ? { exchange: this.defaultExchange } : {}),
      ...(needsKey ? { routingKey: this.defaultRoutingKey } : {}),
      ...(needsPriority
        ? { queueArguments: { ...queue.queueArguments, 'x-max-priority': Math.trunc(maxPriority) } }
        : {}),
    })
  }

  #defaultQueue(): Queue {
    return new Queue(this.defaultQueueName, {
      exchange: this.defaultExchange,
      routingKey: this.defaultRoutingKey,
      queueArguments:
        this.#settings.taskDefaultQueueType === 'quorum' ? { 'x-queue-type': 'quorum' } : undefined,
    })
  }

  #missingQueue(name: string): Queue {
    return new Queue(name, {
      exchange: new Exchange(name, { type: this.#settings.taskCreateMissingQueueExchangeType ?? undefined }),
      routingKey: name,
      queueArguments:
        this.#settings.taskCreateMissingQueueType === 'quorum' ? { 'x-queue-type': 'quorum' } : undefined,
    })
  }
}
