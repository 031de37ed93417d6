/** Folders, by path or URL, and npm packages. */
export type PackageList = readonly (string | URL)[]

interface WaitingPackages {
  readonly packages: PackageList | (() => PackageList)
  readonly relatedName: string | null
}

/** Modules with tasks that an app was told to look for: waiting until a worker or beat starts, imported once. */
export class DiscoveredModules {
  readonly #waiting: WaitingPackages[] = []
  readonly #urls: string[] = []
  #imported: Promise<readonly string[]> | undefined

  /** Imported now with `force`, or when all others have been. */
  async add(packages: WaitingPackages, force: boolean): Promise<void> {
    this.#waiting.push(packages)
    if (force || this.#imported !== undefined) await this.#importWaiting()
  }

  /** `first` may end it. Resolves to the URLs of what was imported. Idempotent. */
  importAll(first: () => Promise<unknown>): Promise<readonly string[]> {
    return (this.#imported ??= this.#importAll(first))
  }

  async #importAll(first: () => Promise<unknown>): Promise<readonly string[]> {
    await first()
    await this.#importWaiting()
    return this.#urls
  }

  async #importWaiting(): Promise<void> {
    const waiting = this.#waiting.splice(0)
    if (waiting.length === 0) return
    const { importRelated } = await import('./autodiscover.ts')
    for (const { packages, relatedName } of waiting) {
      const list = typeof packages === 'function' ? packages() : packages
      for (const one of list) {
        const url = await importRelated(one, relatedName)
        if (url !== undefined && !this.#urls.includes(url)) this.#urls.push(url)
      }
    }
  }
}
