/**
 * Tasks that replace themselves, and chords that grow: rows 101…117 of the canvas semantics, built by Python, worked by ct alone and by ct and
 * Celery 5.7 side by side, whoever gets what.
 */
import { tryPython, type PythonClient } from '@ct-tools/interop'
import { chain, chord, group, type AnySignature, type App } from '@ct/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PythonFleet } from '../../test/python-fleet.ts'

const ready = await tryPython('5.7')
const setup = `
from celery import chain, chord, group
def _s(name, *args, **options): return app.signature('interop_tasks.' + name, args=args, **options)
@app.task(name='interop_tasks.rep', bind=True)
def rep(self, *a, kind='add'):
    two = [_s('add', 100, *a), _s('add', 200, *a)]
    made = {
        'add': lambda: _s('add', 100, *a), 'chain': lambda: _s('add', 100, *a) | _s('add', 1), 'group': lambda: group(two),
        'chord': lambda: chord(two, _s('xsum')), 'si': lambda: _s('add', 7, 7, immutable=True), 'fail': lambda: _s('fail', immutable=True),
        'rep': lambda: app.signature('interop_tasks.rep', args=a, kwargs={'kind': 'add'}), 'none': lambda: group(), 'empty': lambda: chain(),
        'chaingroup': lambda: chain(_s('add', 100, *a), group(_s('add', 1), _s('add', 2))),
    }
    raise self.replace(made[kind]())
@app.task(name='interop_tasks.addch', bind=True)
def addch(self, x):
    self.add_to_chord(_s('add', x, 1000))
    return x
`

/** Defined for the expressions of the cases. */
const inClient = `
def rep(*args, kind='add'): return app.signature('interop_tasks.rep', args=args, kwargs={'kind': kind})
def addch(x): return app.signature('interop_tasks.addch', args=(x,))
import json
`

describe.skipIf(!ready)('replaced tasks, in a fleet with Celery 5.7', () => {
  let fleet: PythonFleet
  let app: App
  let client: PythonClient
  const noted: unknown[][] = []

  beforeAll(async () => {
    fleet = await PythonFleet.open('redis')
    app = fleet.app
    defineTasks(app, noted)
    ;[client] = await Promise.all([
      fleet.client(),
      fleet.work({ hostname: 'ct@replace', withoutHeartbeat: true }),
    ])
    await client.exec(inClient)
  })
  afterAll(() => fleet?.close())

  const cases: readonly (readonly [row: string, canvas: string, value: unknown])[] = [
    ['row 101', 'rep(1)', 101],
    ['row 102', 'add.s(1, 1) | rep() | add.s(5)', 107],
    ['row 103', "add.s(1, 1) | rep(kind='chain') | add.s(5)", 108],
    ['row 104', "rep(1, kind='group')", [101, 201]],
    ['row 105', "add.s(1, 1) | rep(kind='group') | xsum.s()", 304],
    ['row 106', "add.s(1, 1) | rep(kind='chord') | add.s(5)", 309],
    ['row 107', 'chord([rep(1), add.s(2, 2)], xsum.s())', 105],
    ['row 108', "chord([rep(1, kind='chain'), add.s(2, 2)], xsum.s())", 106],
    ['row 109', "chord([rep(1, kind='group'), add.s(2, 2)], identity.s())", [[101, 201], 4]],
    ['row 110', "chord([rep(1, kind='chord'), add.s(2, 2)], identity.s())", [302, 4]],
    ['row 111', "rep(1, kind='rep')", 101],
    ['row 114', "add.s(1, 1) | rep(kind='si') | add.s(5)", 19],
    ['row 115', 'group(add.s(1, 1), add.s(2, 2)) | (xsum.s() | rep())', 106],
    ['row 116', "rep(1, kind='none')", []],
    ['D57-157, D57-87', "rep(1, kind='chaingroup')", [102, 103]],
    [
      'nested in groups',
      "add.s(1, 1) | group(rep(kind='group'), rep(kind='chord')) | identity.s()",
      [[102, 202], 304],
    ],
    [
      'nested in a header’s chain',
      "chord([add.s(1, 1) | rep(kind='chord'), add.s(2, 2)], identity.s())",
      [304, 4],
    ],
  ]

  const answers = async (canvas: string): Promise<unknown> =>
    await client.exec('result = (' + canvas + ').apply_async()\nresult.get(timeout=20)')

  it.each(cases)('TASK-115, CANVAS-79, CANVAS-93: %s by ct alone: %s', async (_row, canvas, value) => {
    expect(await answers(canvas)).toEqual(value)
  })

  it('TASK-115: an empty chain fails the task', async () => {
    await expect(answers("rep(1, kind='empty')")).rejects.toThrow(/empty chain/)
  })

  it('D57-157, row 112, D57-87: callbacks of a task that becomes a chain are called once', async () => {
    noted.length = 0
    await client.exec(
      "sig = rep(1, kind='chain')\nsig.link(note.s('once'))\nresult = sig.apply_async()\nresult.get(timeout=20)",
    )
    await expect.poll(() => noted).toEqual([[102, 'once']])
  })

  it('row 112: callbacks of a task that becomes a chain of a chord get its result, not that of the steps behind', async () => {
    noted.length = 0
    const value = await answers(
      "(lambda sig: sig.link(note.s('once')) and (sig | add.s(1000)))(rep(1, kind='chainchord'))",
    )
    expect(value).toBe(1302)
    await expect.poll(() => noted).toEqual([[302, 'once']])
  })

  it('row 110: a task that becomes a chord with a group as its body has the list, its callback too; a member that becomes one with a chain is counted (Celery: neither)', async () => {
    noted.length = 0
    const list = await answers("(lambda sig: sig.link(note.s('list')) and sig)(rep(1, kind='chordgroup'))")
    expect(list).toEqual([302, 302])
    await expect.poll(() => noted).toEqual([[[302, 302], 'list']])
    expect(await answers("chord([rep(1, kind='chordchain'), add.s(2, 2)], identity.s())")).toEqual([303, 4])
  })

  it('row 113: errbacks follow the replacement, and later steps fail', async () => {
    noted.length = 0
    const id = await client.exec<string>(
      "sig = rep(1, kind='fail') | add.s(1)\nsig.on_error(note.s('failed'))\nresult = sig.apply_async()\nresult.id",
    )
    await expect.poll(async () => await app.asyncResult(id).state()).toBe('FAILURE')
    await expect.poll(() => noted.length).toBe(1)
  })

  it('row 117, TASK-116: a member added while the chord runs', async () => {
    const sum = await answers('chord([addch(1), add.s(2, 2)], xsum.s())')
    expect(sum).toBe(1006)
  })

  it('row 101: the replacement keeps id and root, and counts its nesting; stamps go with it', async () => {
    const id = await client.exec<string>(
      "sig = rep(1, kind='fields').set()\nsig.stamp(tenant='acme')\nsig.apply_async().id",
    )
    expect(await app.asyncResult(id).get({ timeoutMs: 20_000 })).toMatchObject({
      id,
      rootId: id,
      parentId: id,
      replacedTaskNesting: 1,
      stampedHeaders: ['tenant'],
      stamps: { tenant: 'acme' },
    })
  })

  describe('side by side with a Python worker', () => {
    beforeAll(async () => {
      await fleet.peer({ concurrency: 2, setup })
    })

    it.each(cases)('TASK-115: %s: %s', async (_row, canvas, value) => {
      const both = await Promise.all(
        [1, 2].map(async () => {
          const dict = await client.exec<object>(`json.loads(json.dumps(${canvas}))`)
          const handle = (await (app.signature(dict) as { applyAsync(): Promise<unknown> }).applyAsync()) as {
            get(options: object): Promise<unknown>
          }
          return await handle.get({ timeoutMs: 20_000 })
        }),
      )
      expect(both).toEqual([value, value])
    })
  })
})

function defineTasks(app: App, noted: unknown[][]): void {
  const add = app.task('interop_tasks.add', { params: ['x', 'y'] }, (x: number, y: number) => x + y)
  const xsum = app.task('interop_tasks.xsum', (numbers: readonly number[]) =>
    numbers.reduce((sum, one) => sum + one, 0),
  )
  app.task('interop_tasks.identity', (value: unknown) => value)
  const fail = app.task('interop_tasks.fail', (): number => {
    throw new RangeError('broken')
  })
  const fields = app.task('interop_tasks.fields', { bind: true }, (task) => task.request)
  app.task('interop_tasks.note', (...args: readonly unknown[]) => {
    noted.push([...args])
    return args[0] ?? null
  })
  const untyped = (name: string, ...args: readonly unknown[]): AnySignature => app.signature(name, { args })
  const made: Readonly<Record<string, (args: readonly unknown[]) => AnySignature>> = {
    add: (args) => untyped('interop_tasks.add', 100, ...args),
    chain: (args) => chain(untyped('interop_tasks.add', 100, ...args), add.s(1)),
    group: (args) => group(two(args)),
    chord: (args) => chord(two(args), xsum.s() as never),
    chordchain: (args) => chord(two(args), chain(xsum.s() as never, add.s(1)) as never),
    chordgroup: (args) => chord(two(args), group([xsum.s(), xsum.s()]) as never),
    chainchord: (args) => chain(chord(two(args), xsum.s() as never)),
    si: () => add.si(7, 7),
    fail: () => fail.si(),
    rep: (args) => app.signature('interop_tasks.rep', { args, kwargs: { kind: 'add' } }),
    none: () => group([]),
    empty: () => chain(),
    chaingroup: (args) => chain(untyped('interop_tasks.add', 100, ...args), group([add.s(1), add.s(2)])),
    fields: () => fields.si(),
  }
  const two = (args: readonly unknown[]): AnySignature[] => [
    untyped('interop_tasks.add', 100, ...args),
    untyped('interop_tasks.add', 200, ...args),
  ]
  app.task('interop_tasks.rep', { bind: true, params: ['a', 'kind'] }, (task) => {
    throw task.replace(made[String(task.request.kwargs['kind'] ?? 'add')]!(task.request.args))
  })
  app.task('interop_tasks.addch', { bind: true }, async (task, x: number) => {
    await task.addToChord(add.s(x, 1000))
    return x
  })
}
