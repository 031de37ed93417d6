/**
 * What becomes of an outcome: results, chord parts, callbacks, acknowledgement, events, hooks, log, in Celery's order
 * (celery/app/trace.py, worker/request.py 5.7; worker-behaviour §3).
 *
 *   returned ─► successors sent ─► SUCCESS stored ─► chord part ─► hooks, log ─► ack ─► task-succeeded
 *   threw ─┬─ Retry    ─► copy published ─► RETRY stored ─► ack ─► task-retried
 *          ├─ Ignore   ─► ack
 *          ├─ Reject   ─► requeue, or FAILURE stored and reject
 *          └─ error    ─► FAILURE stored ─► chord, chain, errbacks ─► hooks, log ─► ack or reject ─► task-failed
 *   what was thrown: see thrown-outcomes.ts; lost, time limit, revoked, expired, cancelled: see interruptions.ts
 *
 * Where the broker can settle with results, the last state and the ack are one step. A plain success (no links, no hooks) runs without
 * a promise of its own: that is the hot path.
 */
import { isRefusal, pyRepr, type ResultWrite, type Settlement } from '@ct/contracts'
import type { Request } from '../request/index.ts'
import { partOf, recordPart, reportPart } from './chord.ts'
import type { ChordMember } from './chord-member.ts'
import { ack, Effects, noChildren, type OnEnd } from './effects.ts'
import { Interruptions } from './interruptions.ts'
import { memberOf } from './failure.ts'
import { sendSuccessors } from './links.ts'
import type { Outcome } from './outcome.ts'
import type { TraceServices } from './ports.ts'
import type { RetryCopy } from './retry.ts'
import { ThrownOutcomes } from './thrown-outcomes.ts'

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
  readonly #thrown: ThrownOutcomes
  /** Endings that are not the task's own doing. */
  readonly interruptions: Interruptions

  constructor(options: TracerOptions) {
    this.#services = options.services
    this.#options = options
    this.#effects = new Effects(options.services, options.onEnd)
    this.#thrown = new ThrownOutcomes(this.#effects, options)
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
    } else if (outcome.kind === 'threw')
      this.#effects.guard(request, this.#thrown.take(request, outcome.error))
    else this.#effects.guard(request, this.interruptions.lost(request, outcome))
  }

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
        this.#effects.guard(request, this.#thrown.fail(request, error))
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
      await this.#thrown.fail(request, error)
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
      await this.#thrown.fail(request, error)
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
        await this.#thrown.fail(request, error)
        return
      }
    }
    const inChord = embed.chord !== null && request.message.group !== null
    // What is stored nowhere is encoded for the chord alone, and may be nothing that can be.
    if (inChord && write === undefined) {
      try {
        this.#services.chords.encodePart(request.id, 'SUCCESS', value)
      } catch (error) {
        await this.#thrown.fail(request, error)
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
}
