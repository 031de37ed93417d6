import type { Channel } from 'amqplib'
import type { CallOptions, OutgoingMessage, QueueDeclaration } from '@ct/contracts'
import { encodeTable } from '../connection/field-table.ts'
import type { Topology } from './topology.ts'

/** 2^28 − 1 seconds, about 8.5 years: what 28 levels can hold. */
export const maxDelaySeconds: number = 2 ** 28 - 1

const levels = 28
const delivery = 'celery_delayed_delivery'
const level = (number: number): string => `celery_delayed_${number}`
const stars = (count: number): string => '*.'.repeat(count)
const delayed = /^(?:[01]\.){28}/

/**
 * Celery's native delayed delivery (kombu/transport/native_delayed_delivery.py 5.7): a message walks down 28 topic exchanges, one per bit of
 * its delay in seconds; where the bit is 1 it waits 2^level seconds in that level's queue and is dead-lettered to the next.
 *
 *   celery_delayed_27 ─0─► … ─0─► celery_delayed_0 ─0─► celery_delayed_delivery ─► the exchange of the queue
 *        └1─► queue, TTL 2^27 s ─┘        └1─► queue, TTL 1 s ─┘                    └► the queue itself (ct: for direct exchanges)
 *
 * Python leaves out queues of direct exchanges. ct binds such a queue to the last exchange itself, by its full name after exactly 28 words.
 */
export class DelayedDelivery {
  readonly #topology: Topology
  readonly #queueType: 'quorum' | 'classic'
  readonly #bound = new Set<string>()
  #ready: Promise<void> | undefined

  constructor(topology: Topology, queueType: 'quorum' | 'classic') {
    this.#topology = topology
    this.#queueType = queueType
  }

  /** Whole seconds to hold it back; 0: publish as ever, the worker keeps what is left of the ETA. */
  secondsOf({ notBefore, routingKey, exchange, exchangeType = 'direct' }: OutgoingMessage): number {
    if (notBefore === undefined) return 0
    // A direct exchange compares whole keys, and the key has the delay in front.
    if (exchange !== '' && exchangeType === 'direct') return 0
    const seconds = Math.floor((notBefore - Date.now()) / 1000)
    // Beyond the last level the worker waits; a key that would not fit is not cut.
    if (seconds < 1 || seconds > maxDelaySeconds || Buffer.byteLength(routingKey) > 255 - 2 * levels) return 0
    return seconds
  }

  /** Makes sure that it will arrive, and says where to publish it. */
  async route(message: OutgoingMessage, seconds: number, options?: CallOptions): Promise<OutgoingMessage> {
    await this.#declared()
    // A retry carries the key of its first delay (D57-36).
    const routingKey = message.routingKey.replace(delayed, '')
    if (message.exchange === '') await this.#bindQueue(routingKey, options)
    else await this.#bindExchange(message.exchange, routingKey, message.exchangeType, options)
    const bits = seconds.toString(2).padStart(levels, '0').split('').join('.')
    const { expiration: _, ...properties } = message.properties
    return {
      ...message,
      // A level would let it expire early, and RabbitMQ then forwards it before its time.
      properties,
      exchange: level(levels - 1),
      exchangeType: 'topic',
      routingKey: `${bits}.${routingKey}`,
    }
  }

  /** As a Python worker does for each queue it consumes: what Python has delayed for its exchange comes through. */
  async prepare(queue: QueueDeclaration, options?: CallOptions): Promise<void> {
    for (const { exchange, routingKey } of queue.bindings) {
      if (exchange.type === 'direct' || exchange.type === 'fanout' || exchange.name === '') continue
      await this.#declared()
      const key = routingKey.startsWith('#') ? routingKey : `#.${routingKey}`
      await this.#bind(`exchange ${exchange.name} ${key}`, options, async (channel) => {
        await channel.bindExchange(exchange.name, delivery, key)
        await channel.bindQueue(queue.name, exchange.name, key)
      })
    }
  }

  #bindQueue(queue: string, options: CallOptions | undefined): Promise<void> {
    return this.#bind(`queue ${queue}`, options, async (channel) => {
      await channel.bindQueue(queue, delivery, `${stars(levels)}${queue}`)
    })
  }

  #bindExchange(
    exchange: string,
    routingKey: string,
    type: string | undefined,
    options: CallOptions | undefined,
  ): Promise<void> {
    // For topic exchanges the same key that a worker binds (`prepare`).
    const key = type === 'topic' ? `#.${routingKey}` : `${stars(levels)}${routingKey}`
    return this.#bind(`exchange ${exchange} ${key}`, options, async (channel) => {
      await channel.bindExchange(exchange, delivery, key)
    })
  }

  async #bind(
    what: string,
    options: CallOptions | undefined,
    call: (channel: Channel) => Promise<void>,
  ): Promise<void> {
    if (this.#bound.has(what)) return
    await this.#topology.run(`binding ${what} to ${delivery}`, call, options)
    if (this.#bound.size > 10_000) this.#bound.clear()
    this.#bound.add(what)
  }

  #declared(): Promise<void> {
    this.#ready ??= this.#declare().catch((error: unknown) => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }

  async #declare(): Promise<void> {
    await this.#topology.run('declaring the topology of delayed delivery', async (channel) => {
      await channel.assertExchange(delivery, 'topic', { durable: true })
      for (let number = 0; number < levels; number++) {
        const name = level(number)
        const next = number === 0 ? delivery : level(number - 1)
        const before = stars(levels - 1 - number)
        await channel.assertExchange(name, 'topic', { durable: true })
        await channel.assertQueue(name, {
          durable: true,
          arguments: encodeTable({
            'x-queue-type': this.#queueType,
            'x-overflow': 'reject-publish',
            'x-message-ttl': 2 ** number * 1000,
            'x-dead-letter-exchange': next,
            ...(this.#queueType === 'quorum' ? { 'x-dead-letter-strategy': 'at-least-once' } : {}),
          }),
        })
        await channel.bindQueue(name, name, `${before}1.#`)
        await channel.bindExchange(next, name, `${before}0.#`)
      }
    })
  }
}
