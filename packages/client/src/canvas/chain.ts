import type { SignatureDict } from '@ct/contracts'
import type { App } from '../app/app.ts'
import { Chord } from './chord.ts'
import { chordKind } from './chord-backend.ts'
import type { EagerOutcome } from './eager-outcome.ts'
import { oldestAncestor } from './frozen-result.ts'
import type { FrozenResult } from './frozen-result.ts'
import { Group } from './group.ts'
import { Signature } from './signature.ts'
import type { AnySignature, FreezeIds, SignatureCall } from './signature.ts'

interface ChainParts {
  readonly app: App | undefined
  readonly tasks: readonly AnySignature[]
  readonly options?: Readonly<Record<string, unknown>> | undefined
  readonly immutable?: boolean | undefined
}

/** Options of a chain that belong to its end, or to every step; all others are the first step's. */
const notForFirst: ReadonlySet<string> = new Set([
  'task_id',
  'group_id',
  'group_index',
  'chord',
  'chain',
  'link',
  'link_error',
  'root_id',
])

/** Steps, each of which gets the result of the one before as its first argument. The result is that of the last. */
export class Chain<
  A extends readonly unknown[] = readonly unknown[],
  R = unknown,
  H = unknown,
> extends Signature<A, R, H> {
  readonly subtaskType = 'chain'
  #tasks: readonly AnySignature[]

  constructor(parts: ChainParts) {
    super({
      app: parts.app ?? parts.tasks.find((task) => task.app !== undefined)?.app,
      task: 'celery.chain',
      options: parts.options,
      immutable: parts.immutable,
    })
    this.#tasks = parts.tasks
  }

  get tasks(): readonly AnySignature[] {
    return this.#tasks
  }

  protected override copy(parts: {
    readonly args: readonly unknown[]
    readonly kwargs: Readonly<Record<string, unknown>>
    readonly options: Readonly<Record<string, unknown>>
    readonly immutable: boolean
  }): this {
    const call = { args: parts.args, kwargs: parts.kwargs, options: {} }
    const tasks = this.tasks.map((task, index) => (index === 0 ? task.merged(call) : task.clone()))
    return new Chain<A, R, H>({
      app: this.app,
      tasks,
      options: parts.options,
      immutable: parts.immutable,
    }) as this
  }

  /** Flat, and groups that are followed by something upgraded to chords. */
  get steps(): readonly AnySignature[] {
    return normalSteps(this.tasks)
  }

  override freezeWith(ids: FreezeIds): FrozenResult {
    const { steps, result } = freezeSteps(this.steps, {
      ...ids,
      id: (this.options['task_id'] as string | undefined) ?? ids.id,
    })
    // Normalising may have made new steps; what was frozen is what will be sent.
    this.#tasks = steps
    if (result === undefined) return { id: ids.id ?? '', parent: null, children: [] }
    this.options['task_id'] ??= result.id
    return result
  }

  override async send(call: SignatureCall): Promise<FrozenResult | null> {
    const sent = this.clone()
    const options: Record<string, unknown> = { ...sent.options, ...withoutNulls(call.options) }
    let steps = sent.steps
    const last = steps.at(-1)
    if (last === undefined) return null
    // Now rather than in the worker that would come to it.
    if (steps.length > 1 && steps.some((step) => step.holdsChord())) chordKind(this.context)
    for (const key of ['link', 'link_error'] as const) {
      const own = (this.options[key] ?? []) as readonly unknown[]
      const given = (call.options[key] ?? []) as readonly unknown[]
      options[key] = [...own, ...given]
    }
    for (const callback of options['link'] as readonly unknown[]) last.addLink(callback)
    for (const errback of options['link_error'] as readonly unknown[])
      for (const step of steps) step.addErrback(errback)
    const frozen = freezeSteps(steps, {
      id: options['task_id'] as string | undefined,
      groupId: options['group_id'] as string | null | undefined,
      groupIndex: options['group_index'] as number | null | undefined,
      chord: options['chord'],
      rootId: options['root_id'] as string | undefined,
    })
    steps = frozen.steps
    const rest = steps.slice(1).toReversed()
    const outer = (options['chain'] ?? []) as readonly unknown[]
    const firstOptions = Object.fromEntries(Object.entries(options).filter(([key]) => !notForFirst.has(key)))
    const first = await steps[0]!.send({
      args: this.immutable ? [] : call.args,
      kwargs: this.immutable ? {} : call.kwargs,
      options: {
        ...firstOptions,
        ...(options['root_id'] == null ? {} : { root_id: options['root_id'] }),
        chain: [...outer, ...rest],
      },
      signal: call.signal,
    })
    return steps.length === 1 && first !== null ? first : frozen.result!
  }

  override async runEagerly(call: SignatureCall): Promise<EagerOutcome> {
    let before: EagerOutcome | undefined
    const sent = this.clone()
    const steps = sent.steps
    const links = [
      ...((this.options['link'] ?? []) as unknown[]),
      ...((call.options['link'] ?? []) as unknown[]),
    ]
    const errbacks = [
      ...((this.options['link_error'] ?? []) as unknown[]),
      ...((call.options['link_error'] ?? []) as unknown[]),
    ]
    // Once, on the last task (D57-89).
    for (const link of links) steps.at(-1)?.addLink(link)
    for (const errback of errbacks) for (const step of steps) step.addErrback(errback)
    const shared = Object.fromEntries(
      Object.entries({ ...this.options, ...call.options }).filter(([key]) => !notForFirst.has(key)),
    )
    for (const step of steps) {
      if (before?.state === 'FAILURE') throw before.value
      const outcome: EagerOutcome = await step.runEagerly({
        ...call,
        args: before === undefined ? (this.immutable ? [] : call.args) : [before.value],
        kwargs: before === undefined && !this.immutable ? call.kwargs : {},
        options: shared,
      })
      before = before === undefined ? outcome : withParent(outcome, before)
      if (outcome.state === 'IGNORED' || outcome.state === 'REJECTED') break
    }
    return (
      before ?? {
        id: '',
        name: this.task,
        state: 'SUCCESS',
        value: null,
        traceback: null,
        parent: null,
        members: null,
      }
    )
  }

  override runsEagerly(): boolean {
    return this.tasks.every((task) => task.runsEagerly())
  }

  override chordSize(): number {
    return this.tasks.reduceRight((size, task) => (size > 0 ? size : task.chordSize()), 0)
  }

  override holdsChord(): boolean {
    return this.steps.some((step) => step.holdsChord())
  }

  override endsInGroup(): boolean {
    return this.tasks.at(-1)?.endsInGroup() ?? false
  }

  override toJSON(): SignatureDict {
    return { ...super.toJSON(), args: [], kwargs: { tasks: this.tasks } }
  }
}

/** `left` then `right`, as steps of a chain; groups become chord headers (canvas semantics: "Building"). */
function append(steps: readonly AnySignature[], right: AnySignature): readonly AnySignature[] {
  if (right instanceof Chain) return inner(right).reduce(append, steps)
  const left = steps.at(-1)
  if (left === undefined) return [right]
  if (right instanceof Group) {
    // An empty group adds nothing; a group of one is its member.
    if (right.tasks.length === 0) return steps
    if (right.tasks.length === 1) return append(steps, right.tasks[0]!)
  }
  if (!left.endsInGroup()) return [...steps, right]
  return [...steps.slice(0, -1), afterGroup(left, right)]
}

/** What follows a group waits for all of it: a chord. */
function afterGroup(left: AnySignature, right: AnySignature): AnySignature {
  if (left instanceof Group) {
    const groupId = left.options['task_id']
    return new Chord({
      app: left.app ?? right.app,
      header: left.tasks,
      body: right,
      options: groupId === undefined ? {} : { task_id: groupId },
    })
  }
  const chord = left as Chord
  const steps = append(chord.body instanceof Chain ? inner(chord.body) : [chord.body], right)
  return chord.withBody(steps.length === 1 ? steps[0]! : new Chain({ app: chord.app, tasks: steps }))
}

/** Steps of a chain inside another, with what was linked to it as a whole. */
function inner(chain: Chain): readonly AnySignature[] {
  const steps = chain.tasks.map((task) => task)
  const links = (chain.options['link'] ?? []) as readonly unknown[]
  const errbacks = (chain.options['link_error'] ?? []) as readonly unknown[]
  if (links.length === 0 && errbacks.length === 0) return steps
  const copies = steps.map((step) => step.clone())
  for (const link of links) copies.at(-1)?.addLink(link)
  for (const errback of errbacks) for (const copy of copies) copy.addErrback(errback)
  return copies
}

export function normalSteps(tasks: readonly AnySignature[]): readonly AnySignature[] {
  // The first place is special: a leading group of one stays a group where nothing else is in the chain.
  if (tasks.length === 1 && !(tasks[0] instanceof Chain)) return tasks
  return tasks.reduce<readonly AnySignature[]>(append, [])
}

/** From the last to the first, so that ids for the end go to the end; results are hung one after the other. */
function freezeSteps(
  steps: readonly AnySignature[],
  ids: FreezeIds,
): { readonly steps: readonly AnySignature[]; readonly result: FrozenResult | undefined } {
  let after: FrozenResult | undefined
  let result: FrozenResult | undefined
  for (const step of steps.toReversed()) {
    const frozen = step.freezeWith(after === undefined ? ids : { rootId: ids.rootId })
    if (after !== undefined) after.parent ??= frozen
    result ??= frozen
    // A chord's line ends in its header: that is what the step before comes before.
    after = oldestAncestor(frozen)
  }
  return { steps, result }
}

function withParent(outcome: EagerOutcome, parent: EagerOutcome): EagerOutcome {
  return { ...outcome, parent: outcome.parent === null ? parent : withParent(outcome.parent, parent) }
}

function withoutNulls(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== null && value !== undefined),
  )
}
