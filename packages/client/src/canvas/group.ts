import { randomUUID } from 'node:crypto'
import { ConfigurationError, isRawJson, nextOfChain } from '@ct/contracts'
import type { ChainSource, SignatureDict } from '@ct/contracts'
import type { App } from '../app/app.ts'
import type { GroupResult } from '../result/index.ts'
import { runningTask } from './current-task.ts'
import type { EagerOutcome } from './eager-outcome.ts'
import { groupResult } from './frozen-result.ts'
import type { FrozenResult } from './frozen-result.ts'
import { LazyMembers } from './lazy-members.ts'
import { prepareMembers } from './prepare-members.ts'
import { Signature } from './signature.ts'
import { extentOf } from './extent.ts'
import type { Extent } from './extent.ts'
import { stampsOf } from './stamping.ts'
import type { Stamping, Stamps } from './stamping.ts'
import type { AnySignature, FreezeIds, SignatureCall } from './signature.ts'
import { freezeInto } from './task-signature.ts'

interface GroupParts {
  readonly app: App | undefined
  readonly tasks: readonly AnySignature[] | LazyMembers
  readonly options?: Readonly<Record<string, unknown>> | undefined
  readonly immutable?: boolean | undefined
}

/** Handle of a group whose results have these types. */
export type GroupHandle<R extends readonly unknown[]> = {
  get(...options: Parameters<GroupResult['get']>): Promise<R>
} & GroupResult<R[number]>

/** Several signatures sent at once with the same arguments; the result is the list of theirs, in their order. */
export class Group<
  A extends readonly unknown[] = readonly unknown[],
  R extends readonly unknown[] = readonly unknown[],
> extends Signature<A, R, GroupHandle<R>> {
  readonly subtaskType = 'group'
  readonly #lazy: LazyMembers | undefined
  #tasks: readonly AnySignature[] | undefined
  #extent: Extent | undefined

  constructor(parts: GroupParts) {
    const lazy = parts.tasks instanceof LazyMembers ? parts.tasks : undefined
    const tasks = parts.tasks instanceof LazyMembers ? undefined : parts.tasks
    super({
      app: parts.app ?? lazy?.app ?? tasks?.find((task) => task.app !== undefined)?.app,
      task: 'celery.group',
      options: parts.options,
      immutable: parts.immutable,
    })
    this.#lazy = lazy
    this.#tasks = tasks
    if (tasks !== undefined) this.#extent = extentOf(this, tasks)
  }

  /** Those of a generator are drawn, all of them. */
  get tasks(): readonly AnySignature[] {
    return this.#tasks ?? this.#collected(this.#lazy!)
  }

  #collected(lazy: LazyMembers): readonly AnySignature[] {
    // An error names the place of what is too much, among them.
    this.#tasks = lazy.all()
    try {
      this.#extent = extentOf(this, this.#tasks)
      return this.#tasks
    } catch (error) {
      this.#tasks = undefined
      throw error
    }
  }

  protected override copy(parts: {
    readonly args: readonly unknown[]
    readonly kwargs: Readonly<Record<string, unknown>>
    readonly options: Readonly<Record<string, unknown>>
    readonly immutable: boolean
  }): this {
    const members = this.tasks.map((task) =>
      task.merged({ ...nothing, args: parts.args, kwargs: parts.kwargs }),
    )
    return new Group<A, R>({
      app: this.app,
      tasks: members,
      options: parts.options,
      immutable: parts.immutable,
    }) as this
  }

  /** Groups inside are replaced by their members; each member has an index of its own. */
  get members(): readonly AnySignature[] {
    return membersAmong(this.tasks)
  }

  override freezeWith(ids: FreezeIds): FrozenResult {
    const id = (this.options['task_id'] ??= ids.id ?? randomUUID()) as string
    // Parts of an outer chord are counted under that chord's group; otherwise members join this group when it is sent.
    const outer = ids.chord != null && ids.groupId != null ? ids.groupId : undefined
    this.#tasks = distinct(frozenOrder(this.tasks))
    const members = this.tasks.map((member, index) =>
      member.freezeWith({
        groupId: outer,
        groupIndex: outer === undefined ? index : ids.groupIndex,
        chord: ids.chord,
        rootId: ids.rootId,
      }),
    )
    if (outer !== undefined) freezeInto(this.options, { ...ids, chord: undefined })
    return groupResult(id, members)
  }

  override async send(call: SignatureCall): Promise<FrozenResult> {
    refuseLinks(call)
    const followed = this.#followed(call)
    if (followed !== undefined) return followed
    const options: Record<string, unknown> = { ...this.options, ...call.options }
    const id = (options['task_id'] ?? randomUUID()) as string
    const rootId = options['root_id'] as string | undefined
    for (const key of ['task_id', 'group_index']) delete options[key]
    const shared: SignatureCall = {
      args: this.immutable ? [] : call.args,
      kwargs: this.immutable ? {} : call.kwargs,
      options: { ...options, add_to_parent: false },
      signal: call.signal,
      outbox: call.outbox,
      final: call.final,
    }
    const results: FrozenResult[] = []
    let under = Promise.resolve()
    try {
      for (const tasks of this.#batches()) {
        const members = membersAmong(tasks.map((task) => task.merged(nothing)))
        const offset = results.length
        for (const member of members)
          results.push(member.freezeWith({ groupId: id, groupIndex: results.length, rootId }))
        const send = prepareMembers(members, shared, offset)
        await under
        under = send().then((failure) => {
          if (failure !== undefined) throw failure.error
        })
        // Awaited in the next round, or below.
        under.catch(() => undefined)
        // What was handed over goes out while a generator makes the next ones.
        if (this.#tasks === undefined) await nextTurn()
      }
    } catch (error) {
      // What was handed over is not left alone.
      await under.catch(() => undefined)
      throw error
    }
    await under
    const result = groupResult(id, results)
    // An empty one is nobody's child, as in Celery.
    if (options['add_to_parent'] !== false && results.length > 0) runningTask()?.children?.push(result)
    return result
  }

  /** A list is sent in one step, what a generator gives in steps, as it comes (CANVAS-42). */
  *#batches(): Generator<readonly AnySignature[]> {
    const lazy = this.#lazy
    if (lazy === undefined || this.#tasks !== undefined) {
      yield this.tasks
      return
    }
    for (let at = 0; ; at += drawnTogether) {
      const batch = lazy.slice(at, at + drawnTogether)
      if (lazy.areTooMany) this.#collected(lazy)
      else extentOf(this, batch)
      if (batch.length === 0) return
      yield batch
    }
  }

  /**
   * Several members with steps of a chain behind them: Celery lets each of them send the next step, always under the same ids. ct sends it once, when
   * all are done, with the list. No more than what `|` makes of it, so only a chord with such a body comes here (see `endsInMembers`).
   */
  #followed(call: SignatureCall): Promise<FrozenResult> | undefined {
    const chain = (call.options['chain'] ?? this.options['chain']) as ChainSource | null | undefined
    if (chain === undefined || chain === null || isEmptyChainSource(chain) || this.members.length < 2)
      return undefined
    const { next, rest } = nextOfChain(chain)
    // As a header they get a group of their own; that of a chord around them is for what ends the chain.
    const tasks = this.tasks.map((task) => task.clone())
    for (const task of tasks) for (const key of ofMembers) delete task.options[key]
    const chord = new Group({ app: this.app, tasks }).pipe(this.app!.signature(next)) as AnySignature
    const own = Object.fromEntries(
      Object.entries(this.options).filter(([key]) => key !== 'task_id' && !ofMembers.includes(key)),
    )
    const options = { ...own, ...call.options, chain: rest }
    return chord.send({ ...call, options }) as Promise<FrozenResult>
  }

  override async runEagerly(call: SignatureCall): Promise<EagerOutcome> {
    refuseLinks(call)
    const { task_id: given, ...options } = { ...this.options, ...call.options } as Record<string, unknown>
    const id = (given as string | undefined) ?? randomUUID()
    const shared = this.immutable ? { ...call, args: [], kwargs: {} } : call
    const members: EagerOutcome[] = []
    for (const member of this.members)
      members.push(await member.runEagerly({ ...shared, options: { ...options, group_id: id } }))
    return {
      id,
      name: this.task,
      state: members.every(({ state }) => state === 'SUCCESS') ? 'SUCCESS' : 'FAILURE',
      value: members.map(({ value }) => value),
      traceback: null,
      parent: null,
      members,
    }
  }

  override runsEagerly(): boolean {
    return this.tasks.every((task) => task.runsEagerly())
  }

  override stampWith(stamping: Stamping, given: Stamps): void {
    const { visitor } = stamping
    const inside = stamping.collect(given, visitor?.onGroupStart?.(this, given), stampsOf(this.options))
    stamping.links(this, inside)
    for (const task of this.tasks) task.stampWith(stamping, inside)
    visitor?.onGroupEnd?.(this, inside)
  }

  override *parts(): Generator<readonly [name: string, part: AnySignature], void, undefined> {
    for (const [index, task] of this.tasks.entries()) yield [`tasks[${index}]`, task]
    yield* super.parts()
  }

  override extent(): Extent {
    return (this.#extent ??= extentOf(this, this.tasks))
  }

  override chordSize(): number {
    return this.tasks.reduce((sum, task) => sum + task.chordSize(), 0)
  }

  override endsInGroup(): boolean {
    return true
  }

  override holdsChord(): boolean {
    return this.tasks.some((task) => task.holdsChord())
  }

  /** The first member calls it, without its result: for "all are done" use a chord. */
  override addLink(callback: unknown): void {
    const first = this.tasks[0]
    if (first === undefined) return
    // One that travelled is data.
    const known = callback instanceof Signature ? (callback as AnySignature).clone() : undefined
    const copy = known ?? this.app?.signature(callback as object)
    first.addLink(copy === undefined ? callback : copy.setImmutable(true))
  }

  /** Each member gets a copy. */
  override addErrback(errback: unknown): void {
    for (const task of this.tasks)
      task.addErrback(errback instanceof Signature ? (errback as AnySignature).clone() : errback)
  }

  override addErrbackOfChain(errback: unknown): void {
    for (const task of this.tasks)
      task.addErrbackOfChain(errback instanceof Signature ? (errback as AnySignature).clone() : errback)
  }

  override setImmutable(immutable: boolean): this {
    for (const task of this.tasks) task.setImmutable(immutable)
    return this
  }

  /** Spreads the members over time: `countdown` start, start + step, … seconds, the last that is not above `stop` again and again. Returns itself. */
  skew(start = 1, stop?: number, step = 1): this {
    const last = stop === undefined || stop === 0 ? Infinity : Math.floor((stop - start) / step)
    this.tasks.forEach((task, index) => task.set({ countdown: start + Math.min(index, last) * step }))
    return this
  }

  override toJSON(): SignatureDict {
    return { ...super.toJSON(), args: [], kwargs: { tasks: this.tasks } }
  }
}

const nothing: SignatureCall = Object.freeze({ args: [], kwargs: {}, options: {} })

/** Members that are drawn from a generator before they are sent: enough that a step is worth its round trip. */
const drawnTogether = 500

function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

/** Groups are replaced by their members. */
function membersAmong(tasks: readonly AnySignature[]): readonly AnySignature[] {
  return tasks.flatMap((task) =>
    task instanceof Group ? (task as Group).members : isEmptyChain(task) ? [] : [task],
  )
}

function refuseLinks({ options }: SignatureCall): void {
  if (options['link'] === undefined && options['link_error'] === undefined) return
  throw new ConfigurationError(
    'A group takes no link and linkError when it is sent. Link its members, or use a chord.',
  )
}

/** One object that is in a canvas several times has one id only: before it gets it, all but the first are copied. */
export function distinct(tasks: readonly AnySignature[]): readonly AnySignature[] {
  const seen = new Set<AnySignature>()
  for (const task of tasks) seen.add(task)
  if (seen.size === tasks.length) return tasks
  return tasks.map((task) => (seen.delete(task) ? task : task.clone()))
}

/**
 * Members in the order in which Celery freezes them: those of groups inside come out reversed (celery/canvas.py 5.7, `_freeze_unroll`). A chord
 * or a group that is a step of a chain has this order wherever it is frozen, so that its results do not depend on who sends it.
 */
export function frozenOrder(tasks: readonly AnySignature[]): readonly AnySignature[] {
  return tasks.flatMap((task) =>
    task instanceof Group
      ? frozenOrder((task as Group).tasks.toReversed())
      : isEmptyChain(task)
        ? []
        : [task],
  )
}

/** What a member has of the group or chord that it is a part of. */
const ofMembers: readonly string[] = ['group_id', 'group_index', 'chord']

function isEmptyChainSource(chain: ChainSource): boolean {
  return isRawJson(chain) ? /^\s*\[\s*\]\s*$/.test(chain.text) : chain.length === 0
}

/** It has no task, and no result to wait for (D57-86). */
function isEmptyChain(task: AnySignature): boolean {
  return (
    task.subtaskType === 'chain' &&
    (task as AnySignature & { readonly tasks: readonly unknown[] }).tasks.length === 0
  )
}
