/**
 * Requests from their reception to their settlement: who ends one, who waits until none is left, and what becomes of those whose broker stays
 * away.
 *
 *   open ── settled ─────────────────────────────────────────────► ended
 *    │ ▲                                                             ▲
 *    │ ├─ the next connection takes it over (settleAcrossConnections)│
 *    │ └─ refused for the moment: settled again after a pause        │
 *    └─── settlement lost ── no connection will be made any more ────┘
 */
import {
  BrokerUnavailableError,
  isCeleryError,
  isRetryable,
  type BrokerCapabilities,
  type Settlement,
} from '@ct/contracts'
import type { Credit, LostSettlements, Unconfirmed } from '../consumer/index.ts'
import type { Pauses } from '../pauses.ts'
import type { Request, WorkerState } from '../request/index.ts'

export interface OpenRequestsOptions {
  readonly state: WorkerState
  readonly credit: Credit
  readonly unconfirmed: Unconfirmed
  readonly lostSettlements: LostSettlements
  readonly capabilities: BrokerCapabilities
  readonly pauses: Pauses
  readonly isConnected: () => boolean
}

/** Between two attempts at a settlement that was refused for the moment. */
const againMs = 1000
/** As long as a publish waits for the broker. */
const longestAwayMs = 10_000

export class OpenRequests {
  readonly #options: OpenRequestsOptions
  /** A connection that is lost will be made again: what could not be settled is settled then. */
  #reconnects = true
  #awayWatch: NodeJS.Timeout | undefined
  #idleWaiters: (() => void)[] = []

  constructor(options: OpenRequestsOptions) {
    this.#options = options
  }

  /** Its settlement has arrived, or failed with `error`. False: it will be made again. */
  ended(request: Request, error?: unknown): boolean {
    const { state, credit, unconfirmed, lostSettlements, capabilities } = this.#options
    if (error === undefined) {
      if (request.acknowledged) request.confirmed = true
    } else if (
      isRetryable(error) &&
      this.#reconnects &&
      request.settlement !== undefined &&
      !request.delivery.settled
    ) {
      void this.#settleAgain(request, request.settlement, error)
      return false
    } else if (
      this.#reconnects &&
      isCeleryError(error) &&
      error.retryable &&
      capabilities.settleAcrossConnections
    ) {
      // The next connection takes it over and settles it then.
      return false
    } else {
      lostSettlements.tell(request.label, error)
      unconfirmed.add(request)
    }
    // It may have ended already, when its message was found to be somebody else's.
    if (!state.open.delete(request)) return true
    unconfirmed.ended(request)
    credit.finished()
    request.afterwards?.(error)
    if (state.open.size > 0) return true
    credit.idle()
    const waiters = this.#idleWaiters
    this.#idleWaiters = []
    for (const wake of waiters) wake()
    return true
  }

  /** The broker refused it for the moment over a connection that lives (B11): the message is still held. */
  async #settleAgain(request: Request, settlement: Settlement, refusal: unknown): Promise<void> {
    if (!(await this.#options.pauses.pause(againMs))) {
      this.ended(request, refusal)
      return
    }
    try {
      await request.delivery.settle(settlement)
    } catch (error) {
      this.ended(request, error)
      return
    }
    this.ended(request)
  }

  /** Resolves when nothing is left that runs or waits for its settlement. */
  drained(): Promise<void> {
    if (this.#options.state.open.size === 0) return Promise.resolve()
    return new Promise<void>((resolve) => {
      this.#idleWaiters.push(resolve)
    })
  }

  /** What is not started goes back, unmarked where the broker can. */
  releaseUnstarted(): void {
    for (const request of this.#options.state.in('received', 'scheduled', 'limited', 'reserved')) {
      // Known when that has ended: then it is acknowledged, or goes back.
      if (request.moving) continue
      // A slot elsewhere has it, and may have begun: it is taken back if it has not.
      if (request.ticket !== undefined) request.ticket.withdraw()
      else this.release(request)
    }
  }

  /** It was not started, and goes back. */
  release(request: Request): void {
    request.phase = 'done'
    const released = request.settle({ action: 'release' })
    if (released === undefined) this.ended(request)
    else
      released.then(
        () => this.ended(request),
        (error: unknown) => this.ended(request, error),
      )
  }

  /** Once nothing runs any more, a broker that stays away is not waited for for ever. */
  watchAway(): void {
    const { state, isConnected } = this.#options
    let since = performance.now()
    this.#awayWatch = setInterval(() => {
      const now = performance.now()
      if (isConnected() || state.active > 0) since = now
      else if (now - since >= longestAwayMs)
        this.giveUp(new BrokerUnavailableError('The worker stops, and the broker did not come back.'))
    }, 250)
  }

  /** What is not settled by now never will be; its messages come again when their leases run out. */
  giveUp(error: Error): void {
    this.expectNoConnection()
    for (const request of this.#options.state.in('done'))
      if (request.acknowledged && !request.confirmed) this.ended(request, error)
  }

  /** No connection is made any more: what fails to settle from now on has ended. */
  expectNoConnection(): void {
    clearInterval(this.#awayWatch)
    this.#reconnects = false
    this.#options.pauses.end()
  }
}
