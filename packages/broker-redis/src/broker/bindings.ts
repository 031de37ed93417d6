/**
 * Exchanges as kombu keeps them on Redis: a set of bindings per exchange, no types. What type an exchange has only those know who declared
 * it; where we do not, the binding itself decides (a topic binding carries its pattern).
 */
import { UnsupportedError, type ExchangeType, type QueueDeclaration } from '@ct/contracts'
import { legacyTopicPattern, patternMatches, topicMatches, topicPattern } from '@ct/contracts/broker-kit'
import type { Argument, Link } from '../connection/link.ts'
import type { Keys } from '../keys.ts'
import type { BrokerSettings } from '../options/broker-options.ts'
import { bind } from '../scripts/bind.ts'
import { sweepBindings } from '../scripts/sweep-bindings.ts'

/** kombu 5.7: a table of expiring queues is swept this long after it was last declared, at the earliest (D57-30). */
const leastBindingLifeMs = 3_600_000

interface Bound {
  readonly exchange: string
  readonly type: ExchangeType
  readonly routingKey: string
}

export class Bindings {
  readonly #link: Link
  readonly #keys: Keys
  readonly #sep: string
  readonly #types = new Map<string, ExchangeType>()
  readonly #bound = new Map<string, Bound[]>()
  readonly #expires = new Map<string, number>()
  /** When the deadline of an expiring queue's tables was pushed last. */
  readonly #kept = new Map<string, number>()

  constructor(link: Link, keys: Keys, settings: BrokerSettings) {
    this.#link = link
    this.#keys = keys
    this.#sep = settings.sep
  }

  /** As far as this connection declared it. */
  typeOf(exchange: string): ExchangeType | undefined {
    return this.#types.get(exchange)
  }

  noteType(exchange: string, type: ExchangeType): void {
    this.#types.set(exchange, type)
  }

  /** Milliseconds of `x-expires` of a queue we declared, 0 for none. */
  expiresMs(queue: string): number {
    return this.#expires.get(queue) ?? 0
  }

  async declare(queues: readonly QueueDeclaration[]): Promise<void> {
    for (const { name } of queues) this.#keys.assertQueue(name)
    const waits: Promise<unknown>[] = []
    this.#link.together(() => {
      for (const queue of queues) {
        const expires = queue.arguments?.['x-expires']
        if (typeof expires === 'number' && expires > 0) this.#expires.set(queue.name, expires)
        for (const { exchange, routingKey } of queue.bindings) {
          if (exchange.name === '') continue
          this.#remember(queue.name, exchange.name, exchange.type, routingKey)
          if (queue.noDeclare !== true && queue.passive !== true)
            waits.push(this.#bind(queue.name, exchange.name, exchange.type, routingKey))
        }
      }
    })
    const failed = (await Promise.allSettled(waits)).find((one) => one.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  #remember(queue: string, exchange: string, type: ExchangeType, routingKey: string): void {
    if (type !== 'direct' && type !== 'topic' && type !== 'fanout') {
      throw new UnsupportedError(
        `Exchange ${JSON.stringify(exchange)} is of type ${JSON.stringify(type)}; Redis has direct, topic and fanout`,
      )
    }
    this.#types.set(exchange, type)
    const bound = this.#bound.get(queue) ?? []
    if (!bound.some((one) => one.exchange === exchange && one.routingKey === routingKey))
      bound.push({ exchange, type, routingKey })
    this.#bound.set(queue, bound)
  }

  #member(queue: string, routingKey: string, pattern: string): string {
    return [routingKey, pattern, queue].join(this.#sep)
  }

  #bind(queue: string, exchange: string, type: ExchangeType, routingKey: string): Promise<unknown> {
    const expires = this.expiresMs(queue)
    if (expires > 0) this.#kept.set(queue, Date.now())
    const keys = [
      this.#keys.binding(exchange),
      this.#keys.permanentBinding(exchange),
      this.#keys.bindingDeadlines,
    ]
    const member = this.#member(queue, routingKey, type === 'topic' ? topicPattern(routingKey) : '')
    return this.#link.run(bind, keys, [
      member,
      exchange,
      expires === 0 ? '' : Math.max(2 * expires, leastBindingLifeMs),
    ])
  }

  /**
   * For expiring queues that are consumed here (D57-31): pushes the deadlines of their tables every third of the time they have, and
   * deletes tables whose queues are long gone.
   */
  async keep(queues: Iterable<string>): Promise<void> {
    const waits: Promise<unknown>[] = []
    for (const queue of queues) {
      const expires = this.expiresMs(queue)
      const kept = this.#kept.get(queue) ?? 0
      if (expires === 0 || Date.now() - kept < Math.max(2 * expires, leastBindingLifeMs) / 3) continue
      for (const { exchange, type, routingKey } of this.#bound.get(queue) ?? [])
        waits.push(this.#bind(queue, exchange, type, routingKey))
    }
    waits.push(
      this.#link.run(
        sweepBindings,
        [this.#keys.bindingDeadlines],
        [this.#keys.binding(''), this.#keys.permanentBinding(''), 100],
      ),
    )
    await Promise.all(waits)
  }

  /** Removes what we know of the queue's bindings, in both spellings a topic pattern can have (D57-33). */
  async unbind(queue: string): Promise<void> {
    const commands: [string, ...Argument[]][] = []
    const bound = this.#bound.get(queue) ?? [{ exchange: queue, type: 'direct', routingKey: queue }]
    for (const { exchange, type, routingKey } of bound) {
      const patterns = type === 'topic' ? [topicPattern(routingKey), legacyTopicPattern(routingKey)] : ['']
      const members = patterns.map((pattern) => this.#member(queue, routingKey, pattern))
      commands.push(
        ['srem', this.#keys.binding(exchange), ...members],
        ['srem', this.#keys.permanentBinding(exchange), ...members],
      )
    }
    this.#bound.delete(queue)
    this.#expires.delete(queue)
    this.#kept.delete(queue)
    await this.#link.all(commands)
  }

  /** The tables of these exchanges, read in one go. */
  async tables(exchanges: readonly string[]): Promise<Map<string, readonly string[]>> {
    const members = await this.#link.all(
      exchanges.map((exchange) => ['smembers', this.#keys.binding(exchange)] as const),
    )
    return new Map(exchanges.map((exchange, index) => [exchange, (members[index] as unknown[]).map(String)]))
  }

  /** Queues that a table sends the routing key to, each once. */
  route(table: readonly string[], routingKey: string): string[] {
    const queues = new Set<string>()
    for (const member of table) {
      const [key = '', pattern = '', queue = ''] = member.split(this.#sep)
      if (queue !== '' && this.#wants(key, pattern, routingKey)) queues.add(queue)
    }
    return [...queues]
  }

  #wants(key: string, pattern: string, routingKey: string): boolean {
    if (pattern === '') return key === routingKey
    // A pattern made from its key follows AMQP's rules; anything else is followed to the letter.
    if (pattern === topicPattern(key) || pattern === legacyTopicPattern(key))
      return topicMatches(key, routingKey)
    return patternMatches(pattern, routingKey)
  }
}
