/**
 * Where ct means to differ from Celery (canvas semantics §14, rows 93 and 96): Celery leaves the body of a chord pending for ever when a
 * member is a chord that failed, or a task that nobody knows; ct fails it with a reason. Masked is exactly that, and what follows from it:
 * the body and the later steps are FAILURE with a ChordError where Python has nothing, and their error callbacks are called.
 */
import type { Outcome } from './outcome.ts'
import { childrenOf, type Node } from './tree.ts'

/** Celery may leave something of it pending. */
export function mayHang(root: Node): boolean {
  return hangs(root, false)
}

function hangs(node: Node, inHeader: boolean): boolean {
  if (node.kind === 'task' && node.how === 'missing') return inHeader
  // What replaces a member is the member; a group is made a chord for that.
  if (node.kind === 'task' && node.with?.kind === 'group' && inHeader) return true
  if (node.kind === 'chord') {
    if (inHeader) return true
    return node.header.some((member) => hangs(member, true)) || hangs(node.body, inHeader)
  }
  // A group that is followed by something is the header of a chord.
  return childrenOf(node).some((child) =>
    hangs(child, inHeader || node.kind === 'chain' || node.kind === 'group'),
  )
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
export function masked(outcome: Outcome, python: Outcome): Outcome {
  const known = new Set(python.states.map(([name]) => name))
  const extra = new Set(
    outcome.states
      .filter(([name, state]) => !known.has(name) && state.startsWith('FAILURE ["ChordError"'))
      .map(([name]) => name),
  )
  // Without a name given beforehand it is the calls alone that tell.
  extra.add('?')
  const called = new Map(
    Object.entries(Object.groupBy(python.calls, (call) => call)).map(([call, list]) => [call, list!.length]),
  )
  const calls = outcome.calls.filter((call) => {
    const left = called.get(call) ?? 0
    called.set(call, left - 1)
    const failed = /^t\d+\(\["([^"]+)"\]\)$/.exec(call)?.[1]
    return left > 0 || failed === undefined || !extra.has(failed)
  })
  return { ...outcome, calls, states: outcome.states.filter(([name]) => !extra.has(name)) }
}
