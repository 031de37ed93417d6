/**
 * A store with the manners of SQS, to try the kit on: one queue per request, at most ten messages, long polling, receipt handles that
 * go stale, a visibility timeout that only the server watches, a receive count instead of a start count, no order, no priorities, no browsing, no
 * atomic move, no dots in names, a purge that takes what is held along, a name that is not to be had again soon after it was deleted, every call
 * a moment away.
 */
import { setTimeout as later } from 'node:timers/promises'
import {
  BrokerError,
  BrokerUnavailableError,
  type BrokerCapabilities,
  type Broker,
  LeaseLostError,
} from '@ct/contracts'
import {
  defineVirtualBroker,
  type FanoutChannel,
  pause,
  type StorePut,
  type StoreSettlement,
  type TakenMessage,
  type TakeRequest,
  type VirtualStore,
} from '@ct/contracts/broker-kit'

interface Item {
  readonly payload: string
  visibleAt: number
  receives: number
  receipt: string | undefined
}

/** Queues as the server has them. */
export class ReceiptServer {
  readonly queues = new Map<string, Item[]>()
  /** Topics as SNS has them: what is published to one goes into every queue subscribed to it. */
  readonly topics = new Map<string, Set<string>>()
  readonly lines = new Map<Broker, Set<(error: Error) => void>>()
  requests = 0

  readonly deleted = new Set<string>()

  queue(name: string): Item[] {
    if (!/^[\w-]+$/.test(name)) throw new BrokerError(`${name} is no name for a queue.`)
    if (this.deleted.has(name)) throw new BrokerError(`${name} was deleted a moment ago.`)
    let items = this.queues.get(name)
    if (items === undefined) this.queues.set(name, (items = []))
    return items
  }

  cut(broker: Broker): void {
    for (const onLost of this.lines.get(broker) ?? []) onLost(new Error('the line broke'))
  }
}

export const receiptCapabilities: BrokerCapabilities = {
  driverType: 'receipts',
  durable: true,
  confirms: true,
  queuesOnPublish: true,
  ordered: false,
  startCount: 'deliveries',
  exchanges: { direct: true, topic: false, fanout: true, headers: false },
  eventExchangeType: 'topic',
  remoteControl: true,
  priorities: null,
  lease: { renewable: true },
  settleAcrossConnections: true,
  nativeDelay: { maxMs: 900_000 },
  mandatory: true,
  messageTtl: false,
  maxMessageBytes: 262_144,
  requeuePosition: 'unspecified',
  parking: 'two-step',
  wakeUp: 'push',
  queueSize: 'approximate',
}

export function receiptBroker(server: ReceiptServer, leaseMs: number): Broker {
  const broker: Broker = defineVirtualBroker<string>({
    name: 'receipts',
    packageName: '@ct/testing',
    capabilities: receiptCapabilities,
    description: {
      transport: 'receipts',
      hostname: undefined,
      port: undefined,
      userid: undefined,
      virtualHost: undefined,
      ssl: false,
      url: 'receipts://',
    },
    takeFrom: 'one-queue',
    maxTake: 10,
    maxPut: 10,
    maxSettle: 10,
    pollIntervalMs: 20,
    openStore: async ({ onLost }) => new ReceiptStore(server, broker, leaseMs, onLost),
  })
  return broker
}

class ReceiptStore implements VirtualStore<string> {
  readonly leaseMs: number
  readonly fanout: FanoutChannel = {
    bind: async ({ exchange, queue: name }) => {
      const queue = serverName(name)
      await this.#request()
      const queues = this.#server.topics.get(exchange) ?? new Set()
      this.#server.topics.set(exchange, queues.add(queue))
    },
    publish: async (exchange, _, payload) => {
      await this.#request()
      for (const queue of this.#server.topics.get(exchange) ?? []) {
        this.#server.queue(queue).push({ payload, visibleAt: 0, receives: 0, receipt: undefined })
      }
    },
  }
  readonly #server: ReceiptServer
  readonly #leave: () => void
  #gone = false

  constructor(server: ReceiptServer, owner: Broker, leaseMs: number, onLost: (error: Error) => void) {
    this.#server = server
    this.leaseMs = leaseMs
    const lines = server.lines.get(owner) ?? new Set()
    server.lines.set(owner, lines)
    const lost = (error: Error): void => {
      this.#gone = true
      onLost(error)
    }
    lines.add(lost)
    this.#leave = () => lines.delete(lost)
  }

  async close(): Promise<void> {
    this.#gone = true
    this.#leave()
  }

  async put(puts: readonly StorePut[]): Promise<readonly undefined[]> {
    if (puts.length > 10) throw new BrokerError('at most ten messages at a time')
    await this.#request()
    for (const { queue, payload, notBefore } of puts) {
      this.#server
        .queue(serverName(queue))
        .push({ payload, visibleAt: notBefore ?? 0, receives: 0, receipt: undefined })
    }
    return puts.map(() => undefined)
  }

  async take({ queues, max, waitMs, signal }: TakeRequest): Promise<readonly TakenMessage<string>[]> {
    const [queue, ...more] = queues
    if (queue === undefined || more.length > 0 || max > 10)
      throw new Error('one queue and at most ten messages at a time')
    await this.#request()
    // A long poll as the server answers it: at the first message, when its time is over, or when the caller hangs up.
    const until = Date.now() + Math.min(waitMs, 400)
    while (!signal.aborted && Date.now() < until && this.#ready(queue).length === 0) await pause(5, signal)
    if (signal.aborted || this.#gone) return []
    return shuffled(this.#ready(queue))
      .slice(0, max)
      .map((item) => {
        item.visibleAt = Date.now() + this.leaseMs
        item.receives++
        item.receipt = crypto.randomUUID()
        const { payload, receives, receipt } = item
        return { handle: receipt, queue, payload, receives, redelivered: receives > 1 }
      })
  }

  async settle(settlements: readonly StoreSettlement<string>[]): Promise<readonly (Error | undefined)[]> {
    if (settlements.length > 10) throw new BrokerError('at most ten settlements at a time')
    await this.#request()
    return settlements.map(({ action, taken }) => {
      const items = this.#server.queue(serverName(taken.queue))
      const index = items.findIndex((item) => item.receipt === taken.handle)
      const item = items[index]
      if (item === undefined) return new LeaseLostError('The receipt handle is not valid any more.')
      if (action === 'ack' || action === 'reject') items.splice(index, 1)
      else item.visibleAt = 0
      return undefined
    })
  }

  async extendLeases(taken: readonly TakenMessage<string>[]): Promise<readonly TakenMessage<string>[]> {
    await this.#request()
    return taken.filter(({ queue, handle }) => {
      const item = this.#server.queue(serverName(queue)).find(({ receipt }) => receipt === handle)
      if (item === undefined || item.visibleAt <= Date.now()) return true
      item.visibleAt = Date.now() + this.leaseMs
      return false
    })
  }

  async size(queue: string): Promise<number> {
    await this.#request()
    return this.#ready(queue).length
  }

  async purge(queue: string): Promise<number> {
    await this.#request()
    const ready = this.#ready(queue).length
    this.#server.queue(serverName(queue)).length = 0
    return ready
  }

  async deleteQueue(queue: string): Promise<void> {
    await this.#request()
    const name = serverName(queue)
    this.#server.queues.delete(name)
    this.#server.deleted.add(name)
    for (const queues of this.#server.topics.values()) queues.delete(name)
  }

  #ready(queue: string): Item[] {
    const items = this.#server.queues.get(serverName(queue)) ?? []
    return items.filter((item) => item.visibleAt <= Date.now())
  }

  async #request(): Promise<void> {
    if (this.#gone) throw new BrokerUnavailableError('The line is gone.')
    this.#server.requests++
    await later(1)
    if (this.#gone) throw new BrokerUnavailableError('The line broke before the answer came.')
  }
}

/** `<queue>.parked` has a dot. */
function serverName(queue: string): string {
  return queue.replaceAll('.', '_dot_')
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item)
}
