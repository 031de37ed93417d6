/**
 * The credit of a consumer, shared by the loops that take from a store: one where the store takes from many queues at once, one
 * per queue where it asks each by itself (SQS). A loop reserves what it is about to take; who finds nothing left waits in line.
 *
 *   free ──acquire──► reserved ──taken──► held ──settled──► free
 *     ▲                  └── nothing came ──────────────────┘
 */
export class Credit {
  #limit: number
  #held = 0
  #reserved = 0
  readonly #line: { readonly most: number; readonly grant: (granted: number) => void }[] = []

  constructor(limit: number) {
    this.#limit = limit
  }

  get limit(): number {
    return this.#limit
  }

  /** How many wait in line. Who holds a reservation without using it should give it back. */
  get waiting(): number {
    return this.#line.length
  }

  /** May be negative after the limit went down: nothing is granted until enough is settled. */
  get free(): number {
    return this.#limit - this.#held - this.#reserved
  }

  setLimit(limit: number): void {
    this.#limit = limit
    this.#grant()
  }

  /** Reserves up to `most`, at least 1; in line behind those who came before. Resolves to 0 after {@link Credit.dismiss}. */
  acquire(most: number): Promise<number> {
    return new Promise((grant) => {
      this.#line.push({ most, grant })
      this.#grant()
    })
  }

  giveBack(reserved: number): void {
    this.#reserved -= reserved
    this.#grant()
  }

  hold(change: 1 | -1): void {
    this.#held += change
    this.#grant()
  }

  /** Sends everybody in line away: what they wanted to take has changed. */
  dismiss(): void {
    for (const { grant } of this.#line.splice(0)) grant(0)
  }

  #grant(): void {
    while (this.#line.length > 0 && this.free > 0) {
      const first = this.#line.shift()
      if (first === undefined) return
      const granted = Math.min(first.most, this.free)
      this.#reserved += granted
      first.grant(granted)
    }
  }
}
