/** What is to be looked at when, the earliest first. An entry is in it once at most: a new time takes the place of the old one. */
export class EntryHeap<T> {
  readonly #items: { readonly item: T; readonly when: number }[] = []
  readonly #places = new Map<T, number>()

  get size(): number {
    return this.#items.length
  }

  /** Infinity: nothing. */
  get earliest(): number {
    return this.#items[0]?.when ?? Infinity
  }

  clear(): void {
    this.#items.length = 0
    this.#places.clear()
  }

  set(item: T, when: number): void {
    this.delete(item)
    this.#items.push({ item, when })
    this.#rise(this.#items.length - 1)
  }

  delete(item: T): void {
    const at = this.#places.get(item)
    if (at === undefined) return
    this.#places.delete(item)
    const last = this.#items.pop()!
    if (at === this.#items.length) return
    this.#items[at] = last
    this.#places.set(last.item, at)
    this.#rise(at)
    this.#sink(this.#places.get(last.item)!)
  }

  /** Takes out the earliest. */
  pop(): T | undefined {
    const item = this.#items[0]?.item
    if (item !== undefined) this.delete(item)
    return item
  }

  #rise(from: number): void {
    const items = this.#items
    const moving = items[from]!
    let at = from
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = items[above]!
      if (parent.when <= moving.when) break
      items[at] = parent
      this.#places.set(parent.item, at)
      at = above
    }
    items[at] = moving
    this.#places.set(moving.item, at)
  }

  #sink(from: number): void {
    const items = this.#items
    const moving = items[from]!
    let at = from
    for (;;) {
      let below = 2 * at + 1
      if (below >= items.length) break
      if (below + 1 < items.length && items[below + 1]!.when < items[below]!.when) below++
      const child = items[below]!
      if (child.when >= moving.when) break
      items[at] = child
      this.#places.set(child.item, at)
      at = below
    }
    items[at] = moving
    this.#places.set(moving.item, at)
  }
}
