interface Warns {
  warn(message: string): void
}

/** Beyond it one line for all of a turn of the event loop. */
const mostLines = 5

/** Tells of acknowledgements that did not reach the broker. A connection takes hundreds of them with it: a few lines say it all. */
export class LostSettlements {
  readonly #log: () => Warns
  #ofTurn = 0

  constructor(log: () => Warns) {
    this.#log = log
  }

  tell(label: string, error: unknown): void {
    if (this.#ofTurn === 0) setImmediate(() => this.#tellRest())
    this.#ofTurn += 1
    if (this.#ofTurn > mostLines) return
    const why = error instanceof Error ? error.message : String(error)
    this.#log().warn(
      `The settlement of task ${label} did not reach the broker; its message will come again. ${why}`,
    )
  }

  #tellRest(): void {
    const more = this.#ofTurn - mostLines
    this.#ofTurn = 0
    if (more > 0) this.#log().warn(`Nor did the settlements of ${more} more tasks.`)
  }
}
