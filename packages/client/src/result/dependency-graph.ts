/** What leads to what, without cycles (celery/utils/graph.py 5.7, `DependencyGraph`). Nodes are known by their keys. */
import { ConfigurationError } from '@ct/contracts'

export class DependencyGraph<N> implements Iterable<N> {
  readonly #keyOf: (node: N) => string
  readonly #nodes = new Map<string, N>()
  readonly #next = new Map<string, Set<string>>()

  constructor(keyOf: (node: N) => string) {
    this.#keyOf = keyOf
  }

  get size(): number {
    return this.#nodes.size
  }

  [Symbol.iterator](): Iterator<N> {
    return this.#nodes.values()
  }

  has(node: N): boolean {
    return this.#nodes.has(this.#keyOf(node))
  }

  /** The first node of a key stays. */
  add(node: N): void {
    const key = this.#keyOf(node)
    if (this.#nodes.has(key)) return
    this.#nodes.set(key, node)
    this.#next.set(key, new Set())
  }

  /** Both nodes are added where they are not there yet. */
  addEdge(from: N, to: N): void {
    this.add(from)
    this.add(to)
    this.#next.get(this.#keyOf(from))!.add(this.#keyOf(to))
  }

  /** Takes over nodes and edges of another one. */
  update(other: DependencyGraph<N>): void {
    for (const node of other) this.add(node)
    for (const [from, to] of other.edges()) this.addEdge(from, to)
  }

  next(node: N): readonly N[] {
    return [...(this.#next.get(this.#keyOf(node)) ?? [])].map((key) => this.#nodes.get(key)!)
  }

  edges(): readonly (readonly [from: N, to: N])[] {
    return [...this].flatMap((from) => this.next(from).map((to) => [from, to] as const))
  }

  /** Each node before those it leads to. Throws `CT_CONFIGURATION` when there is a cycle, with its nodes. */
  topologicalSort(): readonly N[] {
    const missing = new Map([...this.#nodes.keys()].map((key) => [key, 0]))
    for (const keys of this.#next.values()) for (const key of keys) missing.set(key, missing.get(key)! + 1)
    const ready = [...missing].filter(([, count]) => count === 0).map(([key]) => key)
    const sorted: N[] = []
    for (let key = ready.shift(); key !== undefined; key = ready.shift()) {
      sorted.push(this.#nodes.get(key)!)
      missing.delete(key)
      for (const next of this.#next.get(key)!) {
        const count = missing.get(next)! - 1
        missing.set(next, count)
        if (count === 0) ready.push(next)
      }
    }
    if (missing.size > 0) {
      throw new ConfigurationError(`These depend on one another: ${[...missing.keys()].join(', ')}.`, {
        details: { cycle: [...missing.keys()] },
      })
    }
    return sorted
  }
}
