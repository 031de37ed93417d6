/**
 * Chains in which Celery 5.7 starts a step once for each member of a group, always under the same ids: whose values it gets, and how often it runs, is a
 * race. It happens behind a chord with a group as its body, where `|` has not made one chord of it and what follows: before a chord, and where three
 * groups or more follow each other. Folded here is what `chain(…)` makes of its steps (celery/canvas.py, `__or__` of each kind).
 */
import type { ChainNode, GroupNode, Node } from './tree.ts'

/** `members`: each member of a group goes on by itself. `list`: a group at the end of a chain, of which what follows makes a chord. */
type End = 'one' | 'members' | 'list'
interface Step {
  readonly kind: 'task' | 'group' | 'chord'
  readonly end: End
}
/** `chain`: it is one already. Without it there is one step, or none. */
interface Folded {
  readonly chain: boolean
  readonly steps: readonly Step[]
}

export function startsTwice(chain: ChainNode): boolean {
  return folded(chain)
    .steps.slice(0, -1)
    .some(({ kind, end }) => kind === 'chord' && end === 'members')
}

/** The first member instead of each group that goes on by itself. */
export function startedOnce(chain: ChainNode): ChainNode {
  return { ...chain, steps: chain.steps.map(withoutGroup) }
}

function folded(chain: ChainNode): Folded {
  const [only] = chain.steps
  if (chain.steps.length === 1 && only!.kind !== 'chain') return { chain: true, steps: [stepOf(only!)] }
  return chain.steps.reduce<Folded>((left, right) => then(left, right), { chain: true, steps: [] })
}

function then(left: Folded, given: Node): Folded {
  const right = unrolled(given)
  const { chain, steps } = left
  const last = steps.at(-1)
  if (right.kind === 'chain') {
    if (!chain && last?.kind === 'group') {
      const body = bodyEnd(right)
      return body === undefined ? left : { chain: false, steps: [{ kind: 'chord', end: body }] }
    }
    if (!chain) return { chain: true, steps: [...steps, ...folded(right).steps] }
    return right.steps.reduce<Folded>((before, step) => then(before, step), left)
  }
  if (right.kind === 'group' && right.members.length === 0) return left
  const step = stepOf(right)
  if (last === undefined) return { chain: step.kind !== 'group', steps: [step] }
  if (!chain) {
    if (last.kind === 'group') return { chain, steps: [awaited(step)] }
    return step.kind === 'group'
      ? { chain: true, steps: [last, step] }
      : { chain, steps: [extended(last, step)] }
  }
  if (step.kind === 'group')
    return {
      chain,
      steps: last.kind === 'chord' ? steps.with(steps.length - 1, extended(last, step)) : [...steps, step],
    }
  if (last.kind === 'group') {
    const chord = awaited(step)
    const before = steps.at(-2)
    if (before?.kind !== 'chord') return { chain, steps: steps.with(steps.length - 1, chord) }
    return { chain, steps: [...steps.slice(0, -2), extended(before, chord)] }
  }
  if (last.kind === 'chord' && step.kind === 'task')
    return { chain, steps: steps.with(steps.length - 1, extended(last, step)) }
  return { chain, steps: [...steps, step] }
}

/** A group, then this. */
function awaited(body: Step): Step {
  return { kind: 'chord', end: body.kind === 'group' ? 'members' : asBody(body) }
}

/** What the end of a chord's body is to whoever comes behind the chord. */
function asBody({ kind, end }: Step): End {
  return kind === 'chord' && end === 'list' ? 'members' : end
}

/** The chord, its body followed by `next`. */
function extended(chord: Step, next: Step): Step {
  if (next.kind !== 'group') return { kind: 'chord', end: asBody(next) }
  return { kind: 'chord', end: chord.end === 'members' ? 'members' : 'list' }
}

function stepOf(node: Node): Step {
  if (node.kind === 'group') return { kind: 'group', end: 'members' }
  if (node.kind === 'chord') return { kind: 'chord', end: bodyEnd(node.body) ?? 'one' }
  return { kind: 'task', end: 'one' }
}

/** Undefined: there is nothing in it. */
function bodyEnd(body: Node): End | undefined {
  if (body.kind === 'group') return body.members.length > 1 ? 'members' : 'one'
  if (body.kind !== 'chain') return asBody(stepOf(body))
  const { chain, steps } = folded(body)
  const last = steps.at(-1)
  if (last === undefined) return undefined
  if (!chain || last.kind !== 'group') return asBody(last)
  return steps[0]!.kind === 'task' ? 'list' : 'members'
}

/** A group of one that follows something is its member. */
function unrolled(node: Node): Node {
  return node.kind === 'group' && node.members.length === 1 ? unrolled(node.members[0]!) : node
}

function withoutGroup(node: Node): Node {
  switch (node.kind) {
    case 'task':
      return node
    case 'group':
      return firstOf(node)
    case 'chain':
      return startedOnce(node)
    case 'chord':
      return { ...node, body: withoutGroup(node.body) }
  }
}

function firstOf(group: GroupNode): Node {
  const [first] = group.members
  return first === undefined ? group : withoutGroup(first)
}
