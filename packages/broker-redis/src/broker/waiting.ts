/**
 * When a consumer takes, and how it waits when there is nothing to take.
 *
 *            queues changed                        lists empty
 *   ┌──────► busy ──────────────────────► arming ─────────────► armed ─┐
 *   │        (takes while there is room)   │ found something           │ a list changed
 *   │          ▲        ▲                  ▼                           ▼
 *   │          │        └──────────────── busy                alone: busy, take and arm in one write
 *   │          └── its turn came ◄── waiting (0…n ms, n peers; then looks before it takes)
 *   └─ stop(): takes no more
 *
 * The turns are drawn by lot: of 20 idle consumers that are called for one message two or so find it, the others find nothing and
 * go on waiting.
 */
import type { Hub, Waiter } from './hub.ts'
import type { Sources } from './sources.ts'

const mostTurnMs = 25
const firstPollMs = 50
const mostBackOffMs = 1000

export interface WaitingOptions {
  readonly hub: Hub
  readonly sources: Sources
  readonly pollingIntervalMs: number
  /** There may be something: take. */
  readonly go: () => void
  /** Takes at once, in one write with what `arm` sends; false when that is not possible now. */
  readonly goAnd: (arm: () => void) => boolean
  readonly onError: (error: unknown) => void
}

type Mode = 'busy' | 'arming' | 'armed' | 'waiting' | 'stopped'

export class Waiting implements Waiter {
  readonly #options: WaitingOptions
  #mode: Mode = 'busy'
  /** A list changed while we were looking. */
  #stirred = false
  /** Answers to questions about an earlier set of queues are void. */
  #generation = 0
  #peers = 1
  #pollMs = firstPollMs
  /** Times in a row that something was there and nothing could be taken. */
  #fruitless = 0
  #timer: NodeJS.Timeout | undefined
  #lists: ReadonlySet<string> = new Set()

  constructor(options: WaitingOptions) {
    this.#options = options
    options.hub.add(this)
  }

  get busy(): boolean {
    return this.#mode === 'busy'
  }

  get lists(): ReadonlySet<string> {
    return this.#lists
  }

  /** The queues changed: look at all of them anew. */
  reset(): void {
    if (this.#mode === 'stopped') return
    this.#lists = new Set(this.#options.sources.lists)
    this.#generation++
    clearTimeout(this.#timer)
    this.#mode = 'busy'
  }

  stop(): void {
    this.#mode = 'stopped'
    this.#options.hub.remove(this)
    clearTimeout(this.#timer)
  }

  /** Something was taken. */
  fed(): void {
    this.#pollMs = firstPollMs
    this.#fruitless = 0
  }

  /** Less was there than we wanted. */
  hungry(): void {
    if (this.#mode === 'busy') this.#arm()
  }

  changed(): void {
    if (this.#mode === 'arming') this.#stirred = true
    if (this.#mode !== 'armed') return
    if (this.#peers > 1) {
      this.#mode = 'waiting'
      this.#timer = setTimeout(() => this.#arm(), Math.random() * Math.min(this.#peers, mostTurnMs))
      return
    }
    this.#mode = 'busy'
    if (!this.#options.goAnd(() => this.#arm())) this.#options.go()
  }

  recheck(): void {
    if (this.#mode === 'armed') this.#arm()
  }

  #arm(): void {
    const { hub, sources, onError } = this.#options
    if (sources.active.length === 0) {
      this.#mode = 'armed'
      return
    }
    this.#mode = 'arming'
    this.#stirred = false
    const generation = this.#generation
    hub.arm(sources.lists).then(({ found, peers }) => {
      if (this.#mode !== 'arming' || generation !== this.#generation) return
      this.#peers = peers
      if (found > 0) this.#found()
      else this.#settle()
    }, onError)
  }

  #settle(): void {
    this.#fruitless = 0
    this.#mode = 'armed'
    if (this.#stirred) this.changed()
    else if (!this.#options.hub.tracking) this.#poll()
  }

  /** Others may be quicker, or a list may not be readable at all: without success we look ever more rarely. */
  #found(): void {
    if (this.#fruitless++ < 3) {
      this.#mode = 'busy'
      this.#options.go()
      return
    }
    this.#mode = 'waiting'
    this.#timer = setTimeout(
      () => {
        this.#mode = 'busy'
        this.#options.go()
      },
      Math.min(mostBackOffMs, 2 ** this.#fruitless),
    )
  }

  #poll(): void {
    this.#timer = setTimeout(() => this.recheck(), this.#pollMs)
    this.#pollMs = Math.min(this.#pollMs * 2, this.#options.pollingIntervalMs)
  }
}
