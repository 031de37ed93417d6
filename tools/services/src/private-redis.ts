import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ServiceError } from './errors.ts'
import { guardedDirectory, guardProcess } from './guard.ts'
import { provideService } from './lifecycle.ts'
import { freePort } from './ports.ts'
import { type RedisAddress, RedisConnection, type RedisReply } from './redis-connection.ts'
import { findProgram } from './run.ts'

export interface RedisUser {
  user: string
  password: string
  /** ACL rules, e.g. `['~ct*', '&*', '+@all']`. */
  rules: readonly string[]
}

export interface PrivateRedisOptions {
  /** `true` is `everysec`. With a value, data survives `kill` and `restart`. Default: nothing is kept. */
  appendonly?: boolean | 'always' | 'everysec' | 'no'
  /** Default: a free one. */
  port?: number
  /** Password of the default user (`requirepass`). */
  password?: string
  /** Further users. The default user stays, unless a rule list for `default` says otherwise. */
  acl?: readonly RedisUser[]
  /** More of redis-server's arguments, e.g. `['--maxmemory', '1mb']`. They win over ours. */
  args?: readonly string[]
  /** Files for TLS; the port then speaks TLS only. See `startPrivateRedisTls`. */
  tls?: { caFile: string; certFile: string; keyFile: string }
  /** Lines of a sentinel's configuration: makes it a sentinel. */
  sentinelConfig?: readonly string[]
}

/**
 * A Redis server that belongs to one test. It runs as a child, its data is in a temporary folder, and both go when the
 * test process goes.
 *
 * States: running → (`pause`) paused → (`resume`) running; running or paused → (`stop`, `kill`) stopped → (`start`) running.
 * Port, data and URL stay the same all along.
 */
export class PrivateRedis implements AsyncDisposable {
  readonly port: number
  readonly host: string = '127.0.0.1'
  /** `redis://…/0`, or `rediss://` with TLS; with the default user's password when there is one. */
  readonly url: string
  /** Its unix socket. */
  readonly socketPath: string
  readonly folder: string
  readonly #options: PrivateRedisOptions
  #child: ChildProcess | undefined
  #paused = false
  #log = ''
  #connection: RedisConnection | undefined

  private constructor(port: number, options: PrivateRedisOptions) {
    this.port = port
    this.#options = options
    this.folder = guardedDirectory('redis')
    this.socketPath = join(this.folder, 'redis.sock')
    const login = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}@`
    this.url = options.tls ? `rediss://${login}localhost:${port}/0` : `redis://${login}127.0.0.1:${port}/0`
  }

  static async start(options: PrivateRedisOptions = {}): Promise<PrivateRedis> {
    await provideService('redis')
    for (let attempt = 1; ; attempt += 1) {
      const server = new PrivateRedis(options.port ?? (await freePort()), options)
      try {
        await server.start()
        return server
      } catch (error) {
        rmSync(server.folder, { recursive: true, force: true })
        // Somebody else took the port between our look and the server's.
        if (options.port !== undefined || attempt === 5 || !server.log.includes('already in use')) throw error
      }
    }
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** All that it printed, over all restarts. */
  get log(): string {
    return this.#log
  }

  /** Starts it again after `stop` or `kill`; resolves when it accepts connections, its data loaded. */
  async start(): Promise<void> {
    if (this.#child) return
    const { sentinelConfig } = this.#options
    const configFile = join(this.folder, 'sentinel.conf')
    // A sentinel rewrites its file as it learns; a restart goes on with what it learned.
    if (sentinelConfig && !existsSync(configFile)) writeFileSync(configFile, `${sentinelConfig.join('\n')}\n`)
    const args = sentinelConfig ? [configFile, '--sentinel', ...this.#listening()] : this.#args()
    const program = findProgram('redis-server', 'valkey-server') ?? 'redis-server'
    const child = guardProcess(
      spawn(program, args, { cwd: this.folder, detached: true, stdio: ['ignore', 'pipe', 'pipe'] }),
    )
    this.#child = child
    await new Promise<void>((resolve, reject) => {
      let fresh = ''
      const read = (chunk: string): void => {
        fresh += chunk
        this.#log += chunk
        if (fresh.includes('Ready to accept connections') || fresh.includes('+monitor master')) resolve()
      }
      child.stdout?.setEncoding('utf8').on('data', read)
      child.stderr?.setEncoding('utf8').on('data', read)
      child.once('error', reject)
      child.once('close', (code, signal) => {
        if (this.#child === child) this.#child = undefined
        reject(new ServiceError('CT_SERVICE_FAILED', `redis-server ended with ${signal ?? code}:\n${fresh}`))
      })
    })
  }

  /** Ends it as an operator would (SIGTERM: it saves what it is set to save). */
  async stop(): Promise<void> {
    await this.kill('SIGTERM')
  }

  /** Ends it with a signal, by default as a crash does. Resolves when it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    this.#connection?.close()
    this.#connection = undefined
    if (!child) return
    if (this.#paused) this.resume()
    const gone = once(child, 'close')
    child.kill(signal)
    await gone
  }

  /** `stop` or, with a signal, `kill`; then `start`. */
  async restart(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.kill(signal)
    await this.start()
  }

  /** Freezes it (SIGSTOP): connections stay open and nothing answers. */
  pause(): void {
    this.#paused = this.#child?.kill('SIGSTOP') ?? false
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
    this.#paused = false
  }

  /** A new connection, by default as the default user to database 0. */
  connect(address: RedisAddress = {}): Promise<RedisConnection> {
    const { password, tls } = this.#options
    return RedisConnection.open({
      host: tls ? 'localhost' : this.host,
      port: this.port,
      ...(password !== undefined && { password }),
      ...(tls && { caFile: tls.caFile }),
      ...address,
    })
  }

  /** Runs one command over a connection that is kept, in database 0. */
  async command(...words: ReadonlyArray<string | number>): Promise<RedisReply> {
    // Servers close connections of their own accord, for instance when a sentinel gives them another role.
    if (!this.#connection || this.#connection.isClosed) this.#connection = await this.connect()
    return this.#connection.command(...words)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }

  #listening(): string[] {
    return ['--bind', '127.0.0.1', '--port', String(this.port), '--dir', this.folder]
  }

  #args(): string[] {
    const { appendonly = 'no', password, acl = [], args = [], tls } = this.#options
    const fsync = appendonly === true ? 'everysec' : appendonly
    const settings: Array<readonly string[]> = [
      ['bind', '127.0.0.1'],
      tls ? ['port', '0'] : ['port', String(this.port)],
      ['unixsocket', this.socketPath],
      ['dir', this.folder],
      ['save', ''],
      ['daemonize', 'no'],
      ['loglevel', 'notice'],
      ['appendonly', fsync === false || fsync === 'no' ? 'no' : 'yes'],
    ]
    if (fsync === 'always' || fsync === 'everysec') settings.push(['appendfsync', fsync])
    if (password !== undefined) settings.push(['requirepass', password])
    for (const { user, password: secret, rules } of acl)
      settings.push(['user', user, 'on', `>${secret}`, ...rules])
    if (tls) {
      settings.push(['tls-port', String(this.port)], ['tls-auth-clients', 'optional'])
      settings.push(
        ['tls-ca-cert-file', tls.caFile],
        ['tls-cert-file', tls.certFile],
        ['tls-key-file', tls.keyFile],
      )
    }
    return [...settings.flatMap(([name, ...values]) => [`--${name}`, ...values]), ...args]
  }
}

/** Starts a Redis server for one test; see `PrivateRedis`. Use `await using`, or call `kill` when done. */
export function startPrivateRedis(options: PrivateRedisOptions = {}): Promise<PrivateRedis> {
  return PrivateRedis.start(options)
}
