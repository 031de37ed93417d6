/** The queues a consumer takes from by list, and in what order the script is to look at them. */
import { Buffer } from 'node:buffer'
import type { Keys } from '../keys.ts'

export interface Source {
  readonly queue: string
  /** Nothing is filed: the item is forgotten when it is taken. */
  readonly noAck: boolean
  readonly filed: boolean
  readonly tail: string
  readonly tailBytes: number
  readonly lists: readonly string[]
  readonly parked: string
  readonly waiting: string
  /** Milliseconds of `x-expires`, 0 for none. */
  readonly expiresMs: number
  paused: boolean
}

/** One order of the queues: lists by step, then by queue; and what the script needs to know of each queue. */
export interface Round {
  readonly sources: readonly Source[]
  readonly lists: readonly string[]
  readonly about: readonly string[]
  /** Lists of each queue. */
  readonly steps: number
}

export function makeSource(
  keys: Keys,
  queue: string,
  how: { readonly noAck: boolean; readonly ackEmulation: boolean; readonly expiresMs: number },
): Source {
  const filed = !how.noAck && how.ackEmulation
  // The default exchange brings it straight back to this queue, whoever restores it and whatever exchanges that one knows.
  const tail = filed ? `, "", ${JSON.stringify(queue)}]` : ''
  return {
    queue,
    noAck: how.noAck,
    filed,
    tail,
    tailBytes: Buffer.byteLength(tail),
    lists: keys.lists(queue),
    parked: keys.parked(queue),
    waiting: keys.waiting(queue),
    expiresMs: how.expiresMs,
    paused: false,
  }
}

export class Sources {
  readonly #order: 'round_robin' | 'sorted' | 'priority'
  readonly #all = new Map<string, Source>()
  #rounds: Round[] = []
  readonly #single = new Map<string, Round>()
  /** By list; of the queues of which something is filed. */
  #filed: ReadonlyMap<string, Source> = new Map()
  #turn = 0
  #active: readonly Source[] = []
  #lists: readonly string[] = []

  constructor(order: 'round_robin' | 'sorted' | 'priority') {
    this.#order = order
  }

  /** Lists of all queues that are taken from now. */
  get lists(): readonly string[] {
    return this.#lists
  }

  get active(): readonly Source[] {
    return this.#active
  }

  /** One queue is emptied before the next gets its turn. */
  get strict(): boolean {
    return this.#order !== 'round_robin'
  }

  /** The queue of each list, of those that are taken from now and of which something is filed. */
  get filed(): ReadonlyMap<string, Source> {
    return this.#filed
  }

  get(queue: string): Source | undefined {
    return this.#all.get(queue)
  }

  add(source: Source): void {
    this.#all.set(source.queue, source)
    this.#changed()
  }

  remove(queue: string): boolean {
    const removed = this.#all.delete(queue)
    if (removed) this.#changed()
    return removed
  }

  pause(queues: readonly string[], paused: boolean): void {
    for (const queue of queues) {
      const source = this.#all.get(queue)
      if (source !== undefined) source.paused = paused
    }
    this.#changed()
  }

  takes(source: Source): boolean {
    return !source.paused && this.#all.get(source.queue) === source
  }

  /** The next order: round robin begins each time with another queue. */
  next(): Round {
    if (this.strict) this.#turn = 0
    const round = (this.#rounds[this.#turn] ??= this.#round(this.#turn))
    this.#turn = (this.#turn + 1) % Math.max(1, this.#active.length)
    return round
  }

  /** Of this list alone; undefined when nothing is taken from it now. */
  only(list: string): Round | undefined {
    const known = this.#single.get(list)
    if (known !== undefined) return known
    const source = this.#active.find(({ lists }) => lists.includes(list))
    if (source === undefined) return undefined
    const round = { sources: [source], lists: [list], about: [source.tail, source.parked], steps: 1 }
    this.#single.set(list, round)
    return round
  }

  #changed(): void {
    this.#single.clear()
    const active = [...this.#all.values()].filter((source) => !source.paused)
    if (this.#order === 'sorted') active.sort((a, b) => (a.queue < b.queue ? -1 : a.queue > b.queue ? 1 : 0))
    this.#active = active
    this.#rounds = []
    this.#turn = 0
    this.#lists = active.flatMap((source) => source.lists)
    this.#filed = new Map(
      active.flatMap((source) => (source.filed ? source.lists.map((list) => [list, source] as const) : [])),
    )
  }

  #round(turn: number): Round {
    const sources = [...this.#active.slice(turn), ...this.#active.slice(0, turn)]
    const steps = sources[0]?.lists.length ?? 0
    const lists: string[] = []
    for (let step = 0; step < steps; step++)
      for (const source of sources) lists.push(source.lists[step] as string)
    return { sources, lists, about: sources.flatMap((source) => [source.tail, source.parked]), steps }
  }
}
