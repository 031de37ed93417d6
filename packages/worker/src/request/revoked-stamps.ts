/** Stamps whose tasks must not run: values by name. Beyond `max` values the oldest are forgotten. */
export class RevokedStamps {
  readonly #values = new Map<string, Set<unknown>>()
  readonly #max: number
  #size = 0
  #changes = 0

  constructor({ max }: { readonly max: number }) {
    this.#max = max
  }

  /** Counts up with each change. */
  get changes(): number {
    return this.#changes
  }

  /** Values of all names. */
  get size(): number {
    return this.#size
  }

  /** One value by name, or a list of them. */
  add(headers: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(headers))
      for (const one of Array.isArray(value) ? (value as readonly unknown[]) : [value]) this.#add(name, one)
  }

  has(name: string, value: unknown): boolean {
    return this.#values.get(name)?.has(value) === true
  }

  /** Values that a file can hold, by name. */
  entries(): (readonly [name: string, values: readonly unknown[]])[] {
    return [...this.#values].map(([name, values]) => [name, [...values].filter(isPlain)])
  }

  /** What `entries` gave, as it was read: anything else in it is passed over. */
  restore(entries: readonly unknown[]): void {
    for (const entry of entries) {
      if (!Array.isArray(entry)) continue
      const [name, values] = entry as readonly unknown[]
      if (typeof name === 'string' && Array.isArray(values))
        for (const value of values) if (isPlain(value)) this.#add(name, value)
    }
  }

  #add(name: string, value: unknown): void {
    const values = this.#values.get(name) ?? new Set()
    this.#values.set(name, values)
    if (!values.has(value)) this.#size += 1
    values.delete(value)
    values.add(value)
    this.#changes += 1
    if (this.#size > this.#max) this.#forgetOne()
  }

  /** Of the name that was revoked first: the order of values of different names is not kept. */
  #forgetOne(): void {
    for (const [name, values] of this.#values) {
      const [oldest] = values
      values.delete(oldest)
      this.#size -= 1
      if (values.size === 0) this.#values.delete(name)
      return
    }
  }
}

function isPlain(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
