/** One test of the broker suite: its harness, what it opened, and the words it is written in. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type {
  BrokerCapabilities,
  BrokerConnection,
  Consumer,
  Delivery,
  ExchangeType,
  Notice,
  OutgoingMessage,
  QueueDeclaration,
  Subscription,
} from '@ct/contracts'
import { eventually, sleep, within } from '../waiting.ts'
import type { BrokerConformanceOptions, BrokerHarness, BrokerPeer } from './harness.ts'

/** A connection, its peer, and what it noticed. */
export interface SceneConnection {
  readonly peer: BrokerPeer
  readonly connection: BrokerConnection
  readonly notices: Notice[]
}

export class BrokerScene {
  readonly harness: BrokerHarness
  readonly options: BrokerConformanceOptions
  readonly #peers: BrokerPeer[] = []

  constructor(harness: BrokerHarness, options: BrokerConformanceOptions) {
    this.harness = harness
    this.options = options
  }

  get capabilities(): BrokerCapabilities {
    return this.options.capabilities
  }

  get patienceMs(): number {
    return this.options.patienceMs ?? 5_000
  }

  get quietMs(): number {
    return this.options.quietMs ?? 100
  }

  async peer(): Promise<BrokerPeer> {
    const peer = await this.harness.peer()
    this.#peers.push(peer)
    return peer
  }

  /** A connection of `peer`, or of a new one. */
  async connect(peer?: BrokerPeer): Promise<SceneConnection> {
    const owner = peer ?? (await this.peer())
    const notices: Notice[] = []
    const connection = await owner.broker.connect({ onNotice: (notice) => notices.push(notice) })
    return { peer: owner, connection, notices }
  }

  async consume(
    from: SceneConnection,
    queues: readonly (string | Subscription)[],
    options: { readonly credit?: number; readonly maxClaim?: number } = {},
  ): Promise<Inbox> {
    const inbox = new Inbox(this)
    const consumer = await from.connection.openConsumer({
      credit: 10,
      ...options,
      onDelivery: (delivery) => inbox.deliveries.push(delivery),
    })
    inbox.consumer = consumer
    await consumer.subscribe(
      queues.map((queue) => (typeof queue === 'string' ? { queue: queueNamed(queue) } : queue)),
    )
    return inbox
  }

  /** A queue name nobody else uses, that every broker allows. */
  name(label: string = 'queue'): string {
    return `${label}-${randomUUID().slice(0, 8)}`
  }

  /** Lets leases run out: by the harness where it can, else by waiting. */
  async expireLeases(): Promise<void> {
    await sleep((this.options.leaseMs ?? 0) * 1.2)
    await this.harness.expireLeases?.()
  }

  /** `bodies` is what came: in this order where the broker keeps one, else in any. */
  assertOrder(bodies: readonly string[], expected: readonly string[]): void {
    if (this.capabilities.ordered) assert.deepEqual(bodies, expected)
    else assert.deepEqual(bodies.toSorted(), expected.toSorted())
  }

  eventually<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
    return eventually(what, this.patienceMs, look)
  }

  notice<K extends Notice['kind']>(from: SceneConnection, kind: K): Promise<Extract<Notice, { kind: K }>> {
    return this.eventually(`a notice "${kind}"`, () =>
      from.notices.find((notice): notice is Extract<Notice, { kind: K }> => notice.kind === kind),
    )
  }

  async close(): Promise<void> {
    for (const peer of this.#peers) await within('close', 10_000, peer.broker.close())
    await this.harness.close()
  }
}

/** A consumer and what was delivered to it. */
export class Inbox {
  readonly #scene: BrokerScene
  consumer!: Consumer
  readonly deliveries: Delivery[] = []

  constructor(scene: BrokerScene) {
    this.#scene = scene
  }

  /** Takes the next delivery out of the inbox. */
  next(): Promise<Delivery> {
    return this.#scene.eventually('a delivery', () => this.deliveries.shift())
  }

  async take(count: number): Promise<Delivery[]> {
    const taken: Delivery[] = []
    while (taken.length < count) taken.push(await this.next())
    return taken
  }

  /** Takes and acks, each at once: what waits for its turn here would use up its lease. */
  async drain(count: number): Promise<Delivery[]> {
    const taken: Delivery[] = []
    const acks: Promise<void>[] = []
    while (taken.length < count) {
      const delivery = await this.next()
      taken.push(delivery)
      acks.push(delivery.settle({ action: 'ack' }))
    }
    await Promise.all(acks)
    return taken
  }

  /** Nothing further is delivered. */
  async staysEmpty(): Promise<void> {
    await sleep(this.#scene.quietMs)
    assert.deepEqual(this.deliveries.map(text), [], 'nothing more should have been delivered')
  }
}

export function queueNamed(name: string, bindings: QueueDeclaration['bindings'] = []): QueueDeclaration {
  return { name, durable: true, exclusive: false, autoDelete: false, bindings }
}

export function boundQueue(
  name: string,
  exchange: string,
  type: ExchangeType,
  ...keys: string[]
): QueueDeclaration {
  return queueNamed(
    name,
    keys.map((routingKey) => ({
      exchange: { name: exchange, type, durable: true, autoDelete: false },
      routingKey,
    })),
  )
}

/** A message whose body is this text, to the queue of that name unless told otherwise. */
export function messageTo(queue: string, body: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    body: new TextEncoder().encode(body),
    contentType: 'text/plain',
    contentEncoding: 'utf-8',
    headers: { id: body, task: 'conformance' },
    properties: { deliveryMode: 2, priority: 0 },
    exchange: '',
    routingKey: queue,
    ...more,
  }
}

export function text(delivery: { readonly body: Uint8Array }): string {
  return new TextDecoder().decode(delivery.body)
}
