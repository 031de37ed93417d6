/**
 * When a pool does not listen (docs/adr/0032).
 *
 * Each end of a job that the worker hears of costs it a turn of its own: it is woken, takes the processor from a slot, settles one task, and goes to sleep again. Where
 * a slot has its next jobs in hand already nobody waits for that. So the pool leaves what it says where it is, in a pipe or a port, and hears several ends in one turn.
 *
 *               a slot has enough in hand                     restMs is over, a slot calls, somebody wants something
 *   listening ────────────────────────────────► resting ─────────────────────────────────────────────────────────────► gathering
 *       ▲                                                                                                                   │
 *       └──────────────────────────────── two turns of the event loop: what all slots have said is heard together ──────────┘
 *
 * A slot calls when it begins the last job that it has in hand, and when it wants an answer: it never waits for the end of a rest.
 */
import { leastToRestMs, restMs } from './hand-ahead.ts'
import type { PoolSlot } from './pool-slot.ts'
import { monotonicMs } from './slot-frames.ts'

export class Rest {
  readonly #slots: () => Iterable<PoolSlot>
  #state: 'listening' | 'resting' | 'gathering' | 'over' = 'listening'
  /** Those that are not listened to. */
  readonly #resting = new Set<PoolSlot>()
  /** What was said while the pool gathers. */
  #heard: (() => void)[] = []
  #afterwards: (() => void)[] = []
  #timer: ReturnType<typeof setTimeout> | undefined
  #considering = false

  constructor(slots: () => Iterable<PoolSlot>) {
    this.#slots = slots
  }

  /** Something was heard or given: looks at the end of this turn whether there is time for a rest. */
  consider(): void {
    if (this.#considering || this.#state === 'gathering' || this.#state === 'over') return
    this.#considering = true
    setImmediate(() => {
      this.#considering = false
      if (this.#state === 'listening' || this.#state === 'resting') this.#rest()
    })
  }

  #rest(): void {
    const now = monotonicMs()
    for (const slot of this.#slots()) {
      if (this.#resting.has(slot) || slot.surelyBusyMs(now) < leastToRestMs) continue
      this.#resting.add(slot)
      slot.listen(false)
    }
    if (this.#state === 'resting' || this.#resting.size === 0) return
    this.#state = 'resting'
    this.#timer = setTimeout(() => this.gather(), restMs)
  }

  /** Somebody waits for what a slot says. */
  end(): void {
    if (this.#state === 'resting') this.gather()
  }

  /** A slot calls: what it has said may not have been read yet, and must have been before there is a rest again. */
  gather(): void {
    if (this.#state === 'gathering' || this.#state === 'over') return
    this.#listen()
    this.#state = 'gathering'
    // In the second turn everything has been read that was there when the first one began.
    setImmediate(() => setImmediate(() => this.flush()))
  }

  #listen(): void {
    clearTimeout(this.#timer)
    for (const slot of this.#resting) slot.listen(true)
    this.#resting.clear()
  }

  /** True: `hear` is called when all that is there has been read. */
  keeps(hear: () => void): boolean {
    if (this.#state !== 'gathering') return false
    this.#heard.push(hear)
    return true
  }

  /** Hears what was kept. */
  flush(): void {
    if (this.#state === 'gathering') this.#state = 'listening'
    for (const hear of this.#heard.splice(0)) hear()
    for (const act of this.#afterwards.splice(0)) act()
    this.consider()
  }

  /** Calls `act` when everything that slots have said until `now` was heard; ends a rest for that. */
  whenHeard(act: () => void): void {
    this.gather()
    if (this.#state === 'gathering') this.#afterwards.push(act)
    else setImmediate(act)
  }

  /** Listens for good. */
  stop(): void {
    this.#listen()
    this.flush()
    this.#state = 'over'
  }
}
