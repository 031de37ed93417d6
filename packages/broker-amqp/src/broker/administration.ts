import type { Channel } from 'amqplib'
import {
  BrokerError,
  CeleryError,
  UnsupportedError,
  type BrokerAdministration,
  type CallOptions,
  type DeleteOptions,
  type Delivery,
  type ExchangeDeclaration,
  type ListedBinding,
  type QueueReport,
  type Settlement,
} from '@ct/contracts'
import { inOrder } from '@ct/contracts/broker-kit'
import { replyCode } from '../connection/failure.ts'
import type { Link } from '../connection/link.ts'
import type { ManagementSettings } from '../options/broker-options.ts'
import { ChannelSession } from './channel-session.ts'
import { AmqpDelivery, type DeliveryOwner } from './delivery.ts'
import type { Topology } from './topology.ts'

/** The management plug-in answers slowly where there are many bindings; a firewall not at all. */
const managementTimeoutMs = 30_000

/**
 * B26. AMQP has methods for all of it but listing: bindings are asked of RabbitMQ's management plug-in, over HTTP, as kombu does
 * (kombu/utils/amq_manager.py 5.7).
 */
export class AmqpAdministration implements BrokerAdministration, DeliveryOwner {
  readonly #link: Link
  readonly #topology: Topology
  readonly #management: ManagementSettings
  /** Of messages that were got. */
  #session: Promise<ChannelSession> | undefined

  constructor(link: Link, topology: Topology, management: ManagementSettings) {
    this.#link = link
    this.#topology = topology
    this.#management = management
  }

  async bindings(options?: CallOptions): Promise<readonly ListedBinding[]> {
    this.#link.assertOpen()
    const { url, virtualHost, username, password } = this.#management
    const [user, secret] = [username, typeof password === 'function' ? await password() : password]
    const timeout = AbortSignal.timeout(managementTimeoutMs)
    let response: Response
    try {
      response = await fetch(`${url}/api/bindings/${encodeURIComponent(virtualHost)}`, {
        headers: { authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}` },
        signal: options?.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]),
      })
    } catch (error) {
      throw new BrokerError(
        `The management plug-in of RabbitMQ, which lists bindings, does not answer at ${url}. Is it enabled (rabbitmq-plugins enable rabbitmq_management)? Its address is set by the options managerHostname, managerPort and managerSsl.`,
        { cause: error },
      )
    }
    if (!response.ok) {
      throw new BrokerError(
        `The management plug-in of RabbitMQ at ${url} refuses to list bindings: ${response.status} ${response.statusText}. The user needs the tag "management" (or give another by managerUserid and managerPassword).`,
      )
    }
    const listed = (await response.json()) as readonly {
      readonly source: string
      readonly destination: string
      readonly destination_type: string
      readonly routing_key: string
    }[]
    return inOrder(
      listed
        .filter((one) => one.destination_type === 'queue')
        .map((one) => ({ queue: one.destination, exchange: one.source, routingKey: one.routing_key })),
    )
  }

  declareExchange(exchange: ExchangeDeclaration, options?: CallOptions): Promise<void> {
    return this.#topology.declareExchange(exchange, options)
  }

  async deleteExchange(exchange: string, options: DeleteOptions = {}): Promise<void> {
    await this.#topology.run(
      `deleting exchange ${JSON.stringify(exchange)}`,
      (channel) => channel.deleteExchange(exchange, { ifUnused: options.ifUnused === true }),
      options,
    )
  }

  async bind(
    queue: string,
    exchange: Pick<ExchangeDeclaration, 'name'>,
    routingKey: string,
    options?: CallOptions,
  ): Promise<void> {
    await this.#topology.run(
      `binding queue ${JSON.stringify(queue)} to exchange ${JSON.stringify(exchange.name)}`,
      (channel) => channel.bindQueue(queue, exchange.name, routingKey),
      options,
    )
  }

  async report(queue: string, options?: CallOptions): Promise<QueueReport> {
    const what = `queue ${JSON.stringify(queue)}`
    const found = await this.#topology.find(what, (channel) => channel.checkQueue(queue), options)
    if (found === undefined)
      throw new CeleryError('CT_QUEUE_NOT_FOUND', `RabbitMQ has no ${what} in this virtual host.`, {
        details: { queue },
      })
    return { messages: found.messageCount, consumers: found.consumerCount }
  }

  async deleteQueue(queue: string, options: DeleteOptions = {}): Promise<number> {
    const conditions = { ifUnused: options.ifUnused === true, ifEmpty: options.ifEmpty === true }
    const found = await this.#topology.find(
      `deleting queue ${JSON.stringify(queue)}`,
      (channel) => channel.deleteQueue(queue, conditions),
      options,
    )
    return found?.messageCount ?? 0
  }

  async get(queue: string): Promise<Delivery | undefined> {
    this.#session ??= this.#open()
    const session = await this.#session
    const found = await session.channel.get(queue).catch((error: unknown) => {
      if (replyCode(error) === 404)
        throw new CeleryError(
          'CT_QUEUE_NOT_FOUND',
          `RabbitMQ has no queue ${JSON.stringify(queue)} in this virtual host.`,
          {
            cause: error,
            details: { queue },
          },
        )
      throw this.#link.failure(error, `getting a message of queue ${JSON.stringify(queue)}`)
    })
    if (found === false) return undefined
    session.add(found.fields.deliveryTag)
    const declaration = { name: queue, durable: true, exclusive: false, autoDelete: false, bindings: [] }
    // What a get gives differs from a delivery in a consumer tag, which nobody reads.
    return new AmqpDelivery(
      this,
      session,
      declaration,
      found as unknown as Parameters<Parameters<Channel['consume']>[1]>[0] & {},
      false,
    )
  }

  async #open(): Promise<ChannelSession> {
    const session: ChannelSession = new ChannelSession(await this.#link.channel(), () => {
      this.#session = undefined
    })
    return session
  }

  // DeliveryOwner

  async settle(delivery: AmqpDelivery, { action }: Settlement): Promise<void> {
    if (action === 'park')
      throw new UnsupportedError('A message that was got by an administrator is not parked; requeue it.')
    const { session, number } = delivery
    await session.settle(number, action === 'ack' || action === 'reject' ? action : 'requeue')
    // Who acknowledges by hand may hang up at once.
    await session.roundTrip(0)
  }

  async countStart(): Promise<number> {
    throw new UnsupportedError('A message that was got by an administrator is not started.')
  }
}
