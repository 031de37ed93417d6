import type { ResultHandle, ResultTuple } from '@ct/contracts'
import { ConfigurationError, encodeResultHandle } from '@ct/contracts'
import type { ResultNode } from './async-result.ts'
import type { ResultContext } from './result-context.ts'
import { buildResultGraph } from './result-graph.ts'
import type { GraphOptions, ResultGraph } from './result-graph.ts'
import { handleInLine } from './result-line.ts'
import { ResultSet } from './result-set.ts'
import type { StoreCallOptions } from './result-store.ts'

export interface GroupResultOptions {
  readonly parent?: ResultNode | null | undefined
}

/** The results of a group (celery/result.py 5.7, GroupResult). */
export class GroupResult<T = unknown> extends ResultSet<T> {
  readonly id: string
  readonly parent: ResultNode | null

  constructor(
    id: string,
    results: Iterable<ResultNode>,
    context: ResultContext,
    options: GroupResultOptions = {},
  ) {
    if (typeof id !== 'string' || id === '') throw new ConfigurationError('A group result needs an id.')
    super(results, context)
    this.id = id
    this.parent = options.parent ?? null
  }

  /** The members; for walking trees of results. Asks nobody. */
  children(_options?: StoreCallOptions): Promise<readonly ResultNode[]> {
    return Promise.resolve(this.results)
  }

  /** The group, its members and what they sent as a graph; see `AsyncResult.buildGraph`. */
  async buildGraph(options: GraphOptions = {}): Promise<ResultGraph> {
    return await buildResultGraph(this, options)
  }

  /** Saves the handles of the members, so that {@link GroupResult.restore} finds them by the group's id. Not done automatically. */
  async save(options: StoreCallOptions = {}): Promise<void> {
    await this.context.store.saveGroup(this.handle(), options)
  }

  /** Deletes what {@link save} stored; the members' results stay. */
  async delete(options: StoreCallOptions = {}): Promise<void> {
    await this.context.store.deleteGroup(this.id, options)
  }

  /** Identity of the group and its members as data. */
  handle(): ResultHandle {
    return handleInLine(this)
  }

  /** `[[id, parent], [member, …]]`: Celery's portable form. */
  asTuple(): ResultTuple {
    return encodeResultHandle(this.handle())
  }

  toJSON(): ResultTuple {
    return this.asTuple()
  }

  override toString(): string {
    return this.id
  }

  equals(other: unknown): boolean {
    return (
      other instanceof GroupResult &&
      other.id === this.id &&
      JSON.stringify(other.asTuple()) === JSON.stringify(this.asTuple())
    )
  }

  protected override describe(): string {
    return `Group ${this.id} of ${this.length} results`
  }
}
