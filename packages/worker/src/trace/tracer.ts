/**
 * What becomes of an outcome: results, chord parts, callbacks, acknowledgement, events, hooks, log, in Celery's order
 * (celery/app/trace.py, worker/request.py 5.7; worker-behaviour §3).
 *
 *   returned ─► successors sent ─► SUCCESS stored ─► chord part ─► hooks, log ─► ack ─► task-succeeded
 *   threw ─┬─ Retry    ─► copy published ─► RETRY stored ─► ack ─► task-retried
 *          ├─ Ignore   ─► ack
 *          ├─ Reject   ─► requeue, or FAILURE stored and reject
 *          └─ error    ─► FAILURE stored ─► chord, chain, errbacks ─► hooks, log ─► ack or reject ─► task-failed
 *   lost, time limit, revoked, expired, cancelled: see interruptions.ts
 *
 * Where the broker can settle with results, the last state and the ack are one step. A plain success (no links, no hooks) runs without
 * a promise of its own: that is the hot path.
 */
import { automaticRetry } from '@ct/client'
import {
  isRefusal,
  Ignore,
  pyRepr,
  pythonTraceback,
  readSignature,
  Reject,
  Replace,
  Retry,
  type ResultWrite,
  type Settlement,
} from '@ct/contracts'
import type { Request } from '../request/index.ts'
import { partOf, recordPart, reportPart } from './chord.ts'
import type { ChordMember } from './chord-member.ts'
import { ack, Effects, noChildren, sent, type OnEnd } from './effects.ts'
import { Interruptions } from './interruptions.ts'
import { failureAction } from './failure-action.ts'
import { FailureRecord } from './failure-record.ts'
import { memberOf, propagateFailure } from './failure.ts'
import { callFrom, sendSuccessors } from './links.ts'
import type { Outcome } from './outcome.ts'
import type { TraceServices } from './ports.ts'
import { retryCopy, type RetryCopy } from './retry.ts'
import { slotVerdict } from './slot-error.ts'
import { taskRequest } from './task-request.ts'
import { thrown } from './thrown.ts'

export interface TracerOptions {
  readonly services: TraceServices
  readonly publishRetry: (copy: RetryCopy) => Promise<void>
  /** Remembers ids of stored successes, for de-duplication. */
  readonly onSuccess?: ((taskId: string) => void) | undefined
  readonly onEnd: OnEnd
  /** Epoch ms. */
  readonly now: () => number
}

export class Tracer {
  readonly #services: TraceServices
  readonly #options: TracerOptions
  readonly #effects: Effects
  readonly #failureRecord: FailureRecord
  /** Endings that are not the task's own doing. */
  readonly interruptions: Interruptions

  constructor(options: TracerOptions) {
    this.#services = options.services
    this.#options = options
    this.#effects = new Effects(options.services, options.onEnd)
    this.#failureRecord = new FailureRecord(this.#effects)
    this.interruptions = new Interruptions(this.#effects, options)
  }

  /** Takes the outcome of a run. Never throws; what it starts reports to `onEnd`. */
  finish(request: Request, outcome: Outcome): void {
    if (request.disowned !== undefined) {
      this.interruptions.late(request, outcome)
      return
    }
    if (outcome.kind === 'returned') {
      if (request.isPlain && !request.strategy.hasSuccessHooks && !this.#effects.signals.afterRun)
        this.#plainSuccess(request, outcome.value)
      else this.#effects.guard(request, this.#success(request, outcome.value))
    } else if (outcome.kind === 'threw') this.#effects.guard(request, this.#threw(request, outcome.error))
    else this.#effects.guard(request, this.interruptions.lost(request, outcome))
  }

  // ---- success -------------------------------------------------------------------------------------------------------

  #plainSuccess(request: Request, value: unknown): void {
    const { results } = this.#services
    let write: ResultWrite | undefined
    if (!request.ignoreResult && results.enabled) {
      try {
        write = results.encode(
          { taskId: request.id, request },
          { state: 'SUCCESS', result: value, children: request.children ?? noChildren },
        )
      } catch (error) {
        this.#effects.guard(request, this.#failure(request, error))
        return
      }
    }
    if (write !== undefined && (request.acknowledged || !results.canSettle)) {
      this.#effects.guard(request, this.#storeSuccess(request, value, write))
      return
    }
    this.#succeeded(request, value, write === undefined ? ack : { action: 'ack', results: [write] })
  }

  async #storeSuccess(request: Request, value: unknown, write: ResultWrite): Promise<void> {
    if (await this.#stored(request, write)) this.#succeeded(request, value, ack)
  }

  /** False when the store refuses the result (too large, …), which makes the task a failure. */
  async #stored(request: Request, write: ResultWrite): Promise<boolean> {
    try {
      await this.#effects.store(request, [write])
      return true
    } catch (error) {
      if (!isRefusal(error)) throw error
      await this.#failure(request, error)
      return false
    }
  }

  async #success(request: Request, value: unknown): Promise<void> {
    const { results } = this.#services
    const { embed } = request.body
    const { signals } = this.#effects
    const told = request.strategy.hasSuccessHooks || signals.afterRun
    const fuses = !told && results.canSettle
    if (fuses) this.#effects.collect(request)
    try {
      if (embed.callbacks !== null || embed.chain !== null)
        await sendSuccessors(this.#services, request, value)
    } catch (error) {
      // A successor that cannot be sent, after the publisher's own retries, fails the task (D57-62).
      await this.#failure(request, error)
      return
    }
    let write: ResultWrite | undefined
    if (!request.ignoreResult && results.enabled) {
      try {
        write = results.encode(
          { taskId: request.id, request },
          { state: 'SUCCESS', result: value, children: request.children ?? noChildren },
        )
      } catch (error) {
        await this.#failure(request, error)
        return
      }
    }
    const inChord = embed.chord !== null && request.message.group !== null
    // What is stored nowhere is encoded for the chord alone, and may be nothing that can be.
    if (inChord && write === undefined) {
      try {
        this.#services.chords.encodePart(request.id, 'SUCCESS', value)
      } catch (error) {
        await this.#failure(request, error)
        return
      }
    }
    if (inChord && fuses && this.#services.chords.canSettle === true && !request.acknowledged) {
      await this.#memberSuccess(request, value, write)
      return
    }
    const fused = !inChord && fuses && !request.acknowledged
    if (write !== undefined && !fused && !(await this.#stored(request, write))) return
    if (inChord) await reportPart(this.#services, this.#member(request), 'SUCCESS', value)
    if (told) {
      await this.#effects.hooks(request, 'SUCCESS', value, () => signals.success(request, value))
      await signals.postrun(request, 'SUCCESS', value)
    }
    this.#succeeded(request, value, fused && write !== undefined ? { action: 'ack', results: [write] } : ack)
  }

  /** A member of a chord: result, part and ack are one step, unless the part completes the chord. */
  async #memberSuccess(request: Request, value: unknown, write: ResultWrite | undefined): Promise<void> {
    const member = this.#member(request)
    const { chord, groupId } = member
    const part = partOf(this.#services, member, groupId!, 'SUCCESS', value)
    const progress = await this.#effects.settleWithPart(request, write === undefined ? [] : [write], part)
    if (progress === undefined && write !== undefined && !(await this.#stored(request, write))) return
    await recordPart(this.#services, member, chord!, part, progress)
    this.#succeeded(request, value, ack)
  }

  #member(request: Request): ChordMember {
    const priority = this.#services.inheritPriority ? (request.message.priority ?? undefined) : undefined
    return memberOf(request, priority)
  }

  /** Settles, and says so. */
  #succeeded(request: Request, value: unknown, settlement: Settlement): void {
    const { log, events } = this.#services
    this.#options.onSuccess?.(request.id)
    const { options } = request.strategy
    const wanted = events.enabled && options.sendEvents
    if (!wanted && !log.infoEnabled) {
      this.#effects.settle(request, settlement)
      return
    }
    const { runtime } = request
    const result = request.resultRepr ?? pyRepr(value, { maxLength: options.resultreprMaxsize })
    if (log.infoEnabled)
      log.info(`Task ${request.label} succeeded in ${runtime}s: ${result}`, request.logFields)
    this.#effects.settle(
      request,
      settlement,
      wanted ? () => events.send('task-succeeded', { uuid: request.id, result, runtime }) : undefined,
    )
  }

  // ---- errors --------------------------------------------------------------------------------------------------------

  async #threw(request: Request, error: unknown): Promise<void> {
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
      else await this.#failure(request, error)
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
      await this.#failure(request, error)
      return
    }
    this.#effects.settle(request, ack)
    if (this.#services.log.infoEnabled)
      this.#services.log.info(
        `Task ${request.label} replaced by ${readSignature(replace.signature).task}`,
        request.logFields,
      )
  }

  async #failure(request: Request, error: unknown): Promise<void> {
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
