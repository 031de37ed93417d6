/** Trees from a seed: chains, groups and chords to depth 4, with everything in them that may go wrong. */
import { Random } from '@ct-tools/ledger'
import { withoutDefects } from './celery-defects.ts'
import {
  childrenOf,
  type Errback,
  type How,
  type Language,
  type Node,
  type TaskNode,
  type Tree,
} from './tree.ts'

/** Queues of the two languages; with one language alone its worker consumes both. */
export const queues: Readonly<Record<Language, string>> = { py: 'judge.py', ct: 'judge.ct' }

export interface GenerateOptions {
  /** Trees without failures, once in so many; default 3. */
  readonly peaceful?: number
  readonly depth?: number
  /** Whether tasks may replace themselves. Default true. */
  readonly replaces?: boolean
  /** Whether tasks may come too late. Default true. */
  readonly expires?: boolean
}

const calm: Readonly<Partial<Record<How, number>>> = { sum: 60, echo: 22, none: 4, retry: 8 }
const rough: Readonly<Partial<Record<How, number>>> = { ...calm, fail: 12, spent: 4, missing: 2, ignore: 1 }

export function generate(seed: number, options: GenerateOptions = {}): Tree {
  const { peaceful = 3, depth = 4, replaces = true, expires = true } = options
  const random = new Random(seed)
  const maker = new Maker(random, random.between(1, peaceful) === 1 ? calm : rough, { replaces, expires })
  const languages: readonly Language[] = ['py', 'ct']
  const made = withoutDefects(maker.composite(depth))
  // A Celery 5.7 worker that completes a chord whose header holds a group and a member without a result stands still for good now and then.
  const root = holdsGroup(made) ? changed(made, ({ ignoreResult: _ignored, ...rest }) => rest) : made
  return {
    seed,
    root,
    args: random.next() < 0.25 ? [random.between(1, 9)] : [],
    builtBy: random.pick(languages),
    sentBy: random.pick(languages),
  }
}

class Maker {
  readonly #random: Random
  readonly #ways: Readonly<Partial<Record<How, number>>>
  readonly #may: { readonly replaces: boolean; readonly expires: boolean }
  readonly #named: boolean
  #tags = 0
  /** Tasks that may still be made: trees stay small enough to read. */
  #budget: number

  constructor(
    random: Random,
    ways: Readonly<Partial<Record<How, number>>>,
    may: { readonly replaces: boolean; readonly expires: boolean },
  ) {
    this.#random = random
    this.#ways = ways
    this.#may = may
    this.#named = random.next() < 0.8
    this.#budget = random.between(3, 16)
  }

  composite(depth: number): Node {
    const kind = this.#random.weighted({ chain: 40, group: 20, chord: 40 })
    const node = ((): Node => {
      if (kind === 'chain') return { kind, steps: this.#many(depth, 1, 4) }
      if (kind === 'group') return { kind, members: this.#many(depth, 0, 4) }
      return { kind, header: this.#many(depth, 0, 4), body: this.#node(depth - 1) }
    })()
    return { ...node, ...this.#callbacks(depth, 0.1) }
  }

  #many(depth: number, least: number, most: number): Node[] {
    const count = this.#random.next() < 0.04 ? 0 : this.#random.between(Math.max(1, least), most)
    return Array.from({ length: Math.max(least, count) }, () => this.#node(depth - 1))
  }

  #node(depth: number): Node {
    if (depth <= 0 || this.#budget <= 1 || this.#random.next() < 0.55) return this.#task(depth)
    return this.composite(depth)
  }

  #task(depth: number): TaskNode {
    const random = this.#random
    this.#budget -= 1
    const how =
      this.#may.replaces && depth > 0 && random.next() < 0.06
        ? 'replace'
        : (random.weighted(this.#ways as Readonly<Record<How, number>>) as How)
    const rough = 'fail' in this.#ways
    return {
      kind: 'task',
      tag: this.#tag(),
      how,
      n: random.between(0, 9),
      queue: this.#queue(),
      ...(random.next() < 0.4 ? { args: [random.between(1, 9)] } : {}),
      ...(random.next() < 0.12 ? { immutable: true } : {}),
      ...(this.#named ? { named: true } : {}),
      ...(random.next() < 0.06 ? { ignoreResult: true } : {}),
      ...(rough && this.#may.expires && random.next() < 0.03 ? { expired: true } : {}),
      ...(how === 'retry' || how === 'spent' ? { times: random.between(1, 2) } : {}),
      ...(how === 'replace' ? { with: this.#replacement(depth) } : {}),
      ...this.#callbacks(depth, 0.08),
    }
  }

  /** What is made at run time has no names given beforehand: it takes over those of what it replaces. */
  #replacement(depth: number): Node {
    return changed(
      this.#random.next() < 0.4 ? this.#task(0) : this.composite(Math.min(2, depth)),
      ({ named: _named, ...rest }) => rest,
    )
  }

  #callbacks(depth: number, chance: number): { links?: readonly Node[]; errbacks?: readonly Errback[] } {
    const random = this.#random
    const links =
      random.next() < chance
        ? Array.from({ length: random.between(1, 2) }, () =>
            depth > 1 && random.next() < 0.2 ? this.#node(1) : this.#task(0),
          )
        : []
    const errbacks =
      random.next() < chance * 1.5 ? Array.from({ length: random.between(1, 2) }, () => this.#errback()) : []
    return { ...(links.length > 0 ? { links } : {}), ...(errbacks.length > 0 ? { errbacks } : {}) }
  }

  #errback(): Errback {
    return { tag: this.#tag(), style: this.#random.pick(['id', 'any'] as const), queue: this.#queue() }
  }

  #queue(): string {
    return this.#random.pick([queues.py, queues.ct])
  }

  #tag(): string {
    return `t${this.#tags++}`
  }
}

function holdsGroup(node: Node): boolean {
  return node.kind === 'group' || childrenOf(node).some(holdsGroup)
}

/** The same with each of its tasks changed. */
function changed(node: Node, change: (task: TaskNode) => TaskNode): Node {
  const again = (one: Node): Node => changed(one, change)
  const own = node.links === undefined ? {} : { links: node.links.map(again) }
  switch (node.kind) {
    case 'task':
      return { ...change(node), ...own, ...(node.with === undefined ? {} : { with: again(node.with) }) }
    case 'chain':
      return { ...node, ...own, steps: node.steps.map(again) }
    case 'group':
      return { ...node, ...own, members: node.members.map(again) }
    case 'chord':
      return { ...node, ...own, header: node.header.map(again), body: again(node.body) }
  }
}
