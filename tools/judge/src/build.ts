/** A canvas of ct from a tree; python/judge_tasks.py does the same with Celery's constructors. */
import {
  chain,
  chord,
  chunks,
  group,
  type AnySignature,
  type App,
  type Group,
  type Signature,
} from '@ct/client'
import { chunkedItems, type Errback, type Node, type TaskNode } from './tree.ts'

/** Python's `chain` begins with an empty one, which unrolls a group of one at its beginning; ct's does not (docs/adr/0020). */
const untypedChain = (...steps: readonly AnySignature[]): AnySignature =>
  steps.length === 1 ? chain(steps[0]!) : chain().pipe(...steps)
const untypedChord = chord as unknown as (header: readonly AnySignature[], body: AnySignature) => AnySignature

const errbackNames: Readonly<Record<Errback['style'], string>> = {
  id: 'judge.errback',
  any: 'judge.errany',
  none: 'judge.errany',
  broken: 'judge.errbroken',
}

export function build(app: App, node: Node, run: string): AnySignature {
  return decorated(app, made(app, node, run), node, run)
}

function decorated(app: App, signature: AnySignature, node: Node, run: string): AnySignature {
  for (const link of node.links ?? []) signature.link(build(app, link, run))
  for (const { tag, style, queue } of node.errbacks ?? []) {
    const immutable = style === 'none'
    signature.linkError(app.signature(errbackNames[style], { kwargs: { tag, run }, queue, immutable }))
  }
  return node.stamp === undefined ? signature : signature.stamp({ [node.stamp]: node.stamp })
}

function made(app: App, node: Node, run: string): AnySignature {
  switch (node.kind) {
    case 'task':
      return task(app, node, run)
    case 'chain':
      return untypedChain(...node.steps.map((step) => build(app, step, run)))
    case 'group': {
      const items = chunkedItems(node)
      if (items !== undefined)
        return chunked(app, node.members as readonly TaskNode[], items, node.chunk!, run)
      return group(node.members.map((member) => build(app, member, run)))
    }
    case 'chord':
      return untypedChord(
        node.header.map((member) => build(app, member, run)),
        build(app, node.body, run),
      )
  }
}

function chunked(
  app: App,
  members: readonly TaskNode[],
  items: readonly unknown[],
  size: number,
  run: string,
): AnySignature {
  const item = app.tasks.get('judge.item')!
  const whole = chunks(item as never, items as never, size) as unknown as Group
  for (const [index, member] of members.entries()) {
    const { queue, named, tag } = member
    const part = whole.tasks[index]!
    part.set({ queue, ...(named === true ? { taskId: `${run}-${tag}` } : {}) })
    decorated(app, part, member, run)
  }
  return whole
}

function task(app: App, node: TaskNode, run: string): Signature {
  const { tag, how, n, times, with: replacement } = node
  const id = node.named === true ? { taskId: `${run}-${tag}` } : {}
  if (how === 'map' || how === 'starmap' || how === 'chunks')
    return app.signature(`celery.${how}`, {
      kwargs: { task: app.signature('judge.item'), it: node.it!, ...(how === 'chunks' ? { n } : {}) },
      queue: node.queue,
      immutable: true,
      ...id,
    })
  const spec = {
    tag,
    how,
    n,
    ...(times === undefined ? {} : { times }),
    ...(replacement === undefined ? {} : { with: replacement }),
  }
  return app.signature(how === 'missing' ? 'judge.missing' : 'judge.work', {
    args: node.args ?? [],
    kwargs: { ...spec, run },
    queue: node.queue,
    ...(node.immutable === true ? { immutable: true } : {}),
    ...id,
    ...(node.ignoreResult === true ? { ignoreResult: true } : {}),
    ...(node.expired === true ? { expires: '2020-01-01T00:00:00+00:00' } : {}),
  })
}
