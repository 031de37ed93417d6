/** Results and what their tasks sent, as a graph (celery/result.py 5.7, `build_graph`), drawn as DOT or Mermaid. */
import type { TaskState } from '@ct/contracts'
import type { AsyncResult, ResultNode } from './async-result.ts'
import { DependencyGraph } from './dependency-graph.ts'
import { IncompleteStream } from './incomplete-stream.ts'
import type { StoreCallOptions } from './result-store.ts'

/** One result in a {@link ResultGraph}. */
export interface ResultGraphNode {
  readonly id: string
  /** Name of the task, where results are stored with it (`resultExtended`); else null. */
  readonly name: string | null
  /** null for groups. */
  readonly state: TaskState | null
  readonly isGroup: boolean
}

export interface GraphOptions extends StoreCallOptions {
  /** Also of what is not ready yet. Default false: then a result that is not ready is an error. */
  readonly intermediate?: boolean | undefined
  /** Begin with the oldest parent of this result: the first step of its chain. Default false. */
  readonly parents?: boolean | undefined
}

/** Edges lead from a result to those of the tasks that its task sent, and from a group to its members. */
export class ResultGraph extends DependencyGraph<ResultGraphNode> {
  constructor() {
    super((node) => node.id)
  }

  /** Graphviz: `digraph dependencies { … }`. */
  toDot(): string {
    const lines = [...this].map(
      (node) => `    ${quoted(node.id)} [label=${quoted(labelOf(node, '\n'))}, ${dotStyle(node)}]`,
    )
    const edges = this.edges().map(([from, to]) => `    ${quoted(from.id)} -> ${quoted(to.id)}`)
    return [
      'digraph dependencies {',
      '    rankdir=LR; node [style=filled, fontname="Helvetica"]',
      ...lines,
      ...edges,
      '}',
      '',
    ].join('\n')
  }

  /** A Mermaid flowchart, as GitHub and others draw it in Markdown. */
  toMermaid(): string {
    const ids = new Map([...this].map((node, index) => [node.id, `n${index}`]))
    const nodes = [...this].map((node) => {
      const label = `"${escaped(labelOf(node, '<br/>'))}"`
      return `    ${ids.get(node.id)}${node.isGroup ? `[[${label}]]` : `(${label})`}:::${mermaidClass(node)}`
    })
    const edges = this.edges().map(([from, to]) => `    ${ids.get(from.id)} --> ${ids.get(to.id)}`)
    const classes = Object.entries(colors).map(
      ([name, color]) => `    classDef ${name} fill:${color},stroke:#555,color:#111`,
    )
    return ['flowchart LR', ...nodes, ...edges, ...classes, ''].join('\n')
  }
}

/** Asks the store level by level. Throws `IncompleteStream` (`CT_CONFIGURATION`) when a result is not ready, unless `intermediate`. */
export async function buildResultGraph(start: ResultNode, options: GraphOptions = {}): Promise<ResultGraph> {
  const graph = new ResultGraph()
  // A chain's steps are linked backwards only, until the first has stored whom it sent.
  const line: ResultNode[] = [start]
  if (options.parents === true)
    for (let node = start.parent; node !== null; node = node.parent) line.push(node)
  line.reverse()
  let before: ResultGraphNode | undefined
  for (const at of await Promise.all(line.map((node) => describe(node, options)))) {
    if (before === undefined) graph.add(at)
    else graph.addEdge(before, at)
    before = at
  }
  const known = new Set<string>()
  for (let level: readonly ResultNode[] = line; level.length > 0;) {
    const fresh = level.filter((node) => !known.has(node.id) && known.add(node.id))
    const found = await Promise.all(fresh.map((node) => below(node, options)))
    const notReady = found.find(({ ready }) => !ready)
    if (notReady !== undefined && options.intermediate !== true) throw new IncompleteStream(notReady.at.id)
    for (const { at, children } of found) for (const child of children) graph.addEdge(at, child.at)
    level = found.flatMap(({ children }) => children.map(({ node }) => node))
  }
  return graph
}

interface Below {
  readonly at: ResultGraphNode
  readonly ready: boolean
  readonly children: readonly { readonly node: ResultNode; readonly at: ResultGraphNode }[]
}

async function below(node: ResultNode, options: StoreCallOptions): Promise<Below> {
  const at = await describe(node, options)
  const ready = await node.ready(options)
  const children = (await node.children(options)) ?? []
  return {
    at,
    ready,
    children: await Promise.all(
      children.map(async (child) => ({ node: child, at: await describe(child, options) })),
    ),
  }
}

async function describe(node: ResultNode, options: StoreCallOptions): Promise<ResultGraphNode> {
  const task = node as Partial<AsyncResult>
  if (task.meta === undefined) return { id: node.id, name: null, state: null, isGroup: true }
  const meta = await (node as AsyncResult).meta(options)
  return { id: node.id, name: meta.extended?.name ?? null, state: meta.status, isGroup: false }
}

function labelOf({ id, name, state, isGroup }: ResultGraphNode, newline: string): string {
  return [isGroup ? 'group' : name, id, state].filter((line) => line !== null).join(newline)
}

const colors: Readonly<Record<string, string>> = {
  success: '#b7e4c7',
  failure: '#f4b6b6',
  waiting: '#e8e8e8',
  group: '#cfe2ff',
}

function mermaidClass({ state, isGroup }: ResultGraphNode): string {
  if (isGroup) return 'group'
  return state === 'SUCCESS' ? 'success' : state === 'FAILURE' || state === 'REVOKED' ? 'failure' : 'waiting'
}

function dotStyle(node: ResultGraphNode): string {
  return `shape=${node.isGroup ? 'box' : 'oval'}, fillcolor="${colors[mermaidClass(node)]}"`
}

function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
}

/** Task names and ids are anybody's text. */
function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('"', '&quot;')
    .replaceAll(/<(?!br\/>)/g, '&lt;')
}
