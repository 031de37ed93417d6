/**
 * Exchanges for stores that have queues only: a table of bindings and the rule that turns a message into the queues it goes to.
 */
import { UnsupportedError } from '../errors.ts'
import type { ExchangeType, OutgoingMessage } from '../message.ts'
import type { QueueDeclaration } from '../topology.ts'
import { topicMatches } from './topic-pattern.ts'

export interface Binding {
  readonly exchange: string
  readonly exchangeType: ExchangeType
  readonly routingKey: string
  readonly queue: string
}

/** Where bindings are kept. Most stores leave it to {@link LocalBindings}, as kombu does; a store that can share them does. */
export interface BindingTable {
  /** Adding the same binding again changes nothing. */
  bind(binding: Binding): void | Promise<void>
  bindings(exchange: string): readonly Binding[] | Promise<readonly Binding[]>
  /** Removes every binding of a queue. */
  unbind(queue: string): void | Promise<void>

  // For administrators (B26); what is left out cannot be done.

  /** Every binding there is. */
  all?(): readonly Binding[] | Promise<readonly Binding[]>
  /** Remembers the type, for bindings that do not name it. */
  declareExchange?(exchange: string, type: ExchangeType): void
  typeOf?(exchange: string): ExchangeType | undefined
  /** Removes the exchange with its bindings. */
  deleteExchange?(exchange: string): void | Promise<void>
}

/** Bindings of one process: what this process declared it knows, what others declared it does not (kombu's rule for virtual transports). */
export class LocalBindings implements BindingTable {
  readonly #exchanges = new Map<string, Map<string, Binding>>()
  /** Of those that an administrator declared without a binding. */
  readonly #types = new Map<string, ExchangeType>()

  bind(binding: Binding): void {
    let table = this.#exchanges.get(binding.exchange)
    if (table === undefined) this.#exchanges.set(binding.exchange, (table = new Map()))
    table.set(`${binding.routingKey}\0${binding.queue}`, binding)
  }

  bindings(exchange: string): readonly Binding[] {
    return [...(this.#exchanges.get(exchange)?.values() ?? [])]
  }

  unbind(queue: string): void {
    for (const [exchange, table] of this.#exchanges) {
      for (const [key, binding] of table) if (binding.queue === queue) table.delete(key)
      if (table.size === 0) this.#exchanges.delete(exchange)
    }
  }

  all(): readonly Binding[] {
    return [...this.#exchanges.values()].flatMap((table) => [...table.values()])
  }

  declareExchange(exchange: string, type: ExchangeType): void {
    this.#types.set(exchange, type)
  }

  typeOf(exchange: string): ExchangeType | undefined {
    return this.#types.get(exchange)
  }

  deleteExchange(exchange: string): void {
    this.#types.delete(exchange)
    this.#exchanges.delete(exchange)
  }
}

/** The bindings that a queue declaration asks for; those of the default exchange exist by themselves. */
export function bindingsOf(queue: QueueDeclaration): readonly Binding[] {
  return queue.bindings
    .filter((binding) => binding.exchange.name !== '')
    .map((binding) => {
      const { name, type } = binding.exchange
      if (type !== 'direct' && type !== 'topic' && type !== 'fanout') {
        throw new UnsupportedError(
          `Exchange ${JSON.stringify(name)} is of type ${JSON.stringify(type)}; this broker has direct, topic and fanout.`,
        )
      }
      return { exchange: name, exchangeType: type, routingKey: binding.routingKey, queue: queue.name }
    })
}

/** Queues that get the message, each once. Empty: nobody wants it, and as in AMQP it is dropped unless `mandatory`. */
export function route(
  message: Pick<OutgoingMessage, 'exchange' | 'routingKey'>,
  bindings: readonly Binding[],
): readonly string[] {
  if (message.exchange === '') return [message.routingKey]
  const queues = new Set<string>()
  for (const binding of bindings) {
    const wanted =
      binding.exchangeType === 'fanout' ||
      (binding.exchangeType === 'topic'
        ? topicMatches(binding.routingKey, message.routingKey)
        : binding.routingKey === message.routingKey)
    if (wanted) queues.add(binding.queue)
  }
  return [...queues]
}
