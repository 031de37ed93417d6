import type { PoolStartOptions } from '../pool.ts'

const firstPauseMs = 100
const longestPauseMs = 5000

/** When slots do not come to life: opened again after a pause, which doubles until one does. */
export class Reopening {
  readonly #options: () => Pick<PoolStartOptions, 'onSlotError'>
  readonly #open: () => void
  #failures = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #stopped = false

  constructor(options: () => Pick<PoolStartOptions, 'onSlotError'>, open: () => void) {
    this.#options = options
    this.#open = open
  }

  later(why: string, cause: unknown): void {
    this.#failures += 1
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (this.#failures - 1))
    this.#options().onSlotError(
      new Error(`A slot of the pool could not start: ${why}. Trying again in ${pauseMs} ms.`, { cause }),
    )
    if (this.#stopped) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#open()
    }, pauseMs)
  }

  /** A slot lives. */
  succeeded(): void {
    this.#failures = 0
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }
}
