/** What a handler's `task` argument does in the same way wherever the task runs: in a worker, in a slot of its pool, in the caller. */
import type { Replace, Retry } from '@ct/contracts'
import type { App } from '../app/app.ts'
import type { Logger } from '../app/logger.ts'
import type { AnySignature, Callback, Signature } from '../canvas/index.ts'
import type { ResultNode } from '../result/index.ts'
import type { RegisteredTask } from './registered-task.ts'
import { growChord, prepareReplacement, sendMember } from './replace-control.ts'
import type { ReplaceOptions } from './replace-control.ts'
import { prepareRetry } from './retry-control.ts'
import { signatureFromRequest } from './signature-from-request.ts'
import type { RequestSignatureOptions } from './signature-from-request.ts'
import type { TaskContext, TaskRetryOptions } from './task-context.ts'
import type { TaskRequest } from './task-request.ts'

export abstract class BaseTaskContext implements TaskContext {
  readonly task: RegisteredTask
  abstract readonly app: App
  abstract readonly request: TaskRequest
  abstract readonly signal: AbortSignal
  abstract readonly log: Logger

  constructor(task: RegisteredTask) {
    this.task = task
  }

  get name(): string {
    return this.task.name
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
    return options.lazy === true ? member : await sendMember(this, member)
  }

  signatureFromRequest(options?: RequestSignatureOptions): Signature<readonly unknown[], unknown> {
    return signatureFromRequest(this, options)
  }

  abstract addTrail<T extends ResultNode>(result: T): T
  abstract updateState(state: string, meta?: unknown): Promise<void>
  abstract isAborted(): Promise<boolean>
  abstract sendEvent(type: string, fields?: Readonly<Record<string, unknown>>): Promise<void>
}
