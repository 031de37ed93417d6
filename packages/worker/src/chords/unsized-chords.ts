/**
 * Chords of which a part was recorded before their size. Python's clients tell the store how large a chord is just before they send the last member of its
 * header (celery/canvas.py 5.7, `group._apply_tasks`); where that one has no part to record (a chord whose body is an empty group), a quick worker has
 * recorded the last part by then, and nobody else comes who could complete the chord.
 *
 *   added ─► looked at after 100, 200, 400, … ms ─┬─ its size is known ─► complete, or left to its other members
 *                                                 └─ beyond `mostMs` ───► left to the sweep
 */
export interface UnsizedChordsOptions {
  /** True: its size is known by now, or it is over. Never rejects. */
  readonly look: (groupId: string) => Promise<boolean>
  readonly mostMs: number
}

const firstMs = 100

export class UnsizedChords {
  readonly #options: UnsizedChordsOptions
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #looks = new Set<Promise<void>>()

  constructor(options: UnsizedChordsOptions) {
    this.#options = options
  }

  add(groupId: string): void {
    if (!this.#timers.has(groupId)) this.#later(groupId, firstMs)
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    await Promise.all(this.#looks)
  }

  #later(groupId: string, delayMs: number): void {
    const timer = setTimeout(() => {
      const look = this.#look(groupId, delayMs)
      this.#looks.add(look)
      void look.finally(() => this.#looks.delete(look))
    }, delayMs)
    timer.unref()
    this.#timers.set(groupId, timer)
  }

  async #look(groupId: string, delayMs: number): Promise<void> {
    const known = await this.#options.look(groupId)
    // Stopped meanwhile.
    if (!this.#timers.delete(groupId)) return
    if (!known && 2 * delayMs <= this.#options.mostMs) this.#later(groupId, 2 * delayMs)
  }
}
