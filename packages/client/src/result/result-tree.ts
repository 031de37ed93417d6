/** The tree of results below one: what its tasks sent, breadth first. What leads back to itself, in a store that others write too, is walked once. */
import type { ResultNode } from './async-result.ts'
import { IncompleteStream } from './incomplete-stream.ts'
import type { StoreCallOptions } from './result-store.ts'
import type { GetOptions } from './wait-options.ts'

/** As `[parent, node]`; a node that is not ready ends it with `IncompleteStream` unless `intermediate`. */
export async function* nodesBelow(
  root: ResultNode,
  options: StoreCallOptions & { readonly intermediate?: boolean | undefined },
): AsyncGenerator<readonly [ResultNode | null, ResultNode], void, undefined> {
  const waiting: (readonly [ResultNode | null, ResultNode])[] = [[null, root]]
  const walked = new Set<string>()
  for (let entry = waiting.shift(); entry !== undefined; entry = waiting.shift()) {
    yield entry
    const [, node] = entry
    if (walked.has(node.id)) continue
    walked.add(node.id)
    if (await node.ready(options)) {
      for (const child of (await node.children(options)) ?? []) waiting.push([node, child])
    } else if (options.intermediate !== true) {
      throw new IncompleteStream(node.id)
    }
  }
}

/** Each node with its value, waiting for it. */
export async function* valuesBelow(
  root: ResultNode,
  options: GetOptions,
): AsyncGenerator<readonly [ResultNode, unknown], void, undefined> {
  const waiting: ResultNode[] = [root]
  const walked = new Set<string>()
  for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
    yield [node, await node.get(options)]
    if (walked.has(node.id)) continue
    walked.add(node.id)
    for (const child of (await node.children(options)) ?? []) waiting.push(child)
  }
}
