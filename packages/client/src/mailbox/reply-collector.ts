import type { BrokerConnection, Consumer, Delivery, QueueDeclaration } from '@ct/contracts'

/** Gets each reply; returns false for one that is not for it. */
export type ReplyListener = (delivery: Delivery) => void

/**
 * The reply queue of this process: one consumer however many calls wait for answers, opened for the first of them and closed after
 * the last. `acquire` resolves when replies can arrive: nothing is asked before.
 *
 * ```
 *   closed ──acquire──► opening ──► open ──last release──► closing ──► closed
 * ```
 */
export class ReplyCollector {
  readonly #queue: QueueDeclaration
  readonly #connect: (signal: AbortSignal | undefined) => Promise<BrokerConnection>
  readonly #listeners = new Set<ReplyListener>()
  #users = 0
  #opened: Promise<{ readonly connection: BrokerConnection; readonly consumer: Consumer }> | undefined
  #closing: Promise<void> = Promise.resolve()

  constructor(
    queue: QueueDeclaration,
    connect: (signal: AbortSignal | undefined) => Promise<BrokerConnection>,
  ) {
    this.#queue = queue
    this.#connect = connect
  }

  /** Resolves to the connection to ask through, and the function that ends the waiting. */
  async acquire(
    listener: ReplyListener,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly connection: BrokerConnection; readonly release: () => void }> {
    this.#users++
    let released = false
    const release = (): void => {
      if (released) return
      released = true
      this.#listeners.delete(listener)
      this.#users--
      if (this.#users === 0) this.#close()
    }
    try {
      const connection = await this.#connect(signal)
      // A consumer of a connection that is gone hears nothing any more.
      if (
        this.#opened !== undefined &&
        (await this.#opened.catch(() => undefined))?.connection !== connection
      ) {
        this.#close()
      }
      this.#opened ??= this.#closing.then(() => this.#open(connection))
      await this.#opened
      this.#listeners.add(listener)
      return { connection, release }
    } catch (error) {
      this.#opened = undefined
      release()
      throw error
    }
  }

  /** Resolves when the consumer and its queue are gone. Never rejects. */
  async close(): Promise<void> {
    this.#close()
    await this.#closing
  }

  async #open(
    connection: BrokerConnection,
  ): Promise<{ readonly connection: BrokerConnection; readonly consumer: Consumer }> {
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
    return { connection, consumer }
  }

  #close(): void {
    const opened = this.#opened
    if (opened === undefined) return
    this.#opened = undefined
    this.#closing = opened
      .then(async ({ connection, consumer }) => {
        await consumer.close()
        // Late answers would otherwise lie about where the broker does not delete the queue with its last consumer.
        await connection.deleteQueue(this.#queue.name)
      })
      .catch(() => {})
  }
}
