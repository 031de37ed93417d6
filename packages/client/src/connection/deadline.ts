/** Timers cannot count further; beyond it they fire at once. Longer times, `Infinity` among them, end after these 24 days. */
export const longestTimerMs: number = 2 ** 31 - 1

/** An AbortSignal that fires after a time, or with the caller's; knows which of the two it was. `null` ms: no limit of its own. */
export class Deadline implements Disposable {
  readonly signal: AbortSignal
  readonly #limit = new AbortController()
  readonly #timer: NodeJS.Timeout | undefined

  constructor(ms: number | null, caller: AbortSignal | undefined) {
    this.signal = caller === undefined ? this.#limit.signal : AbortSignal.any([caller, this.#limit.signal])
    if (ms !== null) this.#timer = setTimeout(() => this.#limit.abort(), Math.min(ms, longestTimerMs))
  }

  /** The time ran out, as against the caller giving up. */
  get expired(): boolean {
    return this.#limit.signal.aborted
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}
