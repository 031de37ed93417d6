/**
 * The `task` argument of a handler while a worker runs it. Everything costly (request view, signal, logger) is made when asked for:
 * most tasks ask for none of it.
 */
import {
  isAborted,
  BaseTaskContext,
  type App,
  type Logger,
  type ResultNode,
  type TaskContext,
  type TaskRequest,
} from '@ct/client'
import type { ResultHandle, SlotPort } from '@ct/contracts'
import type { Request } from '../request/index.ts'
import type { TraceServices } from './ports.ts'
import { taskRequest } from './task-request.ts'

export class TaskRun extends BaseTaskContext {
  /** What the task has sent; client code adds to it through the current task. Undefined with `trail: false`. */
  readonly children: ResultHandle[] | undefined
  readonly #services: TraceServices
  readonly #request: Request
  readonly #slot: SlotPort
  #view: TaskRequest | undefined
  #log: Logger | undefined

  constructor(services: TraceServices, request: Request, slot: SlotPort) {
    super(request.strategy.task)
    this.#services = services
    this.#request = request
    this.#slot = slot
    this.children = request.strategy.options.trail ? (request.children ??= []) : undefined
  }

  /** The shape in which client code finds the running task. */
  get context(): TaskContext {
    return this
  }

  get app(): App {
    return this.#services.app
  }

  get request(): TaskRequest {
    return (this.#view ??= taskRequest(this.#request, this.#services.hostname))
  }

  get signal(): AbortSignal {
    return this.#slot.signal
  }

  get log(): Logger {
    return (this.#log ??= this.#services.log.child(this.#request.logFields))
  }

  addTrail<T extends ResultNode>(result: T): T {
    this.children?.push(result.handle())
    return result
  }

  async updateState(state: string, meta?: unknown): Promise<void> {
    // Nobody waits for this run any more: its states would stand in the way of how it ended, or of those of the next one.
    if (this.#request.disowned !== undefined) return
    const { results } = this.#services
    const write = results.encode(
      { taskId: this.#request.id, request: this.#request },
      { state, result: meta ?? null, children: this.children ?? null },
    )
    if (write !== undefined) await results.store([write])
  }

  isAborted(): Promise<boolean> {
    return isAborted(this.app.context.results, this.#request.id)
  }

  sendEvent(type: string, fields: Readonly<Record<string, unknown>> = {}): Promise<void> {
    if (this.#services.events.enabled) {
      this.#services.events.send(`task-${type}`, { uuid: this.#request.id, ...fields })
    }
    return Promise.resolve()
  }
}
