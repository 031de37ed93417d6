/** Canvases as data, built by Python and by ct alike. */
import { chain, chord, group } from '../src/canvas/index.ts'
import type { AnySignature } from '../src/canvas/index.ts'
import type { App } from '../src/app/index.ts'
import type { Task } from '../src/task/index.ts'

/** A canvas as data, for both languages: a task's name, or a kind with its members. */
export type Plan =
  | string
  | { readonly map: string }
  | { readonly chain: readonly Plan[]; readonly linked?: boolean }
  | { readonly group: readonly Plan[]; readonly linked?: boolean }
  | { readonly chord: readonly Plan[]; readonly body: Plan; readonly linked?: boolean }

export const canvasKinds: Readonly<Record<string, Plan>> = {
  task: 't',
  map: { map: 't' },
  'chain of none': { chain: [] },
  'chain of one': { chain: ['a'] },
  chain: { chain: ['a', 'b'] },
  'chain of a chain': { chain: [{ chain: ['a', 'b'] }, 'c'] },
  'linked chain': { chain: ['a', 'b'], linked: true },
  'chain that ends in a group': { chain: ['a', { group: ['g', 'h'] }] },
  'linked chain that ends in a group': { chain: ['a', { group: ['g', 'h'] }], linked: true },
  'chain that ends in a chord': { chain: ['a', { chord: ['g'], body: 'b' }] },
  'linked chain that ends in a chord': { chain: ['a', { chord: ['g'], body: 'b' }], linked: true },
  'group of none': { group: [] },
  'group of one': { group: ['g'] },
  'group of one chain': { group: [{ chain: ['a', 'b'] }] },
  'group of one chord': { group: [{ chord: ['g', 'h'], body: 'b' }] },
  group: { group: ['g', 'h'] },
  'linked group': { group: ['g', 'h'], linked: true },
  'group of a chain and a task': { group: [{ chain: ['a', 'b'] }, 'h'] },
  'group of a group and a task': { group: [{ group: ['g', 'h'] }, 'k'] },
  'group of a group': { group: [{ group: ['g', 'h'] }] },
  'chord of none': { chord: [], body: 'b' },
  chord: { chord: ['g', 'h'], body: 'b' },
  'linked chord': { chord: ['g', 'h'], body: 'b', linked: true },
  'chord with a group as body': { chord: ['g'], body: { group: ['b', 'c'] } },
  'chord with a chain as body': { chord: ['g'], body: { chain: ['b', 'c'] } },
  'chord with a chord as body': { chord: ['g'], body: { chord: ['b', 'c'], body: 'd' } },
  'chord of a chain and a chord': { chord: [{ chain: ['a', 'b'] }, { chord: ['g'], body: 'c' }], body: 'd' },
}

/** `B(plan)` builds a plan in Python, `P(plans)` joins several by `|`; errors as text. */
export const pythonBuilder = `
import json
from celery import chain, group, chord, signature
def S(name): return app.signature('interop_canvas.' + name, args=(name,))
def B(plan):
    if isinstance(plan, str): return S(plan)
    if 'map' in plan: return add.map([1, 2])
    if 'chain' in plan: made = chain([B(one) for one in plan['chain']]) if len(plan['chain']) != 1 else chain(B(plan['chain'][0]))
    elif 'group' in plan: made = group([B(one) for one in plan['group']])
    else: made = chord([B(one) for one in plan['chord']], B(plan['body']))
    if plan.get('linked'):
        made.link(S('link'))
        made.link_error(S('errback'))
    return made
def P(plans):
    try:
        made = B(plans[0])
        for plan in plans[1:]: made = made | B(plan)
        return made
    except Exception as error:
        return repr(error)
`

/** `add` is the task `interop_tasks.add`. */
export function buildPlan(app: App, plan: Plan, add: Task<[x: number], number>): AnySignature {
  const task = (name: string): AnySignature => app.signature(`interop_canvas.${name}`, { args: [name] })
  const build = (one: Plan): AnySignature => buildPlan(app, one, add)
  if (typeof plan === 'string') return task(plan)
  if ('map' in plan) return add.map([1, 2])
  const made =
    'chain' in plan
      ? (chain as (...steps: readonly AnySignature[]) => AnySignature)(...plan.chain.map(build))
      : 'group' in plan
        ? group(plan.group.map(build))
        : (chord as (header: readonly AnySignature[], body: AnySignature) => AnySignature)(
            plan.chord.map(build),
            build(plan.body),
          )
  if (plan.linked === true) {
    made.link(task('link'))
    made.linkError(task('errback'))
  }
  return made
}
