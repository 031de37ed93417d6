/** Waits that all end at once when the worker stops for good. */
export class Pauses {
  readonly #open = new Set<(completed: boolean) => void>()
  #ended = false

  /** Resolves true after `ms`, false when the worker stops before. */
  pause(ms: number): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false)
    return new Promise<boolean>((resolve) => {
      const end = (completed: boolean): void => {
        clearTimeout(timer)
        this.#open.delete(end)
        resolve(completed)
      }
      const timer = setTimeout(() => end(true), ms)
      this.#open.add(end)
    })
  }

  end(): void {
    this.#ended = true
    for (const end of this.#open) end(false)
  }
}
