import type { App } from '../app/app.ts'
import type { AsyncResult } from '../result/index.ts'
import { argumentsAndOptions, TaskSignature, toSignatureOptions } from '../canvas/index.ts'
import type {
  ApplyArgs,
  ApplyOptions,
  CallOptions,
  MapItem,
  PartialArgs,
  RemainingArgs,
  Signature,
} from '../canvas/index.ts'
import { chunks, xmap, xstarmap } from './task-maps.ts'
import type { ChunksOf } from './task-maps.ts'

/**
 * A task that others work, in whatever language, with the types you declare for it: it is sent by name, and takes part in canvases as a task of
 * this program does. Nothing checks the declaration but the worker. Made by `App.remoteTask`.
 */
export class RemoteTask<A extends readonly unknown[] = readonly unknown[], R = unknown> {
  readonly app: App
  readonly name: string
  readonly #options: Readonly<Record<string, unknown>>

  constructor(app: App, name: string, options: CallOptions = {}) {
    this.app = app
    this.name = name
    this.#options = toSignatureOptions(options)
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
    return new TaskSignature<Left, R>({
      app: this.app,
      task: this.name,
      args,
      kwargs,
      options: { ...this.#options, ...toSignatureOptions(rest) },
      immutable,
    })
  }

  /** Sends it. Resolves when the broker has taken the message. Errors: `CT_ENCODE`, `CT_PUBLISH`, `CT_BROKER`, `CT_CLOSED`. */
  async delay(...args: A): Promise<AsyncResult<R>> {
    return await this.signature(args).delay()
  }

  /** As {@link delay}, with calling options, `kwargs` among them. */
  applyAsync(...call: ApplyArgs<A, ApplyOptions>): Promise<AsyncResult<R>>
  /** With `kwargs`, positional arguments may be fewer. */
  applyAsync(
    args: Partial<A>,
    options: ApplyOptions & { readonly kwargs: Readonly<Record<string, unknown>> },
  ): Promise<AsyncResult<R>>
  async applyAsync(...call: readonly unknown[]): Promise<AsyncResult<R>> {
    const [args, options] = argumentsAndOptions<ApplyOptions>(call)
    return await this.signature().applyAsync(args, options ?? {})
  }

  /** One task that calls this one for every item, in order; the list of results. The worker must be able to map: ct and Celery are. */
  map(items: Iterable<MapItem<A>>): Signature<readonly unknown[], R[]> {
    return xmap<A, R>(this, items)
  }

  /** As {@link map}, each item being a list of arguments. */
  starmap(items: Iterable<A>): Signature<readonly unknown[], R[]> {
    return xstarmap<A, R>(this, items)
  }

  /** A group of `starmap`s of `size` items each; the list of their lists. */
  chunks(items: Iterable<A>, size: number): ChunksOf<R> {
    return chunks<A, R>(this, items, size)
  }

  toString(): string {
    return `<remote task: ${this.name}>`
  }
}
