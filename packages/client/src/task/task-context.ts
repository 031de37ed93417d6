import type { Replace, Retry } from '@ct/contracts'
import type { App } from '../app/app.ts'
import type { Logger } from '../app/logger.ts'
import type { AnySignature, Callback, Signature } from '../canvas/index.ts'
import type { ResultNode } from '../result/index.ts'
import type { ReplaceOptions } from './replace-control.ts'
import type { RegisteredTask } from './registered-task.ts'
import type { RequestSignatureOptions } from './signature-from-request.ts'
import type { TaskRequest } from './task-request.ts'

/** Options of `task.retry()`; other calling options are those of the running message. */
export interface TaskRetryOptions {
  /** New arguments; default: the same. */
  readonly args?: readonly unknown[]
  readonly kwargs?: Readonly<Record<string, unknown>>
  /** Why; becomes the failure when retries are used up. */
  readonly exc?: unknown
  /** Seconds from now. Default: the task's `defaultRetryDelay`. */
  readonly countdown?: number
  readonly eta?: Date | string
  /** For this retry only; undefined = the task's. */
  readonly maxRetries?: number
  readonly queue?: string
  readonly priority?: number
  readonly timeLimit?: number | null
  readonly softTimeLimit?: number | null
  readonly expires?: number | Date | null
  readonly headers?: Readonly<Record<string, unknown>>
}

/** The first argument of a handler with `bind: true`, and what {@link currentTask} gives. */
export interface TaskContext {
  readonly app: App
  readonly task: RegisteredTask
  readonly name: string
  readonly request: TaskRequest
  /** Fires for a revoke, the soft time limit, a lost lease and the worker's shutdown; `signal.reason` says which. */
  readonly signal: AbortSignal
  /** Adds task name and id to each record. */
  readonly log: Logger
  /**
   * Prepares a retry: `throw task.retry({ countdown: 10 })`. It is published when the error reaches the worker.
   * Throws `exc`, or `MaxRetriesExceededError` (`CT_MAX_RETRIES`), when retries are used up.
   */
  retry(options?: TaskRetryOptions): Retry
  /**
   * Prepares a replacement: `throw task.replace(add.s(2, 2))`. It is sent when the error reaches the worker, and takes over the task's id, its
   * callbacks, its place in a chord and the rest of its chain; of the task itself nothing is stored. Throws `CT_CONFIGURATION` for an empty chain.
   */
  replace(signature: Callback, options?: ReplaceOptions): Replace
  /**
   * Adds a member to the chord the task is a member of, and sends it; its result is one more in the list the body gets. `lazy` does not send: it
   * resolves to the signature, to be sent later. Errors: `CT_CONFIGURATION` outside a chord, `CT_UNSUPPORTED` where the result backend
   * does not count members (only native chords, as on Redis, can grow).
   */
  addToChord(signature: Callback, options?: { readonly lazy?: false }): Promise<ResultNode>
  addToChord(signature: Callback, options: { readonly lazy: true }): Promise<AnySignature>
  /**
   * A signature that sends this run again as it is: its id, root, place in a group, chord, chain, callbacks, limits, headers and count of retries.
   * What the options say counts instead. Errors: `CT_CONFIGURATION`.
   */
  signatureFromRequest(options?: RequestSignatureOptions): Signature<readonly unknown[], unknown>
  /**
   * Records a result as a child of this task, as if the task had sent it; sends inside of a task are recorded by themselves. Nothing happens with
   * `trail: false`. Gives the result back.
   */
  addTrail<T extends ResultNode>(result: T): T
  /** Stores a state of your own, such as `PROGRESS` with `{ done: 3, total: 10 }`. */
  updateState(state: string, meta?: unknown): Promise<void>
  /**
   * The caller has called `result.abort()` (or Python's `AbortableAsyncResult.abort()`): stop soon, and return. Each call asks the result store, so
   * do not ask in a tight loop. False when the task was called as a function, and where there is no store that workers can read.
   */
  isAborted(): Promise<boolean>
  /** Sends an event `task-<type>` with these fields. */
  sendEvent(type: string, fields?: Readonly<Record<string, unknown>>): Promise<void>
}
