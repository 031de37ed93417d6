/**
 * What a lost connection leaves undecided, on brokers that give messages back at once when a connection dies:
 *
 *  - tasks that ended, but whose settlement did not arrive, and those that run after an early one: when their message comes again it is settled as
 *    it should have been
 *  - tasks that still run, or have ended and are not settled yet: when their message comes again, it takes the place of the one that was lost
 *
 * Either way the task does not run a second time in this worker.
 */
import type { Delivery, Settlement, TaskMessage } from '@ct/contracts'
import type { Request } from '../request/index.ts'

/** More than a worker can hold at a time; beyond it the oldest run again, as they would without this. */
const most = 10_000

export class Unconfirmed {
  readonly #settlements = new Map<string, { readonly settlement: Settlement; readonly retries: number }>()
  readonly #running = new Map<string, Request>()
  readonly #onSettled: (taskId: string, error?: unknown) => void

  constructor(onSettled: (taskId: string, error?: unknown) => void) {
    this.#onSettled = onSettled
  }

  get size(): number {
    return this.#settlements.size
  }

  /** Remembers only what ends a message; what was given back shall come again. */
  add(request: Request): void {
    const { settlement } = request
    if (settlement?.action === 'ack' || settlement?.action === 'reject') {
      this.#remember(request.id, settlement, request.message.retries)
    }
  }

  #remember(taskId: string, settlement: Settlement, retries: number): void {
    this.#settlements.delete(taskId)
    this.#settlements.set(taskId, { settlement, retries })
    if (this.#settlements.size > most) {
      const oldest = this.#settlements.keys().next()
      if (oldest.done !== true) this.#settlements.delete(oldest.value)
    }
  }

  /** It runs, or its ending is under way, and its message is with the broker again. */
  orphan(request: Request): void {
    this.#running.set(request.id, request)
  }

  /** It ended, its message has not come again so far. */
  ended(request: Request): void {
    if (this.#running.get(request.id) === request) this.#running.delete(request.id)
  }

  /** True when the message that came again is dealt with. */
  recognise(message: TaskMessage, delivery: Delivery): boolean {
    if (this.#settlements.size === 0 && this.#running.size === 0) return false
    return this.#takePlace(message, delivery) || this.#settleAgain(message, delivery)
  }

  /** Not for the copy of a retry, which has the same id. */
  #takePlace(message: TaskMessage, delivery: Delivery): boolean {
    const request = this.#running.get(message.id)
    if (request === undefined || request.message.retries !== message.retries) return false
    this.#running.delete(message.id)
    if (request.acknowledged) return false
    request.delivery = delivery
    return true
  }

  #settleAgain(message: TaskMessage, delivery: Delivery): boolean {
    const known = this.#settlements.get(message.id)
    if (known === undefined || known.retries !== message.retries) return false
    this.#settlements.delete(message.id)
    delivery.settle(known.settlement).then(
      () => this.#onSettled(message.id),
      (error: unknown) => {
        this.#remember(message.id, known.settlement, known.retries)
        this.#onSettled(message.id, error)
      },
    )
    return true
  }
}
