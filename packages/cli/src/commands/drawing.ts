/** Small directed graphs as DOT for Graphviz or as Mermaid, for Markdown. */
import type { Command } from 'commander'

export interface DrawnNode {
  readonly id: string
  readonly label: string
  /** A shape of Graphviz that Mermaid has too. */
  readonly shape: 'box' | 'circle' | 'folder' | 'oval'
  readonly fill: string
  readonly font?: string
}

export interface DrawnEdge {
  readonly from: string
  readonly to: string
  /** Without an arrow. */
  readonly plain?: boolean
}

export interface Drawing {
  readonly name: string
  readonly nodes: readonly DrawnNode[]
  readonly edges: readonly DrawnEdge[]
}

/** What `-f` of `ct graph` says, wherever it stands; as in Celery DOT, where a drawing of results is Mermaid. */
export function formatOf(graph: Command): 'dot' | 'mermaid' {
  return graph.getOptionValueSource('format') === 'default'
    ? 'dot'
    : graph.opts<{ readonly format: 'dot' | 'mermaid' }>().format
}

export function drawAs(format: 'dot' | 'mermaid', drawing: Drawing): string {
  return format === 'dot' ? dot(drawing) : mermaid(drawing)
}

function dot({ name, nodes, edges }: Drawing): string {
  return [
    `digraph ${name} {`,
    '  rankdir=TB; node [fontname="HelveticaNeue", style="filled"];',
    ...nodes.map(
      ({ id, label, shape, fill, font }) =>
        `  ${id} [label=${quoted(label)}, shape=${shape}, fillcolor=${fill}${font === undefined ? '' : `, fontcolor=${font}`}];`,
    ),
    ...edges.map(({ from, to, plain }) => `  ${from} -> ${to}${plain === true ? ' [arrowhead=none]' : ''};`),
    '}',
  ].join('\n')
}

const mermaidShapes = {
  box: ['["', '"]'],
  circle: ['(("', '"))'],
  folder: ['[("', '")]'],
  oval: ['(["', '"])'],
} as const

function mermaid({ nodes, edges }: Drawing): string {
  return [
    'flowchart TB',
    ...nodes.map(({ id, label, shape }) => {
      const [open, close] = mermaidShapes[shape]
      return `  ${id}${open}${escaped(label)}${close}`
    }),
    ...edges.map(({ from, to, plain }) => `  ${from} ${plain === true ? '---' : '-->'} ${to}`),
  ].join('\n')
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
