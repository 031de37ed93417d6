/**
 * Keeps held messages ours: renews the leases of everything the worker holds, in bulk, well before they run out.
 *
 * Renewing every third of the lease leaves two more tries after a failed one. What is found to be no longer ours is reported: its
 * task is told through its signal, and it is never settled, because somebody else has it now.
 */
import type { Consumer, Delivery } from '@ct/contracts'

export interface LeaseKeeperOptions {
  readonly leaseMs: number
  /** Everything that is held and not settled. */
  readonly held: () => readonly Delivery[]
  readonly onLost: (deliveries: readonly Delivery[]) => void
  readonly onError: (error: unknown) => void
}

/** Deliveries per renewal, so that one script run never blocks the server for long. */
const chunk = 1000

export class LeaseKeeper {
  readonly #consumer: Pick<Consumer, 'extendLeases'>
  readonly #options: LeaseKeeperOptions
  #timer: NodeJS.Timeout | undefined
  #busy = false

  constructor(consumer: Pick<Consumer, 'extendLeases'>, options: LeaseKeeperOptions) {
    this.#consumer = consumer
    this.#options = options
  }

  start(): void {
    const every = Math.max(50, Math.min(60_000, this.#options.leaseMs / 3))
    this.#timer = setInterval(() => void this.renew(), every)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  async renew(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    try {
      const held = this.#options.held()
      for (let from = 0; from < held.length; from += chunk) {
        const lost = await this.#consumer.extendLeases(held.slice(from, from + chunk))
        // Settled while the renewal was under way: gone for a good reason.
        const ours = lost.filter((delivery) => !delivery.settled)
        if (ours.length > 0) this.#options.onLost(ours)
      }
    } catch (error) {
      this.#options.onError(error)
    } finally {
      this.#busy = false
    }
  }
}
