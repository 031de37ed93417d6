/** One queue of the hub: a FIFO per priority level, the lowest level first (as on Redis: 0 is the most urgent). */

/** A message lives from `put` to `ack`; where it is in between, only the hub knows. */
export interface MemoryMessage {
  payload: string
  readonly priority: number
  /** Epoch ms; undefined: kept until somebody takes it. */
  readonly expiresAt: number | undefined
  redelivered: boolean
  receives: number
  starts: number
}

export class MessageQueue {
  readonly #levels: Fifo<MemoryMessage>[] = []
  readers = 0

  get size(): number {
    return this.#levels.reduce((sum, level) => sum + level.size, 0)
  }

  push(message: MemoryMessage): void {
    this.#level(message.priority).push(message)
  }

  /** To the front of its level. */
  unshift(message: MemoryMessage): void {
    this.#level(message.priority).unshift(message)
  }

  /** The next message that has not expired. */
  shift(now: number): MemoryMessage | undefined {
    for (const level of this.#levels) {
      for (let message = level?.shift(); message !== undefined; message = level?.shift()) {
        if (message.expiresAt === undefined || message.expiresAt > now) return message
      }
    }
    return undefined
  }

  /** Removes everything; returns how many there were. */
  clear(): number {
    const { size } = this
    this.#levels.length = 0
    return size
  }

  toArray(): MemoryMessage[] {
    return this.#levels.flatMap((level) => level.toArray())
  }

  #level(priority: number): Fifo<MemoryMessage> {
    while (this.#levels.length <= priority) this.#levels.push(new Fifo())
    return this.#levels[priority] as Fifo<MemoryMessage>
  }
}

/** `Array.shift` moves every element of a long array; this does so once in a while. */
class Fifo<T> {
  #items: T[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  unshift(item: T): void {
    if (this.#head > 0) this.#items[--this.#head] = item
    else this.#items.unshift(item)
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined
    const item = this.#items[this.#head++]
    if (this.#head > 1_024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  toArray(): T[] {
    return this.#items.slice(this.#head)
  }
}
