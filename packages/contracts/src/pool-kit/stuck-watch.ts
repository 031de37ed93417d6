import type { PoolStartOptions } from '../pool.ts'
import type { PoolSlot } from './pool-slot.ts'
import { monotonicMs } from './slot-frames.ts'

/** How often slots that do not answer are looked for. */
const watchMs = 250
const defaultAliveTimeoutMs = 20_000

/**
 * Ends slots that do not become ready, or do not take up what they were given, so that their pool replaces them.
 *
 * A slot must be found so in two looks, one after the other. Where this process stood still, with its machine say, the first look comes before
 * anything is read that slots have said long ago.
 */
export class StuckWatch {
  readonly #slots: () => Iterable<PoolSlot>
  readonly #options: () => PoolStartOptions
  #timer: ReturnType<typeof setInterval> | undefined
  /** Found stuck in the last look. */
  #suspects = new Set<PoolSlot>()

  constructor(slots: () => Iterable<PoolSlot>, options: () => PoolStartOptions) {
    this.#slots = slots
    this.#options = options
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), watchMs)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const now = monotonicMs()
    const {
      aliveTimeoutMs: aliveMs = defaultAliveTimeoutMs,
      takeUpTimeoutMs: takeUpMs = aliveMs,
      onSlotError,
    } = this.#options()
    const before = this.#suspects
    this.#suspects = new Set()
    for (const slot of this.#slots()) {
      const limit = slot.state === 'opening' ? aliveMs : takeUpMs
      if (!slot.isStuck(now, limit)) continue
      if (!before.has(slot)) {
        this.#suspects.add(slot)
        continue
      }
      const what =
        slot.state === 'opening'
          ? 'is not ready'
          : `does not take up ${slot.inHand[0]?.job.taskName ?? 'its job'}: something that an earlier task left behind keeps its event loop busy`
      const { index, pid } = slot.identity
      onSlotError(
        new Error(`Slot ${index} of the pool (pid ${pid}) ${what} after ${limit} ms; it is replaced.`),
      )
      slot.kill()
    }
  }
}
