/**
 * The cases of the canvas semantics (§14, rows 1…100 and 118, 119) and of Celery 5.7's own canvas tests (D57-150…169): Python builds and sends, ct is
 * the only worker. Rows 101…117 are in replace.interop.test.ts, 120 and 121 in stamps.interop.test.ts. Row 100
 * (row 85 on SQL) waits for a store in SQL.
 */
import type { PythonClient } from '@ct-tools/interop'
import { Ignore, type App } from '@ct/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fleetBrokers, PythonFleet } from '../../test/python-fleet.ts'

class ValueError extends Error {
  override readonly name = 'ValueError'
}

const total = (value: unknown): number =>
  typeof value === 'number'
    ? value
    : Array.isArray(value)
      ? value.reduce<number>((sum, one) => sum + total(one), 0)
      : 0

/** What the expressions of the cases are made of: signatures by name, none of the tasks is known to Python. */
const inClient = `
import json
from celery.canvas import chunks
def _maker(name, **fixed):
    def make(*args, **kwargs): return app.signature('rows.' + name, args=args, kwargs=kwargs, **fixed)
    return make
add, xsum, ident, args, noop, fail, ign, retry1, rx, spawn, nope, E1, E3, seen, quietly, route = (
    _maker(name) for name in 'add xsum ident args noop fail ign retry1 rx spawn nope E1 E3 seen quietly route'.split())
def si(sig): return sig.clone().set(immutable=True)
def sent(canvas, cargs=(), ckwargs=None, **options): return canvas.apply_async(args=cargs, kwargs=ckwargs or {}, **options)
def value(canvas, cargs=(), ckwargs=None, **options):
    result = sent(canvas, cargs, ckwargs, **options)
    return None if result is None else result.get(timeout=10)
def tree(result): return None if result is None else result.as_tuple()
`

/** Rows whose value is all there is to see: canvas, arguments of the call. */
const values: readonly (readonly [row: string, canvas: string, value: unknown, call?: string])[] = [
  ['row 1', 'add(1, 2)', 3],
  ['row 2', 'args(1, 2, a=1)', [[9, 8, 1, 2], { a: 1, b: 2 }], '(9, 8), {"b": 2}'],
  ['row 3', 'si(args(1, 2))', [[1, 2], {}], '(9,)'],
  ['row 5', 'retry1(1) | add(2)', 3],
  ['row 7', 'add(1, 2) | add(3) | add(4)', 10],
  ['row 8', 'add(1, 2) | si(add(3, 3)) | add(4)', 10],
  ['row 9', 'chain(add(1), add(3))', 14, '(10,)'],
  ['row 10', 'chain(args(1, a=1), args(2))', [[[[9, 1], { a: 1, k: 5 }], 2], {}], '(9,), {"k": 5}'],
  ['row 11', 'chain(add(1, 1))', 2],
  ['row 12', 'chain()', null],
  ['row 13', '(add(1, 1) | add(2)) | (add(3) | add(4))', 11],
  ['row 14', 'chain(chain(add(1, 1), add(1)), chain(add(1), chain(add(1))))', 5],
  ['row 19', '(add(1, 1) | add(2))', 4],
  ['row 26', 'group(add(1, 1), add(2, 2))', [2, 4]],
  ['row 27', 'group(add(1), args(2))', [11, [[10, 2], {}]], '(10,)'],
  [
    'row 28',
    'group(args(1, a=1), args(2))',
    [
      [[9, 1], { a: 1, k: 5 }],
      [[9, 2], { k: 5 }],
    ],
    '(9,), {"k": 5}',
  ],
  ['row 29', 'group()', []],
  ['row 30', 'group(add(1, 1))', [2]],
  ['row 31', 'group(add(1, 1), group(add(2, 2), add(3, 3)), add(4, 4))', [2, 4, 6, 8]],
  ['row 32', 'group(add(i, i) for i in range(3))', [0, 2, 4]],
  ['row 33', 'group(add(1, 1) | add(10), add(2, 2))', [12, 4]],
  ['row 40', 'group(chord([add(1, 1)], xsum()), chord([add(2, 2)], xsum()))', [2, 4]],
  ['row 41', 'add(1, 1) | group(add(10), add(20))', [12, 22]],
  ['row 42', 'add(1, 1) | group(add(10))', 12],
  ['row 43', 'add(1, 1) | group()', 2],
  ['row 48', 'chord([add(1, 1), add(2, 2)], xsum())', 6],
  ['row 49', 'group(add(1, 1), add(2, 2)) | xsum()', 6],
  ['row 50', 'group(add(1, 1)) | xsum()', 2],
  ['row 51', 'chord([add(1), add(2)], xsum())', 23, '(10,)'],
  ['row 52', 'chord([args(1, a=1)], ident())', [[[9, 1], { a: 1, k: 5 }]], '(9,), {"k": 5}'],
  ['row 53', 'chord([], xsum())', 0],
  ['row 54', 'chord([si(noop()), si(noop())], si(noop()))', null, '(5,)'],
  ['row 55', 'chord([add(1, 1), add(2, 2)], xsum()) | add(100)', 106],
  ['row 56', 'group(add(1, 1), add(2, 2)) | (xsum() | add(7))', 13],
  ['row 57', 'chord([add(1, 1), add(2, 2)], xsum() | add(100) | add(1))', 107],
  ['row 58', 'group(add(1, 1), add(2, 2)) | group(xsum(), ident())', [6, [2, 4]]],
  ['row 59', 'group(add(1, 1), add(2, 2)) | group(xsum(), xsum()) | xsum()', 12],
  ['row 60', 'chain(group(add(1, 1), add(2, 2)), group(xsum(), xsum()), xsum())', 12],
  ['row 61', 'chord([add(1, 1), add(2, 2)], xsum()) | chord([add(1), add(2)], xsum())', 15],
  ['row 62', 'chord([add(1, 1), add(2, 2)], chord([xsum(), xsum()], xsum()))', 12],
  [
    'what follows a chord as a body',
    'chord([add(1, 1)], chord([xsum()], xsum())) | add(5) | chord([add(1), add(2)], xsum())',
    17,
  ],
  [
    'a chord as a body, with steps, in a header',
    'chord([chord([add(1, 1)], chord([xsum()], xsum() | add(5))), add(3, 3)], ident())',
    [7, 6],
  ],
  [
    'a chain of one group (Celery loses the arguments)',
    'add(1, 1) | group(chain(group(add(5), add(6))), add(3))',
    [[7, 8], 5],
  ],
  [
    'a chord in a group that ends a member, a chain (Celery: pending)',
    'chord([add(1, 1) | group(add(1), chord([add(2)], xsum()))], ident())',
    [[3, 4]],
  ],
  [
    'a chord in a group that is the body of a member (Celery: pending)',
    'chord([chord([add(1, 1)], group(chord([xsum()], xsum()), xsum()))], ident())',
    [[2, 2]],
  ],
  ['row 63', 'chord([add(1, 1), add(2, 2)], xsum()) | group(add(10), add(20))', [16, 26]],
  ['row 64', 'chord([add(1, 1), add(2, 2)], xsum()) | group(add(10), add(20)) | xsum()', 42],
  ['row 65', 'chord((add(i, i) for i in range(3)), xsum())', 6],
  ['row 69', 'chord([add(1, 1).set(ignore_result=True), add(2, 2)], xsum())', 6],
  ['row 70', 'chord([add(1, 1).set(countdown=0.3), add(2, 2)], ident())', [2, 4]],
  ['row 71', 'chord([retry1(1), add(2, 2)], xsum())', 5],
  ['row 72', 'add(1, 1) | group(add(10), add(20)) | xsum()', 34],
  ['row 73', 'add(1, 1) | group(add(10), add(20)) | xsum() | add(5)', 39],
  ['row 74', 'add(1, 1) | group(add(10), add(20)) | group(xsum(), xsum()) | xsum()', 68],
  ['row 75', 'add(1, 1) | add(1) | chord([add(1), add(2)], xsum())', 9],
  ['row 76', 'add(1, 1) | chord([add(1), add(2)], xsum()) | add(100)', 107],
  ['row 77', 'add(1, 1) | chord([add(1), add(2)], xsum()) | chord([add(1), add(2)], xsum())', 17],
  ['row 78', 'chord([add(1, 1) | add(10), add(2, 2)], xsum())', 16],
  ['row 79', 'chord([chord([add(1, 1), add(2, 2)], xsum()), add(3, 3)], xsum())', 12],
  ['row 80', 'chord([group(add(1, 1), add(2, 2)), add(3, 3)], ident())', [4, 2, 6]],
  ['row 81', 'chord([add(1, 1) | group(add(10), add(20)), add(3, 3)], ident())', [[12, 22], 6]],
  ['row 82', 'add(1, 1) | group(add(1) | group(add(1), add(2)) | xsum(), add(5)) | xsum()', 16],
  ['row 83', 'chunks(add(), [(1, 2), (3, 4), (5, 6)], 2, app=app).group() | xsum()', 21],
  ['row 119', 'chunks(add(), [(1, 2), (3, 4), (5, 6)], 2, app=app)', [[3, 7], [11]]],
  [
    'row 119, as a task',
    "app.signature('celery.chunks', kwargs={'task': add(), 'it': [[1, 2], [3, 4], [5, 6]], 'n': 2}, immutable=True) | noop().set(immutable=True)",
    null,
  ],
  ['row 84, D57-86', 'chain(add(1, 1), group(), add(2))', 4],
  [
    'row 118',
    "app.signature('celery.map', kwargs={'task': ident(), 'it': [1, 2, 3]}, immutable=True)",
    [1, 2, 3],
  ],
  [
    'row 118, starmap',
    "app.signature('celery.starmap', kwargs={'task': add(), 'it': [[1, 2], [3, 4]]}, immutable=True)",
    [3, 7],
  ],
  [
    'D57-153',
    'chain(group(add(1, 1), add(2, 2)), group(ident(), ident()), group(xsum(), xsum()), group(xsum(), xsum()), xsum())',
    // 24 in Celery, where each task of the second group starts the third group once more, under the same ids.
    48,
  ],
  [
    'a chord with a group as its body, before a chord (Celery starts that twice)',
    'chain(chord([add(1, 1)], chord([ident()], group(xsum(), xsum()))), chord([ident()], ident()))',
    [[2, 2]],
  ],
  [
    'D57-153, reloaded',
    'signature(json.loads(json.dumps(add(1, 1) | group(add(1), add(2)) | group(xsum(), xsum()) | xsum())), app=app)',
    14,
  ],
]

const brokers = await fleetBrokers('5.7')

describe.for(brokers)('canvases of Python worked by ct alone, on $name', ({ name, transport, present }) => {
  if (!present) {
    it.skipIf(true)('a service is missing', () => {})
    return
  }
  let fleet: PythonFleet
  let client: PythonClient
  const calls: (readonly [task: string, ...args: unknown[]])[] = []
  const of = (task: string, ...args: unknown[]): unknown[] =>
    calls.filter(([called, ...given]) => called === task && args.every((arg, at) => given[at] === arg))

  beforeAll(async () => {
    fleet = await PythonFleet.open(transport, {
      name: 'rows',
      workerDeduplicateSuccessfulTasks: true,
      resultChordExpires: 7200,
      resultFailureExpires: 3600,
    })
    defineTasks(fleet.app, calls)
    ;[client] = await Promise.all([
      fleet.client(),
      fleet.work({ hostname: 'ct@rows', queues: ['celery', 'cq', 'q1'], withoutHeartbeat: true }),
    ])
    await client.exec(inClient)
  })
  afterAll(() => fleet?.close())

  const status = async (id: string): Promise<string> => (await client.meta(id)).status
  const send = async (canvas: string, options = ''): Promise<string> =>
    await client.exec<string>(`_sent = sent(${canvas}${options})\n_sent.id`)
  const fails = async (canvas: string): Promise<string> => {
    const id = await send(canvas)
    await expect.poll(() => status(id)).toBe('FAILURE')
    return id
  }
  const children = async (id: string): Promise<unknown> =>
    await client.exec('json.loads(redis_client().get("celery-task-meta-" + id))["children"]', { id })
  const errorOf = async (id: string): Promise<string> => {
    const { result } = (await client.meta(id)) as unknown as {
      result: { exc_type: string; exc_message: unknown[] }
    }
    return `${result.exc_type}: ${String(result.exc_message[0])}`
  }

  it.each(values)('%s: %s', async (_row, canvas, expected, call) => {
    expect(await client.exec(`value(${canvas}${call === undefined ? '' : `, ${call}`})`)).toEqual(expected)
  })

  it('rows 4, 23: nothing is stored of what ignores its result, and a task that raises Ignore ends its chain', async () => {
    const id = await send('add(1, 1).set(ignore_result=True)')
    const after = await send('ign() | add(2)')
    await expect.poll(() => of('ign').length).toBe(1)
    await client.exec('value(add(1, 1))')
    expect([await status(id), await status(after)]).toEqual(['PENDING', 'PENDING'])
  })

  it('rows 6, 15, 24: a failure is stored for each later step; of an unknown task for itself alone', async () => {
    expect(await errorOf(await fails('rx() | add(1)'))).toBe('ValueError: again')
    expect(await errorOf(await fails('add(1, 2) | fail() | add(4)'))).toBe('ValueError: boom')
    const [unknown, last] = await client.exec<string[]>(
      '_r = sent(add(1, 1) | nope() | add(1))\n[_r.parent.id, _r.id]',
    )
    await expect.poll(() => status(unknown!)).toBe('FAILURE')
    expect(await errorOf(unknown!)).toMatch(/^NotRegistered: rows.nope/)
    expect(await status(last!)).toBe('PENDING')
  })

  it('rows 16, 17, 18: error callbacks of a chain are those of the step that failed', async () => {
    await fails('(add(1, 1) | fail() | add(1)).on_error(E3("16"))')
    expect(of('E3', '16')).toHaveLength(1)
    const id = await client.exec<string>(
      '_r = sent((add(1, 1) | fail() | add(1)).on_error(E1("17")))\n_r.parent.id',
    )
    await expect.poll(() => of('E1', '17')).toEqual([['E1', '17', id]])
    await fails('((add(1, 1) | add(1)).on_error(E1("18"))) | fail()')
    expect(of('E1', '18')).toEqual([])
  })

  it('rows 20, 21, 22: task_id names the last step; queue and priority are the first step’s', async () => {
    expect(await send('add(1, 1) | add(2)', `, task_id="MYID-${name}"`)).toBe(`MYID-${name}`)
    expect(await client.get(`MYID-${name}`)).toBe(4)
    await client.exec('value(route(mark="first") | route(mark="next"), queue="q1", priority=3)')
    const marked = (mark: string): unknown[] =>
      of('route', mark).flatMap((call) => (call as unknown[]).slice(2))
    expect(marked('first')).toEqual(['q1', 3, false])
    expect(marked('next')).not.toContain(3)
    expect(marked('next')[0]).toBe('celery')
    await client.exec('value(route(mark="at once") | route(mark="later").set(countdown=0.2))')
    expect(
      [...of('route', 'at once'), ...of('route', 'later')].map((call) => (call as unknown[])[4]),
    ).toEqual([false, true])
  })

  it('row 25: what a task sends is its child, as is the next step', async () => {
    const id = await client.exec<string>('_r = sent(spawn(1) | spawn())\n_r.get(timeout=10)\n_r.parent.id')
    expect(await children(id)).toHaveLength(2)
  })

  it('rows 34, 38: a failing member leaves the others alone; each member calls its own errbacks', async () => {
    const ids = await client.exec<string[]>('[r.id for r in sent(group(add(1, 1), fail()))]')
    await expect.poll(() => Promise.all(ids.map(status))).toEqual(['SUCCESS', 'FAILURE'])
    await client.exec('sent(group(fail(), fail()).on_error(E1("38")))')
    await expect.poll(() => of('E1', '38')).toHaveLength(2)
  })

  it('rows 35, 36, 67: options of a group and a chord reach every member', async () => {
    expect(
      await client.exec('value(group(add(1, 1), add(2, 2).set(queue="nowhere")).set(queue="q1"))'),
    ).toEqual([2, 4])
    await client.exec(
      'value(group(route(mark="one"), route(mark="other").set(queue="cq", priority=1)), priority=7)',
    )
    expect(of('route', 'one')).toEqual([['route', 'one', 'celery', 7, false]])
    expect(of('route', 'other')).toEqual([['route', 'other', 'cq', 7, false]])
    await client.exec('value(chord([route(mark="member")], route(mark="body")), queue="cq")')
    for (const mark of ['member', 'body'])
      expect(of('route', mark).map((call) => (call as unknown[])[2])).toEqual(['cq'])
  })

  it('row 37, PAIN-65: a link of a group is called by its first member, without its result', async () => {
    await client.exec('_g = group(add(1, 1), add(2, 2))\n_g.link(seen("37"))\nsent(_g).get(timeout=10)')
    await expect.poll(() => of('seen', '37')).toEqual([['seen', '37']])
  })

  it('rows 19, 44, 45, 46: links', async () => {
    await client.exec('_c = add(1, 1) | add(2)\n_c.link(seen("19"))\nsent(_c).get(timeout=10)')
    await expect.poll(() => of('seen', 4, '19')).toHaveLength(1)
    const id = await client.exec<string>(
      '_r = sent(add(1, 1), link=[seen("44a"), seen("44b"), group(seen("44c"), seen("44d"))])\n_r.get(timeout=10)\n_r.id',
    )
    for (const mark of ['44a', '44b', '44c', '44d'])
      await expect.poll(() => of('seen', 2, mark)).toHaveLength(1)
    expect(await children(id)).toHaveLength(2)
    await client.exec('sent(add(1, 1), link=group(seen("45a"), seen("45b")))')
    for (const mark of ['45a', '45b']) await expect.poll(() => of('seen', 2, mark)).toHaveLength(1)
    await client.exec('sent(add(1, 1), link=add(10) | seen("46"))')
    await expect.poll(() => of('seen', 12, '46')).toHaveLength(1)
  })

  it('D57-41: what is linked to a chord whose body is a chord with steps is called at their end, each member of a group calls it', async () => {
    await client.exec(
      '_c = chord([add(1, 1)], chord([xsum()], xsum() | add(5)))\n_c.link(seen("end"))\nsent(_c)',
    )
    await expect.poll(() => of('seen', 7, 'end')).toHaveLength(1)
    await client.exec(
      '_c = chord([add(1, 1)], chord([xsum()], xsum() | group(add(5), add(6))))\n_c.link(seen("ends"))\nsent(_c)',
    )
    for (const value of [7, 8]) await expect.poll(() => of('seen', value, 'ends')).toHaveLength(1)
    expect(of('seen', 'end')).toEqual([])
  })

  it('links of members and of a chain in a chain are called beside those of the whole (Celery loses them)', async () => {
    await client.exec(`
_m, _i = add(5), chain(add(6))
_m.link(seen("member"))
_i.link(seen("inner"))
_c = add(1, 1) | group(_m, chain(_i))
_c.link(seen("whole"))
sent(_c)
`)
    await expect.poll(() => of('seen', 7, 'member')).toHaveLength(1)
    await expect.poll(() => of('seen', 8, 'inner')).toHaveLength(1)
    for (const value of [7, 8]) await expect.poll(() => of('seen', value, 'whole')).toHaveLength(1)
  })

  it('row 39: a group of one chain that ends in a group gives the inner group', async () => {
    const ids = await client.exec<string[]>(
      '[r.id for r in sent(group(add(1, 1) | group(add(10), add(20))))]',
    )
    expect(await Promise.all(ids.map((id) => client.get(id)))).toEqual([12, 22])
  })

  it('row 47: a failure before a group is stored under the group’s id', async () => {
    const [first, group] = await client.exec<string[]>(
      '_r = sent((fail() | group(add(1), add(2))).on_error(E1("47")))\n[_r.parent.id, _r.id]',
    )
    await expect.poll(() => of('E1', '47')).toEqual([['E1', '47', first]])
    await expect.poll(() => status(group!)).toBe('FAILURE')
  })

  it('rows 66, 68, D57-83, D57-156: a chord’s task_id is the body’s; its countdown delays the header', async () => {
    expect(await send('chord([add(1, 1)], xsum())', `, task_id="CID-${name}"`)).toBe(`CID-${name}`)
    expect(await client.get(`CID-${name}`)).toBe(2)
    await client.exec('value(chord([route(mark="waits")], route(mark="does not")), countdown=0.2)')
    expect(
      [...of('route', 'waits'), ...of('route', 'does not')].map((call) => (call as unknown[])[4]),
    ).toEqual([true, false])
  })

  it('rows 85…88, D57-5, D57-155, PAIN-18: a failing member fails the body with its reason; the errback is called once', async () => {
    const [id, failed] = await client.exec<string[]>(
      '_r = sent(chord([add(1, 1), fail(), fail()], xsum()).on_error(E3("86")))\n[_r.id, _r.parent.results[1].id]',
    )
    await expect.poll(() => status(id!)).toBe('FAILURE')
    expect(await errorOf(id!)).toBe(`ChordError: Dependency ${failed} raised ValueError('boom')`)
    expect(of('E3', '86')).toEqual([['E3', '86', id, 'ChordError', false]])
    const other = await fails('chord([add(1, 1), fail()], xsum()).on_error(E1("87"))')
    await expect.poll(() => of('E1', '87')).toEqual([['E1', '87', other]])
    const left = Object.keys(await client.redisDump('celery-taskset-meta-*.s'))
    expect(left).toEqual([])
  })

  it('rows 89, 97: a failing body, and a member with an errback of its own', async () => {
    const id = await fails('chord([add(1, 1)], fail()).on_error(E3("89"))')
    expect(of('E3', '89')).toEqual([['E3', '89', id, 'ValueError', true]])
    await fails('chord([add(1, 1), fail().on_error(E1("97"))], xsum())')
    await expect.poll(() => of('E1', '97')).toHaveLength(1)
  })

  it('rows 90, 91, 98, D57-80: what comes after a failed chord fails too, with its reason', async () => {
    const last = await fails('group(add(1, 1), fail()) | xsum() | add(1)')
    expect(await errorOf(last)).toMatch(/^ChordError: Dependency .* raised ValueError\('boom'\)/)
    await fails('chord([add(1, 1), fail()], xsum() | add(1)).on_error(E3("91"))')
    expect(of('E3', '91')).toHaveLength(1)
    // Celery leaves the first step of such a body pending.
    const [first, end] = await client.exec<string[]>(
      '_c = chord([add(1, 1), fail()], xsum() | add(1) | add(2))\n_c.freeze()\n_r = sent(_c)\n[_c.body.tasks[0].id, _r.id]',
    )
    for (const step of [first!, end!]) {
      await expect.poll(() => status(step)).toBe('FAILURE')
      expect(await errorOf(step)).toMatch(/^ChordError: Dependency .* raised ValueError\('boom'\)/)
    }
    expect(await errorOf(await fails('fail() | group(add(1), add(2)) | xsum()'))).toBe('ValueError: boom')
  })

  it('row 92: a chain as a member is named by its last step', async () => {
    const [id, member] = await client.exec<string[]>(
      '_r = sent(chord([fail() | add(1), add(2, 2)], xsum()))\n[_r.id, _r.parent.results[0].id]',
    )
    await expect.poll(() => status(id!)).toBe('FAILURE')
    expect(await errorOf(id!)).toBe(`ChordError: Dependency ${member} raised ValueError('boom')`)
  })

  it('row 93, D57-81: an inner chord that fails, fails the outer one (Celery leaves it pending)', async () => {
    const [id, inner] = await client.exec<string[]>(
      '_r = sent(chord([chord([add(1, 1), fail()], xsum()), add(3, 3)], xsum()).on_error(E1("93")))\n[_r.id, _r.parent.results[0].id]',
    )
    await expect.poll(() => status(id!)).toBe('FAILURE')
    expect(await errorOf(id!)).toContain(`ChordError: Dependency ${inner} raised ChordError(`)
    await expect.poll(() => of('E1', '93', id)).toHaveLength(1)
  })

  it('row 94, CANVAS-71, D57-82: members of a group body fail with the reason, and are revoked', async () => {
    const ids = await client.exec<string[]>(
      '[r.id for r in sent(chord([add(1, 1), fail()], group(xsum(), ident())).on_error(E1("94")))]',
    )
    await expect.poll(() => Promise.all(ids.map(status))).toEqual(['FAILURE', 'FAILURE'])
    for (const id of ids) {
      await expect.poll(() => of('E1', '94', id)).toHaveLength(1)
      expect(await errorOf(id)).toBe('ValueError: boom')
    }
    const revoked = await fleet.app.control.inspect().revoked()
    for (const id of ids) expect(Object.values(revoked ?? {}).flat()).toContain(id)
  })

  it('D57-82: where a header holds a group, members of a group body fail with the error of the join', async () => {
    const [id] = await client.exec<string[]>(
      '[r.id for r in sent(chord([add(1, 1), chord([add(2, 2)], group(fail(), add(3)))], group(ident())))]',
    )
    await expect.poll(() => status(id!)).toBe('FAILURE')
    expect(await errorOf(id!)).toMatch(/^ChordError: Join error: ValueError\('boom'\)/)
  })

  it('row 95: an expired member fails the chord', async () => {
    const id = await fails('chord([add(1, 1), add(2, 2).set(expires=-1)], xsum())')
    expect(await errorOf(id)).toMatch(/^ChordError: Dependency .* raised TaskRevokedError\('expired'\)/)
  })

  it('row 96: a member that nobody knows fails the chord (Celery leaves it pending)', async () => {
    const id = await fails('chord([add(1, 1), nope()], xsum()).on_error(E1("96"))')
    expect(await errorOf(id)).toMatch(/^ChordError: Dependency .* raised NotRegistered\('rows.nope'\)/)
    await expect.poll(() => of('E1', '96', id)).toHaveLength(1)
    const nested = await fails('chord([chord([], group(nope() | add(1), add(2, 2)))], ident())')
    expect(await errorOf(nested)).toMatch(/^ChordError: Join error: NotRegistered\('rows.nope'\)/)
  })

  it('a callback of a group that is a chain gets the result of the first member', async () => {
    await client.exec('_g = group(add(1, 1), add(2, 2))\n_g.link(add(5) | seen("chain"))\nsent(_g)')
    await expect.poll(() => of('seen', 7, 'chain')).toHaveLength(1)
  })

  it('D57-169: a member revoked while it waits ends the chord', async () => {
    const [id, member] = await client.exec<string[]>(
      '_r = sent(chord([add(1, 1), add(2, 2).set(countdown=2)], xsum()))\n[_r.id, _r.parent.results[1].id]',
    )
    await client.exec('app.control.revoke(member)', { member })
    await expect.poll(() => status(id!)).toBe('FAILURE')
    expect(await errorOf(id!)).toContain("TaskRevokedError('revoked')")
  })

  it('row 99: errbacks for header members where the client wants them', async () => {
    const id = await client.exec<string>(`
      app.conf.task_allow_error_cb_on_chord_header = True
      _r = sent(chord([add(1, 1), fail()], xsum()).on_error(E1("99")))
      app.conf.task_allow_error_cb_on_chord_header = False
      _r.id
    `)
    await expect.poll(() => of('E1', '99', id)).toHaveLength(1)
    await expect.poll(() => of('E1', '99')).toHaveLength(2)
  })

  it('D57-154: an errback of a header task inside a pending chord survives', async () => {
    await client.exec('sent(add(1, 1) | chord([fail().on_error(E1("154")), add(2)], xsum()))')
    await expect.poll(() => of('E1', '154')).toHaveLength(1)
  })

  it('D57-152: a frozen chord sent twice runs its body twice', async () => {
    await client.exec(`
      # Python reopens the chord before its last member is sent only: a first member that ends sooner would still count as late.
      _c = chord([add(1, 1).set(countdown=0.3), add(2, 2).set(countdown=0.3)], seen("152"))
      _c.freeze()
      for _ in range(2): sent(_c), time.sleep(1)
    `)
    await expect
      .poll(() => calls.filter(([task, , mark]) => task === 'seen' && mark === '152'))
      .toHaveLength(2)
  })

  it('D57-153: groups that follow each other run each of their tasks once', async () => {
    const before = of('add').length
    expect(
      await client.exec(
        'value(chain(group(add(1, 1), add(2, 2)), group(ident(), ident()), group(xsum(), xsum()), group(ident(), ident()), xsum()))',
      ),
    ).toBe(48)
    expect(of('add').length - before).toBe(2)
  })

  it('D57-89: a map keeps its id and what is linked to it', async () => {
    const id = await client.exec<string>(`
      from celery.canvas import xmap
      _m = xmap(ident(), [1, 2]).set(task_id="MAP-${name}")
      _m.link(seen("map"))
      sent(_m).id
    `)
    expect(id).toBe(`MAP-${name}`)
    expect(await client.get(id)).toEqual([1, 2])
    await expect
      .poll(() => calls.filter(([task, , mark]) => task === 'seen' && mark === 'map'))
      .toHaveLength(1)
  })

  it('D57-166, D57-90: a message that comes again after its task has succeeded sends what follows, from the stored result', async () => {
    const id = await client.exec<string>(`
      import kombu
      _s = add(166, 1).set(queue="again")
      _s.link(seen("166 link"))
      _r = sent(_s | seen("166 chain"))
      # Its worker died after it had stored the result: what it held comes again.
      app.backend.store_result(_r.parent.id, 500, "SUCCESS")
      with app.connection_for_read() as _conn:
          _channel = _conn.channel()
          assert kombu.Queue("again")(_channel).get() is not None
          _channel.close()
      app.control.add_consumer("again", reply=True)
      _r.parent.id
    `)
    for (const mark of ['166 link', '166 chain'])
      await expect.poll(() => of('seen', 500, mark)).toHaveLength(1)
    expect(of('add', 166)).toEqual([])
    expect(await client.get(id)).toBe(500)
  })

  it('D57-150, D57-151, D57-7, D57-9, D57-112: keys of an open chord live as result_chord_expires says, failures as result_failure_expires; the parts count once', async () => {
    const [id, header] = await client.exec<string[]>(
      '_r = sent(chord([add(1, 1), add(2, 2).set(queue="held")], xsum()))\n[_r.id, _r.parent.id]',
    )
    const dump = () => client.redisDump(`celery-taskset-meta-${header}.[js]`)
    await expect.poll(async () => Object.keys(await dump()).length).toBe(2)
    const lives = (dumped: object): number[] =>
      Object.values(dumped as Record<string, { ttl: number }>).map(({ ttl }) => ttl)
    // The size may have come last, from Python, which keeps it for a day.
    for (const ttl of lives(await client.redisDump(`celery-taskset-meta-${header}.j`)))
      expect(ttl).toSatisfy((ms: number) => ms > 7_000_000 && ms <= 7_200_000)
    await client.exec('app.control.add_consumer("held", reply=True)')
    expect(await client.get(id!)).toBe(6)
    for (const [canvas, least, most] of [
      ['fail()', 3_400_000, 3_600_000],
      ['add(1, 1)', 86_000_000, 86_400_000],
    ] as const) {
      const ended = await send(canvas)
      await expect.poll(() => status(ended)).not.toBe('PENDING')
      for (const ttl of lives(await client.redisDump(`celery-task-meta-${ended}`)))
        expect(ttl).toSatisfy((ms: number) => ms > least && ms <= most)
    }
  })
})

function defineTasks(app: App, calls: (readonly [task: string, ...args: unknown[]])[]): void {
  const rest = ['...args', '**kwargs']
  app.task('rows.add', (x: number, y = 0, z = 0) => {
    calls.push(['add', x, y])
    return x + y + z
  })
  app.task('rows.xsum', (value: unknown) => total(value))
  app.task('rows.ident', (value: unknown) => value)
  app.task('rows.args', { params: rest }, (kwargs: unknown, ...args: unknown[]) => [args, kwargs])
  app.task('rows.noop', () => null)
  app.task('rows.fail', { params: rest }, () => {
    throw new ValueError('boom')
  })
  app.task('rows.ign', () => {
    calls.push(['ign'])
    throw new Ignore()
  })
  app.task('rows.retry1', { bind: true, params: ['x'] }, (task, x: unknown) => {
    if (task.request.retries === 0) throw task.retry({ countdown: 0 })
    return x
  })
  app.task('rows.rx', { bind: true }, (task) => {
    throw task.retry({ countdown: 0, maxRetries: 1, exc: new ValueError('again') })
  })
  app.task('rows.spawn', { bind: true, params: ['x'] }, async (task, x: number) => {
    await task.app.signature('rows.add', { args: [x, 1] }).applyAsync()
    return x
  })
  // Stored arguments come behind those of the failure.
  app.task('rows.E1', { bind: true, params: ['failed', 'mark'] }, (_task, failed: string, mark: string) => {
    calls.push(['E1', mark, failed])
    return null
  })
  app.task(
    'rows.E3',
    { params: ['request', 'exc', 'traceback', 'mark'] },
    (request: { id: string }, exc: Error, traceback: string | null, mark: string) => {
      calls.push(['E3', mark, request.id, exc.name, traceback !== null])
      return null
    },
  )
  app.task(
    'rows.route',
    { bind: true, params: ['before', 'mark'] },
    ({ request: { deliveryInfo, eta } }, _before: unknown = null, mark: string) => {
      calls.push(['route', mark, deliveryInfo.routingKey, deliveryInfo.priority, eta !== null])
      return null
    },
  )
  app.task('rows.seen', { params: rest }, (_kwargs: unknown, ...args: unknown[]) => {
    calls.push(['seen', ...args])
    return args[0] ?? null
  })
}
