/** The least of a store, in memory and synchronous, every member of which a test can replace: for what a server does only on its bad days. */
import type { Broker, BrokerCapabilities, BrokerConnection } from '../src/broker.ts'
import type { OutgoingMessage } from '../src/message.ts'
import type { Notice } from '../src/notice.ts'
import type { QueueDeclaration } from '../src/topology.ts'
import {
  defineVirtualBroker,
  type StoreEvents,
  type StorePut,
  type StoreSettlement,
  type TakenMessage,
  type TakeRequest,
  type VirtualBrokerOptions,
  type VirtualStore,
} from '../src/broker-kit/index.ts'

export type Taken = TakenMessage<StorePut>
type TrialSettlement = StoreSettlement<StorePut>

export const trialCapabilities: BrokerCapabilities = {
  driverType: 'trial',
  durable: false,
  confirms: true,
  queuesOnPublish: true,
  ordered: true,
  startCount: 'deliveries',
  exchanges: { direct: true, topic: true, fanout: true, headers: false },
  eventExchangeType: 'topic',
  remoteControl: true,
  priorities: { order: 'low-first', levels: 10 },
  lease: null,
  settleAcrossConnections: false,
  nativeDelay: null,
  mandatory: true,
  messageTtl: false,
  maxMessageBytes: null,
  requeuePosition: 'back',
  parking: 'two-step',
  wakeUp: 'poll',
  queueSize: 'exact',
}

export class TrialStore implements VirtualStore<StorePut> {
  readonly queues = new Map<string, StorePut[]>()
  readonly held = new Set<StorePut>()
  /** Every call of the kit, by name. */
  readonly calls: string[] = []

  queue(name: string): StorePut[] {
    let queue = this.queues.get(name)
    if (queue === undefined) this.queues.set(name, (queue = []))
    return queue
  }

  async put(puts: readonly StorePut[]): Promise<readonly (Error | undefined)[]> {
    this.calls.push(`put ${puts.length}`)
    return puts.map((put) => void this.queue(put.queue).push(put))
  }

  async take({ queues, max }: TakeRequest): Promise<readonly Taken[]> {
    this.calls.push(`take ${queues.join(' ')}`)
    return queues
      .flatMap((queue) => this.queue(queue).splice(0, max))
      .map((put) => {
        this.held.add(put)
        return { handle: put, queue: put.queue, payload: put.payload, redelivered: false, receives: 1 }
      })
  }

  async settle(settlements: readonly TrialSettlement[]): Promise<readonly (Error | undefined)[]> {
    this.calls.push(`settle ${settlements.map(({ action }) => action).join(' ')}`)
    return settlements.map((settlement) => {
      const { handle } = settlement.taken
      this.held.delete(handle)
      if (settlement.action === 'release') this.queue(handle.queue).unshift(handle)
      if (settlement.action === 'requeue') this.queue(handle.queue).push(handle)
      if (settlement.action === 'move')
        this.queue(settlement.queue).push({ ...handle, queue: settlement.queue, payload: settlement.payload })
      return undefined
    })
  }

  async size(queue: string): Promise<number> {
    return this.queue(queue).length
  }

  async purge(queue: string): Promise<number> {
    return this.queue(queue).splice(0).length
  }

  async deleteQueue(queue: string): Promise<void> {
    this.queues.delete(queue)
  }

  async close(): Promise<void> {
    for (const put of this.held) this.queue(put.queue).unshift(put)
    this.held.clear()
  }
}

export interface Trial {
  readonly broker: Broker
  readonly connection: BrokerConnection
  readonly store: TrialStore
  readonly notices: Notice[]
  readonly events: StoreEvents
}

export interface TrialOptions extends Partial<Omit<VirtualBrokerOptions<StorePut>, 'capabilities'>> {
  readonly capabilities?: Partial<BrokerCapabilities>
  /** Replaces members of the store. */
  readonly store?: (store: TrialStore) => Partial<VirtualStore<StorePut>>
}

export function trialBroker(
  { capabilities, store: replace, ...options }: TrialOptions,
  store: TrialStore = new TrialStore(),
  opened: (events: StoreEvents) => void = () => undefined,
): Broker {
  return defineVirtualBroker<StorePut>({
    name: 'trial',
    packageName: '@ct/contracts',
    description: {
      transport: 'trial',
      hostname: undefined,
      port: undefined,
      userid: undefined,
      virtualHost: undefined,
      ssl: false,
      url: 'trial://',
    },
    openStore: async (events) => {
      opened(events)
      return Object.assign(store, replace?.(store))
    },
    pollIntervalMs: 1,
    ...options,
    capabilities: { ...trialCapabilities, ...capabilities },
  })
}

/** A broker on a {@link TrialStore}, connected. */
export async function trial(options: TrialOptions = {}): Promise<Trial> {
  const store = new TrialStore()
  const notices: Notice[] = []
  const found: { events?: StoreEvents } = {}
  const broker = trialBroker(options, store, (events) => (found.events = events))
  const connection = await broker.connect({ onNotice: (notice) => notices.push(notice) })
  return { broker, connection, store, notices, events: found.events as StoreEvents }
}

export function queueNamed(name: string, more: Partial<QueueDeclaration> = {}): QueueDeclaration {
  return { name, durable: true, exclusive: false, autoDelete: false, bindings: [], ...more }
}

export function messageTo(queue: string, body: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    exchange: '',
    routingKey: queue,
    body: new TextEncoder().encode(body),
    contentType: 'text/plain',
    contentEncoding: 'utf-8',
    headers: { id: body, task: 'proj.trial' },
    properties: {},
    ...more,
  }
}

export function text({ body }: { readonly body: Uint8Array }): string {
  return new TextDecoder().decode(body)
}
