import type { ResultMeta } from '@ct/contracts'

/** Least recently used finished results (`result_cache_max`): −1 keeps none, 0 any number. */
export class MetaCache {
  readonly #max: number
  readonly #entries = new Map<string, ResultMeta>()

  constructor(max: number) {
    this.#max = max
  }

  get(taskId: string): ResultMeta | undefined {
    if (this.#max < 0) return undefined
    const meta = this.#entries.get(taskId)
    if (meta !== undefined && this.#max > 0) {
      this.#entries.delete(taskId)
      this.#entries.set(taskId, meta)
    }
    return meta
  }

  /** Only SUCCESS is final: nothing overwrites it. */
  put(meta: ResultMeta): void {
    if (this.#max < 0 || meta.status !== 'SUCCESS') return
    this.#entries.delete(meta.taskId)
    this.#entries.set(meta.taskId, meta)
    if (this.#max > 0 && this.#entries.size > this.#max) {
      const oldest = this.#entries.keys().next()
      if (oldest.done !== true) this.#entries.delete(oldest.value)
    }
  }

  delete(taskId: string): void {
    this.#entries.delete(taskId)
  }
}
