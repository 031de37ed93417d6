import { longestTimerMs } from '../connection/index.ts'

interface Limit {
  /** `performance.now()`. */
  readonly at: number
  readonly onOver: () => void
}

/**
 * Limits of time of which nearly none is ever reached: setting and clearing a timer for each would be most of what they cost. One timer
 * runs on instead, to the soonest there is when it is set, and is set anew when it fires too early for anybody.
 */
export class TimeLimits<T> {
  readonly #limits = new Map<T, Limit>()
  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity

  /** `at`: on the clock of `performance.now()`, no further away than a timer can count. */
  add(what: T, at: number, onOver: () => void): void {
    this.#limits.set(what, { at, onOver })
    if (at < this.#timerAt) this.#set(at)
  }

  delete(what: T): void {
    this.#limits.delete(what)
  }

  /** Nobody's time is limited any more. */
  clear(): void {
    this.#limits.clear()
    clearTimeout(this.#timer)
    this.#timerAt = Infinity
  }

  #set(at: number): void {
    clearTimeout(this.#timer)
    this.#timerAt = at
    const ms = Math.min(longestTimerMs, Math.max(1, Math.ceil(at - performance.now())))
    // What is waited for comes by a socket, which keeps the process alive as long as there is something to come.
    this.#timer = setTimeout(this.#look, ms).unref()
  }

  readonly #look = (): void => {
    this.#timerAt = Infinity
    const now = performance.now()
    let soonest = Infinity
    for (const [what, { at, onOver }] of this.#limits) {
      if (at <= now) {
        this.#limits.delete(what)
        onOver()
      } else soonest = Math.min(soonest, at)
    }
    if (soonest < Infinity) this.#set(soonest)
  }
}
