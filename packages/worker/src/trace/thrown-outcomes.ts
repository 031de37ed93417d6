/** What becomes of a task that threw: retried, ignored, rejected, replaced or failed; see the drawing in tracer.ts. */
import { automaticRetry } from '@ct/client'
import {
  Ignore,
  pyRepr,
  pythonTraceback,
  readSignature,
  Reject,
  Replace,
  Retry,
  type Settlement,
} from '@ct/contracts'
import type { Request } from '../request/index.ts'
import { ack, sent, type Effects } from './effects.ts'
import { failureAction } from './failure-action.ts'
import { FailureRecord } from './failure-record.ts'
import { propagateFailure } from './failure.ts'
import { callFrom } from './links.ts'
import type { TraceServices } from './ports.ts'
import { retryCopy, type RetryCopy } from './retry.ts'
import { slotVerdict } from './slot-error.ts'
import { taskRequest } from './task-request.ts'
import { thrown } from './thrown.ts'

export interface ThrownOutcomesOptions {
  readonly services: TraceServices
  readonly publishRetry: (copy: RetryCopy) => Promise<void>
  /** Epoch ms. */
  readonly now: () => number
}

export class ThrownOutcomes {
  readonly #services: TraceServices
  readonly #options: ThrownOutcomesOptions
  readonly #effects: Effects
  readonly #failureRecord: FailureRecord

  constructor(effects: Effects, options: ThrownOutcomesOptions) {
    this.#services = options.services
    this.#options = options
    this.#effects = effects
    this.#failureRecord = new FailureRecord(effects)
  }

  /** Whatever the task threw. */
  async take(request: Request, error: unknown): Promise<void> {
    if (error instanceof Retry) await this.#retry(request, error)
    else if (error instanceof Replace) await this.#replace(request, error)
    else if (error instanceof Ignore) {
      this.#services.log.info(`Task ${request.label} ignored`, request.logFields)
      await this.#effects.signals.postrun(request, 'IGNORED', error)
      this.#effects.settle(request, ack)
    } else if (error instanceof Reject) await this.#rejected(request, error)
    else {
      const retry =
        request.strategy.options.autoretryFor.length === 0 || slotVerdict(error) !== undefined
          ? undefined
          : automaticRetry(
              { task: request.strategy.task, request: taskRequest(request, this.#services.hostname) },
              error,
            )
      if (retry !== undefined) await this.#retry(request, retry)
      else if (failureAction(request.strategy.options, error) === 'requeue')
        await this.#rejected(request, new Reject(error, true))
      else await this.fail(request, error)
    }
  }

  /** The task's id, callbacks, chord and chain are the replacement's by now; here is nothing left to store or to tell. */
  async #replace(request: Request, replace: Replace): Promise<void> {
    this.#effects.collect(request)
    const call = callFrom(this.#services, request, [])
    try {
      await sent(this.#services, `What replaces task ${request.label} could not be sent`, () =>
        this.#services.sender.call(replace.signature, call),
      )
    } catch (error) {
      await this.fail(request, error)
      return
    }
    this.#effects.settle(request, ack)
    if (this.#services.log.infoEnabled)
      this.#services.log.info(
        `Task ${request.label} replaced by ${readSignature(replace.signature).task}`,
        request.logFields,
      )
  }

  /** FAILURE, and what follows from it. */
  async fail(request: Request, error: unknown): Promise<void> {
    const { options } = request.strategy
    const traceback = pythonTraceback(error)
    const action = failureAction(options, error)
    const reject =
      !request.acknowledged && (action === undefined ? !options.acksOnFailure : action === 'reject')
    const settlement: Settlement = reject ? { action: 'reject' } : ack
    await this.#failed(request, error, traceback, settlement, () => {
      if (reject) this.#effects.event(request, 'task-rejected', { requeue: false })
      this.#effects.failedEvent(request, error, traceback)
    })
  }

  /** Stores FAILURE, tells whom it concerns, runs the hooks, logs, settles. */
  async #failed(
    request: Request,
    error: unknown,
    traceback: string,
    settlement: Settlement,
    then: () => void,
  ): Promise<void> {
    const { results } = this.#services
    const { options } = request.strategy
    const write = request.storeErrors ? this.#failureRecord.encode(request, error, traceback) : undefined
    const { signals } = this.#effects
    const hooks = options.onFailure !== undefined || options.afterReturn !== undefined || signals.afterFailure
    const fusable = settlement.action === 'ack' || settlement.action === 'reject'
    const fused = request.isPlain && !hooks && fusable && !request.acknowledged && results.canSettle
    if (!fused) {
      if (!hooks) this.#effects.collect(request)
      if (write !== undefined) await this.#effects.storeState(request, write)
      if (!request.isPlain)
        await propagateFailure(this.#services, request, error, traceback, request.storeErrors)
      await this.#effects.hooks(request, 'FAILURE', error, () => signals.failure(request, error, traceback))
      await signals.postrun(request, 'FAILURE', error)
    }
    this.#failureRecord.log(request, error)
    this.#effects.settle(
      request,
      fused && write !== undefined ? { ...settlement, results: [write] } : settlement,
      then,
    )
  }

  async #retry(request: Request, retry: Retry): Promise<void> {
    const { log, results } = this.#services
    const reason: unknown = retry.exc === undefined || retry.exc === null ? null : thrown(retry.exc)
    const traceback = pythonTraceback(reason ?? retry)
    // Before the copy is sent: whoever runs it may be faster, and its outcome must not be overwritten.
    if (!request.ignoreResult && results.enabled) {
      const write = results.encode(
        { taskId: request.id, request },
        {
          state: 'RETRY',
          result: reason,
          traceback,
          children: [{ id: request.id, parent: null, children: null }],
        },
      )
      if (write !== undefined) await this.#effects.storeState(request, write)
    }
    const copy = retryCopy(request, retry, this.#options.now())
    try {
      await this.#options.publishRetry(copy)
    } catch (error) {
      log.error(`The retry of task ${request.label} could not be published.`, { error })
      // Celery rejects the message, and the task is lost. With late acks it can simply go back.
      if (this.#services.defaults === 'ct' && !request.acknowledged) {
        this.#effects.settle(request, { action: 'requeue' }, () =>
          this.#effects.event(request, 'task-rejected', { requeue: true }),
        )
      } else await this.#rejected(request, new Reject(error, false, { cause: error }))
      return
    }
    await this.#effects.hook(request, 'onRetry', () =>
      request.strategy.options.onRetry?.(
        reason,
        request.id,
        request.body.args,
        request.body.kwargs,
        this.#effects.view(request),
      ),
    )
    await this.#effects.signals.retry(request, retry, traceback)
    if (log.infoEnabled) {
      log.info(
        `Task ${request.label} retry: ${retry.message}${reason === null ? '' : `: ${pyRepr(reason)}`}`,
        request.logFields,
      )
    }
    await this.#effects.signals.postrun(request, 'RETRY', retry)
    this.#effects.settle(request, ack, () =>
      this.#effects.event(request, 'task-retried', { exception: pyRepr(reason ?? retry), traceback }),
    )
  }

  async #rejected(request: Request, reject: Reject): Promise<void> {
    const { log } = this.#services
    log.warn(
      `Task ${request.label} reject requeue=${reject.requeue ? 'True' : 'False'}: ${pyRepr(reject.reason)}`,
      request.logFields,
    )
    await this.#effects.signals.postrun(request, 'REJECTED', reject)
    if (reject.requeue) {
      // With an early ack there is nothing left to reject.
      this.#reject(request, { action: 'requeue' }, true)
      return
    }
    const traceback = pythonTraceback(reject)
    if (request.storeErrors) {
      const write = this.#failureRecord.encode(request, reject, traceback)
      if (write !== undefined) await this.#effects.storeState(request, write)
    }
    if (!request.isPlain)
      await propagateFailure(this.#services, request, reject, traceback, request.storeErrors)
    await this.#effects.hooks(request, 'FAILURE', reject, () =>
      this.#effects.signals.failure(request, reject, traceback),
    )
    this.#effects.failedEvent(request, reject, traceback)
    this.#reject(request, { action: 'reject' }, false)
  }

  #reject(request: Request, settlement: Settlement, requeue: boolean): void {
    const early = request.acknowledged
    this.#effects.settle(request, settlement, () => {
      if (!early) this.#effects.event(request, 'task-rejected', { requeue })
    })
  }
}
