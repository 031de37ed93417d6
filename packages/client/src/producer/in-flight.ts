/** Counts what is under way, for who waits until nothing is. */
export class InFlight {
  #count = 0
  #drained: PromiseWithResolvers<void> | undefined

  get count(): number {
    return this.#count
  }

  enter(): void {
    this.#count++
  }

  leave(): void {
    this.#count--
    if (this.#count > 0) return
    this.#drained?.resolve()
    this.#drained = undefined
  }

  counted<T>(promise: Promise<T>): Promise<T> {
    this.enter()
    return promise.finally(() => this.leave())
  }

  /** Resolves when nothing is under way, after `patienceMs` at the latest; null: however long that takes. */
  async idle(patienceMs: number | null): Promise<void> {
    if (this.#count === 0) return
    this.#drained ??= Promise.withResolvers()
    const { promise } = this.#drained
    if (patienceMs === null) return await promise
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patienceMs)
    })
    await Promise.race([promise, patience])
    clearTimeout(timer)
  }
}
