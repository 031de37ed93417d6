/** One connection of the schedule store: one socket. */
import type { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import {
  CeleryError,
  ClosedError,
  encodeEnvelope,
  UnsupportedError,
  type CallOptions,
  type NoticeListener,
  type OutgoingMessage,
  type ScheduleStoreConnection,
  type StoredScheduleEntry,
} from '@ct/contracts'
import { Bindings } from '../broker/bindings.ts'
import type { Endpoint } from '../connection/endpoint.ts'
import { throwIfAborted, toFailure } from '../connection/failure.ts'
import type { Argument, Link } from '../connection/link.ts'
import { Keys } from '../keys.ts'
import type { BrokerSettings } from '../options/broker-options.ts'
import type { ScheduleSettings } from '../options/schedule-options.ts'
import { scheduleLead } from '../scripts/schedule-lead.ts'
import { scheduleResign } from '../scripts/schedule-resign.ts'
import { scheduleSave } from '../scripts/schedule-save.ts'
import { decodeEntry, encodeEntry } from './entry-text.ts'

export interface ScheduleConnectionOptions {
  readonly settings: ScheduleSettings
  readonly endpoint: Endpoint
  readonly onNotice: NoticeListener
  /** Of the broker in the same database; undefined while none has been shown to `firesWith`. */
  readonly broker: () => BrokerSettings | undefined
  readonly onClosed: (connection: RedisScheduleConnection) => void
}

export class RedisScheduleConnection implements ScheduleStoreConnection {
  readonly #options: ScheduleConnectionOptions
  readonly #settings: ScheduleSettings
  readonly #link: Link
  #error: Error | undefined
  #closing: Promise<void> | undefined

  private constructor(options: ScheduleConnectionOptions, link: Link) {
    this.#options = options
    this.#settings = options.settings
    this.#link = link
  }

  static async open(
    options: ScheduleConnectionOptions,
    signal: AbortSignal | undefined,
  ): Promise<RedisScheduleConnection> {
    const made: { connection?: RedisScheduleConnection } = {}
    const link = await options.endpoint.open('schedule', (error) => made.connection?.lost(error), signal)
    return (made.connection = new RedisScheduleConnection(options, link))
  }

  lost(error: Error): void {
    if (this.#error !== undefined || this.#closing !== undefined) return
    this.#error = error
    this.#options.onNotice({ kind: 'connection-lost', error })
  }

  async #do<T>(what: string, options: CallOptions | undefined, run: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined)
      throw new ClosedError(`The connection to Redis at ${this.#link.where} is closed`)
    if (this.#error !== undefined) throw this.#error
    throwIfAborted(options?.signal, 'Talking to Redis')
    try {
      return await run()
    } catch (error) {
      throw toFailure(error, this.#link.family, this.#link.where, what)
    }
  }

  async load(options?: CallOptions): Promise<{
    readonly entries: readonly StoredScheduleEntry[]
    readonly broken: readonly { readonly name: string; readonly reason: string }[]
  }> {
    // In capitals, else the driver makes an object of the reply.
    const found = (await this.#do('load the schedule', options, () =>
      this.#link.send('HGETALL', [this.#settings.entriesKey]),
    )) as Buffer[]
    const entries: StoredScheduleEntry[] = []
    const broken: { name: string; reason: string }[] = []
    for (let i = 0; i < found.length; i += 2) {
      const name = String(found[i])
      try {
        entries.push(decodeEntry(name, String(found[i + 1])))
      } catch (error) {
        broken.push({ name, reason: (error as Error).message })
      }
    }
    return { entries: entries.sort((a, b) => (a.name < b.name ? -1 : 1)), broken }
  }

  async save(
    change: {
      readonly put?: readonly StoredScheduleEntry[]
      readonly remove?: readonly string[]
      readonly token?: number | undefined
    },
    options?: CallOptions,
  ): Promise<void> {
    await this.#save(change.put ?? [], change.remove ?? [], change.token, [], [], options)
  }

  async #save(
    put: readonly StoredScheduleEntry[],
    remove: readonly string[],
    token: number | undefined,
    pushes: readonly (readonly [list: string, text: string])[],
    shouts: readonly (readonly [channel: string, text: string])[],
    options: CallOptions | undefined,
  ): Promise<void> {
    const { entriesKey, markerKey, tokenKey } = this.#settings
    const keys = [entriesKey, markerKey, tokenKey, ...pushes.map(([list]) => list)]
    const args: Argument[] = [token ?? '', put.length, remove.length, pushes.length, shouts.length]
    for (const entry of put) args.push(entry.name, encodeEntry(entry))
    args.push(...remove, ...pushes.map(([, text]) => text), ...shouts.flat())
    if (
      Number(await this.#do('save the schedule', options, () => this.#link.run(scheduleSave, keys, args))) ===
      1
    )
      return
    throw new CeleryError(
      'CT_LEASE_LOST',
      'Another beat leads this schedule by now; nothing was changed or sent',
      {
        details: { token },
      },
    )
  }

  async changeMarker(options?: CallOptions): Promise<string | undefined> {
    const marker = await this.#do('look for changes', options, () =>
      this.#link.send('get', [this.#settings.markerKey]),
    )
    return marker === null ? '0' : String(marker)
  }

  async lead(
    candidate: { readonly holder: string; readonly ttlMs: number },
    options?: CallOptions,
  ): Promise<{ readonly token: number; readonly expiresAt: number } | undefined> {
    // Counted from before the call: our idea of the lease ends before the server's.
    const expiresAt = Date.now() + candidate.ttlMs
    const { leaderKey, tokenKey } = this.#settings
    const args = [candidate.holder, Math.max(1, Math.round(candidate.ttlMs))]
    const token = Number(
      await this.#do('lead', options, () => this.#link.run(scheduleLead, [leaderKey, tokenKey], args)),
    )
    return token === 0 ? undefined : { token, expiresAt }
  }

  async resign(holder: string): Promise<void> {
    await this.#do('resign', undefined, () =>
      this.#link.run(scheduleResign, [this.#settings.leaderKey], [holder]),
    )
  }

  async fire(
    firing: {
      readonly entry: StoredScheduleEntry
      readonly message: OutgoingMessage
      readonly token: number | undefined
    },
    options?: CallOptions,
  ): Promise<void> {
    const broker = this.#options.broker()
    if (broker === undefined) {
      throw new UnsupportedError(
        'This schedule store and the broker do not share a Redis database; publish first, then save',
      )
    }
    const { entry, message, token } = firing
    if (message.mandatory === true) throw new UnsupportedError('A fired entry cannot be mandatory')
    const keys = new Keys(broker)
    const { exchange, routingKey, properties } = message
    const encode = (): string => encodeEnvelope(message, { exchange, routingKey, deliveryTag: randomUUID() })
    if (message.exchangeType === 'fanout') {
      const text = encode()
      await this.#save(
        [entry],
        [],
        token,
        [],
        keys.fanoutChannels(exchange, routingKey).map((channel) => [channel, text]),
        options,
      )
      return
    }
    const queues = exchange === '' ? [routingKey] : await this.#route(broker, keys, exchange, routingKey)
    const pushes = queues.map((queue) => [keys.list(queue, properties.priority), encode()] as const)
    await this.#save([entry], [], token, pushes, [], options)
  }

  async #route(
    broker: BrokerSettings,
    keys: Keys,
    exchange: string,
    routingKey: string,
  ): Promise<readonly string[]> {
    const bindings = new Bindings(this.#link, keys, broker)
    const tables = await this.#do('look up an exchange', undefined, () => bindings.tables([exchange]))
    const queues = bindings.route(tables.get(exchange) ?? [], routingKey)
    return queues.length === 0 && broker.deadletterQueue !== undefined ? [broker.deadletterQueue] : queues
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#link.close(2000).then(() => this.#options.onClosed(this)))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
