import type { BrokerConnection, Consumer, Delivery, QueueDeclaration } from '@ct/contracts'
import { abortable } from '../connection/index.ts'

/** Gets each reply, those for others included. Must not throw. */
export type ReplyListener = (delivery: Delivery) => void

interface Listening {
  readonly connection: BrokerConnection
  readonly consumer: Promise<Consumer>
}

/**
 * The reply queue of this process: one consumer however many calls wait for answers, opened for the first of them and closed after
 * the last. `acquire` resolves when replies can arrive: nothing is asked before.
 *
 * ```
 *   closed ──acquire──► opening ──► open ──last release──► closing ──► closed
 *                          ▲         │ acquire finds another connection
 *                          └─────────┘
 * ```
 */
export class ReplyCollector {
  readonly #queue: QueueDeclaration
  readonly #connect: (signal: AbortSignal | undefined) => Promise<BrokerConnection>
  readonly #listeners = new Set<ReplyListener>()
  #users = 0
  #listening: Listening | undefined
  #closing: Promise<void> = Promise.resolve()

  constructor(
    queue: QueueDeclaration,
    connect: (signal: AbortSignal | undefined) => Promise<BrokerConnection>,
  ) {
    this.#queue = queue
    this.#connect = connect
  }

  /** Resolves to the function that ends the waiting. */
  async acquire(listener: ReplyListener, signal: AbortSignal | undefined): Promise<() => void> {
    this.#users++
    let released = false
    const release = (): void => {
      if (released) return
      released = true
      this.#listeners.delete(listener)
      this.#users--
      if (this.#users === 0) this.#stop()
    }
    try {
      const connection = await this.#connect(signal)
      await abortable(this.#listenOn(connection), signal, 'Listening for answers')
      this.#listeners.add(listener)
      return release
    } catch (error) {
      release()
      throw error
    }
  }

  /** Resolves when the consumer and its queue are gone. Never rejects. */
  async close(): Promise<void> {
    this.#stop()
    await this.#closing
  }

  #listenOn(connection: BrokerConnection): Promise<Consumer> {
    if (this.#listening !== undefined) {
      if (this.#listening.connection === connection) return this.#listening.consumer
      // A consumer of a connection that is gone hears nothing any more.
      this.#stop()
    }
    const consumer = this.#closing.then(() => this.#open(connection))
    const listening = { connection, consumer }
    this.#listening = listening
    consumer.catch(() => {
      // Whoever comes next tries again.
      if (this.#listening === listening) this.#listening = undefined
    })
    return consumer
  }

  async #open(connection: BrokerConnection): Promise<Consumer> {
    const consumer = await connection.openConsumer({
      credit: Infinity,
      onDelivery: (delivery) => {
        for (const listener of [...this.#listeners]) listener(delivery)
      },
    })
    try {
      await consumer.subscribe([{ queue: this.#queue, noAck: true }])
    } catch (error) {
      await consumer.close()
      throw error
    }
    return consumer
  }

  #stop(): void {
    const listening = this.#listening
    if (listening === undefined) return
    this.#listening = undefined
    this.#closing = listening.consumer
      .then(async (consumer) => {
        await consumer.close()
        // Late answers would otherwise lie about where the broker does not delete the queue with its last consumer.
        await listening.connection.deleteQueue(this.#queue.name)
      })
      .catch(() => {})
  }
}
