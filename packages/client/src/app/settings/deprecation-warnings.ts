import type { Logger } from '../logger.ts'

/** Warns of each deprecated setting once. */
export class DeprecationWarnings {
  readonly #warned = new Set<string>()

  warn(found: Iterable<{ readonly name: string; readonly use: string }>, logger: Logger): void {
    for (const { name, use } of found) {
      if (this.#warned.has(name)) continue
      this.#warned.add(name)
      logger.warn(`The setting ${name} is deprecated; use ${use}.`)
    }
  }
}
