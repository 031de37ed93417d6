/**
 * Shapes for which Celery 5.7 loses arguments or links, or raises an error of its own. All that follows has other values then, so that nothing
 * behind it could be compared: trees are made without them. What ct does there is proved in packages/worker/src/trace/canvas-rows.interop.test.ts
 * and listed in docs/userguide/canvas.md. All places are in celery/canvas.py.
 */
import { startedOnce, startsTwice } from './started-twice.ts'
import type { ChainNode, GroupNode, Node } from './tree.ts'

export function withoutDefects(root: Node): Node {
  return withoutChunks(without(root, false), true)
}

/**
 * A task `celery.chunks` has the handle of its group as its result, which Celery stores, but cannot put into a message or a part of a chord
 * (`EncodeError`). `last`: nobody takes the result.
 */
function withoutChunks(node: Node, last: boolean): Node {
  const ends = last && (node.links ?? []).length === 0
  const links = node.links === undefined ? {} : { links: node.links.map((link) => withoutChunks(link, true)) }
  switch (node.kind) {
    case 'task':
      return { ...node, ...links, how: node.how === 'chunks' && !ends ? 'starmap' : node.how }
    case 'chain': {
      const steps = node.steps.map((step, at) => withoutChunks(step, ends && at === node.steps.length - 1))
      return { ...node, ...links, steps }
    }
    case 'group':
      return { ...node, ...links, members: node.members.map((member) => withoutChunks(member, ends)) }
    case 'chord': {
      const header = node.header.map((member) => withoutChunks(member, false))
      return { ...node, ...links, header, body: withoutChunks(node.body, ends) }
    }
  }
}

/** At the end of a chain a group of a group of a chain loses what is linked to the chain (`maybe_unroll_group` takes off one group of the two). */
function losesLinks({ members }: GroupNode): boolean {
  const [inner] = members
  if (members.length !== 1 || inner?.kind !== 'group' || inner.members.length !== 1) return false
  const [only] = inner.members
  return only?.kind === 'chain' && (only.links ?? []).length > 0
}

/** `inHeader`: it ends as a part of a chord. */
function without(node: Node, inHeader: boolean): Node {
  const empty = linksNowhere(node)
  const early = node.kind === 'task' && node.with !== undefined && callsEarly(node.with)
  const links = empty || early ? undefined : node.links?.map((link) => without(link, false))
  const { links: _links, errbacks, ...own } = parts(node, inHeader)
  const made = {
    ...own,
    ...(links === undefined ? {} : { links }),
    ...(errbacks === undefined || early ? {} : { errbacks }),
  } as Node
  return links === undefined ? made : linkable(made)
}

function parts(node: Node, inHeader: boolean): Node {
  switch (node.kind) {
    case 'task':
      return node.with === undefined
        ? node
        : { ...node, with: replacement(without(unlinkedEarly(node.with), inHeader), inHeader) }
    case 'group':
      // A group of nothing but an empty group is unrolled to that, which then counts as a step (`maybe_unroll_group`).
      if (node.members.length === 1 && isEmpty(node.members[0]!)) return { ...node, members: [] }
      if (losesLinks(node))
        return parts({ ...node, members: (node.members[0] as GroupNode).members }, inHeader)
      return { ...node, members: node.members.map((member) => without(member, true)) }
    case 'chord': {
      const body = without(node.body, inHeader)
      return {
        ...node,
        header: node.header.map((member) => without(member, true)),
        body: inHeader ? withoutChords(body) : body,
      }
    }
    case 'chain': {
      const made = { ...node, steps: node.steps.map((step) => without(step, inHeader)) }
      const { steps } = startsTwice(made) ? startedOnce(made) : made
      const last = steps.length - 1
      return unwrapped({
        ...node,
        steps: inHeader && last > 0 ? steps.with(last, withoutChords(steps[last]!)) : steps,
      })
    }
  }
}

/**
 * `chain(group(…))` loses the arguments it is called with: `prepare_steps` puts them into the group, and `group.apply_async` looks at those of the
 * call alone. `chain(chain(…))` loses what is linked to the inner one: `prepare_steps` takes its steps as they are.
 */
function unwrapped(chain: ChainNode): Node {
  const [only] = chain.steps
  if (chain.steps.length !== 1 || (only!.kind !== 'group' && only!.kind !== 'chain')) return chain
  return only!
}

/**
 * A member of a header, chain or chord, that ends in a group which has a chord as a member: `group._apply_tasks` gives that chord the id of the group,
 * where nobody counts its part.
 */
function withoutChords(end: Node): Node {
  if (end.kind !== 'group') return end
  const plain = (member: Node): Node => {
    if (member.kind === 'chord') return plain(member.body)
    return member.kind === 'group' ? { ...member, members: member.members.map(plain) } : member
  }
  return { ...end, members: end.members.map(plain) }
}

/**
 * A task that becomes a chord with a group as its body has no result under its id (`group.freeze` takes none), and fails where something is linked to
 * it (`group.link` wants a signature, and gets a dict). The part of an outer chord that becomes a chord with a chain as its body is never counted:
 * `_chord.run` freezes the end of the chain for its own header's group.
 */
function replacement(made: Node, inHeader: boolean): Node {
  if (made.kind === 'chord') return { ...made, body: counting(made.body, inHeader) }
  const last = made.kind === 'chain' ? made.steps.at(-1) : undefined
  if (made.kind !== 'chain' || last === undefined) return made
  // A group behind a group is the body of a chord, or ends that of the chord before it.
  const chords = made.steps.slice(0, -1).some((step) => !isEmpty(step) && step.kind !== 'task')
  if (last.kind === 'group' && last.members.length > 0 && chords)
    return { ...made, steps: made.steps.with(made.steps.length - 1, counting(last, inHeader)) }
  return { ...made, steps: made.steps.with(made.steps.length - 1, replacement(last, inHeader)) }
}

/** A chord with a chain as its body, which is what comes of such a chain, calls what is linked to it after its first step (`_unroll_body`). */
function callsEarly(made: Node): boolean {
  return made.kind === 'chain' && made.steps.some(({ kind }) => kind !== 'task')
}

/** Nor with error callbacks, its own or those of the task that becomes it: the steps behind that get them too (`_chain.__or__`: a chain that ends in a chord stays the same chain). */
function unlinkedEarly(made: Node): Node {
  if (!callsEarly(made)) return made
  const { links: _links, errbacks: _errbacks, ...rest } = made
  return rest as Node
}

/** `group.link` links to its first member: an `IndexError` where that is, or begins with, an empty group. */
function linksNowhere(node: Node): boolean {
  if (node.kind !== 'group') return false
  const [first] = node.members
  return first === undefined || linksNowhere(first)
}

function isEmpty(node: Node): boolean {
  return (
    (node.kind === 'group' && node.members.length === 0) ||
    (node.kind === 'chain' && node.steps.every(isEmpty))
  )
}

function counting(body: Node, inHeader: boolean): Node {
  if (body.kind === 'chord') return { ...body, body: counting(body.body, inHeader) }
  if (body.kind === 'group' && body.members.length > 0) return counting(body.members[0]!, inHeader)
  return body.kind === 'chain' && inHeader ? counting(body.steps[0]!, inHeader) : body
}

/** What is linked to a chain that ends in a group takes the place of what is linked to the members: `Signature._merge` overrides. */
function linkable(node: Node): Node {
  if (node.kind !== 'group') return ending(node)
  const [first, ...others] = node.members
  return first === undefined ? node : { ...node, members: [ending(first), ...others] }
}

function ending(node: Node): Node {
  if (node.kind === 'chain') {
    const last = node.steps.at(-1)
    if (last === undefined) return node
    return {
      ...node,
      steps: node.steps.with(node.steps.length - 1, last.kind === 'group' ? unlinked(last) : ending(last)),
    }
  }
  return node.kind === 'chord' && node.body.kind !== 'group' ? { ...node, body: ending(node.body) } : node
}

function unlinked({ links: _links, ...group }: GroupNode): GroupNode {
  return {
    ...group,
    members: group.members.map((member): Node => {
      const { links: _links, ...rest } = member
      return rest.kind === 'group' ? unlinked(rest) : (rest as Node)
    }),
  }
}
