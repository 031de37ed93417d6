/**
 * One slot as its pool sees it.
 *
 *   opening ─► idle ◄──► busy ──► closing ──► gone
 *      │         │         │                   ▲
 *      └─────────┴─────────┴── died, killed ───┘
 *
 * A busy slot has jobs in hand: the first one runs or is about to, the others were handed ahead (hand-ahead.ts). It begins them in order.
 */
import type { PoolOutcome, SlotIdentity } from '../pool.ts'
import { errorData, errorFrom } from './error-data.ts'
import { aheadPatienceMs } from './hand-ahead.ts'
import { Hand } from './hand.ts'
import { lost, type SlotTicket } from './pool-ticket.ts'
import { SlotOutbox } from './slot-outbox.ts'
import type { SlotOwner } from './slot-owner.ts'
import { inWords, type SlotChannel, type SlotExit, type SlotTransport } from './slot-transport.ts'
import { fromSlot, isFromSlot, monotonicMs, toSlot, type FromSlot, type ToSlot } from './slot-frames.ts'

/** Good order has this long; then the slot is ended. */
const closeLimitMs = 5000

export class PoolSlot {
  readonly index: number
  readonly ready: Promise<void>
  state: 'opening' | 'idle' | 'busy' | 'closing' | 'gone' = 'opening'
  /** Closed after its job: shrunk, restarted, worn out. */
  retiring = false
  /** Jobs given to it. */
  writes = 0
  readonly gone: Promise<void>
  readonly #owner: SlotOwner
  readonly #channel: SlotChannel
  readonly #out: SlotOutbox
  readonly #hand = new Hand()
  /** Handings that were taken back without asking, until the slot knows. */
  readonly #takenBack = new Set<number>()
  #wasReady = false
  #killed = false
  #jobs = 0
  #failure: Error | undefined
  #closeTimer: ReturnType<typeof setTimeout> | undefined
  readonly #readied = Promise.withResolvers<void>()
  readonly #went = Promise.withResolvers<void>()

  constructor(owner: SlotOwner, transport: SlotTransport, index: number) {
    this.#owner = owner
    this.index = index
    this.ready = this.#readied.promise
    this.ready.catch(() => undefined)
    this.gone = this.#went.promise
    const { options, entry, modules } = owner
    options.onSlotChange?.({ kind: 'opening', index })
    this.#channel = transport.open({
      index,
      lostWaitMs: options.lostWaitMs ?? 10_000,
      maxMemoryPerChildKb: options.maxMemoryPerChildKb,
      onFrames: (frames) => {
        if (!owner.rest.keeps(() => this.#receive(frames))) this.#receive(frames)
      },
      onCall: () => owner.rest.gather(),
      onExit: (exit) => {
        // What it said before comes first.
        owner.rest.flush()
        this.#exited(exit)
      },
    })
    this.#out = new SlotOutbox(this.#channel, (frame, error) => this.#unsendable(frame, error))
    this.#channel.send([[toSlot.open, entry, modules, options.config, index]])
  }

  get identity(): SlotIdentity {
    return { index: this.index, pid: this.#channel.pid }
  }

  /** In the order in which they begin. */
  get inHand(): readonly SlotTicket[] {
    return this.#hand.tickets
  }

  /** It came to life before it went. */
  get wasReady(): boolean {
    return this.#wasReady
  }

  /** Why it could not open, in its own words. */
  get failure(): Error | undefined {
    return this.#failure
  }

  // ---- giving ----------------------------------------------------------------------------------------------------------

  /** Milliseconds of work in hand, as far as one can tell; Infinity where no job may be handed ahead. */
  load(now: number): number {
    const { maxTasksPerChild, maxMemoryPerChildKb } = this.#owner.options
    if (this.state !== 'busy' || this.retiring || this.#killed) return Infinity
    // What it has in use is only known when the job before has ended.
    if (maxMemoryPerChildKb !== undefined) return Infinity
    if (maxTasksPerChild !== undefined && this.#jobs + this.#hand.size >= maxTasksPerChild) return Infinity
    return this.#hand.load(now)
  }

  /** Milliseconds that are likely to pass before it has nothing ahead; 0 when somebody waits for what it says. */
  surelyBusyMs(now: number): number {
    if (this.state !== 'busy' || this.retiring || this.#killed || this.#channel.listen === undefined) return 0
    return this.#takenBack.size > 0 ? 0 : this.#hand.surelyBusyMs(now)
  }

  listen(on: boolean): void {
    this.#channel.listen?.(on)
  }

  /** `load`: of {@link load}, when it is handed ahead. */
  give(ticket: SlotTicket, now: number, load?: number): void {
    ticket.beginBefore = load === undefined ? 0 : now + load + aheadPatienceMs
    this.#hand.add(ticket, now)
    this.state = 'busy'
    this.writes += 1
    // Its own number: it may be handed here again while the slot has still to forget it.
    ticket.handing = this.writes
    const { taskId, taskName, body, contentType, contentEncoding, request } = ticket.job
    this.#out.add([
      toSlot.job,
      ticket.handing,
      taskId,
      taskName,
      body,
      contentType,
      contentEncoding,
      request,
      ticket.beginBefore,
    ])
    if (ticket.abortReason !== undefined) this.abort(ticket, ticket.abortReason)
  }

  /** Headers that cannot be cloned: no fault of the slot. */
  #unsendable(frame: ToSlot, error: unknown): void {
    const data = errorData(error)
    if (frame[0] === toSlot.answer) this.#out.add([toSlot.answer, frame[1], undefined, data])
    else if (frame[0] === toSlot.job) {
      const ticket = this.#hand.take(frame[1])
      if (ticket !== undefined)
        this.#finish(ticket, lost(`the job could not be handed over: ${data.message}`))
    }
  }

  abort(ticket: SlotTicket, reason: Error): void {
    this.#out.add([toSlot.abort, ticket.handing, errorData(reason)])
  }

  /** It is returned if it has not begun. */
  askBack(ticket: SlotTicket): void {
    this.#out.add([toSlot.takeBack, ticket.handing])
  }

  /**
   * Takes back what was handed ahead and whose time is over, whatever the slot does. What it said until `now` must have been read, as it is when the
   * event loop has looked for messages since then; where half a message is on its way, it waits for the rest.
   */
  takeBackLate(now: number): SlotTicket[] {
    if (this.#killed || this.state !== 'busy' || this.#channel.holdsPart) return []
    const late = this.#hand.late(now)
    if (late.length === 0) return late
    const running = this.#hand.first!
    if (running.started) this.#owner.observed(running.job.taskName, now - this.#hand.since)
    for (const ticket of late) {
      this.#hand.take(ticket.handing)
      this.#takenBack.add(ticket.handing)
      this.askBack(ticket)
    }
    return late
  }

  kill(signal?: string): boolean {
    const effect = this.#channel.kill(signal)
    // Its next job must not be hit by what was meant for this one.
    if (effect === 'ends') this.#killed = true
    return effect !== 'impossible'
  }

  /** In good order, within its time; a busy slot after its job. */
  retire(): void {
    if (this.retiring) return
    this.retiring = true
    for (const ticket of this.inHand) if (!ticket.started) this.askBack(ticket)
    if (this.state === 'idle') this.#close()
    else if (this.state === 'opening') this.kill()
  }

  #close(): void {
    this.state = 'closing'
    this.#out.add([toSlot.close])
    this.#closeTimer = setTimeout(() => this.kill(), closeLimitMs)
  }

  /** What it was given and did not begin is safe to be given to another one. */
  isStuck(now: number, limitMs: number): boolean {
    const first = this.#hand.first
    const waits =
      this.state === 'opening' ||
      (this.state === 'busy' && (first === undefined ? this.#takenBack.size > 0 : !first.started))
    return waits && !this.#killed && now - this.#hand.since > limitMs
  }

  // ---- hearing ---------------------------------------------------------------------------------------------------------

  #receive(frames: unknown): void {
    this.#owner.rest.consider()
    if (!Array.isArray(frames))
      this.#complain('sent what is no frame of a slot; something writes into its channel')
    else for (const frame of frames) this.#hear(frame)
  }

  #hear(frame: unknown): void {
    if (!isFromSlot(frame)) {
      this.#complain('sent what is no frame of a slot; something writes into its channel')
      return
    }
    switch (frame[0]) {
      case fromSlot.ready:
        this.#wasReady = true
        this.#readied.resolve()
        this.#owner.options.onSlotChange?.({ kind: 'started', ...this.identity })
        this.#free()
        return
      case fromSlot.started:
        this.#started(frame[1], frame[2], frame[3])
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
      case fromSlot.returned:
        this.#returned(frame[1])
        return
      case fromSlot.asks:
        this.#asks(frame[1])
        return
      default:
        this.retire()
    }
  }

  #current(jobId: number, what: string): SlotTicket | undefined {
    const first = this.#hand.first
    if (first?.handing === jobId) return first
    this.#complain(`${what} a job that it does not run`)
    return undefined
  }

  #started(jobId: number, at: number, atMonotonic: number): void {
    // It asks before it goes on, and is told no.
    if (this.#takenBack.has(jobId)) return
    const ticket = this.#current(jobId, 'started')
    if (ticket === undefined) return
    // The end that was meant for the job before comes over this one: nobody has to know that it began.
    if (this.#killed) ticket.startedLate = at
    else ticket.accept(this.#channel.pid, at, this.#hand.begun(atMonotonic))
  }

  #message(frame: Extract<FromSlot, readonly [typeof fromSlot.message, ...unknown[]]>): void {
    const [, jobId, messageId, kind, payload] = frame
    const ticket = this.#current(jobId, 'sent a message of')
    if (ticket === undefined) return
    const answer = (value: unknown, error?: unknown): void => {
      if (this.state !== 'gone')
        this.#out.add([toSlot.answer, messageId, value, error === undefined ? undefined : errorData(error)])
    }
    ticket.events.onMessage({ kind, payload }).then(
      (value) => answer(value),
      (error: unknown) => answer(undefined, error ?? new Error('refused')),
    )
  }

  #returned(jobId: number): void {
    if (!this.#takenBack.delete(jobId)) {
      const ticket = this.#hand.take(jobId)
      if (ticket === undefined) this.#complain('returned a job that it does not have')
      else this.#owner.ticketReturned(ticket)
    }
    this.#free()
  }

  #asks(jobId: number): void {
    if (this.#takenBack.delete(jobId)) {
      this.#out.add([toSlot.word, jobId, false])
      this.#free()
      return
    }
    const ticket = this.#current(jobId, 'asks for')
    if (ticket === undefined) return
    const begin = ticket.started || (!ticket.unwanted && !this.retiring)
    this.#out.add([toSlot.word, jobId, begin])
    if (begin) {
      ticket.beginBefore = 0
      return
    }
    this.#hand.take(jobId)
    this.#owner.ticketReturned(ticket)
    this.#free()
  }

  #done(frame: Extract<FromSlot, readonly [typeof fromSlot.done, ...unknown[]]>): void {
    const [, jobId, value, reason, memoryKb, retires, ranMs] = frame
    const ticket = this.#current(jobId, 'ended')
    if (ticket === undefined) return
    ticket.accept(this.#channel.pid, ticket.startedLate ?? Date.now(), ranMs)
    this.#hand.take(jobId)
    this.#jobs += 1
    this.#owner.observed(ticket.job.taskName, ranMs)
    const { maxTasksPerChild, maxMemoryPerChildKb } = this.#owner.options
    if (
      retires ||
      this.#jobs >= (maxTasksPerChild ?? Infinity) ||
      memoryKb > (maxMemoryPerChildKb ?? Infinity)
    )
      this.retiring = true
    this.#finish(ticket, reason === undefined ? { kind: 'done', value, ranMs } : lost(reason))
  }

  #finish(ticket: SlotTicket, outcome: PoolOutcome): void {
    this.#free()
    this.#owner.ticketEnded(ticket, outcome)
  }

  /** Goes on when nothing is in hand any more. */
  #free(): void {
    if (this.inHand.length > 0 || this.#takenBack.size > 0) return
    if (this.#killed || this.state === 'closing' || this.state === 'gone') return
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
    } else this.#readied.reject(this.#failure ?? new Error(inWords(exit)))
    const running = this.#hand.first?.started === true ? this.#hand.tickets.shift() : undefined
    if (running !== undefined) this.#owner.observed(running.job.taskName, monotonicMs() - this.#hand.since)
    this.#owner.slotGone(this, exit)
    if (running !== undefined && !running.ended)
      this.#owner.ticketEnded(running, lost(exit.reason ?? inWords(exit), exit))
    this.#went.resolve()
  }

  #complain(what: string): void {
    const { index, pid } = this.identity
    this.#owner.options.onSlotError(new Error(`Slot ${index} of the pool (pid ${pid}) ${what}.`))
  }
}
