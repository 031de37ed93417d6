/** A canvas of ct from a tree; python/judge_tasks.py does the same with Celery's constructors. */
import { chain, chord, group, type AnySignature, type App, type Signature } from '@ct/client'
import type { Node, TaskNode } from './tree.ts'

/** Python's `chain` begins with an empty one, which unrolls a group of one at its beginning; ct's does not (docs/adr/0020). */
const untypedChain = (...steps: readonly AnySignature[]): AnySignature =>
  steps.length === 1 ? chain(steps[0]!) : chain().pipe(...steps)
const untypedChord = chord as unknown as (header: readonly AnySignature[], body: AnySignature) => AnySignature

export function build(app: App, node: Node, run: string): AnySignature {
  const signature = made(app, node, run)
  for (const link of node.links ?? []) signature.link(build(app, link, run))
  for (const { tag, style, queue } of node.errbacks ?? []) {
    const name = style === 'any' ? 'judge.errany' : 'judge.errback'
    signature.linkError(app.signature(name, { kwargs: { tag, run }, queue }))
  }
  return signature
}

function made(app: App, node: Node, run: string): AnySignature {
  switch (node.kind) {
    case 'task':
      return task(app, node, run)
    case 'chain':
      return untypedChain(...node.steps.map((step) => build(app, step, run)))
    case 'group':
      return group(node.members.map((member) => build(app, member, run)))
    case 'chord':
      return untypedChord(
        node.header.map((member) => build(app, member, run)),
        build(app, node.body, run),
      )
  }
}

function task(app: App, node: TaskNode, run: string): Signature {
  const { tag, how, n, times, with: replacement } = node
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
    ...(node.named === true ? { taskId: `${run}-${tag}` } : {}),
    ...(node.ignoreResult === true ? { ignoreResult: true } : {}),
    ...(node.expired === true ? { expires: '2020-01-01T00:00:00+00:00' } : {}),
  })
}
