/**
 * From reserved to running: gives requests to the pool as slots become free, and takes their outcomes.
 *
 *   submit ─► admission.ts ─► ready ─► checked again (revoked, expired) ─► slot ─► accepted ─► outcome ─► tracer
 *                               ▲                                            │
 *                               └──────── withdrawn before it began ─────────┘
 *
 * The pool has what begins at once or soon; what has not begun is taken back to be released, revoked or forgotten. Starting is cut into
 * slices: a batch of tasks that compute must not keep heartbeats, lease renewal and commands from their turn.
 */
import {
  TaskRevokedError,
  TimeLimitExceeded,
  type PoolJobEvents,
  type PoolOutcome,
  type ResultWrite,
  type SlotMessage,
} from '@ct/contracts'
import { diagnostics } from '@ct/client'
import { canAbandon, Fifo } from '../pool/index.ts'
import type { Disowned, Request, Revocations, WorkerState } from '../request/index.ts'
import { ack, thrown, unpackOutcome, type Outcome, type Tracer } from '../trace/index.ts'
import { Admission, type AdmissionOptions } from './admission.ts'
import { ConcurrencyGate } from './concurrency-gate.ts'
import { jobOf } from './pool-job.ts'
import { startTimeLimits } from './time-limits.ts'

export interface DispatcherOptions extends AdmissionOptions {
  readonly state: WorkerState
  readonly tracer: Tracer
  readonly revocations: Revocations
  /** A request is ready to run, or has ended: for what follows the load. */
  readonly onReserved?: (() => void) | undefined
  readonly onEnded?: ((request: Request) => void) | undefined
  /** It was taken back from the pool after `stop`: it will not begin here. */
  readonly onReturned?: ((request: Request) => void) | undefined
}

/** Longest time without giving other callbacks their turn. */
const sliceMs = 8

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #ready = new Fifo<Request>()
  readonly #admission: Admission
  readonly #gate = new ConcurrencyGate((request) => this.#enqueue(request))
  #jobs = 0
  #draining = false
  #yielding = false
  #sliceEnd = 0
  #stopped = false
  #paused = false

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#admission = new Admission(options, this)
  }

  /** Without a connection nothing is started: whose the messages are is known again when it is back. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#admission.resume()
    this.#drain()
  }

  submit(request: Request): void {
    request.phase = 'reserved'
    this.#options.onReserved?.()
    if (!this.#admission.examine(request)) this.ready(request)
  }

  /** It may run as soon as there is a slot, and not too many of its kind run. */
  ready(request: Request): void {
    if (request.strategy.options.concurrency !== null && !this.#enters(request)) return
    this.#enqueue(request)
  }

  #enqueue(request: Request): void {
    this.#ready.push(request)
    this.#drain()
  }

  /** A key that cannot be made is a failure of its task: without it nobody knows whom it must wait for. */
  #enters(request: Request): boolean {
    try {
      return this.#gate.enter(request)
    } catch (error) {
      request.phase = 'done'
      this.#options.tracer.finish(request, { kind: 'threw', error: thrown(error) })
      this.left(request)
      return false
    }
  }

  /** The request will not run any more; one that waits for it may. */
  left(request: Request): void {
    this.#admission.left(request)
    this.#gate.leave(request)
  }

  get isStopped(): boolean {
    return this.#stopped
  }

  get mayStart(): boolean {
    return !this.#stopped && !this.#paused
  }

  /** Slots may have become free by other means than the end of a task. */
  slotsChanged(): void {
    this.#drain()
  }

  /** Nothing is started any more. */
  stop(): void {
    this.#stopped = true
  }

  // ---- slots ---------------------------------------------------------------------------------------------------------

  #drain(): void {
    if (this.#draining || this.#yielding) return
    this.#draining = true
    const { pool } = this.#options
    try {
      while (this.#ready.length > 0 && !this.#stopped && !this.#paused && pool.hasRoom) {
        if (this.#sliceIsOver()) return
        const next = this.#ready.shift()!
        if (next.phase === 'reserved') this.#start(next)
        else this.#gate.leave(next)
      }
    } finally {
      this.#draining = false
    }
  }

  /**
   * True when starting has to wait for the next turn of the event loop. A slice spans all drains of one turn: a task that computes ends in
   * a microtask, which starts the next one, and so on, without anybody else getting his turn.
   */
  #sliceIsOver(): boolean {
    const now = performance.now()
    if (this.#sliceEnd === 0) {
      this.#sliceEnd = now + sliceMs
      setImmediate(() => {
        this.#sliceEnd = 0
        this.#yielding = false
        this.#drain()
      })
    } else if (now > this.#sliceEnd) this.#yielding = true
    return this.#yielding
  }

  #start(request: Request): void {
    const { revocations, tracer, pool } = this.#options
    if (revocations.mayConcern(request) || revocations.stamps.size > 0) {
      const reason = revocations.reasonFor(request)
      if (reason !== undefined) {
        request.phase = 'done'
        tracer.interruptions.revoked(request, reason, revocations.stampOf(request))
        this.left(request)
        return
      }
    }
    const { eventletPoolApply } = this.#options.services.app.signals
    if (eventletPoolApply.wanted && pool.name === 'async') {
      const { args, kwargs } = request.body
      void eventletPoolApply.send({ sender: pool, target: request.strategy.task, args, kwargs })
    }
    const job = jobOf(request, ++this.#jobs, this.#options.services, pool.capabilities.sharesMemory)
    const ticket = pool.submit(job, new JobEvents(this, request))
    request.ticket = ticket
    if (request.terminateSignal !== undefined) this.terminate(request, request.terminateSignal)
    const ended = (outcome: PoolOutcome): void => this.#ended(request, outcome)
    ticket.whenEnded(ended)
  }

  /** Whether it runs is decided anew, if it has not begun: it may have been revoked, or nothing may start any more. */
  reconsider(request: Request): void {
    if (request.phase !== 'active') request.ticket?.withdraw()
  }

  /** Cold shutdown: a slot that has it in hand, and does not say whether it has begun, is ended. */
  giveUp(request: Request): void {
    this.reconsider(request)
    if (request.phase !== 'active') request.ticket?.kill()
  }

  accepted(request: Request, info: Parameters<PoolJobEvents['onAccepted']>[0]): void {
    const { state, services } = this.#options
    const { options } = request.strategy
    request.phase = 'active'
    request.timeStart = info.startedAt / 1000
    request.startedAt = performance.now() - (info.agoMs ?? 0)
    request.workerPid = info.pid
    state.accepted(request)
    if (!options.acksLate) this.#followEarly(request, request.settle(ack))
    if (services.events.enabled && options.sendEvents)
      services.events.send('task-started', { uuid: request.id })
    if (services.log.debugEnabled) services.log.debug(`Task accepted: ${request.label} pid:${info.pid}`)
    if (request.timeLimit !== null || request.softTimeLimit !== null)
      startTimeLimits(request, services.log, info.agoMs ?? 0, (hard) => this.#timedOut(request, hard))
    // Asked for while a slot elsewhere had it and had not begun.
    if (request.terminateSignal !== undefined && request.ticket !== undefined)
      this.terminate(request, request.terminateSignal)
  }

  #followEarly(request: Request, settled: Promise<void> | undefined): void {
    settled?.then(
      () => {
        request.confirmed = true
      },
      (error: unknown) => {
        this.#options.services.log.warn(
          `The early ack of task ${request.label} did not reach the broker; it may run again.`,
          { error },
        )
      },
    )
  }

  #timedOut(request: Request, hard: number): void {
    if (!this.#disown(request, 'time-limit', new TimeLimitExceeded(hard))) return
    this.#options.tracer.interruptions.timeLimit(request, hard)
  }

  /** Ends an active request by command, or remembers to when it starts. True when it was running. */
  terminate(request: Request, signal: string, signum: number | null = null): boolean {
    if (request.phase !== 'active' || request.ticket === undefined) {
      request.terminateSignal = signal
      return false
    }
    if (!this.#disown(request, 'terminated', new TaskRevokedError('terminated'), signal)) return false
    this.#options.tracer.interruptions.terminated(request, signum)
    return true
  }

  /** Cold shutdown, or its connection was lost. */
  cancel(request: Request, reason: Error, connectionLost: boolean = false): void {
    if (!this.#disown(request, 'cancelled', reason, 'SIGKILL')) return
    this.#options.tracer.interruptions.cancelled(request, 'cancelled by Celery', connectionLost)
  }

  /** Stops waiting for the run: told through its signal, killed where the pool can, else its slot is given to others. */
  #disown(request: Request, why: Disowned, reason: Error, signal?: string): boolean {
    const { ticket } = request
    if (ticket === undefined || request.phase !== 'active' || request.disowned !== undefined) return false
    request.disowned = why
    request.clearTimers()
    ticket.abort(reason)
    if (!ticket.kill(signal) && canAbandon(ticket)) {
      ticket.abandon(why, (outcome) => {
        if (outcome.kind === 'done')
          this.#options.tracer.interruptions.late(request, outcome.value as Outcome)
      })
    }
    return true
  }

  /** What a task in a slot elsewhere wants of the worker; those that share memory ask it directly. */
  async message(request: Request, { kind, payload }: SlotMessage): Promise<unknown> {
    const { results, events } = this.#options.services
    if (kind === 'store') {
      // Nobody waits for this run any more: its states would stand in the way of those of the next one.
      if (request.disowned === undefined) await results.store(payload as readonly ResultWrite[])
    } else if (kind === 'event') {
      const { type, fields } = payload as { type: string; fields: Readonly<Record<string, unknown>> }
      if (events.enabled) events.send(type, fields)
    } else throw new Error(`A slot sent "${kind}", which nobody expects.`)
    return undefined
  }

  #outcomeOf(request: Request, outcome: Exclude<PoolOutcome, { kind: 'withdrawn' }>): Outcome {
    if (outcome.kind !== 'done') return outcome
    if (this.#options.pool.capabilities.sharesMemory) return outcome.value as Outcome
    const { serializers, settings } = this.#options.services.app.context
    const serializer = serializers.get(settings.resultSerializer)
    const unpacked = unpackOutcome(request, outcome.value, {
      serializer,
      json: serializer.contentType === 'application/json',
    })
    const { carried } = request
    if (carried !== undefined && diagnostics.taskReturn.hasSubscribers)
      diagnostics.taskReturn.publish({ app: this.#options.services.app, taskId: request.id, carried })
    return unpacked
  }

  #ended(request: Request, outcome: PoolOutcome): void {
    if (outcome.kind === 'withdrawn') {
      this.#returned(request)
      return
    }
    request.clearTimers()
    if (outcome.kind === 'done') request.ranMs = outcome.ranMs
    if (request.phase === 'active') {
      this.#options.state.active -= 1
      this.#options.onEnded?.(request)
    }
    request.phase = 'done'
    const { disowned } = request
    // Killed or given up on purpose: its ending is under way already.
    if (disowned === undefined || disowned === 'lease-lost') {
      this.#options.tracer.finish(request, this.#outcomeOf(request, outcome))
    }
    this.left(request)
    this.#drain()
  }

  /** It has not begun. */
  #returned(request: Request): void {
    request.ticket = undefined
    if (request.phase === 'reserved') {
      if (this.#stopped) this.#options.onReturned?.(request)
      else this.#ready.unshift(request)
    }
    this.#drain()
  }
}

class JobEvents implements PoolJobEvents {
  readonly #dispatcher: Dispatcher
  readonly #request: Request

  constructor(dispatcher: Dispatcher, request: Request) {
    this.#dispatcher = dispatcher
    this.#request = request
  }

  onAccepted(info: Parameters<PoolJobEvents['onAccepted']>[0]): void {
    this.#dispatcher.accepted(this.#request, info)
  }

  onMessage(message: SlotMessage): Promise<unknown> {
    return this.#dispatcher.message(this.#request, message)
  }
}
