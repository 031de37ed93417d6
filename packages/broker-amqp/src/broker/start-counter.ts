import { createHash } from 'node:crypto'
import type { NoticeListener } from '@ct/contracts'
import type { AmqpDelivery } from './delivery.ts'
import type { Publisher } from './publisher.ts'
import type { Topology } from './topology.ts'

/**
 * How often a message was started (B17), on a broker that cannot change a message.
 *
 * A first delivery is start 1 and costs nothing. A redelivered message of a quorum queue brings RabbitMQ's own `x-delivery-count`. For
 * classic queues each start of a *redelivered* message puts one empty message into a small queue of its own, `ct.starts.<digest>`, whose length is
 * the count; it goes when the message ends, or expires.
 */
export class StartCounter {
  readonly #topology: Topology
  readonly #publisher: Publisher
  readonly #expiresMs: number
  readonly #onNotice: NoticeListener
  /** Where counter queues are not allowed. */
  readonly #local = new Map<string, number>()
  #refused: boolean = false

  constructor(topology: Topology, publisher: Publisher, expiresMs: number, onNotice: NoticeListener) {
    this.#topology = topology
    this.#publisher = publisher
    this.#expiresMs = expiresMs
    this.#onNotice = onNotice
  }

  async count(delivery: AmqpDelivery): Promise<number> {
    if (!delivery.info.redelivered) return 1
    const delivered = delivery.headers['x-delivery-count']
    if (typeof delivered === 'number') return delivered + 1
    const name = counterName(delivery)
    if (!this.#refused) {
      try {
        const count = await this.#countInQueue(name)
        delivery.counted = true
        return count + 1
      } catch (error) {
        if ((error as { readonly retryable?: boolean }).retryable !== false) throw error
        this.#refused = true
        this.#onNotice({
          kind: 'warning',
          message: `The starts of redelivered messages are counted in this process only, because ${(error as Error).message} Allow queues named ct.starts.*, or use quorum queues.`,
        })
      }
    }
    if (this.#local.size > 10_000) this.#local.clear()
    const count = (this.#local.get(name) ?? 1) + 1
    this.#local.set(name, count)
    return count
  }

  async #countInQueue(name: string): Promise<number> {
    const { messageCount } = await this.#topology.run(`queue ${JSON.stringify(name)}`, (channel) =>
      channel.assertQueue(name, { durable: true, arguments: { 'x-expires': this.#expiresMs } }),
    )
    await this.#publisher.publish({
      exchange: '',
      routingKey: name,
      body: new Uint8Array(),
      contentType: 'application/data',
      contentEncoding: 'binary',
      headers: {},
      properties: { deliveryMode: 2 },
    })
    // Nobody else counts: the message is ours.
    return messageCount + 1
  }

  /** The message has ended. */
  forget(delivery: AmqpDelivery): void {
    if (!delivery.info.redelivered) return
    const name = counterName(delivery)
    this.#local.delete(name)
    if (!delivery.counted) return
    // What is left behind expires.
    this.#topology
      .run(`queue ${JSON.stringify(name)}`, (channel) => channel.deleteQueue(name))
      .catch(() => undefined)
  }
}

function counterName({ queue, headers, properties, body }: AmqpDelivery): string {
  const id = headers['id']
  const hash = createHash('sha1').update(queue).update('\0')
  if (typeof id === 'string') hash.update(id)
  else
    hash
      .update(properties.correlationId ?? '')
      .update('\0')
      .update(body)
  return `ct.starts.${hash.digest('hex')}`
}
