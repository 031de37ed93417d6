/**
 * Which requests may run: those whose task has not run already, and that were not started too often before.
 *
 *   examine ─► has run already ─► acknowledged
 *      └─ redelivered ─► counted ─┬─ perhaps never started ─► admitted, beside others of its kind
 *                                  ├─ started before ─► alone among the redelivered ─► admitted
 *                                  └─ too often ─► parked
 *
 * Redelivered messages are counted a few at a time, so that a task that kills its process raises only its own counter.
 */
import { isCeleryError, type Pool, type Settlement } from '@ct/contracts'
import type { Deduplication } from '../deduplication.ts'
import { Fifo } from '../pool/index.ts'
import type { Request } from '../request/index.ts'
import type { TraceServices, Tracer } from '../trace/index.ts'

export interface AdmissionOptions {
  readonly pool: Pool
  readonly services: TraceServices
  readonly tracer: Tracer
  /** Finds out which requests need no run, since their task has run already. */
  readonly deduplicate: Pick<Deduplication, 'concerns' | 'settlementOf'> | undefined
  /** Redelivered does not mean started (`capabilities.marksUnstarted`): what was counted for the first time need not run alone. */
  readonly marksUnstarted: boolean
  /** A settlement that was no ending failed or succeeded. */
  readonly onSettled: (request: Request, error?: unknown) => void
}

/** Whom admission works for. */
export interface Admitting {
  /** False: nothing is started now, so nothing is counted either. */
  readonly mayStart: boolean
  ready(request: Request): void
}

/** What `countStart` says of a message that comes for the second time, where first deliveries are not counted. */
const firstRedelivery = 2

export class Admission {
  readonly #options: AdmissionOptions
  readonly #admitting: Admitting
  readonly #redelivered = new Fifo<Request>()
  /** Redelivered, being counted, or running beside others. */
  readonly #together = new Set<Request>()
  /** Redelivered and started before: one runs when nobody is in `#together`. */
  readonly #suspects = new Fifo<Request>()
  #suspect: Request | undefined

  constructor(options: AdmissionOptions, admitting: Admitting) {
    this.#options = options
    this.#admitting = admitting
  }

  /** False: there is nothing to find out, it may run at once. True: it is `ready` later, or never. */
  examine(request: Request): boolean {
    if (request.delivery.info.redelivered && this.#needsCare(request)) {
      this.#redelivered.push(request)
      this.#nextRedelivered()
      return true
    }
    if (this.#options.deduplicate?.concerns(request) !== true) return false
    void this.#lookUp(request)
    return true
  }

  /** Starting is allowed again. */
  resume(): void {
    this.#nextRedelivered()
  }

  /** A second copy of what beat sent is dropped. One that nobody can tell runs: a run too many is better than one too few. */
  async #lookUp(request: Request): Promise<void> {
    const settlement = await this.#settlementOf(request)
    if (request.phase !== 'reserved') return
    if (settlement !== undefined) {
      this.#give(request, settlement)
      return
    }
    this.#admitting.ready(request)
  }

  async #settlementOf(request: Request): Promise<Settlement | undefined> {
    try {
      return await this.#options.deduplicate?.settlementOf(request)
    } catch (error) {
      this.#options.services.log.warn(
        `Whether task ${request.label} has run already could not be found out; it runs.`,
        { error },
      )
      return undefined
    }
  }

  #needsCare(request: Request): boolean {
    return (
      request.strategy.options.maxDeliveries !== null || this.#options.deduplicate?.concerns(request) === true
    )
  }

  #nextRedelivered(): void {
    const { marksUnstarted, pool } = this.#options
    const most = marksUnstarted ? Math.max(1, pool.size) : 1
    while (this.#together.size < most && this.#admitting.mayStart) {
      if (this.#suspect !== undefined || this.#suspects.length > 0) return
      const next = this.#redelivered.shift()
      if (next === undefined) return
      if (next.phase !== 'reserved') continue
      this.#together.add(next)
      void this.#count(next)
    }
  }

  #nextSuspect(): void {
    while (this.#together.size === 0 && this.#suspect === undefined) {
      const next = this.#suspects.shift()
      if (next === undefined) return
      if (next.phase !== 'reserved') continue
      this.#suspect = next
      this.#admitting.ready(next)
    }
  }

  async #count(request: Request): Promise<void> {
    try {
      await this.#check(request)
    } catch (error) {
      // Not counted, not started: the broker gives it to somebody again, if it has not done so already.
      const { log } = this.#options.services
      if (isCeleryError(error) && error.code === 'CT_LEASE_LOST')
        log.warn(`The lease of task ${request.label} is lost: somebody else has its message now.`)
      else log.error(`The redelivered task ${request.label} could not be counted.`, { error })
      if (request.phase === 'reserved') this.#give(request, { action: 'release' })
      else this.left(request)
    }
  }

  async #check(request: Request): Promise<void> {
    const { maxDeliveries } = request.strategy.options
    if (this.#options.deduplicate?.concerns(request) === true) {
      const settlement = await this.#settlementOf(request)
      if (request.phase !== 'reserved') return
      if (settlement !== undefined) {
        this.#give(request, settlement)
        return
      }
    }
    if (maxDeliveries !== null) {
      const starts = await request.delivery.countStart()
      if (request.phase !== 'reserved') return
      if (starts > maxDeliveries) {
        this.#park(request, starts, maxDeliveries)
        return
      }
      if (!this.#options.marksUnstarted || starts > firstRedelivery) {
        this.#suspects.push(request)
        this.#together.delete(request)
        this.#nextSuspect()
        return
      }
    }
    this.#admitting.ready(request)
  }

  #park(request: Request, starts: number, maxDeliveries: number): void {
    request.phase = 'done'
    this.#options.tracer.interruptions.poisonous(request, starts - 1, maxDeliveries)
    this.left(request)
  }

  #give(request: Request, settlement: Settlement): void {
    request.phase = 'done'
    this.#follow(request, request.settle(settlement))
    this.left(request)
  }

  #follow(request: Request, settled: Promise<void> | undefined): void {
    if (settled === undefined) this.#options.onSettled(request)
    else {
      settled.then(
        () => this.#options.onSettled(request),
        (error: unknown) => this.#options.onSettled(request, error),
      )
    }
  }

  /** The request will not run any more; the next redelivered one may. */
  left(request: Request): void {
    if (this.#suspect === request) this.#suspect = undefined
    else if (!this.#together.delete(request)) return
    this.#nextSuspect()
    this.#nextRedelivered()
  }
}
