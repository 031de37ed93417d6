/** Canvases as plain data: what the judge generates, both languages build, and a difference is shrunk to. */

/** What a task of a tree does with its arguments. `missing`: no worker knows it. */
export type How =
  | 'sum'
  | 'echo'
  | 'none'
  | 'fail'
  | 'retry'
  | 'spent'
  | 'ignore'
  | 'replace'
  | 'missing'
  /** Adds a task to the chord it is in. */
  | 'extend'
  /** `celery.map` and `celery.starmap` over `it`. */
  | 'map'
  | 'starmap'
  /** `celery.chunks` over `it`, `n` at a time: sends a group, and is done. */
  | 'chunks'

export interface Errback {
  readonly tag: string
  /**
   * `id`: takes the id of the failed task, so it is sent. `any`: takes anything, so it runs in the worker that saw the failure. `none`: the same,
   * immutable. `broken`: the same, and raises an error.
   */
  readonly style: 'id' | 'any' | 'none' | 'broken'
  readonly queue: string
}

interface Linked {
  readonly links?: readonly Node[]
  readonly errbacks?: readonly Errback[]
  /** What it is stamped with, links included. */
  readonly stamp?: string
}

export interface TaskNode extends Linked {
  readonly kind: 'task'
  readonly tag: string
  readonly how: How
  readonly n: number
  readonly queue: string
  readonly args?: readonly unknown[]
  readonly immutable?: boolean
  /** Its id is known beforehand. */
  readonly named?: boolean
  readonly ignoreResult?: boolean
  /** It is too late when it arrives. */
  readonly expired?: boolean
  /** It was revoked before it was sent. Only with a name. */
  readonly revoked?: boolean
  /** What `map`, `starmap` and `chunks` go through. */
  readonly it?: readonly unknown[]
  /** Retries it asks for. */
  readonly times?: number
  /** What it replaces itself by, or adds to its chord. */
  readonly with?: Node
}

export interface ChainNode extends Linked {
  readonly kind: 'chain'
  readonly steps: readonly Node[]
}

export interface GroupNode extends Linked {
  readonly kind: 'group'
  readonly members: readonly Node[]
  /** Made by `chunks(…).group()`, so many items a member: all of them are starmaps. */
  readonly chunk?: number
}

export interface ChordNode extends Linked {
  readonly kind: 'chord'
  readonly header: readonly Node[]
  readonly body: Node
}

export type Node = TaskNode | ChainNode | GroupNode | ChordNode
export type Language = 'py' | 'ct'

export interface Tree {
  readonly seed: number
  readonly root: Node
  /** Arguments of the call. */
  readonly args: readonly number[]
  /** Who makes signatures of it, and who sends them as they travelled. */
  readonly builtBy: Language
  readonly sentBy: Language
}

/** Parts of a node: steps, members, links. */
export function childrenOf(node: Node): readonly Node[] {
  const links = node.links ?? []
  switch (node.kind) {
    case 'task':
      return node.with === undefined ? links : [node.with, ...links]
    case 'chain':
      return [...node.steps, ...links]
    case 'group':
      return [...node.members, ...links]
    case 'chord':
      return [...node.header, node.body, ...links]
  }
}

/** Everything in it that can go wrong or be taken away: what shrinking makes smaller. */
export function weightOf(node: Node): number {
  const own =
    node.kind === 'task'
      ? 1 +
        (node.how === 'sum' ? 0 : 1) +
        [node.args?.length, node.immutable, node.ignoreResult, node.expired, node.revoked, node.named].filter(
          Boolean,
        ).length
      : 1
  return (
    own +
    (node.stamp === undefined ? 0 : 1) +
    (node.errbacks ?? []).length +
    childrenOf(node).reduce((sum, child) => sum + weightOf(child), 0)
  )
}

/** Short text: `chain(a:sum, group(b:fail ⚡c, d:sum))`; ⚡ error callbacks, → links. */
export function textOf(node: Node): string {
  const own = ((): string => {
    switch (node.kind) {
      case 'task': {
        const flags = [
          node.immutable === true && '!',
          node.ignoreResult === true && 'ignored',
          node.expired === true && 'expired',
          node.revoked === true && 'revoked',
          node.it !== undefined && `over ${JSON.stringify(node.it)}`,
          node.times !== undefined && `×${node.times}`,
        ].filter(Boolean)
        const replaced = node.with === undefined ? '' : `⇒${textOf(node.with)}`
        return `${node.tag}:${node.how}${node.how === 'chunks' ? node.n : ''}${flags.length === 0 ? '' : `[${flags.join(' ')}]`}${replaced}`
      }
      case 'chain':
        return `chain(${node.steps.map(textOf).join(', ')})`
      case 'group':
        return `group${node.chunk === undefined ? '' : `/${node.chunk}`}(${node.members.map(textOf).join(', ')})`
      case 'chord':
        return `chord([${node.header.map(textOf).join(', ')}], ${textOf(node.body)})`
    }
  })()
  const errbacks = (node.errbacks ?? []).map(({ tag, style }) => ` ⚡${tag}:${style}`).join('')
  const links = (node.links ?? []).map((link) => ` →${textOf(link)}`).join('')
  return own + errbacks + links + (node.stamp === undefined ? '' : ` #${node.stamp}`)
}

/** Of a group that still is what `chunks` makes: all items; of any other undefined. */
export function chunkedItems({ chunk, members }: GroupNode): readonly unknown[] | undefined {
  if (chunk === undefined || members.length === 0) return undefined
  const parts = members.map((member) =>
    member.kind === 'task' && member.how === 'starmap' ? member.it! : [],
  )
  const last = parts.length - 1
  const whole = parts.every((part, at) =>
    at < last ? part.length === chunk : part.length > 0 && part.length <= chunk,
  )
  return whole ? parts.flat() : undefined
}
