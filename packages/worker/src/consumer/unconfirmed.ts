/**
 * Tasks that ended, but whose settlement did not reach the broker because the connection was lost. When their message comes again it is
 * settled as it should have been, instead of running the task a second time.
 */
import type { Delivery, Settlement } from '@ct/contracts'

/** More than a worker can hold at a time; beyond it the oldest run again, as they would without this. */
const most = 10_000

export class Unconfirmed {
  readonly #settlements = new Map<string, Settlement>()
  readonly #onSettled: (taskId: string, error?: unknown) => void

  constructor(onSettled: (taskId: string, error?: unknown) => void) {
    this.#onSettled = onSettled
  }

  get size(): number {
    return this.#settlements.size
  }

  /** Remembers only what ends a message; what was given back shall come again. */
  add(taskId: string, settlement: Settlement): void {
    if (settlement.action !== 'ack' && settlement.action !== 'reject') return
    this.#settlements.delete(taskId)
    this.#settlements.set(taskId, settlement)
    if (this.#settlements.size > most) {
      const oldest = this.#settlements.keys().next()
      if (oldest.done !== true) this.#settlements.delete(oldest.value)
    }
  }

  /** True when the message is dealt with. */
  settleAgain(taskId: string, delivery: Delivery): boolean {
    if (this.#settlements.size === 0) return false
    const settlement = this.#settlements.get(taskId)
    if (settlement === undefined) return false
    this.#settlements.delete(taskId)
    delivery.settle(settlement).then(
      () => this.#onSettled(taskId),
      (error: unknown) => {
        this.add(taskId, settlement)
        this.#onSettled(taskId, error)
      },
    )
    return true
  }
}
