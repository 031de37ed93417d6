/**
 * Collects what is asked for during one turn of the event loop and hands it over in one call, in order: how settlements and
 * publishes of one turn go out together. While one hand-over is under way the next batch gathers, so order is kept.
 */
export class TurnBatch<Item, Result> {
  readonly #run: (items: readonly Item[]) => Promise<readonly Result[]>
  readonly #maxItems: number
  #waiting: { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void }[] = []
  #running: Promise<void> | undefined

  /** `run` answers with one result per item, in order; when it rejects, every item of the batch does. */
  constructor(run: (items: readonly Item[]) => Promise<readonly Result[]>, maxItems: number = Infinity) {
    this.#run = run
    this.#maxItems = maxItems
  }

  add(item: Item): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      this.#running ??= this.#drain()
    })
  }

  /** Resolves when everything added so far has been handed over, whatever came of it. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #drain(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, Math.min(this.#maxItems, this.#waiting.length))
      try {
        const results = await this.#run(batch.map((entry) => entry.item))
        for (const [index, entry] of batch.entries()) entry.resolve(results[index] as Result)
      } catch (error) {
        for (const entry of batch) entry.reject(error)
      }
    }
    this.#running = undefined
  }
}
