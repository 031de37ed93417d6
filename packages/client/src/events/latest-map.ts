/** A map that holds at most `max` entries: whoever was not touched for longest goes first. */
export class LatestMap<V> {
  readonly #max: number
  readonly #onDrop: ((key: string, value: V) => void) | undefined
  readonly #entries = new Map<string, V>()

  constructor(max: number, onDrop?: (key: string, value: V) => void) {
    this.#max = max
    this.#onDrop = onDrop
  }

  /** In the order in which they were touched. */
  get entries(): ReadonlyMap<string, V> {
    return this.#entries
  }

  set(key: string, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size <= this.#max) return
    const [oldest] = this.#entries.keys()
    this.delete(oldest!)
  }

  touch(key: string): void {
    const value = this.#entries.get(key)
    if (value === undefined) return
    this.#entries.delete(key)
    this.#entries.set(key, value)
  }

  delete(key: string): void {
    const value = this.#entries.get(key)
    if (value === undefined) return
    this.#entries.delete(key)
    this.#onDrop?.(key, value)
  }

  clear(): void {
    for (const key of [...this.#entries.keys()]) this.delete(key)
  }
}
