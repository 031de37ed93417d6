import { randomUUID } from 'node:crypto'
import type { ConsumeMessage } from 'amqplib'
import type { QueueDeclaration, Subscription } from '@ct/contracts'
import { encodeTable } from '../connection/field-table.ts'
import type { ChannelSession } from './channel-session.ts'
import type { AmqpDelivery } from './delivery.ts'

/** RabbitMQ counts the prefetch in 16 bits; 0 stands for no limit. */
export function wirePrefetch(prefetch: number): number {
  return prefetch > 65_535 ? 0 : Math.max(1, prefetch)
}

/** Beyond so many consumers of one queue, growing opens one big consumer instead of another small one. */
const mostConsumers = 4

/**
 * One queue of a consumer. AMQP fixes the prefetch of a consumer when it is opened, so growing opens another one beside it, and
 * shrinking opens a smaller one and then cancels the others; at no time does nobody consume.
 */
export class Lane {
  readonly queue: QueueDeclaration
  readonly noAck: boolean
  /** Received, not yet handed on: more than the credit allows at this moment. */
  buffer: AmqpDelivery[] = []
  /** Received and open, the buffer included. */
  held: number = 0
  paused: boolean = false
  ended: boolean = false
  /** It had all it may have while the budget was not used up. */
  hungry: boolean = false
  target: number = 0
  #prefetch: number = 0
  #tags: string[] = []
  #session: ChannelSession | undefined
  readonly #arguments: Record<string, unknown>

  constructor({ queue, noAck = false, arguments: table = {} }: Subscription) {
    this.queue = queue
    this.noAck = noAck
    this.#arguments = encodeTable(table)
  }

  get prefetch(): number {
    return this.#prefetch
  }

  get saturated(): boolean {
    return this.held >= this.#prefetch
  }

  get consuming(): boolean {
    return this.#tags.length > 0
  }

  owns(tag: string): boolean {
    return this.#tags.includes(tag)
  }

  /** The channel has ended, and the consumers with it. */
  drop(session: ChannelSession): void {
    if (this.#session !== session) return
    this.#tags = []
    this.#prefetch = 0
    this.#session = undefined
  }

  /** Opens and cancels consumers until the wanted prefetch is there (roughly, to spare the broker small steps). */
  async adjust(
    session: ChannelSession,
    onMessage: (message: ConsumeMessage | null, tag: string) => void,
  ): Promise<void> {
    const wanted = this.paused || this.ended ? 0 : this.target
    if (this.#session !== undefined && this.#session !== session) this.drop(this.#session)
    if (wanted === 0) return this.#cancel(session, this.#tags.splice(0))
    const have = this.#prefetch
    if (this.consuming && (this.noAck || wanted === have)) return
    if (wanted > have && this.consuming && this.#tags.length < mostConsumers && wanted !== Infinity) {
      const more = Math.max(wanted - have, Math.floor(have / 8))
      await this.#consume(session, more, onMessage)
      this.#prefetch = have + more
      return
    }
    // What comes too much for a while waits in the buffer.
    if (wanted < have && wanted >= have * 0.75) return
    const old = this.#tags
    this.#tags = []
    await this.#consume(session, wanted, onMessage)
    this.#prefetch = wanted
    await this.#cancel(session, old, wanted)
  }

  async #consume(
    session: ChannelSession,
    prefetch: number,
    onMessage: (message: ConsumeMessage | null, tag: string) => void,
  ): Promise<void> {
    const consumerTag = `ct-${randomUUID()}`
    if (!this.noAck) await session.channel.prefetch(wirePrefetch(prefetch))
    this.#session = session
    this.#tags.push(consumerTag)
    try {
      await session.channel.consume(this.queue.name, (message) => onMessage(message, consumerTag), {
        noAck: this.noAck,
        consumerTag,
        arguments: this.#arguments,
      })
    } catch (error) {
      this.#tags = this.#tags.filter((tag) => tag !== consumerTag)
      throw error
    }
  }

  async #cancel(session: ChannelSession, tags: readonly string[], left: number = 0): Promise<void> {
    this.#prefetch = left
    for (const tag of tags) await session.channel.cancel(tag)
  }
}
