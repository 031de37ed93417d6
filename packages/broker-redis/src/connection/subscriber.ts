/**
 * The one subscribed link of a connection: channels and patterns are counted, so that whoever wants one shares it with the others, and
 * the server's invalidation messages (client tracking) arrive here too. What is asked for in one turn of the event loop goes out together.
 */
import { Buffer } from 'node:buffer'
import type { Link } from './link.ts'

export const invalidationChannel = '__redis__:invalidate'

type Listener = (message: Buffer, channel: string) => void

interface Topic {
  readonly listeners: Set<Listener>
  readonly ready: Promise<unknown>
}

/**
 * Channels that nobody listens to any more are taken back together: else who waits for one result after the other would send as many
 * commands for the end of a wait as for its beginning.
 */
const mostIdle = 100
const idleMs = 100

/** Channels, or patterns. */
class Topics {
  readonly #link: Link
  readonly #commands: { readonly add: string; readonly remove: string }
  readonly #topics = new Map<string, Topic>()
  #fresh: { readonly names: string[]; readonly done: PromiseWithResolvers<unknown> } | undefined
  readonly #mostIdle: number
  /** Without listeners for the moment; some find new ones. */
  readonly #idle = new Set<string>()
  #idleTimer: NodeJS.Timeout | undefined
  #scheduled = false

  constructor(link: Link, add: string, remove: string, mostIdle: number) {
    this.#link = link
    this.#mostIdle = mostIdle
    this.#commands = { add, remove }
  }

  /** Resolves when the server has confirmed: what is published afterwards arrives. */
  add(names: readonly string[], listener: Listener): Promise<unknown> {
    const waits = new Set<Promise<unknown>>()
    for (const name of names) {
      let topic = this.#topics.get(name)
      if (topic === undefined) {
        topic = { listeners: new Set(), ready: this.#subscribe(name) }
        this.#topics.set(name, topic)
      }
      topic.listeners.add(listener)
      this.#idle.delete(name)
      waits.add(topic.ready)
    }
    return Promise.all(waits)
  }

  #subscribe(name: string): Promise<unknown> {
    if (this.#fresh === undefined) {
      this.#fresh = { names: [], done: Promise.withResolvers() }
      this.#fresh.done.promise.catch(() => undefined)
      this.#schedule()
    }
    this.#fresh.names.push(name)
    return this.#fresh.done.promise
  }

  remove(names: readonly string[], listener: Listener): void {
    for (const name of names) {
      const topic = this.#topics.get(name)
      if (topic === undefined || !topic.listeners.delete(listener) || topic.listeners.size > 0) continue
      this.#idle.add(name)
    }
    if (this.#idle.size >= this.#mostIdle) this.#schedule()
    else if (this.#idle.size > 0) this.#idleTimer ??= setTimeout(() => this.#takeBack(), idleMs).unref()
  }

  tell(name: string, message: Buffer, channel: string): void {
    const topic = this.#topics.get(name)
    if (topic !== undefined) for (const listener of topic.listeners) listener(message, channel)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    process.nextTick(() => this.#flush())
  }

  #flush(): void {
    this.#scheduled = false
    const fresh = this.#fresh
    this.#fresh = undefined
    if (fresh !== undefined)
      this.#link.send(this.#commands.add, fresh.names).then(fresh.done.resolve, fresh.done.reject)
    if (this.#idle.size >= this.#mostIdle) this.#takeBack()
  }

  #takeBack(): void {
    clearTimeout(this.#idleTimer)
    this.#idleTimer = undefined
    if (this.#idle.size === 0) return
    const idle = [...this.#idle]
    this.#idle.clear()
    for (const name of idle) this.#topics.delete(name)
    this.#link.send(this.#commands.remove, idle).catch(() => undefined)
  }
}

export class Subscriber {
  readonly link: Link
  readonly #channels: Topics
  readonly #patterns: Topics
  #onInvalidation: ((keys: readonly string[] | null) => void) | undefined

  constructor(link: Link) {
    this.link = link
    this.#channels = new Topics(link, 'subscribe', 'unsubscribe', mostIdle)
    this.#patterns = new Topics(link, 'psubscribe', 'punsubscribe', 1)
    link.redis.on('messageBuffer', (channel: Buffer, message: Buffer | readonly Buffer[] | null) => {
      const name = channel.toString()
      if (Buffer.isBuffer(message)) this.#channels.tell(name, message, name)
      else if (name === invalidationChannel)
        this.#onInvalidation?.(message === null ? null : message.map(String))
    })
    link.redis.on('pmessageBuffer', (pattern: string, channel: Buffer, message: Buffer) => {
      this.#patterns.tell(pattern, message, channel.toString())
    })
  }

  /** Null means "everything" (FLUSHALL, FLUSHDB). */
  async onInvalidation(listener: (keys: readonly string[] | null) => void): Promise<void> {
    this.#onInvalidation = listener
    await this.link.send('subscribe', [invalidationChannel])
  }

  subscribe(channels: readonly string[], listener: Listener): Promise<unknown> {
    return this.#channels.add(channels, listener)
  }

  psubscribe(patterns: readonly string[], listener: Listener): Promise<unknown> {
    return this.#patterns.add(patterns, listener)
  }

  unsubscribe(channels: readonly string[], listener: Listener): void {
    this.#channels.remove(channels, listener)
  }

  punsubscribe(patterns: readonly string[], listener: Listener): void {
    this.#patterns.remove(patterns, listener)
  }
}
