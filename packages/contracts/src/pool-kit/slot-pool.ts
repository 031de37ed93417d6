/**
 * A pool of slots that share no memory with the worker: who gets which job, and how many slots there are.
 *
 *   submit ─► queue ─► an idle slot, or one that is soon idle ─► started ─► outcome
 *               ▲                       │
 *               └───────────────────────┘ the slot died or blocked before the job began, or its turn did not come
 *
 * No job waits behind a long one (Celery's `-O fair`); which slots are soon idle, and what happens to those that are not, says
 * hand-ahead.ts. A slot that is gone is replaced at once; when new ones do not come to life, after a pause that doubles up to five seconds.
 */
import { definePool } from '../define.ts'
import { ClosedError, ConfigurationError } from '../errors.ts'
import type {
  Pool,
  PoolCapabilities,
  PoolJob,
  PoolJobEvents,
  PoolOutcome,
  PoolStartOptions,
  PoolTicket,
} from '../pool.ts'
import { PoolSlot } from './pool-slot.ts'
import type { SlotOwner } from './slot-owner.ts'
import type { PoolFigures, SlotPoolDefinition } from './slot-pool-definition.ts'
import { inWords, type SlotExit } from './slot-transport.ts'
import { JobQueue } from './job-queue.ts'
import { Rest } from './rest.ts'
import { lost, SlotTicket, withdrawn, type TicketOwner } from './pool-ticket.ts'
import { Reopening } from './reopening.ts'
import { StuckWatch } from './stuck-watch.ts'

/** A job that this many slots died with before it began is given up. */
const mostNotTaken = 3

export function defineSlotPool(definition: SlotPoolDefinition): Pool {
  return definePool(new SlotPool(definition))
}

class SlotPool implements SlotOwner, TicketOwner {
  readonly kind = 'pool'
  readonly name: string
  readonly packageName: string
  readonly capabilities: PoolCapabilities
  modules: readonly string[] = []
  readonly #definition: SlotPoolDefinition
  #options: PoolStartOptions | undefined
  #size = 0
  readonly #slots = new Set<PoolSlot>()
  readonly #jobs = new JobQueue({
    slots: () => this.#slots,
    size: () => this.#size,
    onLate: (ticket) => this.ticketReturned(ticket),
    whenHeard: (act) => this.rest.whenHeard(act),
  })
  readonly rest = new Rest(() => this.#slots)
  readonly #open = new Set<SlotTicket>()
  #stopping = false
  #closing: Promise<void> | undefined
  #idleWaiters: (() => void)[] = []
  readonly #watch = new StuckWatch(
    () => this.#slots,
    () => this.options,
  )
  #submitted = 0
  #starting = false
  readonly #reopening = new Reopening(
    () => this.options,
    () => this.#fillUp(),
  )

  constructor(definition: SlotPoolDefinition) {
    this.#definition = definition
    this.name = definition.name
    this.packageName = definition.packageName
    this.capabilities = definition.capabilities
  }

  get options(): PoolStartOptions {
    return this.#options!
  }

  get entry(): string {
    return this.options.entry.href
  }

  get size(): number {
    return this.#size
  }

  get active(): number {
    return this.#open.size
  }

  async start(options: PoolStartOptions): Promise<void> {
    if (options.modules.length === 0) {
      throw new ConfigurationError(
        `The pool ${this.name} runs tasks outside of this thread, where no function can follow: it needs to know the modules that define the tasks. ` +
          'Give them: ct worker -A ./tasks.ts, the settings imports or include, or app.worker({ modules: [new URL("./tasks.ts", import.meta.url)] }).',
      )
    }
    this.#options = options
    this.modules = options.modules
    this.#size = Math.max(1, options.size)
    this.#watch.start()
    this.#starting = true
    try {
      this.#fillUp()
      await Promise.all([...this.#slots].map(({ ready }) => ready))
      this.#starting = false
    } catch (error) {
      await this.close()
      throw new ConfigurationError(
        `A slot of the pool ${this.name} could not start: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      )
    }
  }

  // ---- jobs ----------------------------------------------------------------------------------------------------------

  submit(job: PoolJob, events: PoolJobEvents): PoolTicket {
    const ticket = new SlotTicket(this, job, events, ++this.#submitted)
    if (this.#options === undefined || this.#stopping) {
      ticket.end(lost(this.#options === undefined ? 'the pool was not started' : 'the pool is closed'))
      return ticket
    }
    this.#open.add(ticket)
    this.#jobs.add(ticket)
    if (job.patient === true) this.rest.consider()
    else this.rest.end()
    return ticket
  }

  get hasRoom(): boolean {
    if (this.#stopping) return false
    // Slots that are being made count.
    return this.#open.size < this.#size || this.#jobs.hasRoom
  }

  slotFree(slot: PoolSlot): void {
    this.#reopening.succeeded()
    // Shrunk while all were busy: the first one that is free goes.
    if (this.#living().length > this.#size) {
      slot.retire()
      return
    }
    this.#jobs.slotFree(slot)
  }

  observed(taskName: string, ranMs: number): void {
    this.#jobs.observed(taskName, ranMs)
  }

  ticketEnded(ticket: SlotTicket, outcome: PoolOutcome): void {
    this.#open.delete(ticket)
    ticket.end(outcome)
    this.#jobs.serve()
    if (this.#open.size > 0) return
    const waiters = this.#idleWaiters
    this.#idleWaiters = []
    for (const wake of waiters) wake()
  }

  ticketReturned(ticket: SlotTicket): void {
    if (ticket.ended) return
    if (ticket.unwanted || this.#stopping) this.ticketEnded(ticket, withdrawn)
    else this.#jobs.addAgain(ticket)
  }

  withdrawTicket(ticket: SlotTicket): void {
    this.rest.end()
    if (this.#jobs.remove(ticket)) this.ticketEnded(ticket, withdrawn)
    else this.#slotOf(ticket)?.askBack(ticket)
  }

  abortRunning(ticket: SlotTicket, reason: Error): void {
    this.rest.end()
    this.#slotOf(ticket)?.abort(ticket, reason)
  }

  killRunning(ticket: SlotTicket, signal: string | undefined): boolean {
    this.rest.end()
    const slot = this.#slotOf(ticket)
    // Behind the one that runs there is nothing to end.
    return slot?.inHand[0] === ticket && slot.kill(signal)
  }

  #slotOf(ticket: SlotTicket): PoolSlot | undefined {
    for (const slot of this.#slots) if (slot.inHand.includes(ticket)) return slot
    return undefined
  }

  // ---- slots ---------------------------------------------------------------------------------------------------------

  #fillUp(): void {
    const taken = new Set<number>()
    let living = 0
    for (const slot of this.#slots) {
      taken.add(slot.index)
      if (!slot.retiring) living += 1
    }
    for (let index = 0; living < this.#size; index++) {
      if (taken.has(index)) continue
      try {
        this.#slots.add(new PoolSlot(this, this.#definition.transport, index))
      } catch (error) {
        // What fails at the start, `start` reports. Later there may be no file descriptors, or no memory, for a while.
        if (this.#starting) throw error
        this.#reopening.later(error instanceof Error ? error.message : String(error), error)
        return
      }
      living += 1
    }
  }

  slotGone(slot: PoolSlot, exit: SlotExit): void {
    this.#slots.delete(slot)
    this.#jobs.slotGone(slot)
    for (const [place, ticket] of slot.inHand.entries()) this.#giveAgain(ticket, exit, place === 0)
    if (this.#stopping && this.#open.size === 0) return
    // What fails at the start, `start` reports.
    if (this.#closing !== undefined || this.#starting) return
    if (slot.wasReady || slot.retiring) {
      this.#fillUp()
      return
    }
    this.#reopening.later(slot.failure?.message ?? inWords(exit), slot.failure)
  }

  /** It did not begin, so that nothing is lost by beginning elsewhere. `first`: it would have been the next one. */
  #giveAgain(ticket: SlotTicket, exit: SlotExit, first: boolean): void {
    if (first) ticket.notTaken += 1
    if (ticket.notTaken >= mostNotTaken && !ticket.ended && !ticket.unwanted) {
      this.ticketEnded(
        ticket,
        lost(`${mostNotTaken} slots ended before the job began: ${inWords(exit)}`, exit),
      )
    } else this.ticketReturned(ticket)
  }

  async grow(slots: number): Promise<void> {
    if (this.#options === undefined || this.#stopping) return
    this.#size += slots
    this.#fillUp()
    await Promise.allSettled(
      [...this.#slots].filter(({ state }) => state === 'opening').map(({ ready }) => ready),
    )
  }

  shrink(slots: number): Promise<void> {
    this.rest.end()
    this.#size = Math.max(1, this.#size - slots)
    const living = this.#living()
    const free = living
      .filter(({ state }) => state === 'opening' || state === 'idle')
      .toSorted((a, b) => b.index - a.index)
    for (const slot of free.slice(0, Math.max(0, living.length - this.#size))) this.#retire(slot)
    return Promise.resolve()
  }

  #living(): PoolSlot[] {
    return [...this.#slots].filter(({ retiring }) => !retiring)
  }

  async restart(options: { readonly modules?: readonly string[] | undefined } = {}): Promise<void> {
    if (this.#options === undefined || this.#stopping) return
    if (options.modules !== undefined && options.modules.length > 0) this.modules = options.modules
    this.rest.end()
    const old = [...this.#slots]
    const idle = old.filter(({ state }) => state === 'idle')
    for (const slot of old) this.#retire(slot)
    this.#fillUp()
    const fresh = [...this.#slots].filter((slot) => !old.includes(slot))
    await Promise.all([...idle.map(({ gone }) => gone), Promise.allSettled(fresh.map(({ ready }) => ready))])
  }

  #retire(slot: PoolSlot): void {
    this.#jobs.slotGone(slot)
    slot.retire()
  }

  info(): Readonly<Record<string, unknown>> {
    const living = this.#living().toSorted((a, b) => a.index - b.index)
    return {
      implementation: this.capabilities.implementation,
      'max-concurrency': this.#size,
      ...this.#definition.info({
        size: this.#size,
        pids: living.map(({ identity }) => identity.pid),
        writes: living.map(({ writes }) => writes),
        ...this.#figures(),
        maxTasksPerChild: this.#options?.maxTasksPerChild,
        timeLimits: this.#options?.timeLimits ?? [null, null],
      }),
    }
  }

  /** What was handed ahead waits. */
  #figures(): Pick<PoolFigures, 'waiting' | 'running'> {
    let running = 0
    for (const { inHand } of this.#slots) if (inHand.length > 0) running += 1
    return { running, waiting: this.#open.size - running }
  }

  // ---- the end -------------------------------------------------------------------------------------------------------

  async stop(): Promise<void> {
    this.#stopping = true
    this.rest.stop()
    for (const ticket of [...this.#open]) ticket.withdraw()
    if (this.#open.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idleWaiters.push(resolve)
      })
    }
    if (this.#closing !== undefined) return this.#closing
    for (const slot of this.#slots) this.#retire(slot)
    await Promise.all([...this.#slots].map(({ gone }) => gone))
    await this.close()
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    this.#stopping = true
    this.rest.stop()
    this.#watch.stop()
    this.#reopening.stop()
    const reason = new ClosedError('The pool was closed while the job was running.')
    for (const ticket of this.#jobs.close()) this.ticketEnded(ticket, withdrawn)
    for (const ticket of [...this.#open]) {
      // Whether it has begun, what its slot has said until its end will tell.
      if (!ticket.started) continue
      ticket.abort(reason)
      this.ticketEnded(ticket, lost('the pool was closed'))
    }
    const slots = [...this.#slots]
    for (const slot of slots) slot.kill()
    await Promise.all(slots.map(({ gone }) => gone))
  }
}
