/**
 * Whether this beat leads. A store with election lets one of several lead at a time, by a lease with a token that grows.
 *
 *   standby ── lead() says yes ──► leading ── lease/3 over: lead() renews ──► leading
 *      ▲                             │ lead() says no, the store says CT_LEASE_LOST, or the lease is over
 *      └─────────────────────────────┘
 *
 * Our idea of the lease ends before the store's: it counts from before the call. A process that was stopped for longer finds it over when it wakes.
 */
import { LeaseLostError, type ScheduleStoreConnection } from '@ct/contracts'
import type { BeatClock } from './beat-clock.ts'

export interface LeadershipOptions {
  readonly holder: string
  readonly leaseMs: number
  readonly clock: BeatClock
}

export class Leadership {
  readonly #options: LeadershipOptions
  #token: number | undefined
  #until = -Infinity
  #renewAt = -Infinity

  constructor(options: LeadershipOptions) {
    this.#options = options
  }

  /** Of the latest acquisition; goes with every save and firing. */
  get token(): number | undefined {
    return this.#token
  }

  /** Whether the lease still holds. */
  get holds(): boolean {
    return this.#token !== undefined && this.#options.clock.monotonic() < this.#until
  }

  /** Milliseconds until it is to be renewed, or, on standby, tried again. */
  get pauseMs(): number {
    const { clock, leaseMs } = this.#options
    return this.#token === undefined ? leaseMs / 5 : Math.max(0, this.#renewAt - clock.monotonic())
  }

  /** Leads, or goes on leading; asks the store only when it is time. False: somebody else does. */
  async keep(connection: ScheduleStoreConnection): Promise<boolean> {
    const { holder, leaseMs, clock } = this.#options
    if (this.holds && clock.monotonic() < this.#renewAt) return true
    const before = clock.monotonic()
    const lease = await connection.lead({ holder, ttlMs: leaseMs })
    if (lease === undefined) {
      this.lose()
      return false
    }
    this.#token = lease.token
    this.#until = before + leaseMs
    this.#renewAt = before + leaseMs / 3
    return true
  }

  /**
   * Keeps the lease while something takes long, such as reading very many entries on a busy machine: it would be over before the first task is
   * sent, again and again. Error: `CT_LEASE_LOST` when it was lost all the same; others may have led meanwhile.
   */
  async during(connection: ScheduleStoreConnection, what: () => Promise<void>): Promise<void> {
    const token = this.#token
    let keeping: Promise<unknown> = Promise.resolve()
    const timer = setInterval(() => {
      // Whether it went well shows at the next write.
      keeping = keeping.then(() => this.keep(connection)).catch(() => undefined)
    }, this.#options.leaseMs / 6)
    try {
      await what()
    } finally {
      clearInterval(timer)
      await keeping
    }
    if (this.#token !== token)
      throw new LeaseLostError('The lease of this beat was over before everything was read.')
  }

  lose(): void {
    this.#token = undefined
    this.#until = -Infinity
    this.#renewAt = -Infinity
  }
}
