/** Smaller trees that may show the same: every one is the tree without one thing. */
import { withoutDefects } from './celery-defects.ts'
import { textOf, weightOf, type Node, type TaskNode, type Tree } from './tree.ts'

/** Lightest first, none twice. */
export function smaller(tree: Tree): Tree[] {
  const seen = new Set<string>()
  const found: Tree[] = []
  const add = (candidate: Tree): void => {
    const text = `${candidate.builtBy}${candidate.sentBy}${candidate.args.join()}${textOf(candidate.root)}`
    if (seen.has(text)) return
    seen.add(text)
    found.push(candidate)
  }
  const weight = weightOf(tree.root)
  for (const less of smallerNodes(tree.root)) {
    if (less.kind === 'task') continue
    // What is left must not differ for a reason that is known.
    const root = withoutDefects(less)
    if (root.kind !== 'task' && weightOf(root) <= weight) add({ ...tree, root })
  }
  if (tree.args.length > 0) add({ ...tree, args: [] })
  if (tree.builtBy !== tree.sentBy) add({ ...tree, builtBy: tree.sentBy })
  return found.toSorted((a, b) => weightOf(a.root) - weightOf(b.root))
}

/** Tries the smaller ones, all of a round at once, until none of them shows it any more. */
export async function shrink(
  tree: Tree,
  shows: (trees: readonly Tree[]) => Promise<readonly boolean[]>,
  options: { readonly rounds?: number; readonly atOnce?: number } = {},
): Promise<Tree> {
  const { rounds = 12, atOnce = 60 } = options
  let smallest = tree
  for (let round = 0; round < rounds; round += 1) {
    const candidates = smaller(smallest).slice(0, atOnce)
    if (candidates.length === 0) break
    const shown = await shows(candidates)
    const next = candidates.find((_, index) => shown[index] === true)
    if (next === undefined) break
    smallest = next
  }
  return smallest
}

function smallerNodes(node: Node): Node[] {
  return [...withoutCallbacks(node), ...smallerSelf(node), ...smallerLinks(node), ...(node.links ?? [])]
}

function withoutCallbacks(node: Node): Node[] {
  const found: Node[] = []
  node.links?.forEach((_, at) => found.push({ ...node, links: node.links!.toSpliced(at, 1) }))
  if (node.stamp !== undefined) {
    const { stamp: _stamp, ...rest } = node
    found.push(rest as Node)
  }
  node.errbacks?.forEach((_, at) => found.push({ ...node, errbacks: node.errbacks!.toSpliced(at, 1) }))
  return found
}

function smallerLinks(node: Node): Node[] {
  return (node.links ?? []).flatMap((link, at) =>
    smallerNodes(link).map((less) => ({ ...node, links: node.links!.with(at, less) })),
  )
}

function smallerSelf(node: Node): Node[] {
  switch (node.kind) {
    case 'task':
      return smallerTask(node)
    case 'chain':
      return [...inPlace(node.steps, (steps) => ({ ...node, steps })), ...node.steps]
    case 'group':
      return [...inPlace(node.members, (members) => ({ ...node, members })), ...node.members]
    case 'chord':
      return [
        ...inPlace(node.header, (header) => ({ ...node, header })),
        ...smallerNodes(node.body).map((body) => ({ ...node, body })),
        ...node.header,
        node.body,
      ]
  }
}

/** Without one of them, and with one of them smaller. */
function inPlace(nodes: readonly Node[], make: (nodes: readonly Node[]) => Node): Node[] {
  return nodes.flatMap((node, at) => [
    make(nodes.toSpliced(at, 1)),
    ...smallerNodes(node).map((less) => make(nodes.with(at, less))),
  ])
}

function smallerTask(node: TaskNode): Node[] {
  const found: Node[] = []
  const without = (key: keyof TaskNode): void => {
    if (node[key] === undefined) return
    const { [key]: _gone, ...rest } = node
    found.push(rest as TaskNode)
  }
  if (node.how !== 'sum') {
    const { with: _with, times: _times, it: _it, ...rest } = node
    found.push({ ...rest, how: 'sum' })
  }
  for (const key of ['args', 'immutable', 'ignoreResult', 'expired', 'revoked'] as const) without(key)
  if (node.with !== undefined) found.push(node.with)
  if (node.with !== undefined) for (const less of smallerNodes(node.with)) found.push({ ...node, with: less })
  return found
}
