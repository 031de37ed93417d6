import type { SignatureDict, SignatureOptions } from '@ct/contracts'
import { ConfigurationError, jsonHook, pyRepr } from '@ct/contracts'
import type { App } from '../app/app.ts'
import type { AppContext } from '../app/context.ts'
import type { AsyncResult } from '../result/index.ts'
import { linkPart } from './canvas-part.ts'
import { argumentsAndOptions, toSignatureOptions, travellingOptions } from './call-option-names.ts'
import type { CallOptions } from './call-options.ts'
import { extentOfLinks, refuseCycle } from './extent.ts'
import type { Extent } from './extent.ts'
import { givenArgs, givenFlag, givenKwargs } from './given-arguments.ts'
import type { EagerOutcome } from './eager-outcome.ts'
import type { FrozenResult } from './frozen-result.ts'
import type { Outbox } from './outbox.ts'
import { eagerHandle, emptyGroupHandle, resultHandle } from './result-handles.ts'
import { appendOnce, copyOptions, isEmpty, mergedOptions } from './signature-options.ts'
import { stampingOf } from './stamping.ts'
import type { Stamping, Stamps, StampingVisitor, StampOptions } from './stamping.ts'
import type {
  ApplyArgs,
  ArgsAfter,
  ArgsOf,
  CheckedLink,
  CheckedRest,
  FrontArgs,
  HandleOf,
  PipedOf,
  ResultOf,
} from './signature-types.ts'

declare const types: unique symbol

/** Any signature, whatever it takes and gives. */
export type AnySignature = Signature<readonly unknown[], unknown, unknown>

/** Arguments and options of a call on a signature; options are a signature's (Python's names). */
export interface SignatureCall {
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly options: Readonly<Record<string, unknown>>
  readonly signal?: AbortSignal | undefined
  /** Takes messages instead of the producer. */
  readonly outbox?: Outbox | undefined
  /** Eagerly: arguments go through the serializer first, as they would when sent (TEST-2). */
  readonly roundTrip?: boolean | undefined
  /** Eagerly: throw what the task throws. Default `taskEagerPropagates`. */
  readonly propagate?: boolean | undefined
  /** Who calls has the error, and does not send the same again: what is sent in part only will not be whole. */
  readonly final?: boolean | undefined
}

/** What freezing may impose; `undefined` leaves it as it is. */
export interface FreezeIds {
  readonly id?: string | undefined
  readonly groupId?: string | null | undefined
  readonly groupIndex?: number | null | undefined
  readonly chord?: unknown
  readonly rootId?: string | null | undefined
  readonly parentId?: string | null | undefined
}

export interface SignatureParts {
  readonly app: App | undefined
  readonly task: string
  readonly args?: readonly unknown[] | undefined
  readonly kwargs?: Readonly<Record<string, unknown>> | undefined
  readonly options?: Readonly<Record<string, unknown>> | undefined
  readonly immutable?: boolean | undefined
}

/** Options of `applyAsync` on a signature. */
export interface ApplyOptions extends CallOptions {
  readonly kwargs?: Readonly<Record<string, unknown>> | undefined
}

/** Options of `apply`. */
export interface EagerOptions extends ApplyOptions {
  /** Throw what the task throws, instead of keeping it in the result. Default `taskEagerPropagates`. */
  readonly throw?: boolean | undefined
}

/** Options of a call that gives arguments by name. */
type KeywordCall<Options> = Options & { readonly kwargs: Readonly<Record<string, unknown>> }

let joined: (left: AnySignature, rest: readonly AnySignature[]) => AnySignature

/** For canvas. What `pipe` does is made of chains, groups and chords, which are made of this class: hence it is told, not imported. */
export function definePipe(join: typeof joined): void {
  joined = join
}

/**
 * A call that is not made yet: a task, its arguments and options, or several of them tied together (celery/canvas.py 5.7). It
 * travels in messages as {@link SignatureDict}, the same for Python.
 *
 * `A` are the arguments still to be given (they come before those it has), `R` is the result, `H` what sending gives.
 */
export abstract class Signature<
  A extends readonly unknown[] = readonly unknown[],
  R = unknown,
  H = AsyncResult<R>,
> {
  declare readonly [types]: { readonly args: A; readonly result: R; readonly handle: H }

  readonly app: App | undefined
  readonly task: string
  /** Arguments it has; a call's come before them. */
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  /** Python's names, as they travel. Changed by `set`, `link`, `linkError`, `onError` and by freezing. */
  readonly options: Record<string, unknown>
  #immutable: boolean

  constructor(parts: SignatureParts) {
    this.app = parts.app
    this.task = parts.task
    this.args = parts.args ?? []
    this.kwargs = parts.kwargs ?? {}
    this.options = copyOptions(parts.options ?? {})
    this.#immutable = parts.immutable ?? false
  }

  /**
   * A signature from how it travels: what `toJSON` gave, or Python's `dict(signature)`. The same as `app.signature(dict)`. Errors:
   * `CT_INVALID_MESSAGE`, `CT_DECODE`.
   */
  static fromDict(dict: object, { app }: { readonly app: App }): AnySignature {
    return app.signature(dict)
  }

  /** null for a plain task. */
  abstract readonly subtaskType: 'chain' | 'group' | 'chord' | null

  /**
   * This, then each of these with the result of the one before as its first argument: Python's `|`. What follows a group waits for all of it (a
   * chord), what follows a chord goes into its body, a group of one is its member, what is empty adds nothing. Nothing is changed or sent.
   */
  pipe<Self extends AnySignature, S extends readonly unknown[]>(
    this: Self,
    ...rest: CheckedRest<S, Self>
  ): PipedOf<Self, S> {
    // What was checked by types is not told apart any more where it is put together.
    return joined(this, rest as readonly unknown[] as readonly AnySignature[]) as unknown as PipedOf<Self, S>
  }

  /** For workers and canvas. A copy with these parts. */
  protected abstract copy(parts: {
    readonly args: readonly unknown[]
    readonly kwargs: Readonly<Record<string, unknown>>
    readonly options: Readonly<Record<string, unknown>>
    readonly immutable: boolean
  }): this

  /** For workers and canvas. Gives it its ids, keeping those it has; returns what it will result in. */
  abstract freezeWith(ids: FreezeIds): FrozenResult

  /** For workers and canvas. Publishes it. */
  abstract send(call: SignatureCall): Promise<FrozenResult | null>

  /** For workers and canvas. Runs it here and now. */
  abstract runEagerly(call: SignatureCall): Promise<EagerOutcome>

  /** For workers and canvas. How many parts of a chord it ends in. */
  abstract chordSize(): number

  /** For canvas. What is sent of a chord that has this as its body. */
  asBodyOf(chord: AnySignature): AnySignature {
    return chord
  }

  /** For workers and canvas. What comes next must wait for several tasks. */
  abstract endsInGroup(): boolean

  /** For canvas. Whether a caller gives the arguments the task takes (TASK-30); throws or rejects with `CT_ARGUMENTS`. */
  check(_call: SignatureCall): unknown {
    return undefined
  }

  /** For workers and canvas. Whether it, or something in it, waits for a group. */
  holdsChord(): boolean {
    return false
  }

  /** Ignores the arguments of callers and of the step before. */
  get immutable(): boolean {
    return this.#immutable
  }

  /** Name of the task. */
  get name(): string {
    return this.task
  }

  /** Its task id, once it has one. */
  get id(): string | undefined {
    return this.options['task_id'] as string | undefined
  }

  /** The call as text, as Python shows it: `add(2, 2)`. Never throws. */
  toString(): string {
    const args = this.args.map((arg) => pyRepr(arg))
    const kwargs = Object.entries(this.kwargs).map(([key, value]) => `${key}=${pyRepr(value)}`)
    return `${this.task}(${[...args, ...kwargs].join(', ')})`
  }

  /** A copy with arguments before its own, further keyword arguments and options (Celery's `clone` and `partial`). */
  clone(args?: readonly [], options?: ApplyOptions & { readonly kwargs?: undefined }): this
  clone<Self extends AnySignature, const P extends FrontArgs<ArgsOf<Self>>>(
    this: Self,
    args: P,
    options?: ApplyOptions & { readonly kwargs?: undefined },
  ): Signature<ArgsAfter<ArgsOf<Self>, P>, ResultOf<Self>, HandleOf<Self>>
  /** With `kwargs`, nobody knows which arguments are left. */
  clone(args: readonly unknown[], options: KeywordCall<ApplyOptions>): Signature<readonly unknown[], R, H>
  clone(args: readonly unknown[] = [], options: ApplyOptions = {}): AnySignature {
    const { kwargs, ...rest } = options
    const given = { args: givenArgs(args) ?? [], kwargs: givenKwargs(kwargs) }
    return this.merged({ ...given, options: toSignatureOptions(rest) }) as AnySignature
  }

  /** For workers and canvas. */
  merged(call: SignatureCall): this {
    return this.copy({
      args: this.#immutable || call.args.length === 0 ? this.args : [...call.args, ...this.args],
      kwargs: this.#immutable || isEmpty(call.kwargs) ? this.kwargs : { ...this.kwargs, ...call.kwargs },
      options: mergedOptions(this.options, call.options),
      immutable: this.#immutable,
    })
  }

  /** Changes options in place; returns itself. */
  set(options: CallOptions & { readonly immutable?: boolean | undefined }): this {
    const { immutable, ...rest } = options
    if (immutable !== undefined) this.setImmutable(immutable)
    const given = toSignatureOptions(rest)
    for (const key of ['link', 'link_error'] as const)
      for (const link of (given[key] ?? []) as readonly unknown[])
        if (link instanceof Signature) refuseCycle(this, link as AnySignature, key)
    Object.assign(this.options, given)
    return this
  }

  setImmutable(immutable: boolean): this {
    this.#immutable = givenFlag('immutable', immutable) ?? false
    return this
  }

  /** Adds a callback that runs with the result; returns the callback, as Celery does. */
  link<Self extends AnySignature, S>(this: Self, callback: CheckedLink<Self, S>): S {
    this.addLink(linkPart('link', callback))
    return callback as S
  }

  /** Adds a callback for failure; returns the callback, as Celery does. See {@link onError}. */
  linkError<S extends AnySignature>(errback: S): S {
    this.addErrback(linkPart('linkError', errback))
    return errback
  }

  /** As {@link linkError}, but returns the signature itself. */
  onError(errback: AnySignature): this {
    this.addErrback(linkPart('onError', errback))
    return this
  }

  /** For workers and canvas. */
  addLink(callback: unknown): void {
    if (callback instanceof Signature) refuseCycle(this, callback as AnySignature, 'link')
    appendOnce(this.options, 'link', callback)
  }

  /** For workers and canvas. */
  addErrback(errback: unknown): void {
    if (errback instanceof Signature) refuseCycle(this, errback as AnySignature, 'link_error')
    appendOnce(this.options, 'link_error', errback)
  }

  /** For canvas. That of a chain of which this is a step. */
  addErrbackOfChain(errback: unknown): void {
    this.addErrback(errback)
  }

  /**
   * Stamps everything in it, links included, in place; returns itself. A visitor chooses the stamps of each part. The body of a chord is
   * stamped by a visitor only, as in Celery. Throws `CT_CONFIGURATION` for a name that is a calling option, and for a
   * value that is a function.
   */
  stamp(visitor: StampingVisitor, options?: StampOptions): this
  stamp(stamps: Stamps, options?: Omit<StampOptions, 'stamps'>): this
  stamp(given: Stamps | StampingVisitor, options: StampOptions = {}): this {
    const { stamping, stamps } = stampingOf(given, options)
    this.stampWith(stamping, stamps)
    return this
  }

  /** For canvas. What is in it, by place: members, body, links. */
  *parts(): Generator<readonly [name: string, part: AnySignature], void, undefined> {
    for (const key of ['link', 'link_error'] as const) {
      const links = (this.options[key] ?? []) as readonly unknown[]
      for (const [index, link] of links.entries())
        if (link instanceof Signature) yield [`${key}[${index}]`, link as AnySignature]
    }
  }

  /** For canvas. How large it is; kept by those that have members. */
  extent(): Extent {
    return extentOfLinks(this)
  }

  /** For canvas. One step of a walk. */
  stampWith(stamping: Stamping, given: Stamps): void {
    stamping.task(this, given)
  }

  /** For canvas. Links as signatures, in place: what was data is replaced by what it stands for. */
  linked(key: 'link' | 'link_error'): readonly AnySignature[] {
    const links = (this.options[key] ?? []) as unknown[]
    links.forEach((link, index) => {
      if (!(link instanceof Signature)) links[index] = this.context.app.signature(link as SignatureDict)
    })
    return links as AnySignature[]
  }

  /** This signature and what its links lead to. */
  flattenLinks(): readonly AnySignature[] {
    const links = (this.options['link'] ?? []) as readonly unknown[]
    return [
      this,
      ...links.flatMap((link) => (link instanceof Signature ? (link as AnySignature).flattenLinks() : [])),
    ]
  }

  /**
   * Assigns its ids before it is sent, so that the result is known: returns the handle. What is frozen keeps its ids and must be
   * sent once only.
   */
  freeze(taskId?: string): H {
    return resultHandle(this.context, this.freezeWith({ id: taskId })) as H
  }

  /** Sends it with these arguments before its own. Errors: see `Task.applyAsync`. */
  delay(...args: A): Promise<H> {
    return this.#apply({ args, kwargs: {}, options: {}, final: true })
  }

  /** Sends it. Arguments come before its own. */
  applyAsync(...call: ApplyArgs<A, ApplyOptions>): Promise<H>
  /** With `kwargs`, positional arguments may be fewer. */
  applyAsync(args: Partial<A>, options: KeywordCall<ApplyOptions>): Promise<H>
  async applyAsync(...call: readonly unknown[]): Promise<H> {
    const [args, given] = argumentsAndOptions<ApplyOptions>(call)
    const { kwargs, ...options } = given ?? {}
    return this.#apply({
      args,
      kwargs: givenKwargs(kwargs),
      options: toSignatureOptions(options),
      signal: options.signal,
      final: true,
    })
  }

  /** Runs it in this process, now, without broker (TEST 16.1). */
  apply(...call: ApplyArgs<A, EagerOptions>): Promise<H>
  /** With `kwargs`, positional arguments may be fewer. */
  apply(args: Partial<A>, options: KeywordCall<EagerOptions>): Promise<H>
  async apply(...call: readonly unknown[]): Promise<H> {
    const [args, given] = argumentsAndOptions<EagerOptions>(call)
    const { kwargs, throw: propagate, ...options } = given ?? {}
    const outcome = await this.runEagerly({
      args,
      kwargs: givenKwargs(kwargs),
      options: toSignatureOptions(options),
      signal: options.signal,
      propagate: givenFlag('throw', propagate),
    })
    return eagerHandle(this.context, outcome) as H
  }

  /**
   * Lets the workers that gossip elect one of them, which sends it: for what is called everywhere and shall happen once. Resolves to its handle
   * when all are asked.
   */
  async election(): Promise<H> {
    const copy = this.clone()
    const frozen = copy.freezeWith({})
    await this.context.app.control.election(frozen.id, 'task', copy.toJSON())
    return resultHandle(this.context, frozen) as H
  }

  async #apply(call: SignatureCall): Promise<H> {
    // A callback may have got callbacks of its own since it was linked.
    extentOfLinks(this)
    await this.check(call)
    if (this.app?.context.settings.taskAlwaysEager === true && this.runsEagerly()) {
      return eagerHandle(this.context, await this.runEagerly({ ...call, roundTrip: true })) as H
    }
    const result = await this.send(call)
    if (result === null) return null as H
    return (this.app === undefined ? emptyGroupHandle(result) : resultHandle(this.context, result)) as H
  }

  /** For workers and canvas. Whether `taskAlwaysEager` applies: tasks that are not registered here are sent all the same. */
  runsEagerly(): boolean {
    return true
  }

  /** For workers and canvas. */
  get context(): AppContext {
    if (this.app === undefined) {
      throw new ConfigurationError(
        `The signature ${this.task} belongs to no app. Make it from a task or with app.signature().`,
      )
    }
    return this.app.context
  }

  /** As it travels; Python reads it with `Signature.from_dict`. */
  toJSON(): SignatureDict {
    return {
      task: this.task,
      args: this.args,
      kwargs: this.kwargs,
      options: travellingOptions(this.options as SignatureOptions),
      subtask_type: this.subtaskType,
      immutable: this.#immutable,
    }
  }

  [jsonHook](): SignatureDict {
    return this.toJSON()
  }
}
