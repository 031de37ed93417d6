/** What every ending is made of: store, settle, event, hooks, and a net below all of them. */
import type { Outbox, TaskRequest } from '@ct/client'
import {
  isRefusal,
  isRetryable,
  pyRepr,
  type ChordPart,
  type ChordProgress,
  type ResultHandle,
  type ResultWrite,
  type Settlement,
} from '@ct/contracts'
import type { Request } from '../request/index.ts'
import type { TraceServices } from './ports.ts'
import { plainValue } from './plain-value.ts'
import { taskRequest } from './task-request.ts'
import { TaskSignals } from './task-signals.ts'

export const ack: Settlement = Object.freeze({ action: 'ack' })
export const noChildren: readonly ResultHandle[] = Object.freeze([])

/**
 * The request needs nothing more of the tracer; `error` when its settlement failed. False: it will be settled later, and what follows
 * (`request.afterwards`) waits for that.
 */
export type OnEnd = (request: Request, error?: unknown) => boolean | void

/**
 * Runs what may be repeated without harm until the other side answers. Rejects with what it refuses, or with the last error when the worker
 * stops for good. `failed` is what the log says meanwhile.
 */
export async function persist<T>(
  services: TraceServices,
  failed: string,
  operation: () => Promise<T>,
): Promise<T> {
  for (let wait = 100; ; wait = Math.min(5000, wait * 2)) {
    try {
      return await operation()
    } catch (error) {
      if (!isRetryable(error)) throw error
      services.log.error(`${failed}; trying again.`, { error })
      if (!(await services.pause(wait))) throw error
    }
  }
}

/**
 * Sends what belongs to a task's ending. Celery gives up when its publish retries are spent, and the workflow ends there; ct's defaults
 * wait for the broker, as for the result store.
 */
export function sent<T>(services: TraceServices, failed: string, operation: () => Promise<T>): Promise<T> {
  return services.defaults === 'ct' ? persist(services, failed, operation) : operation()
}

/** With what follows from the task. What goes back to its queue leads to nothing yet. */
function carrying(request: Request, settlement: Settlement): Settlement {
  const { outbox } = request
  if (outbox === undefined || (settlement.action !== 'ack' && settlement.action !== 'reject'))
    return settlement
  const { messages } = outbox
  return messages === undefined ? settlement : { ...settlement, messages, ahead: outbox.mayBegin }
}

function tellOutbox(outbox: Outbox, error: unknown): void {
  if (error === undefined) outbox.sent()
  else outbox.failed(error)
}

function follow(request: Request, then: (() => void) | undefined, error: unknown): void {
  if (request.outbox !== undefined) tellOutbox(request.outbox, error)
  then?.()
}

/** Requests whose settlements share a promise, as those of one turn of the event loop do. */
interface Followers {
  readonly settled: Promise<void>
  readonly requests: Request[]
  /** What follows the settlement of each. */
  readonly thens: ((() => void) | undefined)[]
}

export class Effects {
  readonly services: TraceServices
  readonly signals: TaskSignals
  readonly #onEnd: OnEnd
  /** Of the latest settlement, until it is confirmed. */
  #followers: Followers | undefined

  constructor(services: TraceServices, onEnd: OnEnd) {
    this.services = services
    this.signals = new TaskSignals(services)
    this.#onEnd = onEnd
  }

  /**
   * False when it was settled before (early ack) or is no longer ours: then nothing is sent. `then` is what follows the settlement, as
   * events do: whoever hears of an outcome finds its result stored.
   */
  settle(request: Request, settlement: Settlement, then?: () => void): boolean {
    const settled = request.settle(carrying(request, settlement))
    if (settled === undefined) {
      this.#onEnd(request)
      then?.()
      return false
    }
    if (this.#followers?.settled !== settled) this.#follow(settled)
    this.#followers!.requests.push(request)
    this.#followers!.thens.push(then)
    return true
  }

  /** From now on what follows from the task goes along with its settlement, where the broker can. Not where somebody is still to be waited for. */
  collect(request: Request): void {
    if (!request.acknowledged) request.outbox ??= this.services.sender.outbox?.(request)
  }

  /**
   * Stores the result, records the task's part of its chord and acknowledges, in one step; then `then`. False: it was not, or not all of it; what a
   * step of its own can do is then safe to do (again). `progress` says what is known of the part, which came to more than the ack: the message
   * is still held.
   */
  async settleWithPart(
    request: Request,
    writes: readonly ResultWrite[],
    part: ChordPart,
  ): Promise<ChordProgress | undefined> {
    let progress: ChordProgress | undefined
    const settled = request.settle(
      carrying(request, {
        action: 'ack',
        results: writes,
        part: {
          part,
          onRecorded: (recorded) => {
            progress = recorded
          },
        },
      }),
    )
    if (settled === undefined) return undefined
    try {
      await settled
    } catch (error) {
      request.unsettle()
      if (!isRetryable(error)) throw error
      return undefined
    }
    if (progress?.state === 'complete' || progress?.state === 'claimed') request.unsettle()
    else if (request.outbox !== undefined) tellOutbox(request.outbox, undefined)
    return progress
  }

  #follow(settled: Promise<void>): void {
    const followers: Followers = { settled, requests: [], thens: [] }
    this.#followers = followers
    const tell = (error?: unknown): void => {
      if (this.#followers === followers) this.#followers = undefined
      followers.requests.forEach((request, index) => {
        if (this.#onEnd(request, error) === false)
          request.afterwards = (failure) => follow(request, followers.thens[index], failure)
        else follow(request, followers.thens[index], error)
      })
    }
    settled.then(() => tell(), tell)
  }

  /**
   * Stores, and goes on trying while the store cannot be reached: a task whose result is not stored is not acknowledged, and its place is
   * not given to another one, which is how a worker without its result store slows down. Rejects when the store refuses, or when the
   * worker stops for good.
   */
  async store(request: Request, writes: readonly ResultWrite[]): Promise<void> {
    await persist(this.services, `The result of task ${request.label} could not be stored`, async () => {
      if (request.disowned !== 'lease-lost') await this.services.results.store(writes)
    })
  }

  /** Any state but SUCCESS: a store that refuses even that must not make the message go round for ever. */
  async storeState(request: Request, write: ResultWrite): Promise<void> {
    try {
      await this.store(request, [write])
    } catch (error) {
      if (!isRefusal(error)) throw error
      this.services.log.critical(
        `The result store refuses the state ${write.state} of task ${request.label}.`,
        {
          ...request.logFields,
          error,
        },
      )
    }
  }

  event(request: Request, type: string, fields: Readonly<Record<string, unknown>>): void {
    if (this.services.events.enabled && request.strategy.options.sendEvents) {
      this.services.events.send(type, { uuid: request.id, ...fields })
    }
  }

  failedEvent(request: Request, error: unknown, traceback: string): void {
    this.event(request, 'task-failed', { exception: pyRepr(error), traceback })
  }

  /**
   * The hooks that follow a stored SUCCESS or FAILURE, and between them what Celery sends there. Their errors are logged; the stored state
   * is final (D57-63).
   */
  async hooks(
    request: Request,
    state: 'SUCCESS' | 'FAILURE',
    value: unknown,
    between?: () => Promise<void> | undefined,
  ): Promise<void> {
    const { onSuccess, onFailure, afterReturn } = request.strategy.options
    const { args, kwargs } = request.body
    if (state === 'SUCCESS' && onSuccess !== undefined) {
      await this.hook(request, 'onSuccess', () => onSuccess(plainValue(value), request.id, args, kwargs))
    }
    if (state === 'FAILURE' && onFailure !== undefined) {
      await this.hook(request, 'onFailure', () =>
        onFailure(value, request.id, args, kwargs, this.view(request)),
      )
    }
    await between?.()
    if (afterReturn !== undefined) {
      await this.hook(request, 'afterReturn', () =>
        afterReturn(state, plainValue(value), request.id, args, kwargs),
      )
    }
  }

  async hook(request: Request, name: string, run: () => unknown): Promise<void> {
    try {
      await run()
    } catch (error) {
      this.services.log.error(`${name} of task ${request.label} raised an error; its outcome stays.`, {
        error,
      })
    }
  }

  view(request: Request): TaskRequest {
    return taskRequest(request, this.services.hostname)
  }

  /**
   * An ending must not take the worker down. What it failed at is logged; a message that is not settled goes back, because nobody knows
   * how far it got.
   */
  guard(request: Request, ending: Promise<void>): void {
    ending.catch((error: unknown) => {
      this.services.log.critical(`Task ${request.label} INTERNAL ERROR: ${pyRepr(error)}`, {
        ...request.logFields,
        error,
      })
      this.services.onInternalError(error instanceof Error ? error : new Error(String(error)))
      void this.signals.internalError(request, error)
      this.settle(request, { action: 'requeue' })
    })
  }
}
