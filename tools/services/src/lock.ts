import { createHash } from 'node:crypto'
import { createServer, type ListenOptions, type Server } from 'node:net'
import { userInfo } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { ServiceError } from './errors.ts'
import { say } from './progress.ts'

/**
 * Runs `work` while no other process (or thread) of this machine runs work under the same name.
 *
 * The lock is a listening socket: the kernel gives a name to one listener only and takes it back when the process
 * dies, however it dies. So there are no stale locks, which lock files cannot promise.
 *
 * @throws {ServiceError} `CT_SERVICE_FAILED` when the lock cannot be had within `timeoutMs` (default ten minutes).
 */
export async function withLock<T>(
  name: string,
  work: () => Promise<T>,
  timeoutMs: number = 600_000,
): Promise<T> {
  const server = await acquire(name, timeoutMs)
  try {
    return await work()
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
}

async function acquire(name: string, timeoutMs: number): Promise<Server> {
  const start = performance.now()
  let lineDue = 3000
  for (;;) {
    const server = await listen(addressOf(name))
    if (server) return server
    const waited = performance.now() - start
    if (waited > timeoutMs) {
      throw new ServiceError(
        'CT_SERVICE_FAILED',
        `lock ${name}: still held by another process after ${waited} ms`,
      )
    }
    if (waited > lineDue) {
      say('lock', `waiting for another process that works on ${name} (${Math.round(waited / 1000)} s)`)
      lineDue += 10_000
    }
    await delay(100)
  }
}

function addressOf(name: string): ListenOptions {
  const full = `ct-${userInfo().uid}-${name}`
  // Linux has socket names outside the file system; elsewhere a loopback port stands for the name.
  if (process.platform === 'linux') return { path: `\0${full}` }
  const hash = createHash('sha256').update(full).digest().readUInt16BE()
  return { host: '127.0.0.1', port: 32_100 + (hash % 600), exclusive: true }
}

function listen(address: ListenOptions): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen(address, () => resolve(server))
  })
}
