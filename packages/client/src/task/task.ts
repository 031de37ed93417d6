import type { App } from '../app/app.ts'
import type { AsyncResult } from '../result/index.ts'
import {
  argumentsAndOptions,
  eagerHandle,
  publishTaskAs,
  resultHandle,
  TaskSignature,
  toSignatureOptions,
} from '../canvas/index.ts'
import type {
  ApplyArgs,
  ApplyOptions,
  EagerOptions,
  EagerOutcome,
  MapItem,
  PartialArgs,
  RemainingArgs,
  Signature,
  SignatureCall,
} from '../canvas/index.ts'
import { ArgumentsError } from './arguments-error.ts'
import { LocalTaskContext, localRequest, runTaskEagerly } from './eager.ts'
import { bindArguments, parametersOf } from './parameters.ts'
import type { Kwargs, ParameterList } from './parameters.ts'
import type { RegisteredTask } from './registered-task.ts'
import { checkTaskOptions, resolveTaskOptions } from './resolve-options.ts'
import { validated } from './standard-schema.ts'
import type { StandardSchema } from './standard-schema.ts'
import type { TaskContext } from './task-context.ts'
import { xmap, xstarmap, chunks } from './task-maps.ts'
import type { ChunksOf } from './task-maps.ts'
import type { ResolvedTaskOptions, TaskOptions } from './task-options.ts'

/** What `app.task` takes besides {@link TaskOptions}. */
export interface TaskDefinition extends TaskOptions {
  readonly bind?: boolean
  /** Schema of the positional arguments, a tuple. */
  readonly args?: StandardSchema
  /** Schema of the keyword arguments, an object, which the function gets as its only argument. */
  readonly kwargs?: StandardSchema
}

type Handler = (...args: readonly unknown[]) => unknown

const noKwargs: Kwargs = Object.freeze({})

/** Makes a task callable: the function itself gets the class's methods and fields, private ones included. */
// oxlint-disable-next-line typescript/no-extraneous-class -- its constructor gives back another object: that is all it is for
class Callable {
  constructor(fn: Handler) {
    return Object.setPrototypeOf(fn, new.target.prototype) as this
  }
}

/** A task without its types; `Task` adds the call itself. Made by `app.task`. */
export class TaskObject<A extends readonly unknown[] = readonly unknown[], R = unknown>
  extends Callable
  implements RegisteredTask
{
  declare readonly name: string
  readonly app: App
  readonly bind: boolean
  readonly #handler: Handler
  readonly #given: TaskDefinition
  readonly #parameters: ParameterList
  #options: ResolvedTaskOptions | undefined
  #settings: unknown

  constructor(app: App, name: string, definition: TaskDefinition, handler: Handler) {
    const holder: { task?: TaskObject<A, R> } = {}
    super((...args) => holder.task!.#callDirectly(args))
    holder.task = this
    checkTaskOptions(name, definition)
    Object.defineProperty(this, 'name', { value: name })
    this.app = app
    this.bind = definition.bind ?? false
    this.#handler = handler
    this.#given = definition
    const label = handler.name === '' ? (name.split('.').at(-1) ?? name) : handler.name
    this.#parameters = parametersOf(label, handler as (...args: never[]) => unknown, {
      bind: this.bind,
      params: definition.params,
    })
  }

  get options(): ResolvedTaskOptions {
    const { settings } = this.app.context
    if (this.#settings !== settings || this.#options === undefined) {
      this.#options = resolveTaskOptions(this.name, this.#given, settings)
      this.#settings = settings
    }
    return this.#options
  }

  get arity(): { readonly required: number; readonly most: number } {
    const { required, rest } = this.#parameters
    return { required: required.filter(Boolean).length, most: rest ? Infinity : required.length }
  }

  get parameterNames(): readonly string[] | undefined {
    return this.#given.kwargs === undefined ? this.#parameters.names : this.#given.params
  }

  run(context: TaskContext, args: readonly unknown[], kwargs: Kwargs): unknown {
    const { args: schema, kwargs: objectSchema } = this.#given
    const handler = this.#handler
    if (schema === undefined && objectSchema === undefined) {
      const bound = bindArguments(this.#parameters, args, kwargs)
      return this.bind ? handler(context, ...bound) : handler(...bound)
    }
    const { label } = this.#parameters
    const call = (value: unknown): unknown => {
      const values = objectSchema === undefined ? (value as readonly unknown[]) : [value]
      return this.bind ? handler(context, ...values) : handler(...values)
    }
    const checked =
      objectSchema === undefined
        ? validated(label, schema!, bindArguments(this.#parameters, args, kwargs))
        : validated(label, objectSchema, this.#keywords(args, kwargs))
    return checked instanceof Promise ? checked.then(call) : call(checked)
  }

  /** Positional arguments of a task that takes keywords count by the names in `params`. */
  #keywords(args: readonly unknown[], kwargs: Kwargs): Kwargs {
    if (args.length === 0) return kwargs
    const names = this.#given.params ?? []
    // Binding finds what is wrong: too many, or a name twice.
    bindArguments(
      { label: this.#parameters.label, names, required: names.map(() => false), rest: false, keywords: true },
      args,
      kwargs,
    )
    return { ...Object.fromEntries(args.map((arg, index) => [names[index]!, arg])), ...kwargs }
  }

  /**
   * Sends it with these arguments. Resolves when the broker has taken the message. Errors: `CT_ARGUMENTS`, `CT_ENCODE`, `CT_PUBLISH`
   * (with `details.maybeDelivered`), `CT_BROKER`, `CT_CLOSED`.
   */
  delay(...args: A): Promise<AsyncResult<R>> {
    return this.#given.kwargs === undefined
      ? this.#send(args, noKwargs, undefined, undefined)
      : this.#send([], (args[0] ?? noKwargs) as Kwargs, undefined, undefined)
  }

  /** As {@link delay}, with calling options, `kwargs` among them. Errors besides: `CT_CONFIGURATION`, `CT_ABORTED`. */
  applyAsync(...call: ApplyArgs<A, ApplyOptions>): Promise<AsyncResult<R>>
  /** With `kwargs`, positional arguments may be fewer. */
  applyAsync(args: Partial<A>, options: ApplyOptions & { readonly kwargs: Kwargs }): Promise<AsyncResult<R>>
  applyAsync(...call: readonly unknown[]): Promise<AsyncResult<R>> {
    try {
      const { args, kwargs, options, signal } = this.#callFrom(call)
      return this.#send(args, kwargs, options, signal)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /** Runs it in this process, now, without broker (TEST 16.1). */
  apply(...call: ApplyArgs<A, EagerOptions>): Promise<AsyncResult<R>>
  /** With `kwargs`, positional arguments may be fewer. */
  apply(args: Partial<A>, options: EagerOptions & { readonly kwargs: Kwargs }): Promise<AsyncResult<R>>
  async apply(...call: readonly unknown[]): Promise<AsyncResult<R>> {
    const signature = this.#signature<readonly unknown[]>([])
    const { args, kwargs } = this.#callFrom(call)
    const last = call.at(-1)
    const options = Array.isArray(last) ? {} : ((last ?? {}) as EagerOptions)
    return await signature.apply(args, { ...options, kwargs })
  }

  /** A signature with these as its last arguments; those before come from the caller or the step before. */
  s<G extends PartialArgs<A>>(...given: G): Signature<RemainingArgs<A, G>, R> {
    return this.#signature<RemainingArgs<A, G>>(given)
  }

  /** An immutable signature: it ignores what callers and the step before would give. */
  si(...args: A): Signature<readonly unknown[], R> {
    return this.signature(args, { immutable: true })
  }

  /** A signature in its long form. */
  signature(
    args: readonly unknown[] = [],
    options: ApplyOptions & { readonly immutable?: boolean | undefined } = {},
  ): Signature<readonly unknown[], R> {
    return this.#signature<readonly unknown[]>(args, options)
  }

  /** `Left`: the arguments that are still to be given. */
  #signature<Left extends readonly unknown[]>(
    args: readonly unknown[],
    options: ApplyOptions & { readonly immutable?: boolean | undefined } = {},
  ): Signature<Left, R> {
    const { immutable, kwargs, ...rest } = options
    const keywords = this.#given.kwargs !== undefined && kwargs === undefined && args.length > 0
    return new TaskSignature<Left, R>({
      app: this.app,
      task: this.name,
      args: keywords ? [] : args,
      kwargs: keywords ? (args[0] as Kwargs) : kwargs,
      options: toSignatureOptions(rest),
      immutable,
    })
  }

  /** One task that calls this one for every item, in order; the list of results. */
  map(items: Iterable<MapItem<A>>): Signature<readonly unknown[], R[]> {
    return xmap(this, items)
  }

  /** As {@link map}, each item being a list of arguments. */
  starmap(items: Iterable<A>): Signature<readonly unknown[], R[]> {
    return xstarmap(this, items)
  }

  /** A group of `starmap`s of `size` items each; the list of their lists. */
  chunks(items: Iterable<A>, size: number): ChunksOf<R> {
    return chunks(this, items, size)
  }

  /** A handle of a result of this task. */
  asyncResult(taskId: string): AsyncResult<R> {
    return this.app.asyncResult<R>(taskId)
  }

  runEagerly(call: SignatureCall): Promise<EagerOutcome> {
    return runTaskEagerly(this.app.context, this, call)
  }

  override toString(): string {
    return `<@task: ${this.name}>`
  }

  #callFrom(call: readonly unknown[]): {
    readonly args: readonly unknown[]
    readonly kwargs: Kwargs
    readonly options: Record<string, unknown> | undefined
    readonly signal: AbortSignal | undefined
  } {
    const [args, given] = argumentsAndOptions<EagerOptions & { kwargs?: Kwargs }>(call)
    const objectCall = this.#given.kwargs !== undefined && args.length > 0
    if (given === undefined) {
      return {
        args: objectCall ? [] : args,
        kwargs: objectCall ? (args[0] as Kwargs) : noKwargs,
        options: undefined,
        signal: undefined,
      }
    }
    const { kwargs, throw: _throw, ...options } = given
    return {
      args: objectCall ? [] : args,
      kwargs: kwargs ?? (objectCall ? (args[0] as Kwargs) : noKwargs),
      options: toSignatureOptions(options),
      signal: given.signal,
    }
  }

  #send(
    args: readonly unknown[],
    kwargs: Kwargs,
    options: Record<string, unknown> | undefined,
    signal: AbortSignal | undefined,
  ): Promise<AsyncResult<R>> {
    const { context } = this.app
    try {
      const checked = this.check(args, kwargs)
      if (checked instanceof Promise) return checked.then(() => this.#publish(args, kwargs, options, signal))
    } catch (error) {
      return Promise.reject(error as Error)
    }
    if (context.settings.taskAlwaysEager) {
      const call = options === undefined ? {} : { options }
      return this.#eagerly({ args, kwargs, options: {}, ...call, signal, roundTrip: true })
    }
    return this.#publish(args, kwargs, options, signal)
  }

  #publish(
    args: readonly unknown[],
    kwargs: Kwargs,
    options: Record<string, unknown> | undefined,
    signal: AbortSignal | undefined,
  ): Promise<AsyncResult<R>> {
    const { context } = this.app
    return publishTaskAs(
      context,
      { task: this.name, args, kwargs, options, signal },
      (result) => resultHandle(context, result) as AsyncResult<R>,
    )
  }

  async #eagerly(call: SignatureCall): Promise<AsyncResult<R>> {
    return eagerHandle(this.app.context, await this.runEagerly(call)) as AsyncResult<R>
  }

  /** TASK-30: at the caller, with the error a worker would answer. */
  check(args: readonly unknown[], kwargs: Kwargs): unknown {
    if (!this.options.typing) return undefined
    if (typeof kwargs !== 'object' || kwargs === null || Array.isArray(kwargs)) {
      throw new ArgumentsError(
        `${this.#parameters.label}() keyword arguments must be an object such as { x: 1 }`,
      )
    }
    const { args: schema, kwargs: objectSchema } = this.#given
    if (objectSchema !== undefined)
      return validated(this.#parameters.label, objectSchema, this.#keywords(args, kwargs))
    if (this.#parameters.names === undefined && kwargs !== noKwargs && Object.keys(kwargs).length > 0)
      return undefined
    const bound = bindArguments(this.#parameters, args, kwargs)
    return schema === undefined ? undefined : validated(this.#parameters.label, schema, bound)
  }

  #callDirectly(args: readonly unknown[]): unknown {
    if (!this.bind && this.#given.args === undefined && this.#given.kwargs === undefined)
      return this.#handler(...args)
    const context = new LocalTaskContext(this, localRequest(this.name, { args }), this.app)
    return this.#given.kwargs === undefined
      ? this.run(context, args, noKwargs)
      : this.run(context, [], (args[0] ?? noKwargs) as Kwargs)
  }
}

/**
 * A task: call it (`add(2, 2)`) to run its function here, `add.delay(2, 2)` to send it. `A` are its arguments, `R` its result;
 * `Raw` is what the function itself gives back.
 */
export type Task<
  A extends readonly unknown[] = readonly unknown[],
  R = unknown,
  Raw = R | Promise<R>,
> = TaskObject<A, R> & ((...args: A) => Raw)
