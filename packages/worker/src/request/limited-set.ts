/**
 * A set of ids that forgets: the oldest beyond `max`, and those older than `expiresMs` (celery/utils/collections.py 5.7, `LimitedSet`).
 * An id added again counts as new. Times are monotonic milliseconds.
 */
export class LimitedSet {
  readonly #max: number
  readonly #expiresMs: number
  readonly #now: () => number
  readonly #entries = new Map<string, number>()
  #changes = 0

  constructor(options: { readonly max: number; readonly expiresMs: number; readonly now?: () => number }) {
    this.#max = options.max
    this.#expiresMs = options.expiresMs
    this.#now = options.now ?? (() => performance.now())
  }

  /** Counts up with each change that somebody made; what expires by itself is none. */
  get changes(): number {
    return this.#changes
  }

  get size(): number {
    return this.#entries.size
  }

  add(id: string): void {
    this.#changes++
    this.#entries.delete(id)
    this.#entries.set(id, this.#now())
    if (this.#entries.size > this.#max) this.purge()
  }

  has(id: string): boolean {
    const added = this.#entries.get(id)
    if (added === undefined) return false
    if (this.#now() - added <= this.#expiresMs) return true
    this.#entries.delete(id)
    return false
  }

  delete(id: string): void {
    if (this.#entries.delete(id)) this.#changes++
  }

  /** Drops what expired and, oldest first, what is too many. */
  purge(): void {
    const limit = this.#now() - this.#expiresMs
    for (const [id, added] of this.#entries) {
      if (added >= limit && this.#entries.size <= this.#max) return
      this.#entries.delete(id)
    }
  }

  /** Oldest first. */
  ids(): string[] {
    this.purge()
    return [...this.#entries.keys()]
  }
}
