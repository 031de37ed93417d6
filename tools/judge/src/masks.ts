/**
 * Where ct means to differ from Celery (canvas semantics §14, rows 93 and 96): Celery leaves the body of a chord pending for ever when a
 * member is a chord that failed, or a task that nobody knows; ct fails it with a reason. Masked is exactly that, and what follows from it:
 * the body and the later steps are FAILURE, without having run, where Python has nothing, and their error callbacks are called.
 *
 * The same goes for the steps of a chain that is the body of a chord: where Python sends it as one, it marks its last step alone when the header
 * fails (celery/backends/base.py, `chord_error_from_stack`). The error callback is then told the id of the last; of the first where ct has sent it.
 * What is linked to the one task of such a chain is not called, since Celery looks at the chain.
 */
import type { Outcome } from './outcome.ts'
import { childrenOf, type Node, type TaskNode } from './tree.ts'

/** Celery may leave something of it pending. */
export function mayHang(root: Node): boolean {
  return hangs(root, false)
}

function hangs(node: Node, inHeader: boolean): boolean {
  // Too late, or revoked, it tells its own chord, but what comes behind it in a chain does not tell of it.
  if (node.kind === 'task' && (node.how === 'missing' || node.expired === true || node.revoked === true))
    return inHeader
  // What replaces a member is the member; a group is made a chord for that.
  if (node.kind === 'task' && node.with !== undefined && endsInGroup(node.with) && inHeader) return true
  if (node.kind === 'chain' && inHeader && node.steps.slice(0, -1).some(endsInGroup)) return true
  // What follows a group at the beginning is the body of a chord.
  if (node.kind === 'chain' && node.steps.slice(0, -2).some(endsInGroup)) return true
  if (node.kind === 'chord') {
    if (inHeader || node.body.kind !== 'task') return true
    return node.header.some((member) => hangs(member, true)) || hangs(node.body, inHeader)
  }
  // A group that is followed by something is the header of a chord.
  return childrenOf(node).some((child) =>
    hangs(child, inHeader || node.kind === 'chain' || node.kind === 'group'),
  )
}

/** Tasks that are all of a chain which is the body of a chord, or may become one: what is linked to them Celery calls for no failure of the header. */
function bodiesOfOne(node: Node): TaskNode[] {
  const bodies = node.kind === 'chord' ? [node.body] : node.kind === 'chain' ? node.steps.slice(1) : []
  const own = bodies.flatMap((body) => {
    const steps = body.kind === 'chain' ? body.steps : []
    const [only] = steps
    return steps.length === 1 && only!.kind === 'task' ? [only as TaskNode] : []
  })
  return [...own, ...childrenOf(node).flatMap(bodiesOfOne)]
}

function replacedIn(node: Node): string[] {
  const own = node.kind === 'task' && node.how === 'replace' ? [node.tag] : []
  return [...own, ...childrenOf(node).flatMap(replacedIn)]
}

/** What comes next makes a chord of it. */
function endsInGroup(node: Node): boolean {
  if (node.kind === 'chain') return node.steps.length > 0 && endsInGroup(node.steps.at(-1)!)
  return node.kind === 'chord' ? endsInGroup(node.body) : node.kind === 'group'
}

/**
 * Of several members that failed Celery names any one in "Join error: …": it reads them in the order of a set of their ids, which differs from one
 * process to the next (celery/backends/base.py, `get_many`).
 */
export function withoutJoinOrder(outcome: Outcome, python: Outcome): [Outcome, Outcome] {
  const reason = 'Join error: '
  const failed = python.states.filter(
    ([, state]) => /^(FAILURE|REVOKED)/.test(state) && !state.includes(reason),
  )
  if (failed.length < 2) return [outcome, python]
  const names = (one: Outcome): Set<string> =>
    new Set(one.states.filter(([, state]) => state.includes(reason)).map(([name]) => name))
  const both = names(outcome).intersection(names(python))
  const cut = (one: Outcome): Outcome => ({
    ...one,
    states: one.states.map(([name, state]) =>
      both.has(name) ? [name, state.slice(0, state.indexOf(reason) + reason.length)] : [name, state],
    ),
  })
  return [cut(outcome), cut(python)]
}

/**
 * Celery sends a retry before it stores RETRY, so that the outcome of the retry may be overwritten by it; ct stores first. `racy`: Python
 * workers were among those that ran it.
 */
export function withoutLateRetries(outcome: Outcome, python: Outcome, racy: boolean): [Outcome, Outcome] {
  const late = new Set(
    [...python.states, ...(racy ? outcome.states : [])]
      .filter(([, state]) => state.startsWith('RETRY'))
      .map(([name]) => name),
  )
  const without = (one: Outcome): Outcome =>
    late.size === 0
      ? one
      : {
          ...one,
          states: one.states.filter(([name]) => !late.has(name)),
          children: one.children.filter(([name]) => !late.has(name)),
        }
  return [without(outcome), without(python)]
}

/** The outcome without what Python has not, where that is meant. */
export function masked(outcome: Outcome, python: Outcome, root: Node): Outcome {
  const known = new Set(python.states.map(([name]) => name))
  // Revoked before it was sent, and not sent: its failure is stored over that.
  const revoked = new Map(python.states.filter(([, state]) => state.startsWith('REVOKED ')))
  const ran = new Set(outcome.calls.map((call) => call.slice(0, call.search(/[#(]/))))
  // What ran under its id was not what it became.
  const replaced = new Set(replacedIn(root))
  const extra = new Set(
    outcome.states
      .filter(
        ([name, state]) =>
          (!known.has(name) || revoked.has(name)) &&
          state.startsWith('FAILURE ') &&
          (!ran.has(name) || replaced.has(name) || state.startsWith('FAILURE ["ChordError"')),
      )
      .map(([name]) => name),
  )
  // Without a name given beforehand it is the calls alone that tell.
  extra.add('?')
  // It has no calls of its own; Celery marks it as failed, and calls nobody.
  const alone = new Map(
    bodiesOfOne(root)
      .filter(({ tag }) => !ran.has(tag))
      .flatMap(({ tag, errbacks = [] }) => errbacks.map((errback) => [errback.tag, tag])),
  )
  const left = counted(python.calls)
  const surplus = outcome.calls.filter((call) => !take(left, call))
  // What Python called for the last step of a body, ct called for the first.
  const calls = outcome.calls.slice()
  for (const call of surplus) {
    const [, errback, failed] = /^(t\d+)\(\[("[^"]+"|null)\]\)$/.exec(call) ?? []
    // An immutable one is not told which task it was.
    if (failed === undefined) continue
    const id = failed.slice(1, -1)
    if (failed !== 'null' && !extra.has(id) && alone.get(errback!) !== id) continue
    const instead = [...left.keys()].find(
      (other) => left.get(other)! > 0 && other.startsWith(`${errback}(["`),
    )
    if (instead === undefined) calls.splice(calls.indexOf(call), 1)
    else if (take(left, instead)) calls.splice(calls.indexOf(call), 1, instead)
  }
  const states = outcome.states.flatMap(([name, state]): (readonly [string, string])[] => {
    if (!extra.has(name)) return [[name, state]]
    const before = revoked.get(name)
    return before === undefined ? [] : [[name, before]]
  })
  return { ...outcome, calls, states }
}

function counted(calls: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const call of calls) counts.set(call, (counts.get(call) ?? 0) + 1)
  return counts
}

function take(counts: Map<string, number>, call: string): boolean {
  const left = counts.get(call) ?? 0
  counts.set(call, left - 1)
  return left > 0
}
