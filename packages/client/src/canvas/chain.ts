import { stepsOfChain } from '@ct/contracts'
import type { ChainSource, SignatureDict } from '@ct/contracts'
import type { App } from '../app/app.ts'
import { Chord } from './chord.ts'
import { chordKind } from './chord-backend.ts'
import { runChainEagerly } from './eager-chain.ts'
import type { EagerOutcome } from './eager-outcome.ts'
import { oldestAncestor } from './frozen-result.ts'
import type { FrozenResult } from './frozen-result.ts'
import { distinct, Group } from './group.ts'
import { Signature } from './signature.ts'
import { extentOf, refuseTooLong } from './extent.ts'
import type { Extent } from './extent.ts'
import { stampsOf } from './stamping.ts'
import type { Stamping, Stamps } from './stamping.ts'
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
  readonly #extent: Extent

  constructor(parts: ChainParts) {
    super({
      app: parts.app ?? parts.tasks.find((task) => task.app !== undefined)?.app,
      task: 'celery.chain',
      options: parts.options,
      immutable: parts.immutable,
    })
    this.#tasks = parts.tasks
    refuseTooLong(parts.tasks)
    this.#extent = extentOf(this, parts.tasks)
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
    const { steps, result } = freezeSteps(distinct(this.steps), {
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
    for (const callback of options['link'] as readonly unknown[]) linkEnd(last, callback)
    for (const errback of options['link_error'] as readonly unknown[])
      for (const step of steps) step.addErrbackOfChain(errback)
    const frozen = freezeSteps(steps, {
      id: options['task_id'] as string | undefined,
      groupId: options['group_id'] as string | null | undefined,
      groupIndex: options['group_index'] as number | null | undefined,
      chord: options['chord'],
      rootId: options['root_id'] as string | undefined,
    })
    steps = frozen.steps
    const rest = steps.slice(1).toReversed()
    const outer = stepsOfChain((options['chain'] ?? []) as ChainSource)
    const first = await steps[0]!.send({
      args: this.immutable ? [] : call.args,
      kwargs: this.immutable ? {} : call.kwargs,
      options: {
        ...forFirst(options),
        ...(options['root_id'] == null ? {} : { root_id: options['root_id'] }),
        chain: [...outer, ...rest],
      },
      signal: call.signal,
      outbox: call.outbox,
      final: call.final,
    })
    return steps.length === 1 && first !== null ? first : frozen.result!
  }

  override async runEagerly(call: SignatureCall): Promise<EagerOutcome> {
    return runChainEagerly(this, this.clone().steps, call, forFirst({ ...this.options, ...call.options }))
  }

  override runsEagerly(): boolean {
    return this.tasks.every((task) => task.runsEagerly())
  }

  override stampWith(stamping: Stamping, given: Stamps): void {
    const { visitor } = stamping
    const inside = stamping.collect(given, visitor?.onChainStart?.(this, given), stampsOf(this.options))
    stamping.links(this, inside)
    for (const task of this.tasks) task.stampWith(stamping, inside)
    visitor?.onChainEnd?.(this, inside)
  }

  override *parts(): Generator<readonly [name: string, part: AnySignature], void, undefined> {
    for (const [index, task] of this.tasks.entries()) yield [`tasks[${index}]`, task]
    yield* super.parts()
  }

  override extent(): Extent {
    return this.#extent
  }

  override chordSize(): number {
    return this.tasks.reduceRight((size, task) => (size > 0 ? size : task.chordSize()), 0)
  }

  /** As steps: each member of the header carries the body, and a failure reaches each step (D57-41, D57-80). */
  override asBodyOf(chord: AnySignature): AnySignature {
    const { steps } = this
    return steps.length === 0 || isOneChord(steps) ? chord : beforeBody(chord as Chord, this)
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

/** Steps of a chain that goes into another, with what was linked to it as a whole. */
export function stepsOf(chain: Chain): readonly AnySignature[] {
  const links = (chain.options['link'] ?? []) as readonly unknown[]
  const errbacks = (chain.options['link_error'] ?? []) as readonly unknown[]
  if (links.length === 0 && errbacks.length === 0) return chain.tasks
  const copies = chain.tasks.map((step) => step.clone())
  for (const link of links) copies.at(-1)?.addLink(link)
  for (const errback of errbacks) for (const copy of copies) copy.addErrback(errback)
  return copies
}

/**
 * The steps as they are sent: chains inside are spliced, a group of one is its member, what is empty is left out, and a group that is followed
 * by something becomes a chord with that as its body (celery/canvas.py 5.7, `prepare_steps`). From the last step to the first.
 */
export function normalSteps(tasks: readonly AnySignature[]): readonly AnySignature[] {
  const work = [...tasks]
  const out: AnySignature[] = []
  for (let task = work.pop(); task !== undefined; task = work.pop()) {
    if (task instanceof Group && (task as Group).tasks.length === 1) task = (task as Group).tasks[0]!
    if (task instanceof Chain) {
      // One by one: a call does not take as many arguments as a chain may have steps.
      for (const step of stepsOf(task as Chain)) work.push(step)
      continue
    }
    if (task instanceof Chord && (task as Chord).body instanceof Chain) {
      const split = splitChord(task as Chord)
      if (split.length > 1) {
        work.push(...split)
        continue
      }
      task = split[0]!
    }
    const after = out.at(-1)
    if (
      task instanceof Group &&
      (task as Group).tasks.length === 0 &&
      (work.length > 0 || after !== undefined)
    )
      continue
    if (task instanceof Group && after !== undefined) {
      out[out.length - 1] = new Chord({
        app: task.app ?? after.app,
        header: (task as Group).tasks,
        body: after,
      })
    } else if (task instanceof Chord && after !== undefined && endsInMembers((task as Chord).body)) {
      out[out.length - 1] = beforeAfterBody(task as Chord, after)
    } else out.push(task)
  }
  return out.reverse().flatMap((step) => (step instanceof Chord ? splitChord(step as Chord) : [step]))
}

/**
 * Several tasks, each of which would go on by itself: Celery starts what comes after a chord with such a body once for each of them, always under
 * the same ids, where it comes as a chord (`|` of a chain) or was not built by `|`. ct sends it once, with the list.
 */
export function endsInMembers(body: AnySignature): boolean {
  if (body instanceof Chord) return endsInMembers((body as Chord).body)
  return body instanceof Group && (body as Group).members.length > 1
}

/** The chord with its body followed by `after`. */
export function beforeAfterBody(chord: Chord, after: AnySignature): Chord {
  const steps = normalSteps([chord.body, after])
  return chord.withBody(steps.length === 1 ? steps[0]! : new Chain({ app: chord.app, tasks: steps }))
}

/**
 * A chord whose body is a chain becomes the chord with the first step as its body, then the other steps (D57-41). Each member of the header
 * carries the body: without the steps it is small, and each step has an id that a failure reaches (D57-80).
 */
function splitChord(step: Chord): readonly AnySignature[] {
  if (!(step.body instanceof Chain)) return [step]
  const body = step.body as Chain
  const steps = normalSteps(stepsOf(body))
  const [first, ...rest] = steps
  if (first === undefined || isOneChord(steps)) return [step]
  // What is linked to the whole body is called too when the header before it fails.
  if (first instanceof Chord)
    for (const errback of (body.options['link_error'] ?? []) as readonly unknown[])
      (first as Chord).addErrbackAsBody(errback)
  return [...splitChord(step.withBody(first)), ...rest]
}

/** Such a body stays a chain: a Celery worker finds the id of its end in the options of a chain, not in those of a chord. */
function isOneChord(steps: readonly AnySignature[]): boolean {
  return steps.length === 1 && steps[0] instanceof Chord
}

/** Options of a chord that are for the end of its body: its last step, where the body is a chain. */
const forEndOfBody: readonly string[] = ['task_id', 'chain', 'chord', 'group_id', 'group_index']

/**
 * A chain of the chord and the steps of its body. A worker that sends a chord as a body finds in its options what comes after it; what is linked
 * to the body as a whole goes to its end.
 */
function beforeBody(chord: Chord, body: Chain): Chain {
  const { link, link_error: errbacks, ...options } = chord.options
  const { link: ownLink, link_error: ownErrbacks, ...bodyOptions } = body.options
  const ends: Record<string, unknown> = { link: joined(ownLink, link) }
  for (const key of forEndOfBody) {
    if (options[key] !== undefined) ends[key] = options[key]
    // That is the id of the header's group, too.
    if (key !== 'task_id') delete options[key]
  }
  const steps = new Chain({
    app: body.app,
    tasks: bodySteps(body, joined(ownErrbacks, errbacks)),
    options: bodyOptions,
    immutable: body.immutable,
  })
  return new Chain({ app: chord.app, tasks: [chord.withBody(steps, options)], options: ends })
}

/** With what is linked to the body as a whole: Celery links it to the steps when it sends them, and overlooks the chords in their headers. */
function bodySteps(body: Chain, errbacks: readonly unknown[]): readonly AnySignature[] {
  if (errbacks.length === 0) return body.tasks
  const steps = normalSteps(body.tasks).map((step) => step.clone())
  for (const errback of errbacks) {
    for (const step of steps) step.addErrbackOfChain(errback)
    // It is called too when the header before it fails.
    if (steps[0] instanceof Chord) (steps[0] as Chord).addErrbackAsBody(errback)
  }
  return steps
}

function joined(...lists: readonly unknown[]): readonly unknown[] {
  return lists.flatMap((list) => (list ?? []) as readonly unknown[])
}

/** As Celery does: members of a group each call it with their own result, a chord hands it to its body when it is sent. */
function linkEnd(last: AnySignature, callback: unknown): void {
  last.options['link'] = [...((last.options['link'] ?? []) as unknown[]), callback]
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

function forFirst(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([key]) => !notForFirst.has(key)))
}

function withoutNulls(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== null && value !== undefined),
  )
}
