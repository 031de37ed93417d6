/**
 * The one subscribed link of a connection: channels and patterns are counted, so that whoever wants one shares it with the others, and
 * the server's invalidation messages (client tracking) arrive here too.
 */
import { Buffer } from 'node:buffer'
import type { Link } from './link.ts'

export const invalidationChannel = '__redis__:invalidate'

type Listener = (message: Buffer, channel: string) => void

interface Topic {
  readonly listeners: Set<Listener>
  ready: Promise<unknown>
}

export class Subscriber {
  readonly link: Link
  readonly #channels = new Map<string, Topic>()
  readonly #patterns = new Map<string, Topic>()
  #onInvalidation: ((keys: readonly string[] | null) => void) | undefined

  constructor(link: Link) {
    this.link = link
    link.redis.on('messageBuffer', (channel: Buffer, message: Buffer | readonly Buffer[] | null) => {
      const name = channel.toString()
      if (name === invalidationChannel && !Buffer.isBuffer(message)) {
        this.#onInvalidation?.(message === null ? null : message.map(String))
        return
      }
      const topic = this.#channels.get(name)
      if (topic !== undefined) for (const listener of topic.listeners) listener(message as Buffer, name)
    })
    link.redis.on('pmessageBuffer', (pattern: string, channel: Buffer, message: Buffer) => {
      const topic = this.#patterns.get(pattern)
      if (topic !== undefined) for (const listener of topic.listeners) listener(message, channel.toString())
    })
  }

  /** Null means "everything" (FLUSHALL, FLUSHDB). */
  async onInvalidation(listener: (keys: readonly string[] | null) => void): Promise<void> {
    this.#onInvalidation = listener
    await this.link.send('subscribe', [invalidationChannel])
  }

  /** Resolves when the server has confirmed: what is published afterwards arrives. */
  subscribe(channels: readonly string[], listener: Listener): Promise<unknown> {
    return this.#add(this.#channels, 'subscribe', channels, listener)
  }

  psubscribe(patterns: readonly string[], listener: Listener): Promise<unknown> {
    return this.#add(this.#patterns, 'psubscribe', patterns, listener)
  }

  unsubscribe(channels: readonly string[], listener: Listener): void {
    this.#remove(this.#channels, 'unsubscribe', channels, listener)
  }

  punsubscribe(patterns: readonly string[], listener: Listener): void {
    this.#remove(this.#patterns, 'punsubscribe', patterns, listener)
  }

  #add(
    topics: Map<string, Topic>,
    command: string,
    names: readonly string[],
    listener: Listener,
  ): Promise<unknown> {
    const fresh: string[] = []
    const waits: Promise<unknown>[] = []
    for (const name of names) {
      const topic = topics.get(name)
      if (topic === undefined) {
        fresh.push(name)
      } else {
        topic.listeners.add(listener)
        waits.push(topic.ready)
      }
    }
    if (fresh.length > 0) {
      const ready = this.link.send(command, fresh)
      ready.catch(() => undefined)
      for (const name of fresh) topics.set(name, { listeners: new Set([listener]), ready })
      waits.push(ready)
    }
    return Promise.all(waits)
  }

  #remove(topics: Map<string, Topic>, command: string, names: readonly string[], listener: Listener): void {
    const empty: string[] = []
    for (const name of names) {
      const topic = topics.get(name)
      if (topic === undefined || !topic.listeners.delete(listener) || topic.listeners.size > 0) continue
      topics.delete(name)
      empty.push(name)
    }
    if (empty.length > 0 && this.link.usable) this.link.send(command, empty).catch(() => undefined)
  }
}
