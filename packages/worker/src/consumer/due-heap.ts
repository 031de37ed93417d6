import { systemTime, type TimeProvider } from '@ct/contracts'

/**
 * Things that become due: one timer for all of them, however many wait. A binary heap by time, then by order of arrival.
 */
export interface DueEntry<T> {
  /** Epoch ms. */
  readonly at: number
  readonly item: T
  cancelled: boolean
}

interface HeapEntry<T> extends DueEntry<T> {
  readonly order: number
}

/** Longest delay a Node timer takes; longer waits are cut into pieces. */
const longestTimerMs = 0x7fff_ffff

export class DueHeap<T> {
  readonly #heap: HeapEntry<T>[] = []
  readonly #onDue: (item: T) => void
  readonly #time: TimeProvider
  #order = 0
  #live = 0
  #disarm: (() => void) | undefined
  #timerAt = Infinity

  constructor(onDue: (item: T) => void, time: TimeProvider = systemTime) {
    this.#onDue = onDue
    this.#time = time
  }

  get size(): number {
    return this.#live
  }

  add(at: number, item: T): DueEntry<T> {
    const entry: HeapEntry<T> = { at, item, cancelled: false, order: this.#order++ }
    this.#heap.push(entry)
    this.#live += 1
    this.#up(this.#heap.length - 1)
    this.#arm()
    return entry
  }

  cancel(entry: DueEntry<T>): void {
    if (entry.cancelled) return
    entry.cancelled = true
    this.#live -= 1
    if (this.#live === 0) this.clear()
  }

  /** Live entries, soonest first. */
  entries(): DueEntry<T>[] {
    return this.#heap.filter((entry) => !entry.cancelled).toSorted(before)
  }

  clear(): T[] {
    const items = this.#heap.filter((entry) => !entry.cancelled).map((entry) => entry.item)
    for (const entry of this.#heap) entry.cancelled = true
    this.#heap.length = 0
    this.#live = 0
    this.#disarm?.()
    this.#disarm = undefined
    this.#timerAt = Infinity
    return items
  }

  #arm(): void {
    const first = this.#heap[0]
    if (first === undefined || first.at >= this.#timerAt) return
    this.#disarm?.()
    const delay = Math.min(longestTimerMs, Math.max(0, Math.ceil(first.at - this.#time.now())))
    this.#timerAt = first.at
    this.#disarm = this.#time.schedule(delay, () => this.#fire())
  }

  #fire(): void {
    this.#disarm = undefined
    this.#timerAt = Infinity
    const now = this.#time.now()
    for (;;) {
      const first = this.#heap[0]
      if (first === undefined) return
      if (!first.cancelled && first.at > now) break
      this.#pop()
      if (first.cancelled) continue
      first.cancelled = true
      this.#live -= 1
      this.#onDue(first.item)
    }
    this.#arm()
  }

  #pop(): void {
    const last = this.#heap.pop()
    if (last === undefined || this.#heap.length === 0) return
    this.#heap[0] = last
    let index = 0
    for (;;) {
      const left = index * 2 + 1
      if (left >= this.#heap.length) return
      const right = left + 1
      const smaller =
        right < this.#heap.length && before(this.#heap[right]!, this.#heap[left]!) < 0 ? right : left
      if (before(this.#heap[index]!, this.#heap[smaller]!) <= 0) return
      this.#swap(index, smaller)
      index = smaller
    }
  }

  #up(from: number): void {
    let index = from
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (before(this.#heap[parent]!, this.#heap[index]!) <= 0) return
      this.#swap(index, parent)
      index = parent
    }
  }

  #swap(a: number, b: number): void {
    const entry = this.#heap[a]!
    this.#heap[a] = this.#heap[b]!
    this.#heap[b] = entry
  }
}

function before(a: { at: number; order?: number }, b: { at: number; order?: number }): number {
  return a.at - b.at || (a.order ?? 0) - (b.order ?? 0)
}
