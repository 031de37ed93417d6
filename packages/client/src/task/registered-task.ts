import type { EagerOutcome } from '../canvas/eager-outcome.ts'
import type { SignatureCall } from '../canvas/signature.ts'
import type { ResolvedTaskOptions } from './task-options.ts'
import type { TaskContext } from './task-context.ts'

/** A task as a worker sees it, whatever its argument and result types. */
export interface RegisteredTask {
  readonly name: string
  /** Resolved at first use, frozen; follows later changes of the configuration. */
  readonly options: ResolvedTaskOptions
  /** The handler gets the {@link TaskContext} first. */
  readonly bind: boolean
  /**
   * How many positional arguments an error callback of this name takes at least and at most (`Infinity` for rest parameters): decides
   * between the old and the new style of error callbacks.
   */
  readonly arity: { readonly required: number; readonly most: number }
  /** Names of the positional parameters, where they are known: a retry with other arguments goes by them. */
  readonly parameterNames?: readonly string[] | undefined
  /**
   * Binds the arguments as Python binds them, validates them by the schema if there is one, and runs the handler.
   * Throws `ArgumentsError` (`CT_ARGUMENTS`, `TypeError` on the wire) when they do not fit. May return a promise.
   */
  run(context: TaskContext, args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>): unknown

  /** Throws or rejects with `ArgumentsError` when the arguments do not fit; for senders. */
  check?(args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>): unknown
  /** Runs it in this process, retries, callbacks and error callbacks included (TEST 16.1). Without it, eager mode sends it. */
  runEagerly?(call: SignatureCall): Promise<EagerOutcome>
}
