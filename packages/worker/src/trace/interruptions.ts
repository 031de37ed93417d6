/**
 * Endings that are not the task's own doing: revoked and expired before the start, terminated, hard time limit, slot lost, cancelled by a
 * shutdown (celery/worker/request.py 5.7; worker-behaviour §3.2, §6.3; D57-61, D57-64).
 */
import {
  pyRepr,
  pythonTraceback,
  readyStates,
  Retry,
  TaskRevokedError,
  TimeLimitExceeded,
  WorkerLostError,
} from '@ct/contracts'
import type { Request, RevokedReason } from '../request/index.ts'
import { reportPart } from './chord.ts'
import { ack, noChildren, type Effects } from './effects.ts'
import { failLaterChords, memberOf, propagateFailure } from './failure.ts'
import type { Outcome } from './outcome.ts'
import { retryCopy, type RetryCopy } from './retry.ts'

interface RevokedEvent {
  readonly terminated: boolean
  readonly signum: number | null
  readonly expired: boolean
}

export interface InterruptionOptions {
  readonly publishRetry: (copy: RetryCopy) => Promise<void>
  /** Epoch ms. */
  readonly now: () => number
}

export class Interruptions {
  readonly #effects: Effects
  readonly #options: InterruptionOptions

  constructor(effects: Effects, options: InterruptionOptions) {
    this.#effects = effects
    this.#options = options
  }

  /** Before it ran: announced, stored, reported to its chord, acknowledged. */
  revoked(request: Request, reason: RevokedReason, header?: readonly [string, unknown]): void {
    const { log } = this.#effects.services
    if (log.infoEnabled) {
      const by = header === undefined ? '' : ` (revoked by header: ${pyRepr({ [header[0]]: header[1] })})`
      log.info(`Discarding revoked task: ${request.label}${by}`)
    }
    const event = { terminated: false, signum: null, expired: reason === 'expired' }
    this.#effects.guard(request, this.#revoke(request, reason, event))
  }

  /** While it ran: nobody waits for its outcome any more. */
  terminated(request: Request, signum: number | null): void {
    this.#effects.guard(
      request,
      this.#revoke(request, 'terminated', { terminated: true, signum, expired: false }),
    )
  }

  async #revoke(request: Request, reason: string, event: RevokedEvent): Promise<void> {
    const { services } = this.#effects
    request.revoked = true
    this.#effects.event(request, 'task-revoked', { ...event })
    const error = new TaskRevokedError(reason)
    if (request.storeErrors) await this.#storeState(request, 'REVOKED', error, null)
    await reportPart(services, memberOf(request), 'REVOKED', error)
    await failLaterChords(services, request.message, request.body, error)
    this.#effects.settle(request, ack, () => {
      void this.#effects.signals.revoked(request, event.terminated, event.signum, event.expired)
    })
  }

  /**
   * Hard limit. Where the pool cannot end code that runs (it shares this event loop), the failure is recorded, the slot goes to another
   * task, and what the code comes to later is logged and ignored.
   */
  timeLimit(request: Request, seconds: number): void {
    this.#effects.guard(request, this.#timeLimit(request, seconds))
  }

  async #timeLimit(request: Request, seconds: number): Promise<void> {
    const { services } = this.#effects
    services.log.error(`Hard time limit (${seconds}s) exceeded for ${request.label}`)
    const error = new TimeLimitExceeded(seconds)
    const traceback = pythonTraceback(error)
    const requeue = !request.acknowledged && !request.strategy.options.acksOnTimeout
    if (request.storeErrors) await this.#storeState(request, 'FAILURE', error, traceback)
    if (!request.isPlain) await propagateFailure(services, request, error, traceback, request.storeErrors)
    await this.#effects.hooks(request, 'FAILURE', error)
    await this.#effects.signals.failure(request, error, traceback)
    this.#effects.settle(request, requeue ? { action: 'requeue' } : ack, () => {
      if (requeue) this.#effects.event(request, 'task-rejected', { requeue: true })
      this.#effects.failedEvent(request, error, traceback)
    })
  }

  /** The process or thread that ran it is gone. */
  async lost(request: Request, outcome: Extract<Outcome, { kind: 'lost' }>): Promise<void> {
    const { services } = this.#effects
    const { options } = request.strategy
    if (await this.#succeededAlready(request)) {
      services.log.warn(
        `Task ${request.label} lost its process after its success was stored.`,
        request.logFields,
      )
      this.#effects.settle(request, ack, () =>
        this.#effects.event(request, 'task-succeeded', { result: null, runtime: null }),
      )
      return
    }
    const error = new WorkerLostError(lostText(outcome))
    if (options.retryOnWorkerLost && (await this.#retryLost(request, error))) return
    const late = !request.acknowledged
    if (late && options.rejectOnWorkerLost && !this.#retriesSpent(request)) {
      services.log.error(`Task ${request.label} goes back to its queue: ${error.message}`, request.logFields)
      this.#effects.settle(request, { action: 'requeue' }, () =>
        this.#effects.event(request, 'task-rejected', { requeue: true }),
      )
      return
    }
    services.log.error(`Task handler raised error: ${pyRepr(error)}`)
    const traceback = pythonTraceback(error)
    const reject = late && !options.acksOnFailure
    if (request.storeErrors) await this.#storeState(request, 'FAILURE', error, traceback)
    if (!request.isPlain) await propagateFailure(services, request, error, traceback, request.storeErrors)
    await this.#effects.signals.failure(request, error, traceback)
    this.#effects.settle(request, reject ? { action: 'reject' } : ack, () => {
      if (reject) this.#effects.event(request, 'task-rejected', { requeue: false })
      this.#effects.failedEvent(request, error, traceback)
    })
  }

  /**
   * Started again and again, and no start came to an end: it is set aside, and who waits for it is told (ct's own). It may succeed all the same, when
   * somebody puts it back.
   */
  poisonous(request: Request, starts: number, most: number): void {
    this.#effects.guard(request, this.#poisonous(request, starts, most))
  }

  async #poisonous(request: Request, starts: number, most: number): Promise<void> {
    const { services } = this.#effects
    const text = `was started ${starts} times and never ended (maxDeliveries ${most}); it is parked in ${request.delivery.queue}.parked.`
    services.log.error(`Task ${request.label} ${text}`, request.logFields)
    const settlement = { action: 'park', reason: 'max-deliveries', starts } as const
    if (await this.#succeededAlready(request)) {
      this.#effects.settle(request, settlement)
      return
    }
    const error = new WorkerLostError(`The task ${text}`)
    const traceback = pythonTraceback(error)
    if (request.storeErrors) await this.#storeState(request, 'FAILURE', error, traceback)
    if (!request.isPlain) await propagateFailure(services, request, error, traceback, request.storeErrors)
    await this.#effects.signals.failure(request, error, traceback)
    this.#effects.settle(request, settlement, () => this.#effects.failedEvent(request, error, traceback))
  }

  /** Only where results are kept and can be read; tried once: a store that is down must not hold up the worker. */
  async #succeededAlready(request: Request): Promise<boolean> {
    const { results } = this.#effects.services
    if (request.ignoreResult || !results.enabled || !results.readable) return false
    try {
      return (await results.meta(request.id))?.status === 'SUCCESS'
    } catch {
      return false
    }
  }

  #retriesSpent(request: Request): boolean {
    const { maxRetries, retryOnWorkerLost } = request.strategy.options
    return retryOnWorkerLost && maxRetries !== null && request.message.retries >= maxRetries
  }

  /** True when the copy is published. */
  async #retryLost(request: Request, error: WorkerLostError): Promise<boolean> {
    if (this.#retriesSpent(request)) return false
    const { services } = this.#effects
    const { options } = request.strategy
    const retry = new Retry(null, { exc: error, when: options.defaultRetryDelay, sig: {} })
    const traceback = pythonTraceback(error)
    if (!request.ignoreResult) await this.#storeState(request, 'RETRY', error, traceback)
    try {
      await this.#options.publishRetry(retryCopy(request, retry, this.#options.now()))
    } catch (failed) {
      services.log.error(
        `The retry of task ${request.label}, whose process was lost, could not be published.`,
        {
          error: failed,
        },
      )
      return false
    }
    await this.#effects.hook(request, 'onRetry', () =>
      options.onRetry?.(
        error,
        request.id,
        request.body.args,
        request.body.kwargs,
        this.#effects.view(request),
      ),
    )
    await this.#effects.signals.retry(request, retry, traceback)
    this.#effects.settle(request, ack, () =>
      this.#effects.event(request, 'task-retried', { exception: pyRepr(error), traceback }),
    )
    return true
  }

  /**
   * Cold shutdown. Acknowledged at its start: nobody will run it again, which its state RETRY hides, as in Celery. Acknowledged late: it
   * goes back. When its connection was lost (`connectionLost`), it has gone back by itself, and waits in the state RETRY.
   */
  cancelled(request: Request, reason: string, connectionLost: boolean): void {
    this.#effects.guard(request, this.#cancelled(request, reason, connectionLost))
  }

  async #cancelled(request: Request, reason: string, connectionLost: boolean): Promise<void> {
    this.#effects.event(request, 'task-cancelled', {})
    const goesBack = !request.acknowledged
    if (goesBack && !connectionLost) {
      this.#effects.settle(request, { action: 'requeue' })
      return
    }
    const retry = new Retry(reason)
    if (!request.ignoreResult) await this.#storeState(request, 'RETRY', retry, null)
    await this.#effects.hook(request, 'onRetry', () =>
      request.strategy.options.onRetry?.(
        retry,
        request.id,
        request.body.args,
        request.body.kwargs,
        this.#effects.view(request),
      ),
    )
    await this.#effects.signals.retry(request, null, null)
    this.#effects.settle(request, goesBack ? { action: 'requeue' } : ack)
  }

  /** What a run came to that nobody waits for any more. */
  late(request: Request, outcome: Outcome): void {
    const { log } = this.#effects.services
    const what =
      outcome.kind === 'returned'
        ? 'returned'
        : outcome.kind === 'threw'
          ? `raised ${pyRepr(outcome.error)}`
          : `was lost (${outcome.reason})`
    const text = `Task ${request.label} ${what} after it was given up (${request.disowned}); that is not recorded.`
    if (request.disowned === 'lease-lost') log.warn(text)
    else if (log.infoEnabled) log.info(text)
    if (request.disowned === 'lease-lost') this.#effects.settle(request, ack)
    void this.#effects.signals.postrun(request, null, null)
  }

  async #storeState(request: Request, state: string, error: Error, traceback: string | null): Promise<void> {
    const write = this.#effects.services.results.encode(
      { taskId: request.id, request },
      {
        state,
        result: error,
        traceback,
        children: readyStates.has(state) ? (request.children ?? noChildren) : null,
      },
    )
    if (write !== undefined) await this.#effects.storeState(request, write)
  }
}

function lostText(outcome: Extract<Outcome, { kind: 'lost' }>): string {
  if (outcome.signal !== undefined) return `Worker exited prematurely: signal ${outcome.signal}.`
  if (outcome.exitCode !== undefined) return `Worker exited prematurely: exitcode ${outcome.exitCode}.`
  return `Worker exited prematurely: ${outcome.reason}.`
}
