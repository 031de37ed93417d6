import { randomUUID } from 'node:crypto'
import type { BindingDeclaration, ExchangeType, HeaderTable, QueueDeclaration } from '@ct/contracts'
import { Exchange } from './exchange.ts'

/** One binding of a queue with several (`kombu.binding`). */
export interface QueueBinding {
  readonly exchange: Exchange | string
  readonly routingKey?: string | undefined
  readonly arguments?: HeaderTable | undefined
}

/** Options of a queue; names are kombu's (kombu/entity.py 5.7, Queue). */
export interface QueueOptions {
  /** Where messages for this queue are published. Default: `taskDefaultExchange`. */
  readonly exchange?: Exchange | string | undefined
  /** Type of `exchange` when that is a name. Default `direct`. */
  readonly exchangeType?: ExchangeType | undefined
  /** Key that binds the queue to its exchange. Default: `taskDefaultRoutingKey`. */
  readonly routingKey?: string | undefined
  /** Ties the queue to several exchanges or keys instead. */
  readonly bindings?: readonly QueueBinding[] | undefined
  /** Default true. */
  readonly durable?: boolean | undefined
  /** Default false; true implies `autoDelete`. */
  readonly exclusive?: boolean | undefined
  /** Default false. */
  readonly autoDelete?: boolean | undefined
  /** A second name to look the queue up by. */
  readonly alias?: string | undefined
  /** `x-…` arguments of the queue. */
  readonly queueArguments?: HeaderTable | undefined
  readonly bindingArguments?: HeaderTable | undefined
  /** Passed when consuming, e.g. `{ 'x-priority': 5 }`. */
  readonly consumerArguments?: HeaderTable | undefined
  readonly noAck?: boolean | undefined
  readonly noDeclare?: boolean | undefined
  /** Seconds without use after which the queue goes (`x-expires`). */
  readonly expires?: number | undefined
  /** Seconds a message may wait (`x-message-ttl`). */
  readonly messageTtl?: number | undefined
  /** Most messages (`x-max-length`). */
  readonly maxLength?: number | undefined
  /** Most bytes (`x-max-length-bytes`). */
  readonly maxLengthBytes?: number | undefined
  /** Highest priority (`x-max-priority`). */
  readonly maxPriority?: number | undefined
}

const queueBrand = Symbol.for('ct.queue')

/**
 * A queue as kombu describes it (kombu/entity.py 5.7). A value: it does not change and opens nothing.
 *
 * @example new Queue('images', { exchange: new Exchange('media', { type: 'topic' }), routingKey: 'media.image' })
 */
export class Queue {
  readonly name: string
  /** Undefined: not said; the app's default exchange when it is one of the app's queues. */
  readonly exchange: Exchange | undefined
  /** Undefined: not said; the app's default routing key when it is one of the app's queues. */
  readonly routingKey: string | undefined
  readonly bindings: readonly QueueBinding[]
  readonly durable: boolean
  readonly exclusive: boolean
  readonly autoDelete: boolean
  readonly alias: string | undefined
  readonly queueArguments: HeaderTable | undefined
  readonly bindingArguments: HeaderTable | undefined
  readonly consumerArguments: HeaderTable | undefined
  readonly noAck: boolean
  readonly noDeclare: boolean
  readonly expires: number | undefined
  readonly messageTtl: number | undefined
  readonly maxLength: number | undefined
  readonly maxLengthBytes: number | undefined
  readonly maxPriority: number | undefined
  /** What brokers are told; one object per queue, so that identity tells whether it was declared already. */
  readonly declaration: QueueDeclaration

  constructor(name: string, options: QueueOptions = {}) {
    this.name = name
    this.bindings = Object.freeze([...(options.bindings ?? [])])
    this.exchange =
      typeof options.exchange === 'string'
        ? new Exchange(options.exchange, { type: options.exchangeType })
        : options.exchange
    this.routingKey = options.routingKey
    this.durable = options.durable ?? true
    this.exclusive = options.exclusive ?? false
    this.autoDelete = this.exclusive || (options.autoDelete ?? false)
    this.alias = options.alias
    this.queueArguments = options.queueArguments
    this.bindingArguments = options.bindingArguments
    this.consumerArguments = options.consumerArguments
    this.noAck = options.noAck ?? false
    this.noDeclare = options.noDeclare ?? false
    this.expires = options.expires
    this.messageTtl = options.messageTtl
    this.maxLength = options.maxLength
    this.maxLengthBytes = options.maxLengthBytes
    this.maxPriority = options.maxPriority
    this.declaration = declarationOf(this)
    Object.defineProperty(this, queueBrand, { value: true })
    if (new.target === Queue) Object.freeze(this)
  }

  /** True for a queue every consumer gets a copy from. */
  get isBroadcast(): boolean {
    return false
  }

  /** A copy with some options changed. */
  with(options: QueueOptions): Queue {
    return new Queue(this.name, { ...this.options(), ...options })
  }

  /** The options that make an equal queue. */
  protected options(): QueueOptions {
    const { name: _name, declaration: _declaration, ...options } = this
    return options
  }

  /** True for queues of another copy of this package too. */
  static isQueue(value: unknown): value is Queue {
    return typeof value === 'object' && value !== null && queueBrand in value
  }
}

export interface BroadcastOptions extends QueueOptions {
  /** Name of this consumer's own queue. Default `bcast.<uuid>`. */
  readonly queue?: string | undefined
  /** Adds a unique suffix to `queue`. */
  readonly unique?: boolean | undefined
}

/**
 * A queue whose messages go to every worker (kombu/common.py 5.7, Broadcast): a fanout exchange of that name, and per process a
 * queue `bcast.<uuid>` that is looked up under the name. Publishers do not declare it.
 *
 * Every worker runs the task under the same id, so results would overwrite each other: none is kept, unless the call says `ignoreResult: false`.
 */
export class Broadcast extends Queue {
  readonly broadcastName: string

  constructor(name: string, options: BroadcastOptions = {}) {
    const { queue, unique, ...rest } = options
    super(unique === true || queue === undefined ? `${queue ?? 'bcast'}.${randomUUID()}` : queue, {
      ...rest,
      alias: options.alias ?? name,
      autoDelete: options.autoDelete ?? true,
      exchange: options.exchange ?? new Exchange(name, { type: 'fanout' }),
    })
    this.broadcastName = name
    Object.freeze(this)
  }

  override get isBroadcast(): boolean {
    return true
  }

  override with(options: QueueOptions): Broadcast {
    return new Broadcast(this.broadcastName, { ...this.options(), ...options, queue: this.name })
  }
}

function declarationOf(queue: Queue): QueueDeclaration {
  const table: Record<string, unknown> = { ...queue.queueArguments }
  // Seconds become whole milliseconds; the friendly option wins over the argument, as in kombu.
  if (queue.expires !== undefined) table['x-expires'] = Math.trunc(queue.expires * 1000)
  if (queue.messageTtl !== undefined) table['x-message-ttl'] = Math.trunc(queue.messageTtl * 1000)
  if (queue.maxLength !== undefined) table['x-max-length'] = Math.trunc(queue.maxLength)
  if (queue.maxLengthBytes !== undefined) table['x-max-length-bytes'] = Math.trunc(queue.maxLengthBytes)
  if (queue.maxPriority !== undefined) table['x-max-priority'] = Math.trunc(queue.maxPriority)
  return Object.freeze({
    name: queue.name,
    durable: queue.durable,
    exclusive: queue.exclusive,
    autoDelete: queue.autoDelete,
    ...(Object.keys(table).length === 0 ? {} : { arguments: Object.freeze(table) }),
    bindings: Object.freeze(bindingsOf(queue)),
    ...(queue.noDeclare ? { noDeclare: true } : {}),
  })
}

function bindingsOf(queue: Queue): BindingDeclaration[] {
  if (queue.bindings.length > 0) {
    return queue.bindings.map((binding) => ({
      exchange: (typeof binding.exchange === 'string' ? new Exchange(binding.exchange) : binding.exchange)
        .declaration,
      routingKey: binding.routingKey ?? '',
      ...(binding.arguments === undefined ? {} : { arguments: binding.arguments }),
    }))
  }
  if (queue.exchange === undefined || queue.exchange.name === '') return []
  return [
    {
      exchange: queue.exchange.declaration,
      routingKey: queue.routingKey ?? '',
      ...(queue.bindingArguments === undefined ? {} : { arguments: queue.bindingArguments }),
    },
  ]
}
