/**
 * Whether this beat leads. A store with election lets one of several lead at a time, by a lease with a token that grows.
 *
 *   standby ── lead() says yes ──► leading ── lease/3 over: lead() renews ──► leading
 *      ▲                             │ lead() says no, the store says CT_LEASE_LOST, or the lease is over
 *      └─────────────────────────────┘
 *
 * Our idea of the lease ends before the store's: it counts from before the call. A process that was stopped for longer finds it over when it wakes.
 */
import type { ScheduleStoreConnection } from '@ct/contracts'
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

  lose(): void {
    this.#token = undefined
    this.#until = -Infinity
    this.#renewAt = -Infinity
  }
}
