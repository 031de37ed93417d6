/** Lamport clock of an app; its value goes into events and control messages (kombu/clocks.py 5.7). */
export class LogicalClock {
  #value = 0

  get value(): number {
    return this.#value
  }

  /** For an event of ours: one step on; returns the new value. */
  forward(): number {
    return ++this.#value
  }

  /** For a message of somebody else's: beyond the greater of both; returns the new value. */
  adjust(other: number): number {
    if (Number.isSafeInteger(other) && other > this.#value) this.#value = other
    return ++this.#value
  }
}
