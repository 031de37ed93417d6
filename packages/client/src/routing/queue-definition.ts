import type { HeaderTable } from '@ct/contracts'
import { ConfigurationError } from '@ct/contracts'
import { didYouMean } from '../connection/index.ts'
import type { DeliveryMode } from './exchange.ts'
import { Exchange } from './exchange.ts'
import type { QueueBinding, QueueOptions } from './queue.ts'
import { Queue } from './queue.ts'

/**
 * A queue as plain data, as in `taskQueues: { images: { exchange: 'media', routingKey: 'image' } }` (kombu/entity.py 5.7,
 * Queue.from_dict). Names may also be written in snake_case, as they come from a configuration file.
 */
export interface QueueDefinition extends QueueOptions {
  /** Old name of `routingKey`. */
  readonly bindingKey?: string | undefined
  readonly exchangeDurable?: boolean | undefined
  readonly exchangeAutoDelete?: boolean | undefined
  readonly exchangeArguments?: HeaderTable | undefined
  readonly deliveryMode?: DeliveryMode | undefined
  readonly queueDurable?: boolean | undefined
  readonly queueAutoDelete?: boolean | undefined
}

/** Every form a list of queues may have. */
export type TaskQueues =
  | Iterable<Queue | string | (QueueDefinition & { readonly name: string })>
  | Readonly<Record<string, QueueDefinition | Queue | null>>

const knownOptions: ReadonlySet<string> = new Set<keyof QueueDefinition>([
  'exchange',
  'exchangeType',
  'routingKey',
  'bindingKey',
  'bindings',
  'durable',
  'exclusive',
  'autoDelete',
  'alias',
  'queueArguments',
  'bindingArguments',
  'consumerArguments',
  'noAck',
  'noDeclare',
  'expires',
  'messageTtl',
  'maxLength',
  'maxLengthBytes',
  'maxPriority',
  'exchangeDurable',
  'exchangeAutoDelete',
  'exchangeArguments',
  'deliveryMode',
  'queueDurable',
  'queueAutoDelete',
])

/** `routing_key` → `routingKey`. */
export function camelCased(name: string): string {
  return name.replaceAll(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

/** A queue from plain data. The routing key defaults to the binding key, else to the name of the queue. */
export function queueFromDefinition(name: string, definition: QueueDefinition = {}): Queue {
  const given: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(definition)) {
    const option = camelCased(key)
    if (!knownOptions.has(option)) {
      throw new ConfigurationError(
        `Queue "${name}" has an unknown option "${key}".${didYouMean(option, knownOptions)}`,
        { details: { queue: name, option: key } },
      )
    }
    if (value != null) given[option] = value
  }
  const d = given as QueueDefinition
  const bindings = d.bindings?.map((binding) => bindingFrom(name, binding))
  return new Queue(name, {
    ...d,
    exchange:
      typeof d.exchange === 'object'
        ? d.exchange
        : new Exchange(d.exchange ?? '', {
            type: d.exchangeType,
            deliveryMode: d.deliveryMode,
            durable: d.exchangeDurable ?? d.durable,
            autoDelete: d.exchangeAutoDelete ?? d.autoDelete,
            arguments: d.exchangeArguments,
          }),
    routingKey: d.routingKey ?? d.bindingKey ?? name,
    durable: d.queueDurable ?? d.durable,
    autoDelete: d.queueAutoDelete ?? d.autoDelete,
    bindings,
  })
}

function bindingFrom(queue: string, binding: QueueBinding): QueueBinding {
  const given: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(binding)) given[camelCased(key)] = value
  const { exchange, routingKey, arguments: table } = given as Partial<QueueBinding>
  if (typeof exchange !== 'string' && !Exchange.isExchange(exchange)) {
    throw new ConfigurationError(
      `A binding of queue "${queue}" has no exchange. Give { exchange: 'name', routingKey: 'key' }.`,
    )
  }
  return { exchange, routingKey, arguments: table }
}

/** Every form of `taskQueues` as queues, in the order given; mappings in order of their names, as in Celery. */
export function queuesFrom(queues: TaskQueues): Queue[] {
  if (typeof queues !== 'object' || queues === null) {
    throw new ConfigurationError('taskQueues must be a list of queues or a mapping from name to options.')
  }
  if (Symbol.iterator in queues) {
    return Array.from(
      queues as Iterable<Queue | string | (QueueDefinition & { readonly name: string })>,
      (entry) => {
        if (typeof entry === 'string') return queueFromDefinition(entry)
        if (Queue.isQueue(entry)) return entry
        if (Array.isArray(entry) && typeof entry[0] === 'string')
          return named(entry[0], entry[1] as QueueDefinition)
        const { name, ...definition } = entry
        if (typeof name !== 'string' || name === '') {
          throw new ConfigurationError(
            'An entry of taskQueues has no name. Give { name: "…", … } or new Queue("…").',
          )
        }
        return queueFromDefinition(name, definition)
      },
    )
  }
  return Object.keys(queues)
    .toSorted()
    .map((name) => named(name, (queues as Readonly<Record<string, QueueDefinition | Queue | null>>)[name]))
}

function named(name: string, definition: QueueDefinition | Queue | null | undefined): Queue {
  return Queue.isQueue(definition) ? definition : queueFromDefinition(name, definition ?? {})
}
