/**
 * The `task` argument of a handler while a worker runs it. Everything costly (request view, signal, logger) is made when asked for:
 * most tasks ask for none of it.
 */
import {
  growChord,
  isAborted,
  prepareReplacement,
  prepareRetry,
  signatureFromRequest,
  type AnySignature,
  type Callback,
  type ReplaceOptions,
  type RequestSignatureOptions,
  type ResultNode,
  type Signature,
  type App,
  type Logger,
  type RegisteredTask,
  type TaskContext,
  type TaskRequest,
  type TaskRetryOptions,
} from '@ct/client'
import type { Replace, ResultHandle, Retry, SlotPort } from '@ct/contracts'
import type { Request } from '../request/index.ts'
import type { TraceServices } from './ports.ts'
import { taskRequest } from './task-request.ts'

export class TaskRun implements TaskContext {
  readonly task: RegisteredTask
  /** What the task has sent; client code adds to it through the current task. Undefined with `trail: false`. */
  readonly children: ResultHandle[] | undefined
  readonly #services: TraceServices
  readonly #request: Request
  readonly #slot: SlotPort
  #view: TaskRequest | undefined
  #log: Logger | undefined

  constructor(services: TraceServices, request: Request, slot: SlotPort) {
    this.#services = services
    this.#request = request
    this.#slot = slot
    this.task = request.strategy.task
    this.children = request.strategy.options.trail ? (request.children ??= []) : undefined
  }

  /** The shape in which client code finds the running task. */
  get context(): TaskContext {
    return this
  }

  get app(): App {
    return this.#services.app
  }

  get name(): string {
    return this.task.name
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

  retry(options: TaskRetryOptions = {}): Retry {
    return prepareRetry(this, options)
  }

  replace(signature: Callback, options?: ReplaceOptions): Replace {
    return prepareReplacement(this, signature, options)
  }

  addToChord(signature: Callback, options?: { readonly lazy?: false }): Promise<ResultNode>
  addToChord(signature: Callback, options: { readonly lazy: true }): Promise<AnySignature>
  async addToChord(
    signature: Callback,
    options: { readonly lazy?: boolean } = {},
  ): Promise<ResultNode | AnySignature> {
    const member = await growChord(this, signature)
    return options.lazy === true ? member : ((await (member as Signature).delay()) as ResultNode)
  }

  signatureFromRequest(options?: RequestSignatureOptions): Signature<readonly unknown[], unknown> {
    return signatureFromRequest(this, options)
  }

  addTrail<T extends ResultNode>(result: T): T {
    this.children?.push(result.handle())
    return result
  }

  async updateState(state: string, meta?: unknown): Promise<void> {
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
