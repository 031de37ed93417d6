/**
 * Whether the worker is alive and ready, for those who restart it or send it work: Kubernetes, load balancers, people.
 *
 *   live    the event loop turns, and the worker has not ended. A broker that is away is no reason to start the worker anew.
 *   ready   connected to the broker, and consumes: it is not paused, and has a queue (not all were cancelled).
 *
 * Over HTTP: `/livez`, `/readyz` and `/healthz` (both), 200 or 503 with the facts as JSON. In a file: the same JSON, written anew every two
 * seconds by the event loop that it tells of, and gone when the worker is.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { dirname, basename, join } from 'node:path'
import type { Worker, WorkerHealth } from '@ct/worker'
import { CommandFailure } from '../exit-codes.ts'

export interface HealthOptions {
  readonly file?: string | undefined
  readonly port?: { readonly host: string | undefined; readonly port: number } | undefined
  /** Longest delay of the event loop with which the worker counts as alive. Default 30,000. */
  readonly maxDelayMs?: number
}

export interface HealthReport extends WorkerHealth {
  readonly live: boolean
  readonly ready: boolean
  /** Longest time since the last report in which the event loop did not turn. */
  readonly eventLoopDelayMs: number
  readonly time: string
}

const everyMs = 2_000
const changes = ['ready', 'reconnecting', 'stopping'] as const

/** Resolves when both are there. Throws `CommandFailure` when the file cannot be written or the port is taken. */
export async function reportHealth(worker: Worker, options: HealthOptions): Promise<AsyncDisposable> {
  const open: AsyncDisposable[] = []
  const delays = monitorEventLoopDelay({ resolution: 20 })
  delays.enable()
  const { maxDelayMs = 30_000 } = options
  let longest = 0
  const look = (): HealthReport => {
    longest = Math.max(longest, delays.max / 1e6)
    const health = worker.health()
    return {
      live: health.status !== 'stopped' && longest <= maxDelayMs,
      ready: health.status === 'running' && health.connected && !health.paused && health.queues.length > 0,
      ...health,
      eventLoopDelayMs: Math.round(longest),
      time: new Date().toISOString(),
    }
  }
  const close = async (): Promise<void> => {
    delays.disable()
    for (const one of open.toReversed()) await one[Symbol.asyncDispose]()
  }
  try {
    if (options.port !== undefined) open.push(await serve(options.port, look))
    if (options.file !== undefined) open.push(keepFile(options.file, worker, look))
  } catch (error) {
    await close()
    throw error
  }
  const forget = setInterval(() => {
    longest = 0
    delays.reset()
  }, 5 * everyMs)
  forget.unref()
  return {
    [Symbol.asyncDispose]: () => {
      clearInterval(forget)
      return close()
    },
  }
}

async function serve(
  { host, port }: NonNullable<HealthOptions['port']>,
  look: () => HealthReport,
): Promise<AsyncDisposable> {
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const path = (request.url ?? '').split('?')[0]
    const report = look()
    const good =
      path === '/livez' ? report.live : path === '/readyz' ? report.ready : report.live && report.ready
    const known = path === '/livez' || path === '/readyz' || path === '/healthz'
    response.writeHead(known ? (good ? 200 : 503) : 404, { 'content-type': 'application/json' })
    response.end(
      known ? `${JSON.stringify(report)}\n` : '{"error":"There are /livez, /readyz and /healthz."}\n',
    )
  }
  const server = createServer(answer)
  await new Promise<void>((resolve, reject) => {
    // For good: who asks when no file can be opened any more must not end the worker.
    server.on('error', (error) =>
      reject(
        new CommandFailure(`--health-port ${port} cannot be served: ${error.message}`, 1, { cause: error }),
      ),
    )
    server.listen(port, host, resolve)
  })
  server.unref()
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function keepFile(path: string, worker: Worker, look: () => HealthReport): AsyncDisposable {
  const half = join(dirname(path), `.${basename(path)}.${process.pid}`)
  // Whoever reads it finds it whole.
  const write = (): void => {
    writeFileSync(half, `${JSON.stringify(look())}\n`)
    renameSync(half, path)
  }
  try {
    write()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CommandFailure(`--health-file ${path} cannot be written: ${why}`, 1, { cause: error })
  }
  const again = (): void => {
    try {
      write()
    } catch {
      // A full disk is not the end of a worker; the file grows old, and says so.
    }
  }
  const timer = setInterval(again, everyMs)
  timer.unref()
  for (const change of changes) worker.on(change, again)
  return {
    [Symbol.asyncDispose]: () => {
      clearInterval(timer)
      for (const change of changes) worker.off(change, again)
      rmSync(path, { force: true })
      rmSync(half, { force: true })
      return Promise.resolve()
    },
  }
}
