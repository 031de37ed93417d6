/**
 * The pool that runs jobs on the worker's own event loop.
 *
 *   submit ─► queued ─► running ─┬─ execute() resolved ─► outcome `done`
 *                │               ├─ abandon()          ─► outcome `lost`; what the job does later is reported to `onLate`
 *                │               └─ close()            ─► outcome `lost`
 *                └─ withdraw(), close(), stop() ─► outcome `withdrawn`
 *
 * Nothing can end JavaScript that runs on this loop: `kill` answers false. What a hard time limit can do is give the slot to the
 * next job and stop waiting ({@link EventLoopTicket.abandon}).
 */
import {
  ClosedError,
  definePool,
  type Pool,
  type PoolCapabilities,
  type PoolJob,
  type PoolJobEvents,
  type PoolOutcome,
  type PoolStartOptions,
  type PoolTicket,
  type SlotMessage,
  type SlotPort,
} from '@ct/contracts'
import { Fifo } from './fifo.ts'

export interface EventLoopTicket extends PoolTicket {
  /**
   * Stops waiting for the job: its slot is free at once and its outcome is `lost`; `onLate` hears what it comes to in the end. False
   * when the job has its outcome already.
   */
  abandon(reason: string, onLate?: (outcome: PoolOutcome) => void): boolean
}

export function canAbandon(ticket: PoolTicket): ticket is EventLoopTicket {
  return 'abandon' in ticket
}

/** Asking the process for it costs as much as many a task. */
const { pid } = process

const asyncCapabilities: PoolCapabilities = {
  implementation: 'ct.pool.async:TaskPool',
  sharesMemory: true,
  canKill: false,
  isolatesCpu: false,
  resizable: true,
}

const soloCapabilities: PoolCapabilities = {
  ...asyncCapabilities,
  implementation: 'celery.concurrency.solo:TaskPool',
  resizable: false,
}

class Ticket implements EventLoopTicket, SlotPort {
  readonly job: PoolJob
  readonly events: PoolJobEvents
  ended = false
  running = false
  onLate: ((outcome: PoolOutcome) => void) | undefined
  readonly #pool: EventLoopPool
  #result: PoolOutcome | undefined
  #listener: ((outcome: PoolOutcome) => void) | undefined
  #promised: PromiseWithResolvers<PoolOutcome> | undefined
  #controller: AbortController | undefined
  #abortReason: Error | undefined

  constructor(pool: EventLoopPool, job: PoolJob, events: PoolJobEvents) {
    this.#pool = pool
    this.job = job
    this.events = events
  }

  /** Made when somebody looks: the worker listens instead. */
  get outcome(): Promise<PoolOutcome> {
    if (this.#promised === undefined) {
      this.#promised = Promise.withResolvers()
      if (this.#result !== undefined) this.#promised.resolve(this.#result)
    }
    return this.#promised.promise
  }

  whenEnded(listener: (outcome: PoolOutcome) => void): void {
    if (this.#result === undefined) this.#listener = listener
    else listener(this.#result)
  }

  /** Made when somebody looks: most tasks never do, and an AbortController costs more than all the rest of a job. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason)
    }
    return this.#controller.signal
  }

  send(message: SlotMessage): Promise<unknown> {
    return this.events.onMessage(message)
  }

  abort(reason: Error): void {
    if (this.ended || this.#abortReason !== undefined) return
    this.#abortReason = reason
    this.#controller?.abort(reason)
  }

  kill(): boolean {
    return false
  }

  withdraw(): void {
    if (!this.running && !this.ended) this.#pool.withdraw(this)
  }

  abandon(reason: string, onLate?: (outcome: PoolOutcome) => void): boolean {
    if (this.ended) return false
    this.onLate = onLate
    this.#pool.end(this, { kind: 'lost', reason, signal: undefined, exitCode: undefined })
    return true
  }

  end(outcome: PoolOutcome): void {
    this.ended = true
    this.#result = outcome
    this.#promised?.resolve(outcome)
    this.#listener?.(outcome)
  }
}

class EventLoopPool {
  readonly kind = 'pool'
  readonly name: string
  readonly packageName = '@ct/worker'
  readonly capabilities: PoolCapabilities
  #size = 0
  #running = 0
  #closed = false
  #execute: PoolStartOptions['execute'] | undefined
  readonly #queue = new Fifo<Ticket>()
  readonly #open = new Set<Ticket>()
  #idleWaiters: (() => void)[] = []

  constructor(name: string, capabilities: PoolCapabilities) {
    this.name = name
    this.capabilities = capabilities
  }

  get size(): number {
    return this.#size
  }

  get active(): number {
    return this.#open.size
  }

  get hasRoom(): boolean {
    return this.#open.size < this.#size
  }

  start(options: PoolStartOptions): Promise<void> {
    this.#size = this.capabilities.resizable ? Math.max(1, options.size) : 1
    this.#execute = options.execute
    this.#closed = false
    return Promise.resolve()
  }

  submit(job: PoolJob, events: PoolJobEvents): PoolTicket {
    const ticket = new Ticket(this, job, events)
    if (this.#closed || this.#execute === undefined) {
      ticket.end(lost(this.#closed ? 'the pool is closed' : 'the pool was not started'))
      return ticket
    }
    this.#open.add(ticket)
    if (this.#running < this.#size) this.#run(ticket)
    else this.#queue.push(ticket)
    return ticket
  }

  #run(ticket: Ticket): void {
    this.#running += 1
    ticket.running = true
    ticket.events.onAccepted({ pid, startedAt: Date.now() })
    if (ticket.ended) return
    let running: Promise<PoolOutcome> | PoolOutcome
    try {
      running = this.#execute!(ticket.job, ticket)
    } catch (error) {
      running = failed(error)
    }
    if (running instanceof Promise)
      running.then(
        (outcome) => this.end(ticket, outcome),
        (error: unknown) => this.end(ticket, failed(error)),
      )
    else this.end(ticket, running)
  }

  end(ticket: Ticket, outcome: PoolOutcome): void {
    if (ticket.ended) {
      ticket.onLate?.(outcome)
      ticket.onLate = undefined
      return
    }
    if (ticket.running) this.#running -= 1
    this.#open.delete(ticket)
    ticket.end(outcome)
    this.#fill()
    if (this.#open.size === 0) this.#wakeIdle()
  }

  withdraw(ticket: Ticket): void {
    this.#queue.remove((queued) => queued === ticket)
    this.end(ticket, withdrawn)
  }

  #fill(): void {
    while (this.#running < this.#size && !this.#closed) {
      const next = this.#queue.shift()
      if (next === undefined) return
      if (!next.ended) this.#run(next)
    }
  }

  #wakeIdle(): void {
    const waiters = this.#idleWaiters
    this.#idleWaiters = []
    for (const wake of waiters) wake()
  }

  grow(slots: number): Promise<void> {
    if (this.capabilities.resizable) {
      this.#size += slots
      this.#fill()
    }
    return Promise.resolve()
  }

  shrink(slots: number): Promise<void> {
    if (this.capabilities.resizable) this.#size = Math.max(1, this.#size - slots)
    return Promise.resolve()
  }

  info(): Readonly<Record<string, unknown>> {
    const base = { implementation: this.capabilities.implementation, 'max-concurrency': this.#size }
    if (this.capabilities.resizable) {
      return { ...base, 'running-jobs': this.#running, 'free-slots': Math.max(0, this.#size - this.#running) }
    }
    return {
      ...base,
      processes: [pid],
      'max-tasks-per-child': null,
      'put-guarded-by-semaphore': true,
      timeouts: [],
    }
  }

  stop(): Promise<void> {
    for (const ticket of this.#queue.drain()) this.end(ticket, withdrawn)
    if (this.#open.size === 0) {
      this.#closed = true
      return Promise.resolve()
    }
    return new Promise<void>((resolve) => {
      this.#idleWaiters.push(resolve)
    }).then(() => {
      this.#closed = true
    })
  }

  close(): Promise<void> {
    this.#closed = true
    for (const ticket of this.#queue.drain()) this.end(ticket, withdrawn)
    for (const ticket of [...this.#open]) {
      ticket.abort(new ClosedError('The pool was closed while the job was running.'))
      this.end(ticket, lost('the pool was closed'))
    }
    return Promise.resolve()
  }
}

const withdrawn: PoolOutcome = { kind: 'withdrawn' }

function failed(error: unknown): PoolOutcome {
  return lost(error instanceof Error ? error.message : String(error))
}

function lost(reason: string): PoolOutcome {
  return { kind: 'lost', reason, signal: undefined, exitCode: undefined }
}

/** Runs up to `concurrency` tasks at a time on the worker's event loop. The default pool of ct. */
export function asyncPool(): Pool {
  return definePool(new EventLoopPool('async', asyncCapabilities))
}

/** Runs one task at a time on the worker's event loop. */
export function soloPool(): Pool {
  return definePool(new EventLoopPool('solo', soloCapabilities))
}
