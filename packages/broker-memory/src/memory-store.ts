/** The store of a memory broker: the hub, seen by one connection. */
import {
  BrokerUnavailableError,
  LeaseLostError,
  UnsupportedError,
  type QueueDeclaration,
} from '@ct/contracts'
import type {
  BindingTable,
  StorePut,
  StoreSettlement,
  TakenMessage,
  TakeRequest,
  VirtualStore,
} from '@ct/contracts/broker-kit'
import type { Held, MemoryHub } from './memory-hub.ts'

type Taken = TakenMessage<Held>

export class MemoryStore implements VirtualStore<Held> {
  readonly leaseMs: number | undefined
  readonly bindings: BindingTable
  readonly #hub: MemoryHub
  #gone = false

  constructor(hub: MemoryHub, owner: object, leaseMs: number | undefined, onLost: (error: Error) => void) {
    this.#hub = hub
    this.leaseMs = leaseMs
    this.bindings = hub.bindings
    hub.attach(this, owner, (error) => {
      this.#gone = true
      onLost(error)
    })
  }

  async close(): Promise<void> {
    this.#gone = true
    this.#hub.detach(this)
  }

  async declareQueue({ name }: QueueDeclaration): Promise<void> {
    this.#live.declare(name)
  }

  async queueExists(queue: string): Promise<boolean> {
    return this.#live.queue(queue) !== undefined
  }

  async put(puts: readonly StorePut[]): Promise<readonly undefined[]> {
    const hub = this.#live
    return puts.map((put) => hub.put(put) as undefined)
  }

  async take({ queues, max, waitMs, signal }: TakeRequest): Promise<readonly Taken[]> {
    for (;;) {
      const taken = signal.aborted ? [] : this.#live.take(queues, max, this, this.leaseMs)
      if (taken.length > 0 || waitMs === 0 || signal.aborted) {
        return taken.map((held) => {
          const { payload, redelivered, receives } = held.message
          return { handle: held, queue: held.queue, payload, redelivered, receives }
        })
      }
      await this.#live.wait(queues, signal)
    }
  }

  async settle(settlements: readonly StoreSettlement<Held>[]): Promise<readonly (Error | undefined)[]> {
    const hub = this.#live
    return settlements.map((settlement) => this.#settle(hub, settlement))
  }

  #settle(hub: MemoryHub, settlement: StoreSettlement<Held>): Error | undefined {
    const held = settlement.taken.handle
    switch (settlement.action) {
      case 'ack':
      case 'reject':
        // The result counts even where the message went to somebody else: the task did end so.
        hub.results.write(settlement.results ?? [])
        return hub.remove(held) ? undefined : notOurs(held)
      case 'requeue':
        return hub.putBack(held, 'back', true) ? undefined : notOurs(held)
      case 'release':
        return hub.putBack(held, 'front', false) ? undefined : notOurs(held)
      case 'move': {
        if (!hub.remove(held)) return notOurs(held)
        const { queue, payload } = settlement
        hub.put({
          queue,
          payload,
          priority: 0,
          notBefore: undefined,
          expiresInMs: undefined,
          extra: undefined,
        })
        return undefined
      }
      default:
        return new UnsupportedError(`Unknown settlement ${JSON.stringify(settlement)}.`)
    }
  }

  async size(queue: string): Promise<number> {
    return this.#live.queue(queue)?.size ?? 0
  }

  async purge(queue: string): Promise<number> {
    return this.#live.queue(queue)?.clear() ?? 0
  }

  async deleteQueue(queue: string): Promise<void> {
    this.#live.deleteQueue(queue)
  }

  async countReaders(queue: string, change: 1 | 0 | -1): Promise<number> {
    return (this.#live.declare(queue).readers += change)
  }

  async extendLeases(taken: readonly Taken[]): Promise<readonly Taken[]> {
    const hub = this.#live
    return taken.filter(({ handle }) => {
      if (!hub.isHeld(handle)) return true
      if (this.leaseMs !== undefined) handle.expiresAt = this.#hub.time.now() + this.leaseMs
      return false
    })
  }

  async restoreExpired(): Promise<number> {
    return this.#live.restoreExpired()
  }

  async countStart({ handle }: Taken): Promise<number> {
    return ++handle.message.starts
  }

  async browse(
    queue: string,
    { offset, limit }: { readonly offset: number; readonly limit: number },
  ): Promise<string[]> {
    const messages = this.#live.queue(queue)?.toArray() ?? []
    return messages.slice(offset, offset + limit).map((message) => message.payload)
  }

  get #live(): MemoryHub {
    if (this.#gone)
      throw new BrokerUnavailableError(
        `The connection to memory hub ${JSON.stringify(this.#hub.name)} is gone.`,
      )
    return this.#hub
  }
}

function notOurs(held: Held): Error {
  return new LeaseLostError(`A message of queue ${held.queue} is no longer ours.`)
}
