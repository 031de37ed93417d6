import { randomUUID } from 'node:crypto'
import { ChordError, stepsOfChain } from '@ct/contracts'
import type { ChainSource, SignatureDict } from '@ct/contracts'
import type { App } from '../app/app.ts'
import { beginChord } from './chord-backend.ts'
import { endNotSent } from './chord-not-sent.ts'
import type { EagerOutcome } from './eager-outcome.ts'
import { runningTask } from './current-task.ts'
import { oldestAncestor } from './frozen-result.ts'
import type { FrozenResult } from './frozen-result.ts'
import { distinct, frozenOrder, Group } from './group.ts'
import { prepareMembers } from './prepare-members.ts'
import { Signature } from './signature.ts'
import { appendOnce } from './signature-options.ts'
import { extentOf } from './extent.ts'
import type { Extent } from './extent.ts'
import { stampsOf } from './stamping.ts'
import type { Stamping, Stamps } from './stamping.ts'
import type { AnySignature, FreezeIds, SignatureCall } from './signature.ts'

interface ChordParts {
  readonly app: App | undefined
  readonly header: readonly AnySignature[]
  readonly body: AnySignature
  readonly args?: readonly unknown[] | undefined
  /** Keyword arguments for the members. */
  readonly memberKwargs?: Readonly<Record<string, unknown>> | undefined
  readonly options?: Readonly<Record<string, unknown>> | undefined
  readonly immutable?: boolean | undefined
}

/** Options of a chord that its body does not get (D57-43, D57-83). */
const notForBody: ReadonlySet<string> = new Set([
  'task_id',
  'parent_id',
  'countdown',
  'eta',
  'interval',
  'max_retries',
  'link',
  'link_error',
  'add_to_parent',
])
/** Options of a chord that its members do not get; ids and links are the body's. */
const notForHeader: ReadonlySet<string> = new Set([
  'task_id',
  'chain',
  'chord',
  'group_id',
  'group_index',
  'interval',
  'max_retries',
  'link',
  'link_error',
])

/** A header of signatures, and a body that gets the list of their results when all have succeeded. */
export class Chord<
  A extends readonly unknown[] = readonly unknown[],
  R = unknown,
  H = unknown,
> extends Signature<A, R, H> {
  readonly subtaskType = 'chord'
  #header: readonly AnySignature[]
  readonly body: AnySignature
  readonly memberKwargs: Readonly<Record<string, unknown>>
  readonly #extent: Extent

  constructor(parts: ChordParts) {
    super({
      app: parts.app ?? parts.body.app ?? parts.header[0]?.app,
      task: 'celery.chord',
      args: parts.args,
      options: parts.options,
      immutable: parts.immutable,
    })
    this.#header = parts.header
    this.body = parts.body
    this.memberKwargs = parts.memberKwargs ?? {}
    this.#extent = extentOf(this, [...parts.header, parts.body])
  }

  protected override copy(parts: {
    readonly args: readonly unknown[]
    readonly kwargs: Readonly<Record<string, unknown>>
    readonly options: Readonly<Record<string, unknown>>
    readonly immutable: boolean
  }): this {
    return new Chord<A, R, H>({
      app: this.app,
      header: this.header.map((member) => member.clone()),
      body: this.body.clone(),
      args: parts.args,
      memberKwargs: { ...this.memberKwargs, ...parts.kwargs },
      options: parts.options,
      immutable: parts.immutable,
    }) as this
  }

  /** The same with another body, or with other options too. */
  withBody(body: AnySignature, options: Readonly<Record<string, unknown>> = this.options): Chord {
    return new Chord({
      app: this.app,
      header: this.header,
      body,
      args: this.args,
      memberKwargs: this.memberKwargs,
      options,
      immutable: this.immutable,
    })
  }

  get header(): readonly AnySignature[] {
    return this.#header
  }

  /** `options.task_id` is the id of the header's group; the body has its own. The members of a pending chord do not carry the body (D57-40). */
  override freezeWith(ids: FreezeIds): FrozenResult {
    return this.#freeze(ids, undefined)
  }

  #freeze(ids: FreezeIds, chordOfMembers: AnySignature | undefined): FrozenResult {
    const groupId = (this.options['task_id'] ??= randomUUID()) as string
    const sending = chordOfMembers !== undefined
    const bodyResult = this.body.freezeWith({
      id: ids.id,
      rootId: ids.rootId,
      chord: ids.chord,
      // Without an outer group the body keeps its header's group as a note, unless it is a group itself (D57-42).
      groupId: ids.groupId ?? (sending && !this.body.endsInGroup() ? groupId : undefined),
      groupIndex: ids.groupIndex,
    })
    // Members of a pending header get no group yet: Python gives the header another id when it is sent, and keeps what is there.
    this.#header = distinct(frozenOrder(this.header))
    const header = this.header.map((member, groupIndex) =>
      member.freezeWith({
        groupId: sending ? groupId : undefined,
        groupIndex,
        rootId: ids.rootId,
        chord: chordOfMembers,
      }),
    )
    oldestAncestor(bodyResult).parent ??= { id: groupId, parent: null, children: header }
    return bodyResult
  }

  override async send(call: SignatureCall): Promise<FrozenResult> {
    // Celery sends a body that is a chain as one.
    const asOne = this.header.length === 0 || this.context.defaults === 'celery'
    const whole = asOne ? this : this.body.asBodyOf(this)
    if (whole !== this) return (await whole.send(call))!
    const context = this.context
    const options: Record<string, unknown> = { ...this.options, ...dropNulls(call.options) }
    const sent = this.clone()
    const bodyOptions = pick(options, notForBody)
    const body = sent.body
    this.#linkBody(body, call)
    const { group_id: groupId, group_index: groupIndex, chord, root_id: rootId, ...forBody } = bodyOptions
    Object.assign(body.options, forBody, this.#bodyChain(body, forBody))
    if (rootId != null) body.options['root_id'] = rootId
    // Not yet known by a header id of its own: then the id given to the chord names the body.
    const bodyId = (call.options['task_id'] ?? this.options['task_id']) as string | undefined
    const result = sent.#freeze(
      {
        id: bodyId,
        groupId: groupId as string | undefined,
        groupIndex: groupIndex as number | undefined,
        chord,
        rootId: rootId as string | undefined,
      },
      body,
    )
    const headerCall: SignatureCall = {
      args: this.immutable ? [] : [...call.args, ...this.args],
      kwargs: this.immutable ? this.memberKwargs : { ...this.memberKwargs, ...call.kwargs },
      options: { ...pick(options, notForHeader), add_to_parent: false },
      signal: call.signal,
      outbox: call.outbox,
      final: call.final,
    }
    const members = sent.header
    if (members.length === 0) {
      const { signal, outbox } = call
      // No member comes before it.
      const ids = pickOnly(options, ['parent_id', 'add_to_parent'])
      return (await body.send({ args: [[]], kwargs: {}, options: ids, signal, outbox })) ?? result
    }
    // Before the chord is begun: one that is begun waits for its members.
    const sendHeader = prepareMembers(members, headerCall)
    const group = oldestAncestor(result)
    await beginChord(context, {
      groupId: sent.options['task_id'] as string,
      size: members.reduce((sum, member) => sum + member.chordSize(), 0),
      header: group,
      body,
      options,
    })
    const failure = await sendHeader()
    if (failure !== undefined) {
      const groupId = sent.options['task_id'] as string
      await endNotSent(context, { ...failure, groupId, members: members.length, body, call })
      throw failure.error
    }
    if (options['add_to_parent'] !== false) runningTask()?.children?.push(group)
    return result
  }

  /** Its own links are those of a chain that it ends (Python leaves them there); neither is for the header (D57-84). */
  #linkBody(body: AnySignature, call: SignatureCall): void {
    for (const given of [this.options, call.options]) {
      for (const callback of (given['link'] ?? []) as readonly unknown[]) body.addLink(callback)
      for (const errback of (given['link_error'] ?? []) as readonly unknown[])
        if (body instanceof Chord) body.addErrbackAsBody(errback)
        else body.addErrback(errback)
    }
  }

  /** Steps behind the chord come before those that the body itself carries. */
  #bodyChain(body: AnySignature, options: Record<string, unknown>): Record<string, unknown> {
    const outer = options['chain'] as ChainSource | undefined
    const own = body.options['chain'] as ChainSource | undefined
    if (outer === undefined || own === undefined) return {}
    return { chain: [...stepsOfChain(outer), ...stepsOfChain(own)] }
  }

  override async runEagerly(call: SignatureCall): Promise<EagerOutcome> {
    const group = new Group({ app: this.app, tasks: this.header })
    const header = await group.runEagerly({
      ...call,
      args: this.immutable ? [] : [...call.args, ...this.args],
      kwargs: this.immutable ? this.memberKwargs : { ...this.memberKwargs, ...call.kwargs },
      options: {},
    })
    const failed = header.members?.find(({ state }) => state !== 'SUCCESS')
    if (failed !== undefined)
      throw failed.value instanceof Error ? failed.value : new ChordError(String(failed.value))
    const body = this.body.clone()
    this.#linkBody(body, call)
    const outcome = await body.runEagerly({ ...call, args: [header.value], kwargs: {}, options: {} })
    return { ...outcome, parent: header }
  }

  override runsEagerly(): boolean {
    return this.header.every((member) => member.runsEagerly()) && this.body.runsEagerly()
  }

  override stampWith(stamping: Stamping, given: Stamps): void {
    const { visitor } = stamping
    const header = new Group({ app: this.app, tasks: this.header })
    const answer =
      visitor?.onChordHeaderStart === undefined
        ? visitor?.onGroupStart?.(header, given)
        : visitor.onChordHeaderStart(this, given)
    const inside = stamping.collect(given, answer, stampsOf(this.options))
    stamping.links(this, inside)
    for (const member of this.header) member.stampWith(stamping, inside)
    if (visitor === undefined) return
    if (visitor.onChordHeaderEnd === undefined) visitor.onGroupEnd?.(header, inside)
    else visitor.onChordHeaderEnd(this, inside)
    this.body.stampWith(stamping, stamping.collect(inside, visitor.onChordBody?.(this, inside)))
  }

  override *parts(): Generator<readonly [name: string, part: AnySignature], void, undefined> {
    for (const [index, member] of this.header.entries()) yield [`header[${index}]`, member]
    yield ['body', this.body]
    yield* super.parts()
  }

  override extent(): Extent {
    return this.#extent
  }

  override chordSize(): number {
    return this.body.chordSize()
  }

  override holdsChord(): boolean {
    return true
  }

  override endsInGroup(): boolean {
    return this.body.endsInGroup()
  }

  override addLink(callback: unknown): void {
    this.body.addLink(callback)
  }

  /** The body gets it; nested chords of the header too; other members only with `taskAllowErrorCbOnChordHeader`. */
  override addErrback(errback: unknown): void {
    this.#addErrback(errback, true)
  }

  /** That of a chain of which this is a step. Celery has made the header a group by then, and overlooks the chords in it. */
  override addErrbackOfChain(errback: unknown): void {
    this.#addErrback(errback, false)
  }

  /** As the body of a chord it keeps it: it is for the failure of the header before it too, and goes on to its own body when it is sent. */
  addErrbackAsBody(errback: unknown): void {
    appendOnce(this.options, 'link_error', errback)
  }

  #addErrback(errback: unknown, toChordsInHeader: boolean): void {
    if (toChordsInHeader) this.body.addErrback(errback)
    else this.body.addErrbackOfChain(errback)
    const all = this.app?.context.settings.taskAllowErrorCbOnChordHeader === true
    for (const member of this.header) {
      if (all || (toChordsInHeader && member instanceof Chord)) {
        member.addErrback(errback instanceof Signature ? (errback as AnySignature).clone() : errback)
      }
    }
  }

  override setImmutable(immutable: boolean): this {
    for (const member of this.header) member.setImmutable(immutable)
    return this
  }

  override toJSON(): SignatureDict {
    return { ...super.toJSON(), kwargs: { kwargs: this.memberKwargs, header: this.header, body: this.body } }
  }
}

function pick(
  options: Readonly<Record<string, unknown>>,
  without: ReadonlySet<string>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).filter(([key, value]) => !without.has(key) && value != null),
  )
}

function pickOnly(
  options: Readonly<Record<string, unknown>>,
  names: readonly string[],
): Record<string, unknown> {
  return Object.fromEntries(names.flatMap((name) => (options[name] == null ? [] : [[name, options[name]]])))
}

function dropNulls(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value != null))
}
