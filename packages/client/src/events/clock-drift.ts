/** Seconds between a sender's clock and ours beyond which somebody should look at the clocks. */
const maxDriftSeconds = 16
/** Nodes that are remembered as told of. */
const mostTold = 1000

/** Tells, once for each node, of clocks that differ. */
export class ClockDrift {
  readonly #warn: ((message: string) => void) | undefined
  readonly #told = new Set<string>()

  constructor(warn: ((message: string) => void) | undefined) {
    this.#warn = warn
  }

  /** Times in seconds since 1970: of our clock, and of the sender's. */
  watch(hostname: string, received: number, timestamp: number): void {
    const drift = Math.abs(Math.trunc(received) - Math.trunc(timestamp))
    if (drift <= maxDriftSeconds || this.#warn === undefined || this.#told.has(hostname)) return
    if (this.#told.size >= mostTold) this.#told.clear()
    this.#told.add(hostname)
    this.#warn(
      `The clocks of ${hostname} and of this machine differ by ${drift} s (sent: ${text(timestamp)}, received: ${text(received)}).`,
    )
  }
}

function text(epochSeconds: number): string {
  const date = new Date(epochSeconds * 1000)
  return Number.isNaN(date.getTime()) ? String(epochSeconds) : date.toISOString()
}
