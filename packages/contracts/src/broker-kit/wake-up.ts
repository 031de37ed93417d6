/** Something to wait for that can happen again and again. */
export class WakeUp {
  #next = Promise.withResolvers<void>()

  /** Resolves at the next {@link WakeUp.now}. */
  get next(): Promise<void> {
    return this.#next.promise
  }

  now(): void {
    this.#next.resolve()
    this.#next = Promise.withResolvers<void>()
  }
}

/** Resolves after `ms` or when the signal fires, whichever comes first; leaves no timer and no listener. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
