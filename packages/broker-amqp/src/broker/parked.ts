import { createHash } from 'node:crypto'
import type { Channel, GetMessage } from 'amqplib'
import {
  parkedHeader,
  parkedSuffix,
  type CallOptions,
  type HeaderTable,
  type OutgoingMessage,
  type ParkedHistory,
  type ParkedMessage,
  type ParkedMessages,
} from '@ct/contracts'
import { decodeTable } from '../connection/field-table.ts'
import { raceSignal } from '../connection/failure.ts'
import type { Link } from '../connection/link.ts'
import { readProperties, type AmqpDelivery } from './delivery.ts'
import type { Publisher } from './publisher.ts'
import type { Topology } from './topology.ts'

/**
 * `<queue>.parked`, an ordinary durable queue. Parking is two steps: the copy is confirmed, then the message is acknowledged; a crash between them
 * leaves both. Looking means taking everything for a moment, on a channel whose end puts it all back where it was.
 */
export class ParkedQueues implements ParkedMessages {
  readonly #link: Link
  readonly #topology: Topology
  readonly #publisher: Publisher
  readonly #declared = new Set<string>()

  constructor(link: Link, topology: Topology, publisher: Publisher) {
    this.#link = link
    this.#topology = topology
    this.#publisher = publisher
  }

  /** Resolves when the copy is safe. */
  async put(delivery: AmqpDelivery, history: ParkedHistory): Promise<void> {
    const name = delivery.queue + parkedSuffix
    if (!this.#declared.has(name)) {
      await this.#topology.declareQueue({
        name,
        durable: true,
        exclusive: false,
        autoDelete: false,
        bindings: [],
      })
      this.#declared.add(name)
    }
    try {
      await this.#publisher.publish({
        exchange: '',
        routingKey: name,
        // Also gives it an id of its own.
        mandatory: true,
        body: delivery.body,
        contentType: delivery.contentType,
        contentEncoding: delivery.contentEncoding,
        headers: { ...ownHeaders(delivery.headers), [parkedHeader]: history },
        properties: { ...lasting(delivery.properties), deliveryMode: 2 },
      })
    } catch (error) {
      this.#declared.delete(name)
      throw error
    }
  }

  async count(queues: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>()
    for (const queue of queues) {
      const name = queue + parkedSuffix
      const found = await this.#topology.find(`queue ${name}`, (channel) => channel.checkQueue(name), options)
      if (found !== undefined && found.messageCount > 0) counts.set(queue, found.messageCount)
    }
    return counts
  }

  async list(
    queue: string,
    options: CallOptions & { readonly limit?: number; readonly offset?: number } = {},
  ): Promise<readonly ParkedMessage[]> {
    const { offset = 0, limit = 100 } = options
    const found: ParkedMessage[] = []
    await this.#visit(queue, offset + limit, options, async (message) => {
      found.push(readParked(message, queue))
      return false
    })
    return found.slice(offset)
  }

  retry(queue: string, ids: readonly string[], options?: CallOptions): Promise<number> {
    const wanted = new Set(ids)
    return this.#visit(queue, Infinity, options, async (message) => {
      const parked = readParked(message, queue)
      if (!wanted.has(parked.id)) return false
      const headers = ownHeaders(parked.headers)
      delete headers[parkedHeader]
      const again: OutgoingMessage = {
        exchange: '',
        routingKey: parked.history.queue,
        mandatory: true,
        body: message.content,
        contentType: String(message.properties.contentType ?? 'application/data'),
        contentEncoding: String(message.properties.contentEncoding ?? 'binary'),
        headers,
        properties: lasting(readProperties(message.properties)),
      }
      await this.#publisher.publish(again)
      return true
    })
  }

  drop(queue: string, ids: readonly string[], options?: CallOptions): Promise<number> {
    const wanted = new Set(ids)
    return this.#visit(queue, Infinity, options, async (message) => wanted.has(readParked(message, queue).id))
  }

  /** Takes them oldest first; `visit` says which to remove, the others go back. */
  async #visit(
    queue: string,
    limit: number,
    options: CallOptions | undefined,
    visit: (message: GetMessage) => Promise<boolean>,
  ): Promise<number> {
    const name = queue + parkedSuffix
    const found = await this.#topology.find(`queue ${name}`, (channel) => channel.checkQueue(name), options)
    if (found === undefined) return 0
    const channel = await this.#link.channel()
    try {
      return await raceSignal(`queue ${name}`, this.#walk(channel, name, limit, visit), options?.signal)
    } catch (error) {
      throw this.#link.failure(error, `queue ${name}`)
    } finally {
      await channel.close().catch(() => undefined)
    }
  }

  async #walk(
    channel: Channel,
    name: string,
    limit: number,
    visit: (message: GetMessage) => Promise<boolean>,
  ): Promise<number> {
    let removed = 0
    for (let seen = 0; seen < limit; seen++) {
      const message = await channel.get(name)
      if (message === false) break
      if (!(await visit(message))) continue
      channel.ack(message)
      removed++
    }
    return removed
  }
}

function readParked(message: GetMessage, queue: string): ParkedMessage {
  const headers = decodeTable(message.properties.headers as Record<string, unknown> | undefined)
  const given = headers[parkedHeader]
  const history = typeof given === 'object' && given !== null ? (given as HeaderTable) : {}
  const by = text(history['by'])
  const id: unknown = message.properties.messageId
  return {
    // An operator may have moved messages here by other means.
    id: text(id) ?? createHash('sha1').update(message.content).digest('hex'),
    taskId: text(headers['id']),
    taskName: text(headers['task']),
    history: {
      reason: text(history['reason']) ?? 'unknown',
      starts: typeof history['starts'] === 'number' ? history['starts'] : 0,
      parkedAt: text(history['parkedAt']) ?? new Date(0).toISOString(),
      ...(by === undefined ? {} : { by }),
      queue: text(history['queue']) ?? queue,
    },
    headers,
    body: message.content,
    retryable: true,
  }
}

/** Without what RabbitMQ has written into them: it counts anew. */
function ownHeaders(headers: HeaderTable): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^x-(delivery-count|acquired-count)$/.test(name)),
  )
}

/** `expiration` would remove it from the parked queue, and `expires` in the headers says the same. */
function lasting<T extends { readonly expiration?: string }>(properties: T): Omit<T, 'expiration'> {
  const { expiration: _, ...rest } = properties
  return rest
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
