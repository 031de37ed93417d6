/**
 * One connection of the broker: up to three sockets.
 *
 *   publish   from the start: publishes, declarations, administration
 *   take      with the first consumer: the scripts that take and settle; client tracking
 *   listen    with the first consumer: fanout, and the calls that wake us
 *
 * Any of them lost is the connection lost: it says so once, and everything on it rejects. Core makes a new one.
 */
import { randomBytes } from 'node:crypto'
import {
  ClosedError,
  type BrokerConnection,
  type CallOptions,
  type CeleryError,
  type Consumer,
  type ConsumerOptions,
  type Notice,
  type NoticeListener,
  type OutgoingMessage,
  type QueueDeclaration,
} from '@ct/contracts'
import type { Endpoint } from '../connection/endpoint.ts'
import { throwIfAborted, toFailure } from '../connection/failure.ts'
import type { Link } from '../connection/link.ts'
import type { Keys } from '../keys.ts'
import type { BrokerSettings } from '../options/broker-options.ts'
import { RedisAdministration } from './administration.ts'
import type { RedisStore } from '../same-server.ts'
import { Bindings } from './bindings.ts'
import { RedisConsumer } from './consumer.ts'
import type { BrokerContext } from './context.ts'
import { evictionWarning } from './eviction.ts'
import { Hub } from './hub.ts'
import { ParkedLists } from './parked.ts'
import { Publisher } from './publisher.ts'
import { Restorer } from './restorer.ts'
import type { ListPush } from './list-push.ts'

export interface ConnectionOptions {
  readonly settings: BrokerSettings
  readonly keys: Keys
  readonly endpoint: Endpoint
  readonly onNotice: NoticeListener
  readonly store: () => RedisStore | undefined
  /** Tags that nobody knows of; shared by the connections of one broker object, so that the next one puts them back. */
  readonly orphans: Set<string>
  readonly onClosed: (connection: RedisBrokerConnection) => void
}

const closeGraceMs = 2000
/** kombu 5.7 looks as often. */
const keepMs = 60_000

export class RedisBrokerConnection implements BrokerConnection, BrokerContext {
  readonly settings: BrokerSettings
  readonly keys: Keys
  readonly leaseMs: number | undefined
  readonly parked: ParkedLists
  readonly administration: RedisAdministration
  readonly #options: ConnectionOptions
  readonly #link: Link
  readonly #bindings: Bindings
  readonly #publisher: Publisher
  readonly #restorer: Restorer
  readonly #consumers = new Set<RedisConsumer>()
  #hub: Promise<Hub> | undefined
  #error: Error | undefined
  #closing: Promise<void> | undefined
  #keeper: NodeJS.Timeout | undefined

  private constructor(options: ConnectionOptions, link: Link) {
    const { settings, keys } = options
    this.settings = settings
    this.keys = keys
    this.leaseMs = settings.ackEmulation ? settings.visibilityTimeoutMs : undefined
    this.#options = options
    this.#link = link
    this.#bindings = new Bindings(link, keys, settings)
    this.#publisher = new Publisher(link, keys, this.#bindings, settings, (notice) => this.notice(notice))
    this.#restorer = new Restorer(this, link, this.#bindings)
    this.parked = new ParkedLists(link, keys)
    this.administration = new RedisAdministration({
      connection: this,
      link,
      keys,
      bindings: this.#bindings,
      sep: settings.sep,
      run: (what, callOptions, call) => this.#do(what, callOptions, call),
    })
  }

  static async open(
    options: ConnectionOptions,
    signal: AbortSignal | undefined,
  ): Promise<RedisBrokerConnection> {
    const made: { connection?: RedisBrokerConnection } = {}
    const link = await options.endpoint.open('publish', (error) => made.connection?.lost(error), signal)
    return (made.connection = new RedisBrokerConnection(options, link))
  }

  // BrokerContext

  notice(notice: Notice): void {
    if (this.#closing === undefined) this.#options.onNotice(notice)
  }

  get store(): RedisStore | undefined {
    return this.#options.store()
  }

  pushOf(message: OutgoingMessage): ListPush | undefined {
    return this.#publisher.pushOf(message)
  }

  orphaned(tags: readonly string[]): void {
    for (const tag of tags) this.#options.orphans.add(tag)
  }

  lost(error: Error): void {
    if (this.#error !== undefined || this.#closing !== undefined) return
    this.#error = error
    clearInterval(this.#keeper)
    void this.#restorer.stop()
    for (const consumer of this.#consumers) consumer.end(error)
    this.#link.fail(error)
    void this.#closeHub()
    this.notice({ kind: 'connection-lost', error })
  }

  #check(signal?: AbortSignal): void {
    if (this.#closing !== undefined)
      throw new ClosedError(`The connection to Redis at ${this.#link.where} is closed`)
    if (this.#error !== undefined) throw this.#error
    throwIfAborted(signal, 'Talking to Redis')
  }

  async #do<T>(what: string, options: CallOptions | undefined, run: () => Promise<T>): Promise<T> {
    this.#check(options?.signal)
    try {
      return await run()
    } catch (error) {
      throw toFailure(error, this.#link.family, this.#link.where, what)
    }
  }

  // BrokerConnection

  declare(queues: readonly QueueDeclaration[], options?: CallOptions): Promise<void> {
    return this.#do('declare queues', options, () => this.#bindings.declare(queues))
  }

  publish(message: OutgoingMessage, options?: CallOptions): Promise<void> {
    if (this.#closing !== undefined || this.#error !== undefined)
      return this.#do('publish', options, () => Promise.resolve())
    return this.#publisher.publish(message, options)
  }

  async publishMany(
    messages: readonly OutgoingMessage[],
    options?: CallOptions,
  ): Promise<readonly (CeleryError | undefined)[]> {
    this.#check(options?.signal)
    return this.#publisher.publishMany(messages, options)
  }

  async openConsumer(options: ConsumerOptions): Promise<Consumer> {
    this.#check(options.signal)
    const hub = await (this.#hub ??= this.#openHub(options.signal))
    this.#check(options.signal)
    const consumer: RedisConsumer = new RedisConsumer(
      {
        context: this,
        hub,
        tagPrefix: `ct-${randomBytes(9).toString('base64url')}-`,
        declare: (queues) => this.declare(queues),
        drop: (queue) => this.deleteQueue(queue.name),
        onClosed: () => this.#consumers.delete(consumer),
      },
      options,
    )
    this.#consumers.add(consumer)
    this.#keeper ??= setInterval(() => this.#keepBindings(), keepMs)
    if (this.settings.ackEmulation) this.#restorer.start()
    return consumer
  }

  #keepBindings(): void {
    const expiring = [...this.#consumers].flatMap((consumer) => consumer.expiring)
    if (expiring.length === 0) return
    this.#bindings.keep(expiring).catch((error: unknown) => {
      if (this.#link.usable)
        this.notice({ kind: 'warning', message: `Bindings could not be kept: ${(error as Error).message}` })
    })
  }

  async #openHub(signal: AbortSignal | undefined): Promise<Hub> {
    try {
      const hub = await Hub.open({
        endpoint: this.#options.endpoint,
        recheckMs: this.settings.server.healthCheckMs,
        signal,
        onLost: (error) => this.lost(error),
        onNotice: (notice) => this.notice(notice),
      })
      void evictionWarning(this.#link).then((message) => {
        if (message !== undefined) this.notice({ kind: 'warning', message })
      })
      const { orphans } = this.#options
      if (orphans.size > 0) {
        const tags = [...orphans]
        await this.#restorer.restoreOrphans(tags)
        for (const tag of tags) orphans.delete(tag)
      }
      return hub
    } catch (error) {
      this.#hub = undefined
      throw toFailure(error, this.#link.family, this.#link.where, 'open a consumer')
    }
  }

  async queueSize(queue: string, options?: CallOptions): Promise<number> {
    const lengths = await this.#do('count a queue', options, () =>
      this.#link.all(this.keys.lists(queue).map((list) => ['llen', list])),
    )
    return lengths.reduce<number>((sum, length) => sum + Number(length), 0)
  }

  async purge(queue: string, options?: CallOptions): Promise<number> {
    const lists = this.keys.lists(queue)
    const replies = await this.#do('purge a queue', options, () =>
      this.#link.all([
        ['multi'],
        ...lists.map((list) => ['llen', list] as const),
        ['del', ...lists],
        ['exec'],
      ]),
    )
    const lengths = (replies.at(-1) as unknown[]).slice(0, -1)
    return lengths.reduce<number>((sum, length) => sum + Number(length), 0)
  }

  deleteQueue(queue: string, options?: CallOptions): Promise<void> {
    return this.#do('delete a queue', options, async () => {
      await this.#bindings.unbind(queue)
      await this.#link.send('del', [...this.keys.lists(queue)])
    })
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #closeHub(): Promise<void> {
    const hub = await this.#hub?.catch(() => undefined)
    await hub?.close()
  }

  async #close(): Promise<void> {
    clearInterval(this.#keeper)
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()))
    await this.#restorer.stop()
    await this.#closeHub()
    await this.#link.close(closeGraceMs)
    this.#options.onClosed(this)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
