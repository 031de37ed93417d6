/**
 * Bootsteps: parts of a worker that people add (celery/bootsteps.py 5.7; WORK-30 … WORK-32). What a step is, and where an app keeps them; the
 * worker puts them in order and runs them.
 */
import { ConfigurationError } from '@ct/contracts'

/** A step, made anew for each worker. Its methods may be async; the next step waits. */
export interface Step<P> {
  start?(parent: P): unknown
  /** In the reverse order of starting. */
  stop?(parent: P): unknown
  /** In place of `stop`, when the worker is stopped cold. Default: `stop`. */
  terminate?(parent: P): unknown
  /** A stop has begun: called on all before the first is stopped. */
  close?(parent: P): unknown
  /** Everything has stopped. */
  shutdown?(parent: P): unknown
  /** Added to the reply of `inspect stats`. */
  info?(parent: P): Readonly<Record<string, unknown>> | undefined
}

/** Options of the worker, and what was given for options of your own (`app.userOptions.worker`). */
export type StepOptions = Readonly<Record<string, unknown>>

export interface StepClass<P> {
  new (parent: P, options: StepOptions): Step<P>
  /** The name of the class, unless it says otherwise by `stepName`. */
  readonly name: string
  readonly stepName?: string
  /** Steps that start before: their classes or names, also of steps that the worker has by itself. */
  readonly requires?: Iterable<StepClass<P> | string>
  /** Starts after all others. One of all steps may say so. */
  readonly last?: boolean
  /** False: it is left out. Default: it is there. */
  readonly includeIf?: (parent: P, options: StepOptions) => boolean
}

/** The steps that one kind of parent gets besides its own. Classes, in any order: what they require puts them in order. */
export class StepSet<P> implements Iterable<StepClass<P>> {
  readonly #classes = new Set<StepClass<P>>()

  /** Throws `CT_CONFIGURATION` when it is no class. */
  add(step: StepClass<P>): this {
    if (typeof step !== 'function' || step.prototype === undefined) {
      throw new ConfigurationError(
        'A bootstep is a class: app.steps.worker.add(MyStep), not an instance of it.',
      )
    }
    this.#classes.add(step)
    return this
  }

  delete(step: StepClass<P>): boolean {
    return this.#classes.delete(step)
  }

  has(step: StepClass<P>): boolean {
    return this.#classes.has(step)
  }

  get size(): number {
    return this.#classes.size
  }

  [Symbol.iterator](): Iterator<StepClass<P>> {
    return this.#classes.values()
  }
}

/** An option of your own on the command line (APP-73). */
export interface UserOption {
  /** As `commander` has them: `-t, --tenant <name>`; a flag without a value is a switch. */
  readonly flags: string
  readonly description?: string
  readonly default?: unknown
  readonly choices?: readonly string[]
  /** Throws when the text does not fit. */
  readonly parse?: (text: string) => unknown
}

/** Options by command; those of `preload` are taken by every command and sent with the signal `userPreloadOptions`. */
export interface UserOptions {
  readonly worker: UserOption[]
  readonly beat: UserOption[]
  readonly events: UserOption[]
  readonly preload: UserOption[]
}

/** Filled in by `@ct/worker`: the parents of steps. */
// oxlint-disable-next-line typescript/no-empty-interface -- it is there to be merged with
export interface StepParents {}

/** Without `@ct/worker` nobody runs steps, and nothing is known of their parents. */
export interface WorkerStepParents {
  readonly worker: StepParents extends { readonly worker: infer W } ? W : never
  readonly consumer: StepParents extends { readonly consumer: infer C } ? C : never
}
