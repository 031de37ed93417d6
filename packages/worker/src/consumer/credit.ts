/**
 * The worker's one budget of unsettled messages.
 *
 *   credit = base (multiplier × concurrency)
 *          + held (messages that wait for their ETA do not take a place; bounded by `workerEtaTaskLimit`)
 *          + grown (what measured throughput asks for, up to two claims of `maxClaim`)
 *          − reduced (after a reconnect: running tasks hold places the broker cannot see)
 *
 * Growth: a worker of fast tasks spends its time waiting for the next batch when the batch is small. So the budget follows
 * throughput: enough messages for `targetMs` of work, never less than the base, never more than two claims. It falls back as soon as
 * the measured throughput does, so that a worker of slow tasks never sits on messages that others could work.
 */
export interface CreditOptions {
  /** 0 means unlimited, as in Celery. */
  readonly multiplier: number
  readonly concurrency: number
  /** Most messages to take in one step; the grown budget goes up to two such steps. */
  readonly maxClaim: number
  /** False: the budget stays at its base (`worker_disable_prefetch`). Default true. */
  readonly grows?: boolean
  /** Upper bound of the credit that held messages can reach (Celery's `worker_eta_task_limit`); undefined: none. */
  readonly etaTaskLimit: number | undefined
  readonly onChange: (credit: number, maxClaim: number) => void
  readonly now?: () => number
}

/** Work that the budget should cover. Two batches of half of it are in flight. */
const targetMs = 120
const sampleMs = 100

export class Credit {
  readonly #options: CreditOptions
  readonly #now: () => number
  #concurrency: number
  #held = 0
  #grown = 0
  #reduction = 0
  #finished = 0
  #sampledAt: number
  #last = -1

  constructor(options: CreditOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#concurrency = options.concurrency
    this.#sampledAt = this.#now()
  }

  /** Multiplier × concurrency; `Infinity` when the multiplier is 0. */
  get base(): number {
    return this.#options.multiplier === 0
      ? Infinity
      : Math.max(1, this.#options.multiplier * this.#concurrency)
  }

  get current(): number {
    const base = this.base
    if (base === Infinity) return Infinity
    const own = Math.max(1, Math.max(base, this.#grown) - this.#reduction)
    const raised = own + this.#held
    const limit = this.#options.etaTaskLimit
    return limit === undefined || raised <= limit ? raised : Math.max(own, limit)
  }

  /** Most messages to take in one step: half of what is not merely held, so that two claims can be in flight. */
  get maxClaim(): number {
    const base = this.base
    if (base === Infinity) return this.#options.maxClaim
    return Math.min(this.#options.maxClaim, Math.max(1, Math.ceil(Math.max(base, this.#grown) / 2)))
  }

  /** A message waits for its ETA: it does not take a place of the others. */
  hold(): void {
    this.#held += 1
    this.#changed()
  }

  unhold(count = 1): void {
    this.#held = Math.max(0, this.#held - count)
    this.#changed()
  }

  resize(concurrency: number): void {
    this.#concurrency = concurrency
    this.#changed()
  }

  /** After a reconnect with `running` tasks still going: start lower and come back one multiplier per finished task. */
  reduce(running: number): void {
    const { multiplier } = this.#options
    if (multiplier === 0) return
    this.#reduction = Math.min(Math.max(0, this.base - multiplier), running * multiplier)
    this.#changed()
  }

  /** Called once per settled task; cheap. */
  finished(): void {
    this.#finished += 1
    if (this.#reduction > 0) {
      this.#reduction = Math.max(0, this.#reduction - this.#options.multiplier)
      this.#changed()
    }
    // The clock is read once per 32 tasks: reading it costs more than counting.
    if ((this.#finished & 31) === 0) this.#sample()
  }

  /** Called when nothing is left to do, so that a burst long past does not keep the budget high. */
  idle(): void {
    this.#sampledAt = this.#now()
    this.#finished = 0
  }

  #sample(): void {
    const now = this.#now()
    const elapsed = now - this.#sampledAt
    if (elapsed < sampleMs || this.#options.grows === false) return
    const perMs = this.#finished / elapsed
    this.#sampledAt = now
    this.#finished = 0
    const wanted = Math.min(2 * this.#options.maxClaim, Math.ceil(perMs * targetMs))
    // Up at once, down by halves: one slow moment (a collection, a reconnect) must not undo what was learned.
    this.#grown = wanted >= this.#grown ? wanted : Math.max(wanted, this.#grown >> 1)
    this.#changed()
  }

  #changed(): void {
    const credit = this.current
    if (credit === this.#last) return
    this.#last = credit
    this.#options.onChange(credit, this.maxClaim)
  }
}
