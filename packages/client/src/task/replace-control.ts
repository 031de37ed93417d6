/** What `task.replace()` and `task.addToChord()` do (celery/app/task.py 5.7; canvas semantics: "Replace, add_to_chord, retry"). */
import { ConfigurationError, Replace, UnsupportedError } from '@ct/contracts'
import type { App } from '../app/app.ts'
import {
  builtinTasks,
  Chain,
  Chord,
  Group,
  piped,
  signatureFromDict,
  TaskSignature,
  unsentOf,
} from '../canvas/index.ts'
import type { AnySignature, StampingVisitor } from '../canvas/index.ts'
import type { ResultNode } from '../result/index.ts'
import type { TaskRequest } from './task-request.ts'

/** The running task that is replaced, or whose chord grows. */
export interface ReplaceScope {
  readonly app: App
  readonly name: string
  readonly request: TaskRequest
}

export interface ReplaceOptions {
  /** Stamps the replacement. */
  readonly visitor?: StampingVisitor | undefined
}

/**
 * The replacement takes over the id, the callbacks, the place in chord and group, and the rest of the chain. What ends in a group gets
 * `celery.accumulate` behind it, so that the id has one result, the list. Throws `CT_CONFIGURATION` for an empty chain, also as the body of a chord, and for a
 * part of a chord.
 */
export function prepareReplacement(
  { app, name, request }: ReplaceScope,
  source: unknown,
  options: ReplaceOptions = {},
): Replace {
  let made = signatureFromDict(app, asSignature(source)).clone()
  if (made.options['chord'] != null) {
    throw new ConfigurationError(`What replaces ${name} must not be part of a chord already.`)
  }
  if (made instanceof Chain && made.steps.length === 0) {
    throw new ConfigurationError('Cannot replace with an empty chain')
  }
  if (made.endsInGroup()) {
    made = piped(made, [accumulating(app, request)])
  }
  const last = ends(made).at(-1)
  if (last instanceof Chain && last.steps.length === 0) {
    throw new ConfigurationError(
      `Cannot replace with an empty chain as the body of a chord: ${name} would never end.`,
    )
  }
  // To the end itself: on the whole they would slip behind the steps that follow the replaced task.
  if ((request.callbacks ?? []).length > 0) gatherLinks(ends(made))
  for (const callback of request.callbacks ?? []) last!.addLink(signatureFromDict(app, callback))
  for (const errback of request.errbacks ?? []) made.addErrback(signatureFromDict(app, errback))
  for (const end of ends(made)) delete end.options['task_id']
  made.freezeWith({
    id: request.id,
    rootId: request.rootId,
    groupId: request.group,
    groupIndex: request.groupIndex,
    chord: request.chord,
  })
  const end = ends(made).at(-1)!
  // A key that is there, be it null, keeps it out of any other group.
  if (!('group_id' in end.options)) end.options['group_id'] = null
  const nesting = request.replacedTaskNesting + 1
  for (const step of made instanceof Chain ? made.tasks : [made])
    step.options['replaced_task_nesting'] = nesting
  stampReplacement(made, app, request, options)
  const rest = [...(request.chain ?? [])].reverse().map((step) => {
    const next = signatureFromDict(app, step).clone()
    next.options['replaced_task_nesting'] = nesting
    return next
  })
  const whole = rest.length === 0 ? made : piped(made, rest)
  const changed = app.context.tasks.get(name)?.options.onReplace?.(whole, request)
  return new Replace((changed ?? whole).toJSON())
}

/**
 * `celery.accumulate`, which every worker knows. Without a route of its own it goes where the replaced task came from: whoever consumes that queue can
 * work it, while nobody may consume the default queue. Celery sends it there all the same.
 */
function accumulating(app: App, { deliveryInfo: { exchange, routingKey } }: TaskRequest): AnySignature {
  const { defaults, router } = app.context
  const task = builtinTasks.accumulate
  const routed = router.route(task).queueName !== router.queues.defaultQueueName
  const options =
    defaults === 'celery' || routed || routingKey === null
      ? {}
      : exchange === null || exchange === ''
        ? { queue: routingKey }
        : { exchange, routing_key: routingKey }
  return new TaskSignature({ app, task, kwargs: { index: 0 }, options })
}

/** A task without arguments may stand for its signature. */
function asSignature(source: unknown): unknown {
  return typeof source === 'function' && 'signature' in source && typeof source.signature === 'function'
    ? source.signature()
    : source
}

/** What the id of a canvas is kept in: the canvas, and what it ends with. */
function ends(signature: AnySignature): readonly AnySignature[] {
  if (signature instanceof Chain) {
    const last = (signature as Chain).tasks.at(-1)
    return last === undefined ? [signature] : [signature, ...ends(last)]
  }
  return signature instanceof Chord ? [signature, ...ends((signature as Chord).body)] : [signature]
}

/** Links of the chains on the way to the last of these become its own, the innermost first, as when they are sent: what is linked next comes after them. */
function gatherLinks(path: readonly AnySignature[]): void {
  const last = path.at(-1)!
  for (const outer of path.slice(0, -1).reverse()) {
    if (!(outer instanceof Chain)) continue
    for (const link of (outer.options['link'] ?? []) as readonly unknown[]) last.addLink(link)
    delete outer.options['link']
  }
}

/** What is asked for by a task's stamps, as revoking, holds for what it becomes. Celery passes none on. */
function stampReplacement(
  made: AnySignature,
  app: App,
  request: TaskRequest,
  { visitor }: ReplaceOptions,
): void {
  const stamps =
    app.context.defaults === 'celery' || request.stampedHeaders === null ? {} : (request.stamps ?? {})
  if (visitor !== undefined) made.stamp(visitor, { stamps })
  else if (Object.keys(stamps).length > 0) made.stamp(stamps)
}

/**
 * One more member for the chord the task is in; counted before it is sent, so that the chord cannot end without it. Throws `CT_CONFIGURATION`
 * where there is no chord, `CT_UNSUPPORTED` where the result backend does not count members.
 */
export async function growChord(
  { app, name, request }: ReplaceScope,
  source: unknown,
): Promise<AnySignature> {
  const { chord, group, groupIndex, rootId } = request
  if (chord === null || chord === undefined || group === null) {
    throw new ConfigurationError(
      `${name}[${request.id}] is not a member of a chord: there is nothing to add to.`,
    )
  }
  const member = signatureFromDict(app, asSignature(source)).clone()
  member.freezeWith({ groupId: group, groupIndex, chord, rootId })
  const { chord: counted } = await app.context.results.connection()
  if (counted === undefined) {
    throw new UnsupportedError(`The result backend cannot add a member to a chord that was sent.`)
  }
  await counted.addMember(group, member.chordSize())
  return member
}

/** Sends what {@link growChord} has counted; what is certainly not sent is not waited for. */
export async function sendMember({ app, request }: ReplaceScope, member: AnySignature): Promise<ResultNode> {
  try {
    return (await member.delay()) as ResultNode
  } catch (error) {
    const size = member.chordSize()
    const unsent = unsentOf(error, size)
    // Of a member that is no group the end is the part, and what was sent of it comes to no end.
    const back = member instanceof Group ? Math.min(size, unsent) : unsent > 0 ? size : 0
    if (back > 0) await takeBack(app, request.group!, back)
    throw error
  }
}

async function takeBack(app: App, groupId: string, count: number): Promise<void> {
  try {
    const { chord } = await app.context.results.connection({ signal: AbortSignal.timeout(takeBackMs) })
    await chord?.addMember(groupId, -count)
  } catch {
    // The error that is thrown says more. The chord ends when it has waited long enough.
  }
}

/** How long a task that could not send waits for the store. */
const takeBackMs = 2000
