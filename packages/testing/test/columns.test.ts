/** B25 for a store of rows: a memory broker that keeps the results of its settlements as columns. */
import { randomUUID } from 'node:crypto'
import { memoryBroker, memoryHub } from '@ct/broker-memory'
import {
  defineResultBackend,
  type Broker,
  type Delivery,
  type ResultBackend,
  type ResultBackendConnection,
  type ResultWrite,
  type StoredResult,
} from '@ct/contracts'
import { SharedSubscription } from '@ct/contracts/backend-kit'
import { describe, it } from 'vitest'
import { brokerConformance, resultBackendConformance, type TestRunner } from '../src/conformance/index.ts'

class Rows {
  readonly #rows = new Map<string, StoredResult>()
  readonly #groups = new Map<string, Uint8Array>()

  write({ taskId, columns }: ResultWrite): void {
    if (columns === undefined) throw new TypeError(`the write for ${taskId} has no columns`)
    if (this.#rows.get(taskId)?.columns?.status === 'SUCCESS') return
    const { result, children } = columns
    const copies = { result: Uint8Array.from(result), children: children && Uint8Array.from(children) }
    this.#rows.set(taskId, { taskId, columns: { ...columns, ...copies } })
  }

  connection(): ResultBackendConnection {
    const close = async (): Promise<void> => {}
    const getMany = async (ids: readonly string[]): Promise<(StoredResult | undefined)[]> =>
      ids.map((id) => this.#rows.get(id))
    const subscriptions = new Set<SharedSubscription>()
    return {
      getMany,
      store: async (writes) => writes.forEach((write) => this.write(write)),
      forget: async (ids) => ids.forEach((id) => this.#rows.delete(id)),
      subscribe(onResult) {
        const subscription = new SharedSubscription({
          read: getMany,
          pollMs: { first: 1, longest: 5 },
          onResult,
          onFailure: (error) => {
            throw error
          },
          onClosed: (closed) => subscriptions.delete(closed),
        })
        subscriptions.add(subscription)
        return subscription
      },
      storeGroup: async (id, document) => void this.#groups.set(id, Uint8Array.from(document)),
      getGroup: async (id) => this.#groups.get(id),
      forgetGroup: async (id) => void this.#groups.delete(id),
      async cleanup() {
        return 0
      },
      async close() {
        await Promise.all([...subscriptions].map((subscription) => subscription.close()))
      },
      [Symbol.asyncDispose]: close,
    }
  }
}

function rowsBackend(rows: Rows): ResultBackend {
  const connections = new Set<ResultBackendConnection>()
  return defineResultBackend({
    name: 'rows',
    packageName: '@ct/testing',
    capabilities: {
      driverType: 'rows',
      durable: false,
      autoExpire: false,
      format: 'columns',
      subscribe: 'poll',
      readers: 'anyone',
      groups: true,
      chord: 'unlock',
      compression: false,
      failureExpires: false,
      maxDocumentBytes: null,
    },
    describe: () => ({
      transport: 'rows',
      hostname: undefined,
      port: undefined,
      userid: undefined,
      virtualHost: undefined,
      ssl: false,
      url: 'rows://',
    }),
    async connect() {
      const connection = rows.connection()
      connections.add(connection)
      return connection
    },
    async close() {
      await Promise.all([...connections].map((connection) => connection.close()))
    },
  })
}

/** Hands the results of a settlement to the rows, in the same turn as the ack to the memory broker. */
function settlingWith(rows: Rows, broker: Broker): Broker {
  const settling = (delivery: Delivery): Delivery =>
    new Proxy(delivery, {
      get(inner, key) {
        if (key === 'settle') {
          return (settlement: Parameters<Delivery['settle']>[0]): Promise<void> => {
            if (settlement.action !== 'ack' && settlement.action !== 'reject') return inner.settle(settlement)
            for (const write of settlement.results ?? []) rows.write(write)
            return inner.settle({ action: settlement.action })
          }
        }
        const value: unknown = Reflect.get(inner, key)
        return typeof value === 'function' ? (value.bind(inner) as unknown) : value
      },
    })
  return new Proxy(broker, {
    get(inner, key) {
      if (key === 'settlesWith') return (): boolean => true
      if (key !== 'connect') return Reflect.get(inner, key) as unknown
      return async (options: Parameters<Broker['connect']>[0]) => {
        const connection = await inner.connect(options)
        const open = connection.openConsumer.bind(connection)
        connection.openConsumer = (asked) =>
          open({ ...asked, onDelivery: (delivery) => asked.onDelivery(settling(delivery)) })
        return connection
      }
    },
  })
}

const only = (wanted: RegExp): TestRunner => {
  const run = (title: string, body: () => Promise<void>): void => {
    if (wanted.test(title)) it(title, body)
  }
  return { describe, it: Object.assign(run, { skip: () => {} }) }
}

brokerConformance(
  'rows',
  async () => {
    const rows = new Rows()
    const name = randomUUID()
    return {
      async peer() {
        const broker = memoryBroker({ name })
        const cut = async (): Promise<void> => memoryHub(name).cut(broker)
        return { broker: settlingWith(rows, broker), cut, kill: cut }
      },
      backend: async () => rowsBackend(rows),
      close: async () => {},
    }
  },
  { runner: only(/^B25/), capabilities: memoryBroker().capabilities },
)

resultBackendConformance(
  'rows',
  async () => {
    const rows = new Rows()
    return { peer: async () => ({ backend: rowsBackend(rows) }), close: async () => {} }
  },
  { runner: only(/^R(4|5|6|7|8|10)/), capabilities: rowsBackend(new Rows()).capabilities },
)
