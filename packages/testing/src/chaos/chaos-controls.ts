/** What a chaos broker does to its caller, and when: faults by seed, by hand, sleep. */
import { BrokerUnavailableError, PublishError } from '@ct/contracts'
import { seededRandom, type SeededRandom } from '../seeded-random.ts'

/** The calls that can be made to fail. `call` stands for declare, subscribe, queueSize and whatever else is neither of the others. */
export type ChaosOperation = 'connect' | 'publish' | 'settle' | 'call' | 'delivery'

export interface ChaosOptions {
  /** The same seed makes the same faults, as long as the calls come in the same order. */
  readonly seed: number
  /**
   * Probability of a fault, 0…1, per call of each kind. Default 0 everywhere.
   *
   * - `connect`: rejects with `BrokerUnavailableError`.
   * - `publish`: rejects with `PublishError`: nothing was sent and it is known; nothing was sent and it is not known; it was sent and
   *   the answer got lost. One third each.
   * - `settle`, `call`, `delivery`: the connection is lost, half of the time before, half of the time after the broker did it.
   */
  readonly faults?: Partial<Readonly<Record<ChaosOperation, number>>>
}

/** What a fault does, and on which side of the real call. */
export type Fault = 'before' | 'after' | 'unknown'

export class ChaosControls {
  readonly #random: SeededRandom
  #faults: Partial<Readonly<Record<ChaosOperation, number>>>
  readonly #planned: { readonly operation: ChaosOperation; readonly fault: Fault }[] = []
  #asleep: PromiseWithResolvers<void> | undefined
  /** Faults so far, for assertions and for telling a run that did nothing. */
  readonly counts: Record<ChaosOperation, number> = {
    connect: 0,
    publish: 0,
    settle: 0,
    call: 0,
    delivery: 0,
  }

  constructor({ seed, faults = {} }: ChaosOptions) {
    this.#random = seededRandom(seed)
    this.#faults = faults
  }

  /** Changes the probabilities; `{}` ends the chaos. */
  setFaults(faults: Partial<Readonly<Record<ChaosOperation, number>>>): void {
    this.#faults = faults
  }

  /** The next call of this kind fails for certain. */
  failNext(operation: ChaosOperation, fault: Fault = 'before'): void {
    this.#planned.push({ operation, fault })
  }

  /** Everything hangs until {@link wake}: calls are not answered, deliveries do not come. */
  sleep(): void {
    this.#asleep ??= Promise.withResolvers<void>()
  }

  wake(): void {
    this.#asleep?.resolve()
    this.#asleep = undefined
  }

  get asleep(): boolean {
    return this.#asleep !== undefined
  }

  /** Resolves at once unless the broker is asleep, else when it wakes or `gone` resolves. */
  async awake(gone: Promise<unknown>): Promise<void> {
    while (this.#asleep !== undefined) {
      const ended = await Promise.race([this.#asleep.promise.then(() => false), gone.then(() => true)])
      if (ended) return
    }
  }

  /** Draws lots for one call. */
  draw(operation: ChaosOperation): Fault | undefined {
    const index = this.#planned.findIndex((each) => each.operation === operation)
    const [planned] = index < 0 ? [] : this.#planned.splice(index, 1)
    // Two numbers for every call, so that the outcome of one does not shift those of the next.
    const hit = this.#random.next() < (this.#faults[operation] ?? 0)
    const side = this.#random.below(operation === 'publish' ? 3 : 2)
    if (planned === undefined && !hit) return undefined
    this.counts[operation]++
    return planned?.fault ?? (side === 0 ? 'before' : side === 1 ? 'after' : 'unknown')
  }
}

export function lostLine(reason: string): BrokerUnavailableError {
  return new BrokerUnavailableError(`The connection was lost: ${reason}.`, { details: { chaos: true } })
}

export function publishFault(fault: Fault): PublishError {
  const maybeDelivered = fault !== 'before'
  return new PublishError(`The publish failed on purpose (${fault}).`, {
    maybeDelivered,
    details: { chaos: true },
  })
}
