import { describe, expect, it } from 'vitest'
import { DependencyGraph } from './dependency-graph.ts'
import { ResultGraph } from './result-graph.ts'

const letters = (...edges: readonly string[]): DependencyGraph<string> => {
  const graph = new DependencyGraph<string>((node) => node)
  for (const [from, to] of edges) graph.addEdge(from!, to!)
  return graph
}

describe('DependencyGraph', () => {
  it('CANVAS-91: nodes and edges, once each', () => {
    const graph = letters('ab', 'ac', 'ab')
    graph.add('d')
    expect([...graph]).toEqual(['a', 'b', 'c', 'd'])
    expect(graph.edges()).toEqual([
      ['a', 'b'],
      ['a', 'c'],
    ])
    expect([graph.size, graph.has('d'), graph.has('e')]).toEqual([4, true, false])
    graph.update(letters('de'))
    expect(graph.next('d')).toEqual(['e'])
  })

  it('CANVAS-91: sorted so that each comes before those it leads to; cycles are told', () => {
    expect(letters('ab', 'bd', 'ac', 'cd').topologicalSort()).toEqual(['a', 'b', 'c', 'd'])
    expect(() => letters('ab', 'bc', 'ca', 'xa').topologicalSort()).toThrow(
      'These depend on one another: a, b, c.',
    )
  })
})

describe('ResultGraph', () => {
  it('CANVAS-90: names that are no plain text are drawn as text', () => {
    const graph = new ResultGraph()
    graph.add({ id: 'a"b', name: '<script>', state: 'FAILURE', isGroup: false })
    expect(graph.toMermaid()).toContain('n0("&lt;script><br/>a&quot;b<br/>FAILURE"):::failure')
    expect(graph.toDot()).toContain(String.raw`"a\"b" [label="<script>\na\"b\nFAILURE", shape=oval`)
  })
})
