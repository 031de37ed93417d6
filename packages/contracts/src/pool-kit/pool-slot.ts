/**
 * One slot as its pool sees it.
 *
 *   opening ─► idle ◄──► busy ──► closing ──► gone
 *      │         │         │                   ▲
 *      └─────────┴─────────┴── died, killed ───┘
 */
import type { PoolOutcome, PoolStartOptions, SlotIdentity } from '../pool.ts'
import { errorData, errorFrom } from './error-data.ts'
import { lost, type SlotTicket } from './pool-ticket.ts'
import { fromSlot, isFromSlot, toSlot, type FromSlot, type ToSlot } from './slot-frames.ts'

/** Why a slot is gone, as far as it is known. */
export interface SlotExit {
  readonly exitCode: number | undefined
  readonly signal: string | undefined
  /** In words, where there are better ones than code and signal (out of memory, could not be started). */
  readonly reason: string | undefined
}

/** A started thread or child. */
export interface SlotChannel {
  /** Of the process that runs it. */
  readonly pid: number
  /** In order. Throws when the frame cannot be cloned; what a dead slot is sent is dropped. */
  send(frame: ToSlot): void
  /** `ends`: nothing can keep it alive now. `told`: it has the signal and decides by itself. Undefined: ends it whatever it does. */
  kill(signal?: string): 'ends' | 'told' | 'impossible'
}

export interface OpenSlotOptions {
  readonly index: number
  readonly lostWaitMs: number
  readonly maxMemoryPerChildKb: number | undefined
  readonly onFrame: (frame: unknown) => void
  /** Once, after every frame the slot sent. */
  readonly onExit: (exit: SlotExit) => void
}

/** What threads and processes differ in. */
export interface SlotTransport {
  open(options: OpenSlotOptions): SlotChannel
}

export interface SlotOwner {
  readonly options: PoolStartOptions
  readonly entry: string
  readonly modules: readonly string[]
  /** Ready for a job, or for its next one. */
  slotFree(slot: PoolSlot): void
  slotGone(slot: PoolSlot, exit: SlotExit): void
  ticketEnded(ticket: SlotTicket, outcome: PoolOutcome): void
}

/** Good order has this long; then the slot is ended. */
const closeLimitMs = 5000

export class PoolSlot {
  readonly index: number
  readonly ready: Promise<void>
  state: 'opening' | 'idle' | 'busy' | 'closing' | 'gone' = 'opening'
  ticket: SlotTicket | undefined
  /** Closed after its job: shrunk, restarted, worn out. */
  retiring = false
  /** Jobs given to it. */
  writes = 0
  /** Monotonic ms at which it was given its job, or began to open. */
  waitsSince = performance.now()
  readonly gone: Promise<void>
  readonly #owner: SlotOwner
  readonly #channel: SlotChannel
  #wasReady = false
  #killed = false
  #jobs = 0
  #failure: Error | undefined
  #closeTimer: ReturnType<typeof setTimeout> | undefined
  #resolveReady!: () => void
  #rejectReady!: (error: Error) => void
  #resolveGone!: () => void

  constructor(owner: SlotOwner, transport: SlotTransport, index: number) {
    this.#owner = owner
    this.index = index
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve
      this.#rejectReady = reject
    })
    this.ready.catch(() => undefined)
    this.gone = new Promise((resolve) => {
      this.#resolveGone = resolve
    })
    const { options, entry, modules } = owner
    options.onSlotChange?.({ kind: 'opening', index })
    this.#channel = transport.open({
      index,
      lostWaitMs: options.lostWaitMs ?? 10_000,
      maxMemoryPerChildKb: options.maxMemoryPerChildKb,
      onFrame: (frame) => this.#receive(frame),
      onExit: (exit) => this.#exited(exit),
    })
    this.#channel.send([toSlot.open, entry, modules, options.config, index])
  }

  get identity(): SlotIdentity {
    return { index: this.index, pid: this.#channel.pid }
  }

  /** It came to life before it went. */
  get wasReady(): boolean {
    return this.#wasReady
  }

  /** Why it could not open, in its own words. */
  get failure(): Error | undefined {
    return this.#failure
  }

  run(ticket: SlotTicket): void {
    const { jobId, taskId, taskName, body, contentType, contentEncoding, request } = ticket.job
    this.state = 'busy'
    this.ticket = ticket
    this.writes += 1
    this.waitsSince = performance.now()
    try {
      this.#channel.send([toSlot.job, jobId, taskId, taskName, body, contentType, contentEncoding, request])
    } catch (error) {
      // Headers that cannot be cloned: no fault of the slot.
      this.#finish(ticket, lost(`the job could not be handed over: ${errorData(error).message}`))
      return
    }
    if (ticket.abortReason !== undefined) this.abort(ticket.abortReason)
  }

  abort(reason: Error): void {
    if (this.ticket !== undefined)
      this.#channel.send([toSlot.abort, this.ticket.job.jobId, errorData(reason)])
  }

  kill(signal?: string): boolean {
    const effect = this.#channel.kill(signal)
    // Its next job must not be hit by what was meant for this one.
    if (effect === 'ends') this.#killed = true
    return effect !== 'impossible'
  }

  /** In good order, within its time; a busy slot after its job. */
  retire(): void {
    this.retiring = true
    if (this.state === 'idle') this.#close()
    else if (this.state === 'opening') this.kill()
  }

  #close(): void {
    this.state = 'closing'
    this.#channel.send([toSlot.close])
    this.#closeTimer = setTimeout(() => this.kill(), closeLimitMs)
  }

  /** What it was given and did not begin is safe to be given to another one. */
  isStuck(now: number, limitMs: number): boolean {
    const waits = this.state === 'opening' || (this.state === 'busy' && this.ticket?.started === false)
    return waits && !this.#killed && now - this.waitsSince > limitMs
  }

  #receive(frame: unknown): void {
    if (!isFromSlot(frame)) {
      this.#complain('sent what is no frame of a slot; something writes into its channel')
      return
    }
    switch (frame[0]) {
      case fromSlot.ready:
        this.#wasReady = true
        this.#resolveReady()
        this.#owner.options.onSlotChange?.({ kind: 'started', ...this.identity })
        this.#free()
        return
      case fromSlot.started:
        this.#started(frame[1], frame[2])
        return
      case fromSlot.message:
        this.#message(frame)
        return
      case fromSlot.done:
        this.#done(frame)
        return
      case fromSlot.post:
        this.#owner.options.onSlotMessage?.({ kind: frame[1], payload: frame[2] }, this.identity)
        return
      case fromSlot.failed:
        this.#failure = errorFrom(frame[1])
        return
      default:
        this.retire()
    }
  }

  #current(jobId: number, what: string): SlotTicket | undefined {
    if (this.ticket?.job.jobId === jobId) return this.ticket
    this.#complain(`${what} a job that it does not run`)
    return undefined
  }

  #started(jobId: number, at: number): void {
    const ticket = this.#current(jobId, 'started')
    if (ticket === undefined || ticket.started) return
    ticket.started = true
    ticket.events.onAccepted({ pid: this.#channel.pid, startedAt: at })
  }

  #message(frame: Extract<FromSlot, readonly [typeof fromSlot.message, ...unknown[]]>): void {
    const [, jobId, messageId, kind, payload] = frame
    const ticket = this.#current(jobId, 'sent a message of')
    if (ticket === undefined) return
    const answer = (value: unknown, error?: unknown): void => {
      if (this.state === 'gone') return
      try {
        this.#channel.send([
          toSlot.answer,
          messageId,
          value,
          error === undefined ? undefined : errorData(error),
        ])
      } catch (cause) {
        this.#channel.send([toSlot.answer, messageId, undefined, errorData(cause)])
      }
    }
    ticket.events.onMessage({ kind, payload }).then(
      (value) => answer(value),
      (error: unknown) => answer(undefined, error ?? new Error('refused')),
    )
  }

  #done(frame: Extract<FromSlot, readonly [typeof fromSlot.done, ...unknown[]]>): void {
    const [, jobId, value, reason, memoryKb, retires] = frame
    const ticket = this.#current(jobId, 'ended')
    if (ticket === undefined) return
    this.#jobs += 1
    const { maxTasksPerChild, maxMemoryPerChildKb } = this.#owner.options
    if (
      retires ||
      this.#jobs >= (maxTasksPerChild ?? Infinity) ||
      memoryKb > (maxMemoryPerChildKb ?? Infinity)
    )
      this.retiring = true
    this.#finish(ticket, reason === undefined ? { kind: 'done', value } : lost(reason))
  }

  #finish(ticket: SlotTicket, outcome: PoolOutcome): void {
    this.ticket = undefined
    this.#free()
    this.#owner.ticketEnded(ticket, outcome)
  }

  #free(): void {
    if (this.#killed || this.state === 'closing') return
    this.state = 'idle'
    if (this.retiring) this.#close()
    else this.#owner.slotFree(this)
  }

  #exited(exit: SlotExit): void {
    if (this.state === 'gone') return
    const expected = this.retiring || this.state === 'closing' || this.#killed
    this.state = 'gone'
    clearTimeout(this.#closeTimer)
    if (this.#wasReady) {
      this.#owner.options.onSlotChange?.({
        kind: 'exited',
        ...this.identity,
        exitCode: exit.exitCode,
        signal: exit.signal,
        expected,
      })
    } else this.#rejectReady(this.#failure ?? new Error(inWords(exit)))
    const { ticket } = this
    this.#owner.slotGone(this, exit)
    if (ticket !== undefined && !ticket.ended && ticket.started) {
      this.ticket = undefined
      this.#owner.ticketEnded(ticket, lost(exit.reason ?? inWords(exit), exit))
    }
    this.#resolveGone()
  }

  #complain(what: string): void {
    const { index, pid } = this.identity
    this.#owner.options.onSlotError(new Error(`Slot ${index} of the pool (pid ${pid}) ${what}.`))
  }
}

export function inWords({ exitCode, signal, reason }: SlotExit): string {
  if (reason !== undefined) return reason
  if (signal !== undefined) return `signal ${signal}`
  return `exitcode ${exitCode ?? 'unknown'}`
}
