import {
  BrokerUnavailableError,
  type BrokerConnection,
  type CallOptions,
  type CeleryError,
  type Consumer,
  type ConsumerOptions,
  type DeclareOptions,
  type Delivery,
  type NoticeListener,
  type OutgoingMessage,
  type ParkedMessages,
  type QueueDeclaration,
} from '@ct/contracts'
import type { Link } from '../connection/link.ts'
import type { BrokerSettings } from '../options/broker-options.ts'
import { AmqpAdministration } from './administration.ts'
import { AmqpConsumer } from './consumer.ts'
import { DelayedDelivery, maxDelaySeconds } from './delayed-delivery.ts'
import { ParkedQueues } from './parked.ts'
import { Publisher } from './publisher.ts'
import { StartCounter } from './start-counter.ts'
import { Topology } from './topology.ts'

/** One AMQP connection: a channel for declarations, one for publishing, one per consumer. */
export class AmqpBrokerConnection implements BrokerConnection {
  readonly leaseMs: undefined = undefined
  readonly parked: ParkedMessages
  readonly administration: AmqpAdministration
  readonly #link: Link
  readonly #topology: Topology
  readonly #publisher: Publisher
  readonly #delayed: DelayedDelivery | undefined
  readonly #parked: ParkedQueues
  readonly #starts: StartCounter
  readonly #onNotice: NoticeListener
  readonly #onClosed: (connection: AmqpBrokerConnection) => void
  readonly #consumers = new Set<AmqpConsumer>()
  #closed: Promise<void> | undefined

  constructor(
    link: Link,
    settings: BrokerSettings,
    onNotice: NoticeListener,
    onClosed: (connection: AmqpBrokerConnection) => void,
  ) {
    this.#link = link
    this.#onNotice = onNotice
    this.#onClosed = onClosed
    this.#topology = new Topology(link)
    this.#delayed =
      settings.delay === undefined ? undefined : new DelayedDelivery(this.#topology, settings.delay, onNotice)
    this.#publisher = new Publisher(link, this.#topology, settings, this.#delayed)
    this.#parked = new ParkedQueues(link, this.#topology, this.#publisher)
    this.#starts = new StartCounter(this.#topology, this.#publisher, settings.startsExpiresMs, onNotice)
    this.parked = this.#parked
    this.administration = new AmqpAdministration(link, this.#topology, settings.management)
  }

  async declare(queues: readonly QueueDeclaration[], options?: DeclareOptions): Promise<void> {
    this.#link.assertOpen()
    for (const exchange of options?.exchanges ?? []) await this.#topology.declareExchange(exchange, options)
    for (const queue of queues) await this.#topology.declareQueue(queue, options)
  }

  async prepareDelays(queues: readonly QueueDeclaration[], options?: CallOptions): Promise<void> {
    this.#link.assertOpen()
    await this.#delayed?.prepare(queues, options)
  }

  async postpone(delivery: Delivery, notBefore: number, options?: CallOptions): Promise<boolean> {
    const delayed = this.#delayed
    if (delayed === undefined) return false
    const { body, contentType, contentEncoding, headers, properties, queue } = delivery
    const copy: OutgoingMessage = {
      exchange: '',
      routingKey: queue,
      body,
      contentType,
      contentEncoding,
      headers,
      properties,
      notBefore: Math.min(notBefore, Date.now() + maxDelaySeconds * 1000),
    }
    const seconds = delayed.secondsOf(copy)
    const routed = seconds === 0 ? undefined : await delayed.route(copy, seconds, options)
    if (routed === undefined) return false
    await this.#publisher.publish(routed, options)
    return true
  }

  publish(message: OutgoingMessage, options?: CallOptions): Promise<void> {
    return this.#publisher.publish(message, options)
  }

  publishMany(
    messages: readonly OutgoingMessage[],
    options?: CallOptions,
  ): Promise<readonly (CeleryError | undefined)[]> {
    return this.#publisher.publishMany(messages, options)
  }

  async openConsumer(options: ConsumerOptions): Promise<Consumer> {
    this.#link.assertOpen()
    const consumer = new AmqpConsumer(
      {
        link: this.#link,
        declare: (queue, more) => this.#topology.declareQueue(queue, more),
        parked: this.#parked,
        starts: this.#starts,
        onNotice: this.#onNotice,
        onClosed: (one) => this.#consumers.delete(one),
      },
      options,
    )
    this.#consumers.add(consumer)
    return consumer
  }

  async queueSize(queue: string, options?: CallOptions): Promise<number> {
    const what = `queue ${JSON.stringify(queue)}`
    const found = await this.#topology.find(what, (channel) => channel.checkQueue(queue), options)
    return found?.messageCount ?? 0
  }

  async purge(queue: string, options?: CallOptions): Promise<number> {
    const what = `queue ${JSON.stringify(queue)}`
    const found = await this.#topology.find(what, (channel) => channel.purgeQueue(queue), options)
    return found?.messageCount ?? 0
  }

  async deleteQueue(queue: string, options?: CallOptions): Promise<void> {
    await this.#topology.find(
      `queue ${JSON.stringify(queue)}`,
      (channel) => channel.deleteQueue(queue),
      options,
    )
  }

  /** Opens the publishing channel, so that a publish can be confirmed at once. */
  async prepare(): Promise<void> {
    try {
      await this.#publisher.ready()
    } catch (error) {
      throw error instanceof BrokerUnavailableError ? error : this.#link.failure(error, 'opening a channel')
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    if (this.#link.isOpen) await Promise.all([...this.#consumers].map((consumer) => consumer.close()))
    await this.#link.close()
    this.#onClosed(this)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
