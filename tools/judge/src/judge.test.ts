import { describe, expect, it } from 'vitest'
import { differences } from './compare.ts'
import { generate, shrink, smaller, textOf, weightOf, type Node } from './index.ts'
import { withoutDefects } from './celery-defects.ts'
import { masked, mayHang, withoutJoinOrder, withoutLateRetries } from './masks.ts'
import { outcomesOf, type Outcome } from './outcome.ts'
import { startsTwice } from './started-twice.ts'
import { childrenOf, chunkedItems, type ChainNode, type GroupNode } from './tree.ts'

/** In which nothing is masked by its shape. */
const plain: Node = { kind: 'chain', steps: [] }
const outcome = (parts: Partial<Outcome>): Outcome => ({
  error: undefined,
  calls: [],
  states: [],
  children: [],
  parents: [],
  handle: 'null',
  end: 'null',
  ...parts,
})
const task = (tag: string, how: 'sum' | 'fail' | 'missing' = 'sum'): Node => ({
  kind: 'task',
  tag,
  how,
  n: 1,
  queue: 'judge.ct',
})

describe('the judge', () => {
  it('makes the same tree of the same seed, and every kind of node among many', () => {
    expect(generate(7)).toEqual(generate(7))
    const kinds = new Set<string>()
    const look = (node: Node): void => {
      kinds.add(node.kind === 'task' ? node.how : node.kind)
      childrenOf(node).forEach(look)
    }
    for (let seed = 0; seed < 300; seed += 1) look(generate(seed).root)
    expect([...kinds].toSorted()).toEqual(
      [
        'chain',
        'chord',
        'chunks',
        'echo',
        'extend',
        'fail',
        'group',
        'ignore',
        'map',
        'missing',
        'none',
        'replace',
        'retry',
        'spent',
        'starmap',
        'sum',
      ].toSorted(),
    )
  })

  it('stamps nothing where a chord is linked to a member of a header', () => {
    const stamped = (node: Node): boolean => node.stamp !== undefined || childrenOf(node).some(stamped)
    for (const seed of [102_892, 121_417]) expect(stamped(generate(seed).root)).toBe(false)
    expect(Array.from({ length: 50 }, (_, seed) => generate(seed).root).some(stamped)).toBe(true)
  })

  it('reduces a tree to what shows a difference', async () => {
    const tree = Array.from({ length: 200 }, (_, seed) => generate(seed)).find(
      ({ root }) => textOf(root).includes(':fail') && weightOf(root) > 20,
    )!
    const shows = (root: Node): boolean => textOf(root).includes(':fail')
    const smallest = await shrink(tree, async (trees) => trees.map(({ root }) => shows(root)), {
      rounds: 100,
    })
    expect(shows(smallest.root)).toBe(true)
    expect(smaller(smallest).some(({ root }) => shows(root))).toBe(false)
    expect(weightOf(smallest.root)).toBeLessThan(8)
  })

  it('tells ids by their names, and keeps trees of one batch apart', () => {
    const entry = { tag: 't0', args: [3], retries: 0, parent: null, lang: 'ct' } as const
    const id = '01234567-89ab-cdef-0123-456789abcdef'
    const [first, second] = outcomesOf(
      [
        { run: 'r1', handle: [['r1-t1', null], null], error: undefined },
        { run: 'r2', handle: [[id, null], null], error: undefined },
      ],
      [
        { ...entry, run: 'r1', id: 'r1-t0' },
        { ...entry, run: 'r2', id },
      ],
      [
        { task_id: 'r1-t0', status: 'SUCCESS', result: 3, children: [[['r1-t1', null], null]] },
        {
          task_id: 'r1-t1',
          status: 'FAILURE',
          result: { exc_type: 'ValueError', exc_message: ['of r1-t0'] },
          parent_id: 'r1-t0',
        },
        { task_id: id, status: 'SUCCESS', result: 4, children: [] },
      ],
    )
    expect(first).toMatchObject({
      calls: ['t0([3])'],
      states: [
        ['t0', 'SUCCESS 3'],
        ['t1', 'FAILURE ["ValueError",["of t0"]]'],
      ],
      children: [['t0', '[["t1",null]]']],
      handle: '[["t1",null],null]',
    })
    expect(second).toMatchObject({ states: [['t0', 'SUCCESS 4']], handle: '[["t0",null],null]' })
  })

  it('names what chunks sent by its place, and builds chunks of a group that still is one', () => {
    const [group, one, other] = [1, 2, 3].map((n) => `${n}1234567-89ab-cdef-0123-456789abcdef`)
    const members = [one, other].map((id) => [[id, null], null])
    const documents = [
      {
        task_id: 'r0-t0',
        status: 'SUCCESS',
        result: [[group, null], members],
        children: [[[group, null], members]],
      },
      { task_id: one!, status: 'SUCCESS', result: [3], parent_id: 'r0-t0' },
      { task_id: other!, status: 'SUCCESS', result: [4], parent_id: 'r0-t0' },
    ]
    const [seen] = outcomesOf(
      [{ run: 'r0', handle: [['r0-t0', null], null], error: undefined }],
      [],
      documents,
    )
    expect(seen!.states.map(([name, state]) => `${name} ${state}`)).toEqual([
      't0 SUCCESS [["?",null],[[["t0/0",null],null],[["t0/1",null],null]]]',
      't0/0 SUCCESS [3]',
      't0/1 SUCCESS [4]',
    ])
    const part = (tag: string, ...it: number[]): Node => ({ ...task(tag), how: 'starmap', it }) as Node
    const chunked = (...parts: Node[]): GroupNode => ({ kind: 'group', chunk: 2, members: parts })
    expect(chunkedItems(chunked(part('a', 1, 2), part('b', 3)))).toEqual([1, 2, 3])
    expect(chunkedItems(chunked(part('a', 1), part('b', 3)))).toBeUndefined()
    expect(chunkedItems(chunked(part('a', 1, 2), task('b')))).toBeUndefined()
  })

  it('finds states, values and calls that differ, and how often', () => {
    const one = outcome({ states: [['t0', 'SUCCESS 1']], calls: ['t0([])', 't1(["t0"])'] })
    const other = outcome({ states: [['t0', 'SUCCESS 2']], calls: ['t0([])', 't1(["t0"])', 't1(["t0"])'] })
    expect(differences(one, one, ['a', 'b'])).toEqual([])
    expect(differences(one, other, ['a', 'b'])).toEqual([
      'call t1(["t0"]): a no; b yes',
      'states t0: a SUCCESS 1; b SUCCESS 2',
    ])
  })

  it('masks a body that Celery leaves pending, and nothing else', () => {
    const python = outcome({ states: [['t0', 'FAILURE ["ValueError",["boom"]]']] })
    const ct = outcome({
      calls: ['t4(["t2"])', 't5([1])'],
      states: [
        ['t0', 'FAILURE ["ValueError",["boom"]]'],
        ['t2', 'FAILURE ["ChordError",["Dependency t1 raised ChordError(…)"]]'],
        ['t3', 'SUCCESS 3'],
      ],
    })
    expect(differences(python, masked(ct, python, plain), ['py', 'ct'])).toEqual([
      'call t5([1]): py no; ct yes',
      'states t3: py nothing; ct SUCCESS 3',
    ])
    expect(mayHang({ kind: 'chord', header: [task('a', 'fail')], body: task('b') })).toBe(false)
    expect(mayHang({ kind: 'chord', header: [task('a', 'missing')], body: task('b') })).toBe(true)
    const inner: Node = { kind: 'chord', header: [task('a', 'fail')], body: task('b') }
    expect(mayHang({ kind: 'chord', header: [inner], body: task('c') })).toBe(true)
    expect(mayHang({ kind: 'chain', steps: [inner, task('c')] })).toBe(true)
  })

  it('masks the failure of what a task became, where Celery leaves it pending', () => {
    const ct = outcome({ calls: ['t1([])'], states: [['t1', 'FAILURE ["TaskRevokedError",["expired"]]']] })
    const python = outcome({ calls: ['t1([])'] })
    const became: Node = { ...task('t1'), how: 'replace', with: task('t2') } as Node
    expect(masked(ct, python, became).states).toEqual([])
    expect(masked(ct, python, plain).states).toEqual(ct.states)
  })

  it('masks the error callback of a body that is a chain of one', () => {
    const reason = 'FAILURE ["ValueError",["boom"]]'
    const python = outcome({ states: [['t1', reason]] })
    const ct = outcome({ calls: ['t2(["t1"])'], states: [['t1', reason]] })
    const body: Node = { ...task('t1'), errbacks: [{ tag: 't2', style: 'id', queue: 'q' }] }
    const bodied = (step: Node): Node => ({ kind: 'chord', header: [task('t0', 'fail')], body: step })
    const one: Node = { kind: 'chain', steps: [body] }
    expect(masked(ct, python, bodied(one)).calls).toEqual([])
    expect(masked(ct, python, bodied(body)).calls).toEqual(ct.calls)
    expect(masked(ct, python, bodied({ kind: 'chain', steps: [task('t1'), body] })).calls).toEqual(ct.calls)
    const ran = { ...python, calls: ['t1([])'] }
    expect(masked({ ...ct, calls: [...ct.calls, 't1([])'] }, ran, bodied(one)).calls).toHaveLength(2)
  })

  it('takes the first step of a body for the last where Celery sends the body as one', () => {
    const reason = 'FAILURE ["ChordError",["Dependency t0 raised …"]]'
    const python = outcome({ calls: ['t9(["t2"])'], states: [['t2', reason]] })
    const ct = outcome({
      calls: ['t9(["t1"])'],
      states: [
        ['t1', reason],
        ['t2', reason],
      ],
    })
    expect(differences(python, masked(ct, python, plain), ['py', 'ct'])).toEqual([])
    expect(
      differences(python, masked(outcome({ ...ct, calls: [] }), python, plain), ['py', 'ct']),
    ).toHaveLength(1)
    const steps: Node = { kind: 'chain', steps: [task('a'), task('b')] }
    const bodied: Node = { kind: 'chord', header: [task('c')], body: steps }
    expect(mayHang(bodied)).toBe(true)
    expect(mayHang({ kind: 'chord', header: [task('d')], body: bodied })).toBe(true)
    const followed: Node = {
      kind: 'chain',
      steps: [{ kind: 'group', members: [task('a', 'fail')] }, task('b')],
    }
    expect(mayHang(followed)).toBe(false)
    expect(mayHang({ ...followed, steps: [...followed.steps, task('e')] })).toBe(true)
    expect(mayHang({ kind: 'chord', header: [followed], body: task('c') })).toBe(true)
  })

  it('lets Celery name any of several members that failed, but not the only one', () => {
    const of = (name: string, ...failed: readonly string[]): Outcome =>
      outcome({
        states: [
          ...failed.map((one) => [one, 'FAILURE ["ValueError",["boom"]]'] as const),
          ['t9', `FAILURE ["ChordError",["Join error: ValueError('${name}')"]]`],
        ],
      })
    const seen = (one: Outcome, other: Outcome): string[] =>
      differences(...withoutJoinOrder(one, other), ['', ''])
    expect(seen(of('a', 't0', 't1', 't2'), of('b', 't0', 't1', 't2'))).toEqual([])
    expect(seen(of('a', 't0'), of('b', 't0'))).toHaveLength(1)
  })

  it('makes no trees for which Celery loses arguments or links', () => {
    const group: Node = { kind: 'group', members: [{ ...task('a'), links: [task('l')] }, task('b')] }
    const wrapped: Node = { kind: 'chain', steps: [group] }
    expect(withoutDefects(wrapped)).toEqual(group)
    const linked = withoutDefects({ kind: 'chain', steps: [task('c'), group], links: [task('m')] })
    expect(textOf(linked)).toBe('chain(c:sum, group(a:sum, b:sum)) →m:sum')
    const begins: Node = {
      kind: 'group',
      members: [{ kind: 'group', members: [] }, task('n')],
      links: [task('m')],
    }
    expect(textOf(withoutDefects(begins))).toBe('group(group(), n:sum)')
    const becomes = (made: Node): Node => ({ ...task('r'), how: 'replace', with: made }) as Node
    const chord: Node = {
      kind: 'chord',
      header: [task('h')],
      body: { kind: 'chain', steps: [task('x'), task('y')] },
    }
    expect(textOf(withoutDefects(becomes(chord)))).toBe('r:replace⇒chord([h:sum], chain(x:sum, y:sum))')
    expect(textOf(withoutDefects({ kind: 'group', members: [becomes(chord)] }))).toBe(
      'group(r:replace⇒chord([h:sum], x:sum))',
    )
    expect(textOf(withoutDefects(becomes({ ...chord, body: { kind: 'group', members: [task('x')] } })))).toBe(
      'r:replace⇒chord([h:sum], x:sum)',
    )
    const mixed: Node = { kind: 'group', members: [{ ...chord, body: task('z') }, task('w')] }
    expect(textOf(withoutDefects({ ...chord, header: [{ ...chord, body: mixed }], body: task('q') }))).toBe(
      'chord([chord([h:sum], group(z:sum, w:sum))], q:sum)',
    )
    const ends: Node = { kind: 'chain', steps: [task('v'), mixed] }
    expect(textOf(withoutDefects({ ...chord, header: [ends], body: task('q') }))).toBe(
      'chord([chain(v:sum, group(z:sum, w:sum))], q:sum)',
    )
    expect(withoutDefects(ends)).toEqual(ends)
  })

  it('makes no chains of which Celery starts a step once for each member of a group', () => {
    const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((tag): Node => ({
      kind: 'group',
      members: [task(tag), task(`${tag}2`)],
    }))
    const chain = (...steps: readonly (Node | undefined)[]): ChainNode => ({
      kind: 'chain',
      steps: steps as Node[],
    })
    const chord = (body: Node): Node => ({ kind: 'chord', header: [task('h')], body })
    const nothing: Node = { kind: 'group', members: [] }
    const twice = (...steps: readonly (Node | undefined)[]): boolean => startsTwice(chain(...steps))
    expect(twice(a, b, task('x'))).toBe(false)
    expect(twice(a, b, c, task('x'))).toBe(false)
    expect(twice(a, b, c)).toBe(true)
    expect(twice(a, b, c, d, task('x'))).toBe(true)
    expect(twice(task('x'), a, b, c, d, e)).toBe(false)
    expect(twice(chord(a!), task('x'))).toBe(false)
    expect(twice(chord(a!), nothing, chord(task('x')))).toBe(true)
    expect(twice(chord(chain(task('y'), a)), chord(task('x')))).toBe(false)
    expect(twice(chord(chord(a!)), chord(task('x')))).toBe(true)
    expect(twice(chain(task('y'), chord(a!)), chain(chord(task('x'))))).toBe(true)
    expect(textOf(withoutDefects(chain(chord(a!), chord(task('x')))))).toBe(
      'chain(chord([h:sum], a:sum), chord([h:sum], x:sum))',
    )
  })

  it('holds a RETRY that came late against nobody where Python works', () => {
    const late = outcome({ states: [['t0', 'RETRY ["ValueError",["again"]]']] })
    const done = outcome({ states: [['t0', 'SUCCESS 1']] })
    expect(differences(...withoutLateRetries(done, late, false), ['', ''])).toEqual([])
    expect(differences(...withoutLateRetries(late, done, true), ['', ''])).toEqual([])
    expect(differences(...withoutLateRetries(late, done, false), ['', ''])).not.toEqual([])
  })
})
