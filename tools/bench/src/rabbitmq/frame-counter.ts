import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

const heartbeat = 8

export interface Frames {
  readonly heartbeats: number
  /** All others. */
  readonly others: number
  readonly bytes: number
}

/** A line to the server that counts what goes up it, by frames (AMQP 0-9-1 §2.3.5). */
export class FrameCounter implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #frames: Frames = { heartbeats: 0, others: 0, bytes: 0 }

  private constructor(server: Server) {
    this.#server = server
  }

  static async to(target: string): Promise<{ readonly url: string; readonly counter: FrameCounter }> {
    const url = new URL(target)
    const [host, port] = [url.hostname, Number(url.port)]
    const server = createServer({ noDelay: true })
    const counter = new FrameCounter(server)
    server.on('connection', (near) => counter.#join(near, connect({ host, port, noDelay: true })))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    url.port = String((server.address() as AddressInfo).port)
    return { url: url.href, counter }
  }

  get frames(): Frames {
    return this.#frames
  }

  #join(near: Socket, far: Socket): void {
    let rest: Buffer = Buffer.alloc(0)
    // The protocol header is no frame.
    let skip = 8
    near.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      const skipped = Math.min(skip, rest.length)
      skip -= skipped
      rest = rest.subarray(skipped)
      while (rest.length >= 8) {
        const length = 8 + rest.readUInt32BE(3)
        if (rest.length < length) break
        const beat = rest[0] === heartbeat ? 1 : 0
        const { heartbeats, others, bytes } = this.#frames
        this.#frames = {
          heartbeats: heartbeats + beat,
          others: others + 1 - beat,
          bytes: bytes + length,
        }
        rest = rest.subarray(length)
      }
    })
    near.pipe(far).pipe(near)
    for (const socket of [near, far]) {
      this.#sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        this.#sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
