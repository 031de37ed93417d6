/** Trees from a seed: chains, groups and chords to depth 4, with everything in them that may go wrong. */
import { Random } from '@ct-tools/ledger'
import { withoutDefects } from './celery-defects.ts'
import {
  childrenOf,
  type Errback,
  type GroupNode,
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
  /** Whether tasks may be stamped, revoked, add to their chord, or map a list. Default true. */
  readonly extras?: boolean
}

const calm: Readonly<Partial<Record<How, number>>> = {
  sum: 60,
  echo: 22,
  none: 4,
  retry: 8,
  map: 3,
  starmap: 3,
  chunks: 2,
  extend: 3,
}
const rough: Readonly<Partial<Record<How, number>>> = { ...calm, fail: 12, spent: 4, missing: 2, ignore: 1 }

export function generate(seed: number, options: GenerateOptions = {}): Tree {
  const { peaceful = 3, depth = 4, replaces = true, expires = true, extras = true } = options
  const random = new Random(seed)
  const maker = new Maker(random, random.between(1, peaceful) === 1 ? calm : rough, {
    replaces,
    expires,
    extras,
  })
  const languages: readonly Language[] = ['py', 'ct']
  const made = withoutDefects(maker.composite(depth))
  // With ct's defaults what replaces a task has its stamps, in Celery not.
  const unstamped = holdsReplace(made) || linksChord(made, false) ? withoutStamps(made) : made
  // A Celery 5.7 worker that completes a chord whose header holds a group and a member without a result stands still for good now and then.
  const root = holdsGroup(made)
    ? changed(unstamped, ({ ignoreResult: _ignored, ...rest }) => rest)
    : unstamped
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
  readonly #may: { readonly replaces: boolean; readonly expires: boolean; readonly extras: boolean }
  readonly #named: boolean
  #tags = 0
  /** What a task becomes is made now: Python's building of it must not fail. */
  #replacing = false
  /** Tasks that may still be made: trees stay small enough to read. */
  #budget: number

  constructor(
    random: Random,
    ways: Readonly<Partial<Record<How, number>>>,
    may: { readonly replaces: boolean; readonly expires: boolean; readonly extras: boolean },
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
      if (kind === 'group' && this.#may.extras && this.#random.next() < 0.06) return this.#chunked(depth)
      if (kind === 'group') return { kind, members: this.#many(depth, 0, 4) }
      return { kind, header: this.#many(depth, 0, 4), body: this.#node(depth - 1) }
    })()
    return { ...node, ...this.#callbacks(depth, 0.1) }
  }

  #many(depth: number, least: number, most: number): Node[] {
    const count = this.#random.next() < 0.04 ? 0 : this.#random.between(Math.max(1, least), most)
    const nothing = this.#may.extras && !this.#replacing && depth < 4 && this.#random.next() < 0.02
    const nodes = Array.from({ length: Math.max(least, count) }, () => this.#node(depth - 1))
    return nothing ? [...nodes, { kind: 'chain', steps: [] }] : nodes
  }

  #node(depth: number): Node {
    if (depth <= 0 || this.#budget <= 1 || this.#random.next() < 0.55) return this.#task(depth)
    return this.composite(depth)
  }

  #task(depth: number): TaskNode {
    const random = this.#random
    this.#budget -= 1
    const drawn =
      this.#may.replaces && depth > 0 && random.next() < 0.06
        ? 'replace'
        : (random.weighted(this.#ways as Readonly<Record<How, number>>) as How)
    const rough = 'fail' in this.#ways
    const mapping = drawn === 'map' || drawn === 'starmap' || drawn === 'chunks'
    const extra = mapping || drawn === 'extend'
    // Parts of one index are in the order of their ids.
    const how = extra && !(this.#may.extras && (drawn !== 'extend' || this.#named)) ? 'sum' : drawn
    const tag = this.#tag()
    if (how === 'map' || how === 'starmap' || how === 'chunks') return this.#mapping(how, tag, rough, depth)
    return {
      kind: 'task',
      tag,
      how,
      n: random.between(0, 9),
      queue: this.#queue(),
      ...(random.next() < 0.4 ? { args: [random.between(1, 9)] } : {}),
      ...(random.next() < 0.12 ? { immutable: true } : {}),
      ...(this.#named ? { named: true } : {}),
      ...(random.next() < 0.06 ? { ignoreResult: true } : {}),
      ...(rough && this.#may.expires && random.next() < 0.03 ? { expired: true } : {}),
      ...(rough && this.#may.extras && this.#named && random.next() < 0.03 ? { revoked: true } : {}),
      ...(how === 'extend' ? { with: this.#added() } : {}),
      ...(how === 'retry' || how === 'spent' ? { times: random.between(1, 2) } : {}),
      ...(how === 'replace' ? { with: this.#replacement(depth) } : {}),
      ...this.#callbacks(depth, 0.08),
    }
  }

  /** What `chunks` makes of a list, as a group. */
  #chunked(depth: number): GroupNode {
    const random = this.#random
    const size = random.between(1, 2)
    const rough = 'fail' in this.#ways
    const count = random.between(1, 3)
    const members = Array.from({ length: count }, (_, at): TaskNode => {
      const length = at < count - 1 ? size : random.between(1, size)
      this.#budget -= 1
      const it = Array.from({ length }, () => this.#item('starmap', rough))
      return { ...this.#mapping('starmap', this.#tag(), rough, depth), it }
    })
    return { kind: 'group', members, chunk: size }
  }

  #item(how: 'map' | 'starmap' | 'chunks', rough: boolean): unknown {
    const random = this.#random
    const one = rough && random.next() < 0.05 ? -1 : random.between(0, 9)
    return how === 'map' ? one : [one, random.between(0, 9)]
  }

  #mapping(how: 'map' | 'starmap' | 'chunks', tag: string, rough: boolean, depth: number): TaskNode {
    const random = this.#random
    return {
      kind: 'task',
      tag,
      how,
      n: how === 'chunks' ? random.between(1, 2) : 0,
      queue: this.#queue(),
      it: Array.from({ length: random.between(0, 3) }, () => this.#item(how, rough)),
      ...(this.#named ? { named: true } : {}),
      ...this.#callbacks(depth, 0.08),
    }
  }

  #added(): TaskNode {
    const random = this.#random
    const how = random.pick(['sum', 'echo', 'none'] as const)
    return { kind: 'task', tag: this.#tag(), how, n: random.between(0, 9), queue: this.#queue(), named: true }
  }

  /** What is made at run time has no names given beforehand: it takes over those of what it replaces. */
  #replacement(depth: number): Node {
    const before = this.#replacing
    this.#replacing = true
    const made = this.#random.next() < 0.4 ? this.#task(0) : this.composite(Math.min(2, depth))
    this.#replacing = before
    return changed(made, ({ named: _named, revoked: _revoked, ...rest }) => {
      // In a process of Python's it is no task but the group at once.
      if (rest.how === 'chunks') return { ...rest, how: 'starmap' }
      if (rest.how !== 'extend') return rest
      const { with: _with, ...task } = rest
      return { ...task, how: 'sum' }
    })
  }

  #callbacks(
    depth: number,
    chance: number,
  ): { links?: readonly Node[]; errbacks?: readonly Errback[]; stamp?: string } {
    const random = this.#random
    const links =
      random.next() < chance
        ? Array.from({ length: random.between(1, 2) }, () =>
            depth > 1 && random.next() < 0.2 ? this.#node(1) : this.#task(0),
          )
        : []
    const errbacks =
      random.next() < chance * 1.5 ? Array.from({ length: random.between(1, 2) }, () => this.#errback()) : []
    const stamp =
      this.#may.extras && random.next() < chance / 3 ? random.pick(['tenant', 'trace']) : undefined
    return {
      ...(links.length > 0 ? { links } : {}),
      ...(errbacks.length > 0 ? { errbacks } : {}),
      ...(stamp === undefined ? {} : { stamp }),
    }
  }

  #errback(): Errback {
    return {
      tag: this.#tag(),
      style: this.#random.pick(['id', 'id', 'any', 'any', 'none', 'broken'] as const),
      queue: this.#queue(),
    }
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

function holdsReplace(node: Node): boolean {
  return (node.kind === 'task' && node.how === 'replace') || childrenOf(node).some(holdsReplace)
}

/** Celery does not stamp a chord that is linked to a member of a header (`stamp_links` has a copy of it); ct does. */
function linksChord(node: Node, inHeader: boolean): boolean {
  const links = node.links ?? []
  if (inHeader && links.some(({ kind }) => kind === 'chord')) return true
  if (links.some((link) => linksChord(link, false))) return true
  switch (node.kind) {
    case 'task':
      return node.with !== undefined && linksChord(node.with, inHeader)
    case 'chain':
      // What follows a group makes a header of it.
      return node.steps.some((step) => linksChord(step, inHeader || step.kind === 'group'))
    case 'group':
      return node.members.some((member) => linksChord(member, inHeader))
    case 'chord':
      return node.header.some((member) => linksChord(member, true)) || linksChord(node.body, inHeader)
  }
}

function withoutStamps(node: Node): Node {
  const { stamp: _stamp, ...rest } = node
  const own = node.links === undefined ? rest : { ...rest, links: node.links.map(withoutStamps) }
  switch (own.kind) {
    case 'task':
      return own.with === undefined ? own : { ...own, with: withoutStamps(own.with) }
    case 'chain':
      return { ...own, steps: own.steps.map(withoutStamps) }
    case 'group':
      return { ...own, members: own.members.map(withoutStamps) }
    case 'chord':
      return { ...own, header: own.header.map(withoutStamps), body: withoutStamps(own.body) }
  }
}

function withChanged(node: TaskNode, change: (one: Node) => Node): TaskNode {
  return node.with === undefined ? node : { ...node, with: change(node.with) }
}

/** The same with each of its tasks changed. */
function changed(node: Node, change: (task: TaskNode) => TaskNode): Node {
  const again = (one: Node): Node => changed(one, change)
  const own = node.links === undefined ? {} : { links: node.links.map(again) }
  switch (node.kind) {
    case 'task':
      return withChanged({ ...change(node), ...own }, again)
    case 'chain':
      return { ...node, ...own, steps: node.steps.map(again) }
    case 'group':
      return { ...node, ...own, members: node.members.map(again) }
    case 'chord':
      return { ...node, ...own, header: node.header.map(again), body: again(node.body) }
  }
}
