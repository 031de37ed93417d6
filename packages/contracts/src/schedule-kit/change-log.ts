/**
 * Which entries of a schedule were put or removed, in order (S5), for a store that has no server to keep it. Each change has a number; a marker is
 * the history's own name and the number of the last change. The oldest are forgotten: who has read less than that reads everything.
 */
import { randomUUID } from 'node:crypto'
import type { ScheduleSaved } from '../schedule-store.ts'

/** Names in one answer: what beat takes in between two sends. */
export const changesPerLook = 1000

export interface LoggedChanges {
  /** Each once. */
  readonly names: readonly string[]
  readonly marker: string
  readonly more: boolean
}

export class ChangeLog {
  readonly #history = randomUUID()
  readonly #limit: number
  readonly #names: string[] = []
  /** Number of the change before the first that is remembered. */
  #forgotten = 0

  /** `limit`: changes that are remembered. */
  constructor(limit = 10_000) {
    this.#limit = limit
  }

  get marker(): string {
    return this.#markerOf(this.#forgotten + this.#names.length)
  }

  add(names: Iterable<string>): ScheduleSaved {
    const before = this.marker
    for (const name of names) this.#names.push(name)
    // Now and then, since it costs as much as there are.
    if (this.#names.length > 2 * this.#limit) {
      const tooMany = this.#names.length - this.#limit
      this.#names.splice(0, tooMany)
      this.#forgotten += tooMany
    }
    return { before, after: this.marker }
  }

  /** Undefined: a marker of another history, or of too long ago. */
  since(marker: string): LoggedChanges | undefined {
    const [history, number] = marker.split(' ')
    const from = Number(number) - this.#forgotten
    if (history !== this.#history || !(from >= 0 && from <= this.#names.length)) return undefined
    const to = Math.min(this.#names.length, from + changesPerLook)
    return {
      names: [...new Set(this.#names.slice(from, to))],
      marker: this.#markerOf(this.#forgotten + to),
      more: to < this.#names.length,
    }
  }

  #markerOf(number: number): string {
    return `${this.#history} ${number}`
  }
}
