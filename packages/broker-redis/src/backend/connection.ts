/**
 * One connection of the result backend: up to two sockets, `store` from the start and `results`, subscribed, with the first one who
 * waits. Either lost is the connection lost.
 */
import type { Buffer } from 'node:buffer'
import {
  BackendError,
  ClosedError,
  type CallOptions,
  type NoticeListener,
  type ResultBackendConnection,
  type ResultSubscription,
  type ResultWrite,
  type StoredResult,
} from '@ct/contracts'
import type { Endpoint } from '../connection/endpoint.ts'
import { throwIfAborted, toFailure } from '../connection/failure.ts'
import type { Argument, Link } from '../connection/link.ts'
import { Subscriber } from '../connection/subscriber.ts'
import type { BackendSettings } from '../options/backend-options.ts'
import { storeResults } from '../scripts/store-results.ts'
import { asArgument, decideWrites, storeWrite, ttlText, type StoreWrite } from '../stored-success.ts'
import { RedisChord } from './chord.ts'
import type { ResultKeys } from './keys.ts'
import { ResultReader } from './reader.ts'
import { RedisSubscription } from './subscription.ts'

/** A Redis string holds no more (celery/backends/redis.py 5.7, `_MAX_STR_VALUE_SIZE`). */
export const maxDocumentBytes = 536_870_912

const mostPerScript = 500
const closeGraceMs = 2000

export interface BackendConnectionOptions {
  readonly settings: BackendSettings
  readonly keys: ResultKeys
  readonly endpoint: Endpoint
  readonly onNotice: NoticeListener
  readonly onClosed: (connection: RedisBackendConnection) => void
}

interface Turn {
  readonly writes: StoreWrite[]
  readonly done: PromiseWithResolvers<void>
}

export class RedisBackendConnection implements ResultBackendConnection {
  readonly chord: RedisChord
  readonly #options: BackendConnectionOptions
  readonly #keys: ResultKeys
  readonly #link: Link
  readonly #reader: ResultReader
  readonly #subscriptions = new Set<RedisSubscription>()
  #subscriber: Promise<Subscriber> | undefined
  #turn: Turn | undefined
  #error: Error | undefined
  #closing: Promise<void> | undefined

  private constructor(options: BackendConnectionOptions, link: Link) {
    this.#options = options
    this.#keys = options.keys
    this.#link = link
    this.#reader = new ResultReader(link, options.keys)
    this.chord = new RedisChord(link, options.keys, options.settings.chordOrdered)
  }

  static async open(
    options: BackendConnectionOptions,
    signal: AbortSignal | undefined,
  ): Promise<RedisBackendConnection> {
    const made: { connection?: RedisBackendConnection } = {}
    const link = await options.endpoint.open('store', (error) => made.connection?.lost(error), signal)
    return (made.connection = new RedisBackendConnection(options, link))
  }

  lost(error: Error): void {
    if (this.#error !== undefined || this.#closing !== undefined) return
    this.#error = error
    this.#link.fail(error)
    void this.#closeSubscriber()
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

  store(writes: readonly ResultWrite[], options?: CallOptions): Promise<void> {
    return this.#do('store a result', options, () => {
      if (this.#turn === undefined) {
        this.#turn = { writes: [], done: Promise.withResolvers() }
        process.nextTick(this.#flush)
      }
      for (const write of writes) {
        if (write.document.byteLength > maxDocumentBytes) {
          throw new BackendError(
            `The result of task ${write.taskId} is too large for Redis: ${write.document.byteLength} bytes, at most ${maxDocumentBytes}`,
            { details: { taskId: write.taskId, state: write.state } },
          )
        }
        this.#turn.writes.push(storeWrite(this.#keys.task(write.taskId), write))
      }
      return this.#turn.done.promise
    })
  }

  readonly #flush = (): void => {
    const { writes, done } = this.#turn as Turn
    this.#turn = undefined
    const parts: Promise<void>[] = []
    this.#link.together(() => {
      for (let at = 0; at < writes.length; at += mostPerScript)
        parts.push(this.#write(writes.slice(at, at + mostPerScript)))
    })
    Promise.all(parts).then(() => done.resolve(), done.reject)
  }

  async #write(writes: readonly StoreWrite[]): Promise<void> {
    const args: Argument[] = []
    for (const { ttl, guard, document } of writes) args.push(ttl, guard, document)
    const undecided = (await this.#link.run(
      storeResults,
      writes.map(({ key }) => key),
      args,
    )) as number[]
    if (undecided.length === 0) return
    const again = await decideWrites(
      this.#link,
      undecided.flatMap((index) => writes[index - 1] ?? []),
    )
    if (again.length > 0) await this.#write(again)
  }

  async getMany(
    taskIds: readonly string[],
    options?: CallOptions,
  ): Promise<readonly (StoredResult | undefined)[]> {
    if (taskIds.length === 0) return []
    const found = await this.#do('read results', options, () => this.#reader.read(taskIds))
    return taskIds.map((taskId, index) => {
      const document = found[index]
      return document === undefined ? undefined : { taskId, document }
    })
  }

  async forget(taskIds: readonly string[], options?: CallOptions): Promise<void> {
    if (taskIds.length === 0) return
    await this.#do('forget results', options, () =>
      this.#link.send(
        'del',
        taskIds.map((taskId) => this.#keys.task(taskId)),
      ),
    )
  }

  subscribe(onResult: (result: StoredResult) => void): ResultSubscription {
    if (this.#closing !== undefined)
      throw new ClosedError(`The connection to Redis at ${this.#link.where} is closed`)
    const subscription: RedisSubscription = new RedisSubscription(
      this.#link,
      this.#reader,
      () => this.#do('wait for results', undefined, () => (this.#subscriber ??= this.#listen())),
      this.#keys,
      onResult,
      () => this.#subscriptions.delete(subscription),
    )
    this.#subscriptions.add(subscription)
    return subscription
  }

  async #listen(): Promise<Subscriber> {
    try {
      return new Subscriber(await this.#options.endpoint.open('results', (error) => this.lost(error)))
    } catch (error) {
      this.#subscriber = undefined
      throw error
    }
  }

  async storeGroup(
    groupId: string,
    document: Uint8Array,
    options?: CallOptions & { readonly expiresInMs?: number | undefined },
  ): Promise<void> {
    const ttl = ttlText(options?.expiresInMs)
    const args: Argument[] = [
      this.#keys.group(groupId),
      asArgument(document),
      ...(ttl === '' ? [] : ['PX', ttl]),
    ]
    await this.#do('store a group', options, () => this.#link.send('set', args))
  }

  async getGroup(groupId: string, options?: CallOptions): Promise<Uint8Array | undefined> {
    const found = await this.#do('read a group', options, () =>
      this.#link.send('get', [this.#keys.group(groupId)]),
    )
    return (found as Buffer | null) ?? undefined
  }

  async forgetGroup(groupId: string, options?: CallOptions): Promise<void> {
    await this.#do('forget a group', options, () => this.#link.send('del', [this.#keys.group(groupId)]))
  }

  /** Redis expires by itself. */
  cleanup(_olderThan: number, options?: CallOptions): Promise<number> {
    return this.#do('clean up', options, () => Promise.resolve(0))
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #closeSubscriber(): Promise<void> {
    const subscriber = await this.#subscriber?.catch(() => undefined)
    await subscriber?.link.close()
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()))
    await Promise.all([this.#closeSubscriber(), this.#link.close(closeGraceMs)])
    this.#options.onClosed(this)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
