/**
 * One socket to Redis, with every habit of the driver switched off that would hide a loss: no queueing while offline, no retry, no
 * reconnect, no resend. A link that fails stays failed, tells so once, and rejects everything.
 *
 *   open() ──► open ──► lost      (socket closed, half-open, or a reply that says "not me any more")
 *                └────► closed    (by us)
 *
 * Half-open sockets are found in two ways: a quiet link sends PING every `healthCheckMs`, and a link that owes an answer for
 * `socketTimeoutMs` is given up.
 */
import { Command, Redis } from 'ioredis'
import { ClosedError } from '@ct/contracts'
import type { RedisCredentials, RedisServer } from '../options/server-options.ts'
import { readTls, type RedisTlsOptions } from '../options/tls.ts'
import { aborted, endsConnection, throwIfAborted, toFailure, type FailureFamily } from './failure.ts'
import { PackedCommand, type Argument, type PackedArgument } from './packed-command.ts'
import type { PackedPush } from './packed-push.ts'
import type { Script } from './script.ts'
import { libraryVersion } from '../version.ts'

export interface Address {
  readonly host?: string
  readonly port?: number
  readonly path?: string
}

export interface LinkOptions {
  readonly address: Address
  readonly tls: RedisTlsOptions | undefined
  readonly credentials: RedisCredentials
  readonly db: number
  readonly server: Pick<
    RedisServer,
    'connectTimeoutMs' | 'socketTimeoutMs' | 'healthCheckMs' | 'keepAlive' | 'clientName'
  >
  readonly family: FailureFamily
  /** Last word of the client name, to tell the links of one process apart in CLIENT LIST. */
  readonly role: string
  readonly signal?: AbortSignal | undefined
  /** Once, unless we closed it. */
  readonly onLost: (error: Error) => void
}

export type { Argument, PackedArgument }

const lateMs = 50

export class Link {
  readonly where: string
  readonly family: FailureFamily
  readonly redis: Redis
  readonly #options: LinkOptions
  readonly #ended: Promise<void>
  #state: 'opening' | 'open' | 'lost' | 'closed' = 'opening'
  #error: Error | undefined
  #driverError: Error | undefined
  #owed = 0
  #lastActivity = 0
  #watch: NodeJS.Timeout | undefined
  #health: NodeJS.Timeout | undefined

  private constructor(options: LinkOptions, redis: Redis) {
    const { address } = options
    this.where = address.path ?? `${address.host ?? 'localhost'}:${address.port ?? 6379}`
    this.family = options.family
    this.redis = redis
    this.#options = options
    redis.on('error', (error: Error) => (this.#driverError = error))
    this.#ended = new Promise((resolve) =>
      redis.once('end', () => {
        resolve()
        if (this.#state === 'open')
          this.fail(this.#driverError ?? new Error('the connection was closed by the other side'))
      }),
    )
  }

  /** Connects, authenticates, selects the database. Errors: the family's, `CT_ABORTED`. */
  static async open(options: LinkOptions): Promise<Link> {
    throwIfAborted(options.signal, 'Connecting to Redis')
    const { address, server } = options
    const tls = options.tls === undefined ? undefined : await readTls(options.tls, address.host)
    const redis = new Redis({
      ...(address.path === undefined
        ? { host: address.host ?? 'localhost', port: address.port ?? 6379 }
        : { path: address.path }),
      ...(tls === undefined ? {} : { tls }),
      lazyConnect: true,
      // RESP2: push frames of RESP3 that are no pub/sub (client tracking) are dropped by the driver, messages are not.
      protocol: 2,
      connectTimeout: server.connectTimeoutMs,
      ...(server.keepAlive ? { keepAlive: 30_000 } : {}),
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      disableClientInfo: true,
    })
    const link = new Link(options, redis)
    try {
      await link.#connect()
      return link
    } catch (error) {
      link.#state = 'closed'
      await link.#disconnect()
      throw error
    }
  }

  async #connect(): Promise<void> {
    const { signal, credentials, db, server, role } = this.#options
    const abort = (): void => void this.#disconnect()
    signal?.addEventListener('abort', abort, { once: true })
    try {
      await this.redis.connect()
      const { username, password } = credentials
      const shake: Promise<unknown>[] = []
      if (password !== undefined)
        shake.push(this.#raw('auth', username === undefined ? [password] : [username, password]))
      if (db !== 0) shake.push(this.#raw('select', [String(db)]))
      shake.push(this.#raw('ping', []))
      const quiet = [
        this.#raw('client', ['SETNAME', `${server.clientName ?? 'ct'}:${role}`.replace(/[^!-~]/g, '_')]),
        this.#raw('client', ['SETINFO', 'LIB-NAME', 'ct']),
        this.#raw('client', ['SETINFO', 'LIB-VER', libraryVersion]),
      ].map((promise) => promise.catch(() => undefined))
      await Promise.all(shake)
      await Promise.all(quiet)
    } catch (error) {
      if (signal?.aborted === true) throw aborted(signal, 'Connecting to Redis')
      const cause =
        error instanceof Error && error.name === 'ReplyError' ? error : (this.#driverError ?? error)
      throw toFailure(cause, this.family, this.where, 'connect')
    } finally {
      signal?.removeEventListener('abort', abort)
    }
    throwIfAborted(signal, 'Connecting to Redis')
    this.#state = 'open'
    this.#lastActivity = Date.now()
    if (server.healthCheckMs > 0) this.#health = setInterval(() => this.#beat(), server.healthCheckMs)
  }

  get usable(): boolean {
    return this.#state === 'open'
  }

  /** When the last reply came or, with nothing owed, the last command went out. */
  get lastActivity(): number {
    return this.#lastActivity
  }

  #raw(name: string, args: Argument[]): Promise<unknown> {
    return this.redis.sendCommand(new Command(name, args)) as Promise<unknown>
  }

  /** Sends one command; strings in the reply are Buffers. Rejects with the driver's error: callers translate where they know the words. */
  send(name: string, args: Argument[]): Promise<unknown> {
    return this.#write(new Command(name, args))
  }

  /** As {@link send}, for commands with many or large arguments; not for those that the driver itself has to understand (SUBSCRIBE, …). */
  sendPacked(name: string, args: readonly PackedArgument[]): Promise<unknown> {
    return this.#write(new PackedCommand(name, args))
  }

  /** To be sent once, when all is in it. */
  push(push: PackedPush): Promise<unknown> {
    return this.#write(push)
  }

  #write(command: Command): Promise<unknown> {
    if (this.#state !== 'open') return Promise.reject(this.#refusal())
    if (this.#owed++ === 0) {
      this.#lastActivity = Date.now()
      this.#watch ??= setTimeout(this.#check, this.#options.server.socketTimeoutMs)
    }
    return (this.redis.sendCommand(command) as Promise<unknown>).then(this.#answered, this.#failed)
  }

  readonly #answered = (reply: unknown): unknown => {
    this.#owed--
    this.#lastActivity = Date.now()
    return reply
  }

  readonly #failed = (error: unknown): never => {
    this.#owed--
    this.#lastActivity = Date.now()
    if (endsConnection(error)) this.fail(error as Error)
    throw this.#state === 'lost' && (error as Error).name !== 'ReplyError' ? (this.#error ?? error) : error
  }

  /**
   * Runs a script by its hash, and sends it whole when the server does not know it. What was sent meanwhile has overtaken it then: `overtaken` says
   * what it is to do instead.
   */
  run(
    script: Script,
    keys: readonly Argument[],
    args: readonly PackedArgument[],
    overtaken?: () => { readonly keys: readonly Argument[]; readonly args: readonly PackedArgument[] },
  ): Promise<unknown> {
    return this.sendPacked('evalsha', [script.sha, keys.length, ...keys, ...args]).catch((error: unknown) => {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      const now = overtaken?.() ?? { keys, args }
      return this.sendPacked('eval', [script.source, now.keys.length, ...now.keys, ...now.args])
    })
  }

  /** Everything that `write` sends goes out in one piece. */
  together<T>(write: () => T): T {
    const { stream } = this.redis
    stream.cork()
    try {
      return write()
    } finally {
      stream.uncork()
    }
  }

  /** Rejected promises of commands sent together must not count as unhandled while another one is awaited. */
  async all(commands: readonly (readonly [string, ...Argument[]])[]): Promise<unknown[]> {
    const settled = await Promise.allSettled(
      this.together(() => commands.map(([name, ...args]) => this.send(name, args))),
    )
    const failed = settled.find((one) => one.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    return settled.map((one) => (one as PromiseFulfilledResult<unknown>).value)
  }

  #refusal(): Error {
    if (this.#state === 'lost') return this.#error ?? new Error('the connection was lost')
    return new ClosedError(`The connection to Redis at ${this.where} is closed`)
  }

  readonly #check = (): void => {
    this.#watch = undefined
    if (this.#state !== 'open' || this.#owed === 0) return
    const { socketTimeoutMs } = this.#options.server
    const silentMs = Date.now() - this.#lastActivity
    if (silentMs < socketTimeoutMs) {
      this.#watch = setTimeout(this.#check, socketTimeoutMs - silentMs + 1)
      return
    }
    // Our own event loop may have been blocked: let what has arrived be read before judging.
    const seen = this.#lastActivity
    this.#watch = setTimeout(() => {
      this.#watch = undefined
      if (this.#owed > 0 && this.#lastActivity === seen) {
        this.fail(new Error(`no answer for ${Math.round(silentMs / 1000)} s`))
      } else if (this.#owed > 0) {
        this.#watch = setTimeout(this.#check, socketTimeoutMs)
      }
    }, lateMs)
  }

  #beat(): void {
    if (this.#owed > 0 || Date.now() - this.#lastActivity < this.#options.server.healthCheckMs - lateMs)
      return
    this.send('ping', []).catch(() => undefined)
  }

  /** Gives the link up. Everything owed rejects, `onLost` is told. */
  fail(error: Error): void {
    if (this.#state !== 'open') return
    this.#state = 'lost'
    this.#error = toFailure(error, this.family, this.where, 'go on')
    void this.#disconnect()
    this.#options.onLost(this.#error)
  }

  /** Idempotent, never rejects; resolves when the socket is gone. Waits `graceMs` for what is owed. */
  async close(graceMs = 0): Promise<void> {
    if (this.#state === 'open' && this.#owed > 0 && graceMs > 0) await this.#settled(graceMs)
    if (this.#state !== 'lost') this.#state = 'closed'
    await this.#disconnect()
  }

  async #settled(graceMs: number): Promise<void> {
    const until = Date.now() + graceMs
    while (this.#owed > 0 && this.#state === 'open' && Date.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 5))
  }

  async #disconnect(): Promise<void> {
    clearTimeout(this.#watch)
    clearInterval(this.#health)
    this.#watch = undefined
    if (this.redis.status === 'end') return
    this.redis.disconnect()
    // A half-open socket would take its time to say goodbye.
    ;(this.redis.stream as { destroy?: () => void } | undefined)?.destroy?.()
    await this.#ended
  }
}
