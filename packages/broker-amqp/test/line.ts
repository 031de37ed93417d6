import { connect, createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'

/** A line to the server that can be cut: what was written before the cut still arrives, as from a process that was killed. */
export class Line {
  readonly url: string
  readonly #server: Server
  readonly #pairs: Set<readonly [Socket, Socket]>

  private constructor(url: string, server: Server, pairs: Set<readonly [Socket, Socket]>) {
    this.url = url
    this.#server = server
    this.#pairs = pairs
  }

  static async to(target: string): Promise<Line> {
    const url = new URL(target)
    const { hostname, port } = url
    const pairs = new Set<readonly [Socket, Socket]>()
    const server = createServer((near) => {
      const far = connect(Number(port || 5672), hostname)
      const pair = [near, far] as const
      pairs.add(pair)
      near.pipe(far)
      far.pipe(near)
      for (const socket of pair) socket.on('error', () => {})
      far.on('close', () => {
        pairs.delete(pair)
        near.destroy()
      })
      near.on('close', () => far.end())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    url.hostname = '127.0.0.1'
    url.port = String((server.address() as AddressInfo).port)
    return new Line(url.href, server, pairs)
  }

  /** Bytes that our side has sent. */
  get sent(): number {
    let sent = 0
    for (const [near] of this.#pairs) sent += near.bytesRead
    return sent
  }

  /** Nothing arrives any more, and nobody is told: a server that hangs, a network that drops. */
  freeze(): void {
    for (const [near, far] of this.#pairs) {
      near.unpipe(far)
      far.unpipe(near)
      near.pause()
      far.pause()
    }
  }

  async cut(): Promise<void> {
    // What the other side has just written reaches the near socket first.
    for (let turns = 0; turns < 10; turns++) await turn()
    const pairs = [...this.#pairs]
    await Promise.all(
      pairs.map(async ([near, far]) => {
        const closed = far.closed ? undefined : new Promise((resolve) => far.once('close', resolve))
        far.unpipe(near)
        far.resume()
        near.unpipe(far)
        far.end()
        near.destroy()
        await closed
      }),
    )
  }

  async close(): Promise<void> {
    await this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
