/**
 * The credit of a consumer, shared by the loops that take from a store: one where the store takes from many queues at once, one
 * per queue where it asks each by itself (SQS). Each `take` reserves its share first, so that together they never hold too much.
 */
export class Credit {
  #limit: number
  #held = 0
  #reserved = 0
  /** How many loops wait because nothing is left for them; the others then do not sit on what they reserved. */
  short = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get limit(): number {
    return this.#limit
  }

  setLimit(limit: number): void {
    this.#limit = limit
  }

  /** May be negative after the limit went down: nothing is taken until enough is settled. */
  get free(): number {
    return this.#limit - this.#held - this.#reserved
  }

  reserve(change: number): void {
    this.#reserved += change
  }

  hold(change: number): void {
    this.#held += change
  }
}
