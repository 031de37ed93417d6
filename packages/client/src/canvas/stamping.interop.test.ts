/** Stamping against Python: the same canvases, stamped by both, in the form in which they travel, and the order in which visitors are called. */
import { python, tryPython, type PythonClient } from '@ct-tools/interop'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildPlan, canvasKinds, pythonBuilder } from '../../test/canvas-plans.ts'
import { capturedApp } from '../../test/captured-app.ts'
import type { CapturedApp } from '../../test/captured-app.ts'
import type { Task } from '../task/index.ts'
import type { AnySignature, StampingVisitor } from './index.ts'

const ready = await tryPython('5.7')

const pythonVisitor = `
from celery.canvas import StampingVisitor
class Visitor(StampingVisitor):
    def __init__(self, full): self.full, self.calls = full, []
    def note(self, hook, sig, headers):
        self.calls.append(hook + ' ' + str((sig.get('args') or [sig.get('task')])[0]))
        return {hook: len(self.calls)} if self.full else {}
    def on_signature(self, sig, **headers): return {**self.note('signature', sig, headers), 'always': 'v'}
    def on_chain_start(self, sig, **headers): return self.note('chainStart', sig, headers)
    def on_chain_end(self, sig, **headers): self.note('chainEnd', sig, headers)
    def on_group_start(self, sig, **headers): return self.note('groupStart', sig, headers)
    def on_group_end(self, sig, **headers): self.note('groupEnd', sig, headers)
    def on_chord_body(self, sig, **headers): return self.note('chordBody', sig, headers)
    def on_callback(self, sig, **headers): return self.note('callback', sig, headers)
    def on_errback(self, sig, **headers): return self.note('errback', sig, headers)
def stamped(plan, ways):
    made = B(plan)
    calls = []
    for way in ways:
        if way.get('visitor'):
            visitor = Visitor(way['visitor'] == 'full')
            made.stamp(visitor, append_stamps=way.get('append', False), **way.get('stamps', {}))
            calls += visitor.calls
        else:
            made.stamp(append_stamps=way.get('append', False), **way['stamps'])
    return [json.loads(json.dumps(made)), calls]
`

interface Way {
  readonly visitor?: 'plain' | 'full'
  readonly append?: boolean
  readonly stamps?: Readonly<Record<string, unknown>>
}

describe.skipIf(!ready)('canvases stamped by ct and by Celery 5.7', () => {
  let client: PythonClient
  let captured: CapturedApp
  let add: Task<[x: number], number>

  beforeAll(async () => {
    captured = capturedApp()
    add = captured.app.task('interop_tasks.add', (x: number) => x)
    client = await python('5.7', { broker: 'memory://', backend: 'cache+memory://' })
    await client.exec(pythonBuilder)
    await client.exec(pythonVisitor)
  })
  afterAll(async () => {
    await client?.close()
    await captured?.[Symbol.asyncDispose]()
  })

  const ways: readonly (readonly [what: string, ways: readonly Way[]])[] = [
    ['keywords', [{ stamps: { tenant: 'acme', tags: ['a'] } }]],
    ['keywords twice', [{ stamps: { tenant: 'acme' } }, { stamps: { tenant: 'other', more: 1 } }]],
    ['keywords twice, collected', [{ stamps: { tenant: 'a' } }, { stamps: { tenant: 'b' }, append: true }]],
    ['a visitor', [{ visitor: 'plain' }]],
    ['a visitor and keywords', [{ visitor: 'plain', stamps: { always: 'k', tenant: 'acme' } }]],
  ]

  it.each(ways)('CANVAS-80…83, TASK-147: by %s', async (what, steps) => {
    for (const [name, plan] of Object.entries(canvasKinds)) {
      // Python forgets for the links of a chain that values are to be collected.
      if (what.includes('collected') && name.includes('linked')) continue
      const theirs = await client.exec<[object, string[]]>('stamped(plan, ways)', { plan, ways: steps })
      const made = buildPlan(captured.app, plan, add)
      const calls = steps.flatMap((way) => stamp(made, way))
      expect([name, calls]).toEqual([name, theirs[1]])
      expect([name, comparable(JSON.parse(JSON.stringify(made)))]).toEqual([name, comparable(theirs[0])])
    }
  })

  it('CANVAS-81: what each hook answers goes to everything inside', async () => {
    for (const [name, plan] of Object.entries(canvasKinds)) {
      // Python hands the answer for one link to the next one as well.
      if (name.includes('linked')) continue
      const theirs = await client.exec<[object, string[]]>('stamped(plan, ways)', {
        plan,
        ways: [{ visitor: 'full' }],
      })
      const made = buildPlan(captured.app, plan, add)
      expect([name, stamp(made, { visitor: 'full' })]).toEqual([name, theirs[1]])
      expect([name, comparable(JSON.parse(JSON.stringify(made)))]).toEqual([name, comparable(theirs[0])])
    }
  })

  it('CANVAS-85: stamps travel as headers, and are refused where they would be options', async () => {
    const made = buildPlan(captured.app, canvasKinds['chain']!, add)
    made.stamp({ tenant: 'acme' })
    await (made as unknown as { applyAsync(): Promise<unknown> }).applyAsync()
    const [sent] = await captured.sent()
    expect(sent!.headers).toMatchObject({ stamped_headers: ['tenant'], stamps: { tenant: 'acme' } })
    expect(sent!.embed.chain![0]!.options).toMatchObject({ stamped_headers: ['tenant'], tenant: 'acme' })
    expect(() => made.stamp({ queue: 'q' })).toThrow(/may not be named "queue"/)
    expect(() => made.stamp('acme' as never)).toThrow(/object of names and values/)
  })
})

function stamp(made: AnySignature, { visitor, append = false, stamps = {} }: Way): readonly string[] {
  if (visitor === undefined) {
    made.stamp(stamps, { append })
    return []
  }
  const calls: string[] = []
  const note = (hook: string, signature: AnySignature): Record<string, unknown> => {
    calls.push(`${hook} ${String(signature.args[0] ?? signature.task)}`)
    return visitor === 'full' ? { [hook]: calls.length } : {}
  }
  const recorder: StampingVisitor = {
    onSignature: (one) => ({ ...note('signature', one), always: 'v' }),
    onChainStart: (one) => note('chainStart', one),
    onChainEnd: (one) => void note('chainEnd', one),
    onGroupStart: (one) => note('groupStart', one),
    onGroupEnd: (one) => void note('groupEnd', one),
    onChordBody: (one) => note('chordBody', one),
    onCallback: (one) => note('callback', one),
    onErrback: (one) => note('errback', one),
  }
  made.stamp(recorder, { append, stamps })
  return calls
}

/** Names of stamps in order; a header that a visitor has seen is a group in Python, a list in ct. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => {
      // Python leaks names, not values, from a chain to what stands beside it.
      if (key === 'stamped_headers') {
        return [key, [...new Set(one as string[])].filter((stamp) => stamp in value).toSorted()]
      }
      if (key === 'header' && !Array.isArray(one))
        return [key, comparable((one as { kwargs: { tasks: unknown } }).kwargs.tasks)]
      return [key, comparable(one)]
    }),
  )
}
