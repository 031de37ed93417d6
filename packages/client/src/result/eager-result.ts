import type { ResultMeta, TaskState } from '@ct/contracts'
import { propagateStates, TaskRevokedError } from '@ct/contracts'
import type { ResultNode } from './async-result.ts'
import { AsyncResult } from './async-result.ts'
import type { ResultContext, ResultRevokeOptions } from './result-context.ts'
import { pendingMeta } from './result-store.ts'
import { soon } from './soon.ts'
import { checkWaitOptions } from './wait-options.ts'
import type { GetOptions } from './wait-options.ts'

export interface EagerOutcome {
  readonly state: TaskState
  /** The value, or the error itself. */
  readonly value: unknown
  readonly traceback?: string | null | undefined
  readonly name?: string | null | undefined
  readonly children?: readonly ResultNode[] | undefined
}

/** The result of a task that ran in the caller (celery/result.py 5.7, EagerResult): same interface, no store. */
export class EagerResult<T = unknown> extends AsyncResult<T> {
  #state: TaskState
  #value: unknown
  readonly #outcome: EagerOutcome

  constructor(
    id: string,
    outcome: EagerOutcome,
    context: ResultContext,
    options: { readonly parent?: ResultNode | null } = {},
  ) {
    super(id, context, options)
    this.#outcome = outcome
    this.#state = outcome.state
    this.#value = outcome.value
  }

  override async meta(): Promise<ResultMeta> {
    const { traceback, name, children } = this.#outcome
    return {
      ...pendingMeta(this.id),
      status: this.#state,
      result: this.#value,
      traceback: traceback ?? null,
      children: children?.map((child) => child.handle()) ?? null,
      ...(name == null
        ? {}
        : { extended: { name, args: null, kwargs: null, worker: null, retries: null, queue: null } }),
    }
  }

  /** The value or error itself, which never went through a serializer. */
  override async result(): Promise<unknown> {
    return this.#value
  }

  override async children(): Promise<readonly ResultNode[] | null> {
    return this.#outcome.children ?? null
  }

  override async ready(): Promise<boolean> {
    return true
  }

  override async exists(): Promise<boolean> {
    return true
  }

  override async get(options: GetOptions = {}): Promise<T> {
    checkWaitOptions(options)
    if ((options.propagate ?? true) && propagateStates.has(this.#state)) throw this.#value
    options.callback?.(this.id, this.#value)
    return this.#value as T
  }

  override async maybeThrow(options: Pick<GetOptions, 'propagate' | 'callback'> = {}): Promise<unknown> {
    return await this.get(options)
  }

  override onReady(callback: (result: this) => void, onError?: (error: Error) => void): () => void {
    return soon(() => {
      if (onError !== undefined && this.#value instanceof Error && propagateStates.has(this.#state))
        onError(this.#value)
      else callback(this)
    })
  }

  override async *iterate(): AsyncGenerator<ResultMeta, void, undefined> {
    yield await this.meta()
  }

  override async forget(): Promise<void> {}

  /** Sets REVOKED here; there is nothing running that could be told. */
  override async revoke(_options: ResultRevokeOptions = {}): Promise<unknown> {
    this.#state = 'REVOKED'
    this.#value = new TaskRevokedError('revoked')
    return undefined
  }
}
