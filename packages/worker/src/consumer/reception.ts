/**
 * What happens to a received message, in Celery's order (celery/worker/strategy.py, consumer.py 5.7; worker-behaviour §2):
 *
 *   envelope ─► headers ─► task known? ─► body ─► revoked or expired? ─► task-received ─┬─ ETA ─► held ─┐
 *      │           │            │           │              │                            ├─ rate limit ◄─┤
 *      ▼           ▼            ▼           ▼              ▼                            └─► reserved ◄──┘
 *    refused    refused    unknown task  refused       revoked
 *
 * A refused message costs one log line that says why. It is parked in `<queue>.parked`, or with Celery's defaults rejected or acknowledged
 * as Celery does. Nothing a message holds may throw beyond `receive`.
 */
import { diagnostics } from '@ct/client'
import {
  isCeleryError,
  isPlainObject,
  NotRegistered,
  pyRepr,
  readTaskBody,
  readTaskMessage,
  type Delivery,
  type MessageCodecs,
  type Settlement,
  type TaskMessage,
  type TimeProvider,
} from '@ct/contracts'
import { Request, type Revocations, type Strategy, type WorkerState } from '../request/index.ts'
import { ack, failChordsOf, type Tracer, type TraceServices } from '../trace/index.ts'
import type { Credit } from './credit.ts'
import type { Dispatcher } from './dispatcher.ts'
import { DueHeap, type DueEntry } from './due-heap.ts'
import type { HoldLimit } from './hold-limit.ts'
import { RateLimiter } from './rate-limiter.ts'
import type { ReceptionSignals } from './reception-signals.ts'
import type { Unconfirmed } from './unconfirmed.ts'

export interface ReceptionOptions {
  readonly codecs: MessageCodecs
  readonly strategies: ReadonlyMap<string, Strategy>
  readonly state: WorkerState
  readonly services: TraceServices
  readonly tracer: Tracer
  readonly revocations: Revocations
  readonly dispatcher: Dispatcher
  readonly credit: Credit
  readonly unconfirmed: Unconfirmed
  readonly holdLimit: HoldLimit
  readonly signals: ReceptionSignals
  /** Park what is refused; false: reject or acknowledge it as Celery does. */
  readonly parks: boolean
  readonly time: TimeProvider
}

/** How a refused message is settled with Celery's defaults, and how loud it is. */
interface Refusal {
  readonly reason: string
  readonly settlement: Settlement
  readonly level: 'warn' | 'error' | 'critical'
  readonly text: string
  /** Told to listeners when it is settled. */
  readonly onSettled?: () => void
}

export class Reception {
  readonly #options: ReceptionOptions
  readonly #held: DueHeap<Request>
  readonly #entries = new WeakMap<Request, DueEntry<Request>>()
  readonly #limiter: RateLimiter
  #received = 0
  #refused = 0

  constructor(options: ReceptionOptions) {
    this.#options = options
    this.#held = new DueHeap<Request>((request) => this.#due(request), options.time)
    this.#limiter = new RateLimiter((request) => options.dispatcher.submit(request))
  }

  /** Messages delivered so far, refused ones included. */
  get received(): number {
    return this.#received
  }

  get refused(): number {
    return this.#refused
  }

  /** The broker took something that is not even an envelope. */
  malformed(): void {
    this.#received += 1
    this.#refused += 1
  }

  /** Requests held for their ETA, soonest first. */
  scheduled(): { readonly at: number; readonly request: Request }[] {
    return this.#held.entries().map(({ at, item }) => ({ at, request: item }))
  }

  resetRateLimit(strategy: Strategy): void {
    this.#limiter.reset(strategy)
  }

  readonly receive = (delivery: Delivery): void => {
    this.#received += 1
    let request: Request | undefined
    try {
      request = this.#read(delivery)
      if (request !== undefined) this.#take(request)
    } catch (error) {
      if (request !== undefined) this.#options.state.open.delete(request)
      this.#refuse(delivery, refusalOf(delivery, error), error)
    }
  }

  /** Undefined: it is dealt with. */
  #read(delivery: Delivery): Request | undefined {
    const { strategies, codecs, state, unconfirmed } = this.#options
    const message = readTaskMessage(delivery, codecs)
    const strategy = strategies.get(message.task)
    if (strategy === undefined) {
      this.#unknownTask(delivery, message)
      return undefined
    }
    const body = readTaskBody(message, codecs)
    if (delivery.info.redelivered && unconfirmed.recognise(message, delivery)) return undefined
    const request = new Request(
      delivery,
      message,
      body,
      strategy,
      this.#ignoresResult(delivery, message, strategy),
    )
    state.open.add(request)
    return request
  }

  #take(request: Request): void {
    const { revocations, services } = this.#options
    const { message, strategy } = request
    const { log, events } = services
    if (log.infoEnabled) log.info(`Task ${request.label} received`, request.logFields)
    if (revocations.mayConcern(request)) {
      const reason = revocations.reasonFor(request)
      if (reason !== undefined) {
        request.phase = 'done'
        this.#options.tracer.interruptions.revoked(request, reason, revocations.stampOf(request))
        return
      }
    }
    this.#options.signals.received(request)
    if (diagnostics.taskReceive.hasSubscribers) this.#published(request)
    if (events.enabled && strategy.options.sendEvents) events.send('task-received', receivedEvent(request))
    if (message.etaMs !== null) this.#hold(request, message.etaMs)
    else if (strategy.bucket !== undefined) this.#limiter.enter(request)
    else this.#options.dispatcher.submit(request)
  }

  /** Where the sender left it open. Each worker runs a broadcast task under the same id: the last result would win (PAIN-64). */
  #ignoresResult({ queue }: Delivery, { ignoreResult }: TaskMessage, { options }: Strategy): boolean {
    if (ignoreResult !== null || options.ignoreResult) return options.ignoreResult
    const { services } = this.#options
    return services.defaults === 'ct' && services.app.context.queues.find(queue)?.isBroadcast === true
  }

  #published({ id, delivery, message }: Request): void {
    const { app } = this.#options.services
    const { queue } = delivery
    diagnostics.taskReceive.publish({ app, taskId: id, task: message.task, queue, headers: message.headers })
  }

  // ---- ETA -----------------------------------------------------------------------------------------------------------

  #hold(request: Request, at: number): void {
    const here = (): void => this.#holdHere(request, at)
    if (!this.#options.holdLimit.postpones(request, at, here)) here()
  }

  #holdHere(request: Request, at: number): void {
    request.phase = 'scheduled'
    this.#options.credit.hold()
    this.#entries.set(request, this.#held.add(at, request))
  }

  /** It is not ours any more: it becomes due elsewhere. */
  drop(request: Request): void {
    const entry = this.#entries.get(request)
    if (entry === undefined || entry.cancelled) return
    this.#held.cancel(entry)
    this.#options.credit.unhold()
  }

  #due(request: Request): void {
    this.#options.credit.unhold()
    if (request.phase !== 'scheduled') return
    if (request.strategy.bucket !== undefined) this.#limiter.enter(request)
    else this.#options.dispatcher.submit(request)
  }

  /** Forgets what waits here; the requests themselves are released or dropped by the caller. */
  clear(): void {
    this.#options.credit.unhold(this.#held.clear().length)
    this.#limiter.clear()
  }

  // ---- refusals ------------------------------------------------------------------------------------------------------

  #unknownTask(delivery: Delivery, message: TaskMessage): void {
    const { services } = this.#options
    const error = new NotRegistered(message.task)
    services.events.send('task-failed', {
      uuid: message.id,
      exception: `NotRegistered(${pyRepr(message.task)})`,
    })
    this.#refuse(
      delivery,
      {
        reason: 'unknown-task',
        settlement: { action: 'reject' },
        level: 'error',
        text: `Received unregistered task of type ${pyRepr(message.task)} (id ${message.id}). Is it registered with this worker's app, under this name?`,
        onSettled: () => this.#options.signals.unknown(delivery, message.task, message.id, error),
      },
      error,
      message,
    )
  }

  #refuse(delivery: Delivery, refusal: Refusal, error: unknown, message?: TaskMessage): void {
    this.#refused += 1
    const { services, parks } = this.#options
    const settlement: Settlement = parks ? { action: 'park', reason: refusal.reason } : refusal.settlement
    const where = parks ? `parked in ${delivery.queue}.parked` : `settled with ${settlement.action}`
    services.log[refusal.level](`${refusal.text} The message is ${where}.`, {
      queue: delivery.queue,
      reason: refusal.reason,
      ...(isCeleryError(error) && typeof error.details['reason'] === 'string'
        ? { detail: error.details['reason'] }
        : {}),
      ...(refusal.reason === 'unknown-task' ? {} : { message: describe(delivery) }),
    })
    void this.#settleRefused(delivery, settlement, error, message).then(
      refusal.onSettled ??
        (() => {
          // Celery acknowledges what it cannot decode, and tells nobody.
          if (refusal.reason !== 'decode-error')
            this.#options.signals.rejected(delivery, refusal.reason === 'unknown-message' ? null : error)
        }),
    )
  }

  /** `message`: it is well formed, but nobody here can run it. */
  async #settleRefused(
    delivery: Delivery,
    settlement: Settlement,
    error: unknown,
    message: TaskMessage | undefined,
  ): Promise<void> {
    const { services } = this.#options
    const taskId: unknown = isPlainObject(delivery.headers) ? delivery.headers['id'] : undefined
    try {
      if (typeof taskId === 'string' && taskId !== '' && services.results.enabled) {
        const write = services.results.encode(
          { taskId },
          { state: 'FAILURE', result: error, traceback: null, children: null },
        )
        if (write !== undefined) await services.results.store([write])
      }
      if (message !== undefined) {
        const body = readTaskBody(message, this.#options.codecs)
        if (body.embed.chord !== null || body.embed.chain !== null)
          await failChordsOf(services, message, body, error)
      }
    } catch (cause) {
      services.log.error(`The failure of the refused message ${String(taskId)} could not be stored.`, {
        error: cause,
      })
    }
    try {
      await delivery.settle(settlement)
    } catch (cause) {
      services.log.warn('A refused message could not be settled; it will come again.', { error: cause })
    }
  }
}

function receivedEvent(request: Request): Record<string, unknown> {
  const { message } = request
  return {
    uuid: request.id,
    name: request.name,
    args: message.argsrepr,
    kwargs: message.kwargsrepr,
    root_id: message.rootId,
    parent_id: message.parentId,
    retries: message.retries,
    eta: message.eta,
    expires: message.expires,
  }
}

function refusalOf(delivery: Delivery, error: unknown): Refusal {
  const code = isCeleryError(error) ? error.code : undefined
  const why = error instanceof Error ? error.message : String(error)
  const reason =
    isCeleryError(error) && typeof error.details['reason'] === 'string'
      ? error.details['reason']
      : 'malformed'
  if (code === 'CT_INVALID_MESSAGE' && reason === 'unknown-message') {
    return {
      reason: 'unknown-message',
      settlement: { action: 'reject' },
      level: 'warn',
      text: `Received a message that is no task, from ${delivery.queue}: ${why}.`,
    }
  }
  if (code === 'CT_INVALID_MESSAGE' || code === 'CT_CONTENT_DISALLOWED') {
    return {
      reason: code === 'CT_INVALID_MESSAGE' ? 'invalid-task' : 'content-disallowed',
      settlement: { action: 'reject' },
      level: 'error',
      text: `Received an invalid task message from ${delivery.queue}: ${why}.`,
    }
  }
  return {
    reason: code === 'CT_DECODE' ? 'decode-error' : 'malformed',
    settlement: ack,
    level: 'critical',
    text: `Can't decode a message from ${delivery.queue}: ${why}.`,
  }
}

/** At most 1,024 characters of the body, and what the headers name. */
function describe(delivery: Delivery): Record<string, unknown> {
  const headers = isPlainObject(delivery.headers) ? delivery.headers : {}
  return {
    id: shown(headers['id']),
    task: shown(headers['task']),
    contentType: delivery.contentType,
    contentEncoding: delivery.contentEncoding,
    body: Buffer.from(delivery.body.subarray(0, 1024)).toString('latin1'),
  }
}

function shown(value: unknown): unknown {
  return typeof value === 'string'
    ? value.slice(0, 256)
    : value === undefined
      ? undefined
      : pyRepr(value, { maxLength: 256 })
}
