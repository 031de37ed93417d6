/**
 * Fanout exchanges are Redis pub/sub: nothing is kept for who is not there, and nothing is filed. A consumer that settles (broadcast
 * tasks) gets at most its credit; the rest waits in memory.
 */
import type { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { Subscriber } from '../connection/subscriber.ts'
import type { Keys } from '../keys.ts'

interface FanoutSource {
  readonly queue: string
  readonly noAck: boolean
  readonly patterns: readonly string[]
  readonly listener: (message: Buffer) => void
  paused: boolean
  readonly waiting: Buffer[]
}

export class FanoutSources {
  readonly #subscriber: Subscriber
  readonly #keys: Keys
  readonly #hasRoom: () => boolean
  readonly #deliver: (queue: string, noAck: boolean, message: Buffer) => void
  readonly #sources = new Map<string, FanoutSource>()
  readonly #compat: boolean
  readonly #seen = new Set<string>()

  constructor(
    subscriber: Subscriber,
    keys: Keys,
    compat: boolean,
    hasRoom: () => boolean,
    deliver: (queue: string, noAck: boolean, message: Buffer) => void,
  ) {
    this.#subscriber = subscriber
    this.#keys = keys
    this.#compat = compat
    this.#hasRoom = hasRoom
    this.#deliver = deliver
  }

  /** Resolves when what is published from now on arrives (B23). */
  async add(
    queue: string,
    noAck: boolean,
    bindings: readonly { exchange: string; routingKey: string }[],
  ): Promise<void> {
    if (this.#sources.has(queue)) return
    const patterns = [
      ...new Set(
        bindings.flatMap(({ exchange, routingKey }) => this.#keys.fanoutPatterns(exchange, routingKey)),
      ),
    ]
    const source: FanoutSource = {
      queue,
      noAck,
      patterns,
      paused: false,
      waiting: [],
      listener: (message) => {
        if (this.#compat && this.#seenBefore(queue, message)) return
        if (!source.paused && (noAck || (source.waiting.length === 0 && this.#hasRoom())))
          this.#deliver(queue, noAck, message)
        else if (source.waiting.push(message) > mostWaiting) source.waiting.shift()
      },
    }
    this.#sources.set(queue, source)
    await this.#subscriber.psubscribe(patterns, source.listener)
  }

  /** With two channels per exchange each message comes twice (D57-35). */
  #seenBefore(queue: string, message: Buffer): boolean {
    const mark = `${queue} ${createHash('sha1').update(message).digest('base64')}`
    if (this.#seen.has(mark)) return true
    this.#seen.add(mark)
    if (this.#seen.size > 1000) this.#seen.delete(this.#seen.values().next().value as string)
    return false
  }

  remove(queue: string): void {
    const source = this.#sources.get(queue)
    if (source === undefined) return
    this.#sources.delete(queue)
    source.paused = true
    source.waiting.length = 0
    this.#subscriber.punsubscribe(source.patterns, source.listener)
  }

  pause(queues: readonly string[], paused: boolean): void {
    for (const queue of queues) {
      const source = this.#sources.get(queue)
      if (source !== undefined) source.paused = paused
    }
    if (!paused) this.drain()
  }

  /** Credit came back, or a queue was resumed. */
  drain(): void {
    for (const source of this.#sources.values()) {
      while (!source.paused && source.waiting.length > 0 && (source.noAck || this.#hasRoom())) {
        this.#deliver(source.queue, source.noAck, source.waiting.shift() as Buffer)
      }
    }
  }

  clear(): void {
    for (const queue of [...this.#sources.keys()]) this.remove(queue)
  }
}

/** Redis itself drops a subscriber that lags too far behind; we drop the oldest message. */
const mostWaiting = 10_000
