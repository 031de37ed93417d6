import { freshVhost, type FreshVhost } from '@ct-tools/services'
import type {
  BrokerConnection,
  Consumer,
  Delivery,
  Notice,
  OutgoingMessage,
  QueueDeclaration,
  Subscription,
} from '@ct/contracts'
import { connect, type Channel, type ChannelModel } from 'amqplib'
import { amqpBroker, type AmqpBrokerOptions } from '../src/index.ts'

/** A virtual host of its own, amqplib beside the adapter, and everything closed at the end. */
export class RabbitScene {
  readonly vhost: FreshVhost
  readonly plain: ChannelModel
  /** amqplib's own: what somebody else does on the server. */
  readonly channel: Channel
  readonly #opened: { close(): Promise<void> }[] = []

  private constructor(vhost: FreshVhost, plain: ChannelModel, channel: Channel) {
    this.vhost = vhost
    this.plain = plain
    this.channel = channel
  }

  static async open(): Promise<RabbitScene> {
    const vhost = await freshVhost()
    const plain = await connect(vhost.url)
    plain.on('error', () => {})
    const channel = await plain.createChannel()
    channel.on('error', () => {})
    return new RabbitScene(vhost, plain, channel)
  }

  async connect(
    options: AmqpBrokerOptions = {},
  ): Promise<{ readonly connection: BrokerConnection; readonly notices: readonly Notice[] }> {
    const broker = amqpBroker({ url: this.vhost.url, ...options })
    this.#opened.push(broker)
    const notices: Notice[] = []
    return { connection: await broker.connect({ onNotice: (notice) => notices.push(notice) }), notices }
  }

  async consume(
    connection: BrokerConnection,
    subscriptions: readonly (QueueDeclaration | Subscription)[],
    credit: number = 10,
  ): Promise<{ readonly consumer: Consumer; readonly got: Delivery[] }> {
    const got: Delivery[] = []
    const consumer = await connection.openConsumer({ credit, onDelivery: (one) => got.push(one) })
    await consumer.subscribe(subscriptions.map((one) => ('queue' in one ? one : { queue: one })))
    return { consumer, got }
  }

  async close(): Promise<void> {
    for (const one of this.#opened.splice(0)) await one.close()
    await this.plain.close().catch(() => {})
    await this.vhost.release()
  }
}

export function queueNamed(name: string, more: Partial<QueueDeclaration> = {}): QueueDeclaration {
  return { name, durable: true, exclusive: false, autoDelete: false, bindings: [], ...more }
}

export function messageTo(routingKey: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    exchange: '',
    routingKey,
    body: Buffer.from('[[], {}, {}]'),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: { id: 'x', task: 't' },
    properties: {},
    ...more,
  }
}
