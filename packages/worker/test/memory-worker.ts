/** Workers and clients on the memory broker, stopped and closed after each test; brokers that can do less, or are cut. */
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { createApp, type App, type AppOptions, type Logger } from '@ct/client'
import {
  BrokerUnavailableError,
  type Broker,
  type BrokerConnection,
  type ConnectOptions,
  type ConsumerOptions,
  type OutgoingMessage,
} from '@ct/contracts'
import { afterEach } from 'vitest'
import { createWorker, type Worker, type WorkerOptions } from '../src/index.ts'

export interface Line {
  readonly level: string
  readonly message: string
}

export function recordingLogger(lines: Line[]): Logger {
  const logger: Logger = {
    debug: () => {},
    info: (message) => lines.push({ level: 'info', message }),
    warn: (message) => lines.push({ level: 'warn', message }),
    error: (message) => lines.push({ level: 'error', message }),
    critical: (message) => lines.push({ level: 'critical', message }),
    child: () => logger,
  }
  return logger
}

let hubs = 0

/** A name for brokers and stores that nobody else has. */
export function newHub(): string {
  return `worker-test-${process.pid}-${++hubs}`
}

const open: { worker?: Worker; app: App }[] = []

/** The memory broker, without what it does for the worker elsewhere: hold messages until their ETA. */
export function plainBroker(hub: string): Broker {
  const broker = memoryBroker({ name: hub })
  const capabilities = { ...broker.capabilities, nativeDelay: null }
  return new Proxy(broker, {
    get(target, key) {
      if (key === 'capabilities') return capabilities
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** The same, told of what is published on it: `onPublish` may refuse a message with an error. */
export function watchedBroker(
  hub: string,
  onPublish: (message: OutgoingMessage) => Error | void,
  capabilities: Partial<Broker['capabilities']> = {},
): Broker {
  const inner = plainBroker(hub)
  const watched = (connection: BrokerConnection): BrokerConnection =>
    new Proxy(connection, {
      get(line, member) {
        if (member === 'publish') {
          return async (message: OutgoingMessage) => {
            const refused = onPublish(message)
            if (refused !== undefined) throw refused
            await line.publish(message)
          }
        }
        const value: unknown = Reflect.get(line, member)
        return typeof value === 'function' ? (value.bind(line) as unknown) : value
      },
    })
  return new Proxy(inner, {
    get(target, key) {
      if (key === 'capabilities') return { ...target.capabilities, ...capabilities }
      if (key === 'connect') return async (options: ConnectOptions) => watched(await target.connect(options))
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** A connection that closes gives messages back unmarked; one that dies marks them. */
function marking(connection: BrokerConnection): BrokerConnection {
  return new Proxy(connection, {
    get(target, key) {
      if (key === 'openConsumer') {
        return (options: ConsumerOptions) =>
          target.openConsumer({
            ...options,
            onDelivery: (delivery) => {
              Object.defineProperty(delivery, 'info', { value: { ...delivery.info, redelivered: true } })
              options.onDelivery(delivery)
            },
          })
      }
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** The same, with connections that can be cut as a broker without leases cuts them: what is held goes back at once. */
export function fragileBroker(hub: string): { broker: Broker; cut: () => Promise<void> } {
  const inner = plainBroker(hub)
  const live = new Set<() => Promise<void>>()
  let cuts = 0
  const broker = new Proxy(inner, {
    get(target, key) {
      if (key !== 'connect') return Reflect.get(target, key) as unknown
      return async (options: ConnectOptions) => {
        const connection = await target.connect(options)
        live.add(async () => {
          options.onNotice({ kind: 'connection-lost', error: new BrokerUnavailableError('cut') })
          await connection.close()
        })
        cuts += 1
        return cuts <= 2 ? connection : marking(connection)
      }
    },
  })
  return {
    broker,
    cut: async () => {
      const all = [...live]
      live.clear()
      await Promise.all(all.map((one) => one()))
    },
  }
}

export function makeApp(options: AppOptions = {}): { app: App; lines: Line[] } {
  const hub = newHub()
  const lines: Line[] = []
  const app = createApp({
    name: 'proj',
    broker: plainBroker(hub),
    backend: memoryBackend({ name: hub }),
    logger: recordingLogger(lines),
    ...options,
  })
  open.push({ app })
  return { app, lines }
}

export async function startWorker(app: App, options: WorkerOptions = {}): Promise<Worker> {
  const worker = createWorker(app, { withoutMingle: true, hostname: 'w@test', ...options })
  open.push({ app, worker })
  await worker.start()
  return worker
}

afterEach(async () => {
  for (const { worker } of open) await worker?.stop({ mode: 'cold' })
  for (const { app } of open) await app.close()
  open.length = 0
})

export const soon = { timeoutMs: 20_000 }

export function waitFor(worker: Worker, name: 'taskSucceeded' | 'taskFailed', count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let seen = 0
  worker.on(name, () => {
    seen += 1
    if (seen === count) resolve()
  })
  return promise
}
