import { connect } from 'node:net'

/** Connects, sends, and returns what comes back first; `undefined` when nothing does. For probes. */
export function tcpExchange(
  host: string,
  port: number,
  send: string | Uint8Array,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const done = (answer?: Buffer): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(1000, () => done())
    socket.once('error', () => done())
    socket.once('close', () => done())
    socket.once('connect', () => socket.write(send))
    socket.once('data', (data: Buffer) => done(data))
  })
}

/** Whether an HTTP server answers with a status below 500. */
export async function httpAnswers(url: string, init: RequestInit = {}): Promise<boolean> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(1000) })
    await response.arrayBuffer()
    return response.status < 500
  } catch {
    return false
  }
}
