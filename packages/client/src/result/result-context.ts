import type { ResultStore } from './result-store.ts'

/** What result handles need of an app. */
export interface ResultContext {
  readonly store: ResultStore
  /** Remote control, for `revoke()`. */
  readonly control?: (() => ResultControl) | undefined
  /** Throws when waiting is not allowed here: inside a task, where it may block a worker for ever (RES-12). */
  readonly assertMayWait?: (() => void) | undefined
}

/** What has a {@link ResultContext}: an app. */
export interface ResultOwner {
  readonly context: { readonly resultContext: ResultContext }
}

export interface ResultRevokeOptions {
  /** Also end it if it runs. */
  readonly terminate?: boolean | undefined
  /** Signal to end it with. Default `SIGTERM`. */
  readonly killSignal?: string | undefined
  /** Wait for the workers' answers. */
  readonly wait?: boolean | undefined
  /** Milliseconds to wait for answers. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** The part of remote control that results use. */
export interface ResultControl {
  revoke(taskIds: string | readonly string[], options?: RevokeCall): Promise<unknown>
  revokeByStampedHeaders(headers: Readonly<Record<string, unknown>>, options?: RevokeCall): Promise<unknown>
}

export interface RevokeCall {
  readonly terminate?: boolean | undefined
  readonly killSignal?: string | undefined
  readonly reply?: boolean | undefined
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export function revokeCall(options: ResultRevokeOptions): RevokeCall {
  return {
    ...(options.terminate === undefined ? {} : { terminate: options.terminate }),
    ...(options.killSignal === undefined ? {} : { killSignal: options.killSignal }),
    ...(options.wait === undefined ? {} : { reply: options.wait }),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  }
}
