/**
 * Notices "connected but nothing comes": the queues hold messages, the worker has room, and still nothing was delivered for a whole
 * interval. One look per interval, and none at all while messages flow.
 *
 *   flowing ──nothing for an interval, room for more──► look at the queue sizes
 *      ▲                                                  │ empty ─► flowing
 *      │                                                  │ not empty, first time ─► suspicious
 *      └───────────────── onStalled() ◄── still not empty, nothing came ── suspicious
 */
export interface WatchdogOptions {
  /** Default 30,000. Never shorter in production: a look costs a command per queue. */
  readonly intervalMs?: number
  /** Messages delivered so far. */
  readonly delivered: () => number
  /** Room for more, connected, not stopping. */
  readonly ready: () => boolean
  /** Messages that wait in the consumed queues; rejections are taken for "unknown". */
  readonly waiting: () => Promise<number>
  readonly onStalled: (waiting: number) => void
}

export class Watchdog {
  readonly #options: WatchdogOptions
  #timer: NodeJS.Timeout | undefined
  #seen = -1
  #suspicious = false
  #looking = false

  constructor(options: WatchdogOptions) {
    this.#options = options
  }

  start(): void {
    this.#seen = this.#options.delivered()
    this.#suspicious = false
    this.#timer = setInterval(() => void this.look(), this.#options.intervalMs ?? 30_000)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  async look(): Promise<void> {
    const delivered = this.#options.delivered()
    if (delivered !== this.#seen || !this.#options.ready()) {
      this.#seen = delivered
      this.#suspicious = false
      return
    }
    if (this.#looking) return
    this.#looking = true
    try {
      const waiting = await this.#options.waiting()
      if (waiting === 0 || this.#options.delivered() !== delivered || !this.#options.ready()) {
        this.#suspicious = false
      } else if (!this.#suspicious) {
        // The message may have arrived a moment ago; only two looks in a row tell.
        this.#suspicious = true
      } else {
        this.#suspicious = false
        this.#options.onStalled(waiting)
      }
    } catch {
      this.#suspicious = false
    } finally {
      this.#looking = false
    }
  }
}
