/** A way to the broker that can be cut, muted or holed, for one process at a time. */
import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'

export class Proxy implements AsyncDisposable {
  readonly #server: Server
  readonly #pairs = new Set<{ readonly client: Socket; readonly upstream: Socket }>()
  #muted = false
  #holed = false

  private constructor(server: Server) {
    this.#server = server
  }

  static async open(port: number): Promise<Proxy> {
    const server = createServer({ noDelay: true })
    const proxy = new Proxy(server)
    server.on('connection', (client) =>
      proxy.#join(client, connect({ host: '127.0.0.1', port, noDelay: true })),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  #join(client: Socket, upstream: Socket): void {
    const pair = { client, upstream }
    this.#pairs.add(pair)
    const end = (): void => {
      this.#pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end)
    client.on('data', (data) => {
      if (!this.#holed) upstream.write(data)
    })
    upstream.on('data', (data) => {
      if (!this.#holed && !this.#muted) client.write(data)
    })
  }

  /** Every connection ends, at once and with a reset. */
  cut(): void {
    for (const { client, upstream } of this.#pairs) {
      client.resetAndDestroy()
      upstream.destroy()
    }
  }

  /** For a while commands arrive and are executed, and no reply comes back; then everything is cut. */
  mute(): () => void {
    this.#muted = true
    return () => {
      this.cut()
      this.#muted = false
    }
  }

  /** For a while nothing passes and nothing is said; then everything is cut. */
  hole(): () => void {
    this.#holed = true
    return () => {
      this.cut()
      this.#holed = false
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.cut()
    await closed
  }
}
