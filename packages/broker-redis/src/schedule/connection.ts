/** One connection of the schedule store: one socket. */
import type { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import {
  ClosedError,
  encodeEnvelope,
  LeaseLostError,
  UnsupportedError,
  type CallOptions,
  type NoticeListener,
  type OutgoingMessage,
  type ScheduleChange,
  type ScheduleChanges,
  type ScheduleContents,
  type ScheduleLoadOptions,
  type ScheduleRun,
  type ScheduleSaved,
  type ScheduleStoreConnection,
} from '@ct/contracts'
import { changesPerLook } from '@ct/contracts/schedule-kit'
import { Bindings } from '../broker/bindings.ts'
import type { Endpoint } from '../connection/endpoint.ts'
import { throwIfAborted, toFailure } from '../connection/failure.ts'
import type { Argument, Link } from '../connection/link.ts'
import { Keys } from '../keys.ts'
import type { BrokerSettings } from '../options/broker-options.ts'
import type { ScheduleSettings } from '../options/schedule-options.ts'
import { scheduleChanges } from '../scripts/schedule-changes.ts'
import { scheduleFire } from '../scripts/schedule-fire.ts'
import { scheduleLead } from '../scripts/schedule-lead.ts'
import { scheduleLoad } from '../scripts/schedule-load.ts'
import { scheduleResign } from '../scripts/schedule-resign.ts'
import { scheduleSave } from '../scripts/schedule-save.ts'
import { encodeEntry, encodeRun, readRows } from './entry-text.ts'

/** Changes that a beat may be behind, and still not have to read everything. */
const loggedChanges = 10_000

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

  async load(options?: ScheduleLoadOptions): Promise<ScheduleContents> {
    const { entriesKey, runsKey, markerKey } = this.#settings
    const keys = [entriesKey, runsKey, markerKey]
    const args = options?.names === undefined ? [''] : ['names', ...options.names]
    const [marker, found, runs] = (await this.#do('load the schedule', options, () =>
      this.#link.run(scheduleLoad, keys, args),
    )) as [Buffer, Buffer[], Buffer[]]
    return { ...readRows(found, runs), marker: String(marker) }
  }

  async save(change: ScheduleChange, options?: CallOptions): Promise<ScheduleSaved> {
    const { put = [], remove = [], runs = [], token } = change
    const { entriesKey, runsKey, markerKey, tokenKey, changesKey } = this.#settings
    const keys = [entriesKey, runsKey, markerKey, tokenKey, changesKey]
    const args: Argument[] = [token ?? '', put.length, remove.length, runs.length, loggedChanges]
    for (const entry of put) {
      const { name, lastRunAt, totalRunCount } = entry
      args.push(
        name,
        encodeEntry(entry),
        lastRunAt === undefined ? '' : encodeRun({ lastRunAt, totalRunCount }),
      )
    }
    args.push(...remove)
    for (const run of runs) args.push(run.name, encodeRun(run))
    const reply = (await this.#do('save the schedule', options, () =>
      this.#link.run(scheduleSave, keys, args),
    )) as number | [Buffer, Buffer]
    if (typeof reply === 'number') throw leaseLost(token)
    return { before: String(reply[0]), after: String(reply[1]) }
  }

  async changes(since: string, options?: CallOptions): Promise<ScheduleChanges | undefined> {
    const { entriesKey, runsKey, markerKey, changesKey } = this.#settings
    const keys = [entriesKey, runsKey, markerKey, changesKey]
    const reply = (await this.#do('look for changes', options, () =>
      this.#link.run(scheduleChanges, keys, [since, changesPerLook]),
    )) as number | [Buffer, number, Buffer[], Buffer[], Buffer[]]
    if (typeof reply === 'number') return undefined
    const [marker, more, found, runs, gone] = reply
    return {
      ...readRows(found, runs),
      removed: gone.map(String),
      marker: String(marker),
      more: Number(more) === 1,
    }
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
      readonly run: ScheduleRun
      readonly message: OutgoingMessage
      readonly token: number | undefined
    },
    options?: CallOptions,
  ): Promise<boolean> {
    const broker = this.#options.broker()
    if (broker === undefined) {
      throw new UnsupportedError(
        'This schedule store and the broker do not share a Redis database; publish first, then save',
      )
    }
    const { run, message, token } = firing
    if (message.mandatory === true) throw new UnsupportedError('A fired entry cannot be mandatory')
    const keys = new Keys(broker)
    const { exchange, routingKey, properties } = message
    const encode = (): string => encodeEnvelope(message, { exchange, routingKey, deliveryTag: randomUUID() })
    const isFanout = message.exchangeType === 'fanout'
    const queues = isFanout
      ? []
      : exchange === ''
        ? [routingKey]
        : await this.#route(broker, keys, exchange, routingKey)
    const channels = isFanout ? keys.fanoutChannels(exchange, routingKey) : []
    const { entriesKey, runsKey, tokenKey } = this.#settings
    const lists = queues.map((queue) => keys.list(queue, properties.priority))
    const args: Argument[] = [
      token ?? '',
      run.name,
      run.lastRunAt,
      run.totalRunCount,
      lists.length,
      channels.length,
    ]
    args.push(...lists.map(encode), ...channels.flatMap((channel) => [channel, encode()]))
    const reply = Number(
      await this.#do('fire an entry', options, () =>
        this.#link.run(scheduleFire, [entriesKey, runsKey, tokenKey, ...lists], args),
      ),
    )
    if (reply === 0) throw leaseLost(token)
    return reply === 1
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

function leaseLost(token: number | undefined): LeaseLostError {
  return new LeaseLostError('Another beat leads this schedule by now; nothing was changed or sent', {
    details: { token },
  })
}
