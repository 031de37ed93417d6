import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export type RedisReply = string | number | null | RedisReply[]

/** An error reply of the server, e.g. `WRONGTYPE …`. */
export class RedisReplyError extends Error {
  override readonly name: string = 'RedisReplyError'
}

export interface RedisAddress {
  host?: string
  port?: number
  /** A unix socket, instead of host and port. */
  socketPath?: string
  username?: string
  password?: string
  db?: number
  /** Path of the CA's certificate: connects with TLS. */
  caFile?: string
}

/**
 * As much of a Redis client as tests need to look behind a driver's back: RESP2, text only, replies in order.
 * It is its own code so that looking at what a driver did never depends on that driver.
 */
export class RedisConnection {
  readonly #socket: Socket
  readonly #waiting: Array<{ resolve: (reply: RedisReply) => void; reject: (error: Error) => void }> = []
  #received: Buffer = Buffer.alloc(0)
  #failure: Error | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
      this.#read()
    })
    socket.once('error', (error) => this.#fail(error))
    socket.once('close', () => this.#fail(new Error('redis: the connection is closed')))
  }

  static async open(address: RedisAddress): Promise<RedisConnection> {
    const { host = '127.0.0.1', port = 6379, socketPath, caFile } = address
    const socket = caFile
      ? connectTls({ host, port, ca: readFileSync(caFile) })
      : connect(socketPath ? { path: socketPath } : { host, port })
    await new Promise<void>((resolve, reject) => {
      socket.once(caFile ? 'secureConnect' : 'connect', resolve)
      socket.once('error', reject)
      socket.setTimeout(2000, () =>
        socket.destroy(new Error(`redis: no connection to ${socketPath ?? port}`)),
      )
    })
    socket.setTimeout(0)
    socket.setNoDelay(true)
    const connection = new RedisConnection(socket)
    const { username, password, db } = address
    if (password !== undefined) {
      await connection.command('AUTH', ...(username ? [username] : []), password)
    }
    if (db) await connection.command('SELECT', db)
    return connection
  }

  /** Opens `redis://[user:password@]host:port/db`. */
  static openUrl(url: string): Promise<RedisConnection> {
    const { hostname, port, username, password, pathname } = new URL(url)
    return RedisConnection.open({
      host: hostname || '127.0.0.1',
      port: Number(port || 6379),
      db: Number(pathname.slice(1) || 0),
      ...(username && { username: decodeURIComponent(username) }),
      ...(password && { password: decodeURIComponent(password) }),
    })
  }

  /** Sends one command; rejects with `RedisReplyError` when the server answers with an error. */
  command(...words: ReadonlyArray<string | number>): Promise<RedisReply> {
    if (this.#failure) return Promise.reject(this.#failure)
    const parts = [`*${words.length}\r\n`]
    for (const word of words) parts.push(`$${Buffer.byteLength(String(word))}\r\n${word}\r\n`)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#socket.write(parts.join(''))
    })
  }

  /** Whether it is of no more use. */
  get isClosed(): boolean {
    return this.#failure !== undefined
  }

  close(): void {
    this.#socket.destroy()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const waiter of this.#waiting.splice(0)) waiter.reject(this.#failure)
  }

  #read(): void {
    let at = 0
    while (at < this.#received.length) {
      const parsed = parseReply(this.#received, at)
      if (!parsed) break
      at = parsed.end
      const waiter = this.#waiting.shift()
      if (parsed.value instanceof RedisReplyError) waiter?.reject(parsed.value)
      else waiter?.resolve(parsed.value)
    }
    this.#received = this.#received.subarray(at)
  }
}

interface Parsed {
  value: RedisReply | RedisReplyError
  end: number
}

function parseReply(buffer: Buffer, start: number): Parsed | undefined {
  const lineEnd = buffer.indexOf('\r\n', start)
  if (lineEnd < 0) return undefined
  const kind = String.fromCharCode(buffer[start] ?? 0)
  const line = buffer.toString('utf8', start + 1, lineEnd)
  const after = lineEnd + 2
  if (kind === '+') return { value: line, end: after }
  if (kind === ':') return { value: Number(line), end: after }
  if (kind === '-') return { value: new RedisReplyError(line), end: after }
  const length = Number(line)
  if (length < 0) return { value: null, end: after }
  if (kind === '$') {
    const end = after + length
    return buffer.length < end + 2 ? undefined : { value: buffer.toString('utf8', after, end), end: end + 2 }
  }
  const items: RedisReply[] = []
  let at = after
  for (let i = 0; i < length; i += 1) {
    const item = parseReply(buffer, at)
    if (!item) return undefined
    items.push(item.value instanceof RedisReplyError ? `ERR ${item.value.message}` : item.value)
    at = item.end
  }
  return { value: items, end: at }
}
