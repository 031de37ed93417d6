/**
 * When a consumer takes, and how it waits when there is nothing to take.
 *
 *            queues changed    got less          turn is over         lists empty
 *   ┌──────► busy ──────────────────► hungry ───────────► arming ─────────────► armed ─┐
 *   │        (takes while there is room)                   │ found something           │ a list changed
 *   │          ▲        ▲                                  ▼                           ▼
 *   │          │        └──────────────────────────────── busy           alone or drawn: busy, take what was told of, and arm
 *   │          └── its turn came ◄── waiting (1…n ms, n peers; then looks before it takes)
 *   └─ stop(): takes no more
 *
 * In every state but the last: a step that brings messages for our own lists along takes as well (fed), and is hungry or, with all it wanted, busy.
 *
 * Who goes first is drawn by lot: of 20 idle consumers that are called for one message one or two take at once, the others look later, find
 * nothing and go on waiting.
 */
import type { Hub, Waiter } from './hub.ts'
import type { Sources } from './sources.ts'

/** Consumers that take at once when all are called, on average. */
const first = 1.5
const mostTurnMs = 25
/** How old the number of peers may be. */
const peersMs = 50
const firstPollMs = 50
const mostBackOffMs = 1000

export interface WaitingOptions {
  readonly hub: Hub
  readonly sources: Sources
  readonly pollingIntervalMs: number
  /** There may be something: take. */
  readonly go: () => void
  /** Takes at once, of these lists, and calls `arm`; false when that is not possible now. */
  readonly goAnd: (lists: readonly string[] | null, arm: () => void) => boolean
  readonly onError: (error: unknown) => void
}

type Mode = 'busy' | 'fed' | 'hungry' | 'arming' | 'armed' | 'waiting' | 'stopped'

export class Waiting implements Waiter {
  readonly #options: WaitingOptions
  #mode: Mode = 'busy'
  /** A list changed while we were looking. */
  #stirred = false
  /** Answers to questions about an earlier set of queues are void. */
  #generation = 0
  #peers = 1
  #countedAt = 0
  #channels: readonly string[] = []
  #pollMs = firstPollMs
  /** Times in a row that something was there and nothing could be taken. */
  #fruitless = 0
  #timer: NodeJS.Timeout | undefined
  #hungry: NodeJS.Immediate | undefined
  #lists: ReadonlySet<string> = new Set()

  constructor(options: WaitingOptions) {
    this.#options = options
    options.hub.add(this)
  }

  get busy(): boolean {
    return this.#mode === 'busy'
  }

  /** When we looked last, all that there was had been taken, and we have not heard of more. */
  get foundNothing(): boolean {
    if (this.#mode === 'arming') return !this.#stirred
    return this.#mode === 'fed' || this.#mode === 'hungry' || this.#mode === 'armed'
  }

  get lists(): ReadonlySet<string> {
    return this.#lists
  }

  readonly here = (): void => undefined

  /** The queues changed: look at all of them anew. */
  reset(): void {
    if (this.#mode === 'stopped') return
    const { hub, sources } = this.#options
    this.#lists = new Set(sources.lists)
    const channels = sources.active.map(({ waiting }) => waiting)
    hub.leave(this, this.#channels)
    hub.attend(this, channels)
    this.#channels = channels
    this.#generation++
    clearTimeout(this.#timer)
    this.#mode = 'busy'
  }

  stop(): void {
    this.#mode = 'stopped'
    clearImmediate(this.#hungry)
    this.#options.hub.remove(this)
    this.#options.hub.leave(this, this.#channels)
    clearTimeout(this.#timer)
  }

  /** Something was taken. */
  fed(): void {
    this.#pollMs = firstPollMs
    this.#fruitless = 0
  }

  /**
   * Less was there than we wanted. A task that ends at once settles within this turn of the event loop, and what follows from it is taken with its
   * ack: only then is there anything to wait for.
   */
  hungry(): void {
    if (this.#mode !== 'busy' && this.#mode !== 'fed') return
    this.#mode = 'hungry'
    this.#hungry = setImmediate(() => {
      if (this.#mode === 'hungry') this.#arm()
    })
  }

  /** Lists that a step fills which is about to go out: it may take from them at once. */
  fedBy(lists: ReadonlySet<string>): boolean {
    if (this.#mode === 'stopped') return false
    for (const list of lists) if (this.#lists.has(list)) return true
    return false
  }

  /** All was there that we wanted: there may be more. */
  plenty(): void {
    if (this.#mode === 'fed') this.#mode = 'busy'
  }

  /** A step that takes goes out: what it leaves is known by its answer. */
  taking(): void {
    if (this.#mode === 'busy' || this.#mode === 'stopped') return
    this.#generation++
    clearTimeout(this.#timer)
    clearImmediate(this.#hungry)
    this.#mode = 'fed'
  }

  changed(lists: readonly string[] | null): void {
    if (this.#mode === 'arming') this.#stirred = true
    if (this.#mode !== 'armed') return
    if (this.#peers > first && Math.random() * this.#peers > first) {
      this.#mode = 'waiting'
      const turnMs = Math.random() * Math.min(this.#peers, mostTurnMs)
      this.#timer = setTimeout(() => this.#arm(), 1 + turnMs)
      return
    }
    this.#mode = 'busy'
    if (!this.#options.goAnd(lists, () => this.#arm())) this.#options.go()
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
    const now = performance.now()
    const counts = now - this.#countedAt > peersMs
    if (counts) this.#countedAt = now
    hub.arm(sources.lists, counts ? this.#channels : undefined).then(({ found, peers }) => {
      this.#peers = peers ?? this.#peers
      if (this.#mode !== 'arming' || generation !== this.#generation) return
      if (found > 0) this.#found()
      else this.#settle()
    }, onError)
  }

  #settle(): void {
    this.#fruitless = 0
    this.#mode = 'armed'
    if (this.#stirred) this.changed(null)
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
