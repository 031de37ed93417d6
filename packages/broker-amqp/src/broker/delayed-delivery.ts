import type { Channel } from 'amqplib'
import {
  isCeleryError,
  type BindingDeclaration,
  type CallOptions,
  type HeaderTable,
  type NoticeListener,
  type OutgoingMessage,
  type QueueDeclaration,
} from '@ct/contracts'
import { encodeTable } from '../connection/field-table.ts'
import type { DelaySettings } from '../options/broker-options.ts'
import type { Topology } from './topology.ts'

/** 2^28 − 1 seconds, about 8.5 years: what 28 levels can hold. */
export const maxDelaySeconds: number = 2 ** 28 - 1

const levels = 28
const delivery = 'celery_delayed_delivery'
const level = (number: number): string => `celery_delayed_${number}`
const stars = (count: number): string => '*.'.repeat(count)
const delayed = /^(?:[01]\.){28}/

/** Queues of the default exchange are bound by name and this word, which no binding of Celery's can match by accident. */
const queueMark = '.ct_queue'

/** What RabbitMQ has written while it moved the message; a broker before 3.13 would take it for a cycle and drop the message. */
const deadLetterHeaders =
  /^x-(?:death|first-death-(?:queue|reason|exchange)|last-death-(?:queue|reason|exchange)|delivery-count|acquired-count)$/

/** Where a delayed message was sent to at first; undefined for any other. `bindings`: those of the queue it came from. */
export function undelayed(
  exchange: string,
  routingKey: string,
  bindings: readonly BindingDeclaration[],
): { readonly exchange: string; readonly routingKey: string } | undefined {
  if (!exchange.startsWith('celery_delayed_') || !delayed.test(routingKey)) return undefined
  const key = routingKey.replace(delayed, '')
  if (key.endsWith(queueMark)) return { exchange: '', routingKey: key.slice(0, -queueMark.length) }
  const able = bindings.filter((binding) => binding.exchange.type !== 'direct')
  const from = able.find((binding) => binding.routingKey === key) ?? able[0]
  return { exchange: from?.exchange.name ?? '', routingKey: key }
}

/**
 * Celery's native delayed delivery (kombu/transport/native_delayed_delivery.py 5.7): a message walks down 28 topic exchanges, one per bit of
 * its delay in seconds; where the bit is 1 it waits 2^level seconds in that level's queue and is dead-lettered to the next.
 *
 *   celery_delayed_27 ─0─► … ─0─► celery_delayed_0 ─0─► celery_delayed_delivery ─► the exchange of the queue
 *        └1─► queue, TTL 2^27 s ─┘        └1─► queue, TTL 1 s ─┘                    └► the queue itself (ct, for the default exchange)
 *
 * Python leaves out queues of direct exchanges. ct binds such a queue to the last exchange itself.
 */
export class DelayedDelivery {
  readonly #topology: Topology
  readonly #settings: DelaySettings
  readonly #onNotice: NoticeListener
  readonly #bound = new Set<string>()
  #ready: Promise<void> | undefined
  /** RabbitMQ does not let us, which was told; publishing goes on without. */
  #refused: boolean = false

  constructor(topology: Topology, settings: DelaySettings, onNotice: NoticeListener) {
    this.#topology = topology
    this.#settings = settings
    this.#onNotice = onNotice
  }

  /** Whole seconds to hold it back; 0: publish as ever, the worker keeps what is left of the ETA. */
  secondsOf({ notBefore, routingKey, exchange, exchangeType = 'direct' }: OutgoingMessage): number {
    if (notBefore === undefined) return 0
    // A direct exchange compares whole keys, and the key has the delay in front.
    if (exchange !== '' && exchangeType === 'direct') return 0
    // A queue of such a name could not be bound by it.
    if (exchange === '' && /(?:^|\.)[*#](?:\.|$)/.test(routingKey)) return 0
    const seconds = Math.floor((notBefore - Date.now()) / 1000)
    // Beyond the last level the worker waits; a key that would not fit is not cut.
    const room = 255 - 2 * levels - (exchange === '' ? queueMark.length : 0)
    if (seconds < 1 || seconds > maxDelaySeconds || Buffer.byteLength(routingKey) > room) return 0
    return seconds
  }

  /**
   * Makes sure that it will arrive, and says where to publish it. Undefined: it cannot be delayed here, which was told, and nobody insists.
   */
  async route(
    message: OutgoingMessage,
    seconds: number,
    options?: CallOptions,
  ): Promise<OutgoingMessage | undefined> {
    if (this.#refused) return undefined
    // A retry carries the key of its first delay (D57-36).
    const routingKey = message.routingKey.replace(delayed, '')
    try {
      await this.#exists()
      if (message.exchange === '') await this.#bindOnce(queueBinding(routingKey), options)
      else await this.#bindOnce(exchangeBinding(message.exchange, routingKey, message.exchangeType), options)
    } catch (error) {
      if (this.#settings.required || !isCeleryError(error) || error.retryable || error.code !== 'CT_BROKER')
        throw error
      this.#refused = true
      this.#onNotice({
        kind: 'warning',
        message: `Tasks with an ETA are held by the workers, because ${error.message} Allow celery_delayed_.*, set brokerNativeDelayedDeliveryQueueType as in the rest of the fleet, or set nativeDelayedDelivery: false.`,
      })
      return undefined
    }
    const bits = seconds.toString(2).padStart(levels, '0').split('').join('.')
    const { expiration: _, ...properties } = message.properties
    return {
      ...message,
      headers: withoutDeadLetterHeaders(message.headers),
      // A level would let it expire early, and RabbitMQ then forwards it before its time.
      properties,
      exchange: level(levels - 1),
      exchangeType: 'topic',
      routingKey: `${bits}.${routingKey}${message.exchange === '' ? queueMark : ''}`,
    }
  }

  /** As a Python worker does at its start: all of the topology, and the queues it consumes. */
  async prepare(queues: readonly QueueDeclaration[], options?: CallOptions): Promise<void> {
    this.#ready = this.#declare()
    this.#ready.catch(() => (this.#ready = undefined))
    await this.#ready
    for (const queue of queues) {
      await this.#bind(queueBinding(queue.name), options)
      for (const { exchange, routingKey } of queue.bindings) {
        if (exchange.type === 'direct' || exchange.name === '') continue
        const binding = exchangeBinding(exchange.name, routingKey, exchange.type)
        await this.#bind(binding, options)
        // Other types do not look at the key, which has the delay in front.
        if (exchange.type !== 'topic') continue
        await this.#topology.run(
          `binding queue ${JSON.stringify(queue.name)} to exchange ${JSON.stringify(exchange.name)}`,
          (channel) => channel.bindQueue(queue.name, exchange.name, binding.key),
          options,
        )
      }
    }
  }

  /** Somebody has deleted exchanges: look again. */
  forget(): void {
    this.#ready = undefined
    this.#bound.clear()
  }

  async #bindOnce(binding: DeliveryBinding, options: CallOptions | undefined): Promise<void> {
    const { what, key } = binding
    if (this.#bound.has(`${what} ${key}`)) return
    await this.#bind(binding, options)
  }

  async #bind({ what, key, make }: DeliveryBinding, options: CallOptions | undefined): Promise<void> {
    await this.#topology.run(`binding ${what} to ${delivery}`, make, options)
    if (this.#bound.size > 10_000) this.#bound.clear()
    this.#bound.add(`${what} ${key}`)
  }

  /** The last exchange is made last: where it is, all of them are. */
  #exists(): Promise<void> {
    this.#ready ??= this.#topology
      .find(`exchange ${delivery}`, (channel) => channel.checkExchange(delivery))
      .then((found) => (found === undefined ? this.#declare() : undefined))
      .catch((error: unknown) => {
        this.#ready = undefined
        throw error
      })
    return this.#ready
  }

  async #declare(): Promise<void> {
    await this.#topology.run('declaring the topology of delayed delivery', async (channel) => {
      for (let number = levels - 1; number >= 0; number--) {
        const name = level(number)
        await channel.assertExchange(name, 'topic', { durable: true })
        await channel.assertQueue(name, {
          durable: true,
          arguments: encodeTable({
            'x-queue-type': this.#settings.queueType,
            'x-overflow': 'reject-publish',
            'x-message-ttl': 2 ** number * 1000,
            'x-dead-letter-exchange': number === 0 ? delivery : level(number - 1),
            ...(this.#settings.queueType === 'quorum' ? { 'x-dead-letter-strategy': 'at-least-once' } : {}),
          }),
        })
        await channel.bindQueue(name, name, `${stars(levels - 1 - number)}1.#`)
      }
      for (let number = levels - 1; number > 0; number--)
        await channel.bindExchange(level(number - 1), level(number), `${stars(levels - 1 - number)}0.#`)
      await channel.assertExchange(delivery, 'topic', { durable: true })
      await channel.bindExchange(delivery, level(0), `${stars(levels - 1)}0.#`)
    })
  }
}

/** What is bound to the last exchange. */
interface DeliveryBinding {
  readonly what: string
  readonly key: string
  readonly make: (channel: Channel) => Promise<unknown>
}

function queueBinding(queue: string): DeliveryBinding {
  const key = `${stars(levels)}${queue}${queueMark}`
  return {
    what: `queue ${JSON.stringify(queue)}`,
    key,
    make: (channel) => channel.bindQueue(queue, delivery, key),
  }
}

/** The key that a Python worker binds too. */
function exchangeBinding(exchange: string, routingKey: string, type: string | undefined): DeliveryBinding {
  const key = type === 'topic' && routingKey.startsWith('#') ? routingKey : `#.${routingKey}`
  return {
    what: `exchange ${JSON.stringify(exchange)}`,
    key,
    make: (channel) => channel.bindExchange(exchange, delivery, key),
  }
}

function withoutDeadLetterHeaders(headers: HeaderTable): HeaderTable {
  const names = Object.keys(headers)
  if (!names.some((name) => deadLetterHeaders.test(name))) return headers
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !deadLetterHeaders.test(name)))
}
