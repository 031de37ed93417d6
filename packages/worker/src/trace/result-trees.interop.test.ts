/** Trees of results of canvases that ct works off, read by ct and by Celery 5.7: parents, children, saved groups, graphs. */
import { tryPython, type PythonClient } from '@ct-tools/interop'
import { chain, group, GroupResult, resultFromTuple, type App, type AsyncResult, type Task } from '@ct/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PythonFleet } from '../../test/python-fleet.ts'

const ready = await tryPython('5.7')
const timeoutMs = 20_000

describe.skipIf(!ready)('trees of results, in a fleet with Celery 5.7', () => {
  let fleet: PythonFleet
  let app: App
  let client: PythonClient
  let add: Task<[x: number, y: number], number>
  let xsum: Task<[numbers: readonly number[]], number>
  let spawn: Task<[levels: number], number>

  beforeAll(async () => {
    fleet = await PythonFleet.open('redis', { resultExtended: true })
    app = fleet.app
    add = app.task('interop_tasks.add', { params: ['x', 'y'] }, (x: number, y: number) => x + y)
    xsum = app.task('interop_tasks.xsum', (numbers: readonly number[]) =>
      numbers.reduce((sum, one) => sum + one, 0),
    )
    spawn = app.task('interop_tasks.spawn', async (levels: number): Promise<number> => {
      if (levels > 0) await group([spawn.s(levels - 1), add.s(levels, 0)]).applyAsync()
      return levels
    })
    ;[client] = await Promise.all([
      fleet.client(),
      fleet.work({ hostname: 'ct@trees', withoutHeartbeat: true }),
    ])
  })
  afterAll(() => fleet?.close())

  const pythonEdges = (id: string): Promise<[string, string][]> =>
    client.exec(
      'graph = AsyncResult(id, app=app).graph\nsorted([[str(a), str(b)] for a, after in graph.items() for b in after])',
      { id },
    )
  const edges = async (result: AsyncResult): Promise<unknown> =>
    (await result.buildGraph())
      .edges()
      .map(([from, to]) => [from.id, to.id])
      .toSorted()

  it('CANVAS-35, RES-19, RES-20, RES-29: a handle of ct is one of Python, parents and all', async () => {
    const handle = await chain(add.s(1, 1), group([add.s(10), add.s(20)]), xsum.s(), add.s(5)).applyAsync()
    expect(await handle.get({ timeoutMs })).toBe(39)
    const tuple = JSON.parse(JSON.stringify(handle)) as unknown
    const [values, again] = await client.exec<[unknown[], unknown]>(
      `result = result_from_tuple(tuple, app=app)
line = [result]
while line[-1].parent is not None: line.append(line[-1].parent)
[[one.get(timeout=5) for one in line], result.as_tuple()]`,
      { tuple },
    )
    expect(values).toEqual([39, 34, [12, 22], 2])
    expect(again).toEqual(tuple)
    const root = handle.asList().at(-1)!
    expect(await edges(app.asyncResult(root))).toEqual(await pythonEdges(root))
  })

  it('CANVAS-35, RES-29, RES-51: a handle of Python is one of ct', async () => {
    const tuple = await client.exec(
      'result = (add.s(1, 1) | group(add.s(10), add.s(20)) | xsum.s() | add.s(5)).apply_async()\nresult.as_tuple()',
    )
    const handle = resultFromTuple(tuple, app) as AsyncResult
    expect(await handle.get({ timeoutMs })).toBe(39)
    expect(await handle.parent!.get({ timeoutMs })).toBe(34)
    expect(await handle.parent!.parent!.get({ timeoutMs })).toEqual([12, 22])
    expect(handle.parent!.parent!.parent!.parent).toBeNull()
    expect(JSON.parse(JSON.stringify(handle))).toEqual(JSON.parse(JSON.stringify(tuple)))
  })

  it('CANVAS-90, RES-27, RES-28: the graph is Python’s, drawn as DOT and Mermaid', async () => {
    const root = await spawn.delay(2)
    await expect
      .poll(
        async () => {
          try {
            return (await root.buildGraph()).size
          } catch {
            return 0
          }
        },
        { timeout: timeoutMs },
      )
      .toBe(7)
    const graph = await root.buildGraph()
    expect(await edges(root)).toEqual(await pythonEdges(root.id))
    expect(graph.topologicalSort()[0]).toMatchObject({
      id: root.id,
      name: 'interop_tasks.spawn',
      state: 'SUCCESS',
    })
    expect(graph.toDot()).toMatch(/^digraph dependencies \{\n/)
    expect(graph.toDot()).toContain(
      `"${root.id}" [label="interop_tasks.spawn\\n${root.id}\\nSUCCESS", shape=oval`,
    )
    const mermaid = graph.toMermaid()
    expect(mermaid).toContain(`n0("interop_tasks.spawn<br/>${root.id}<br/>SUCCESS"):::success`)
    expect(mermaid.split('\n').filter((line) => line.includes('-->'))).toHaveLength(6)
    const seen: unknown[] = []
    for await (const [, value] of root.collect({ timeoutMs })) seen.push(value)
    expect(seen[0]).toBe(2)
  })

  it('CANVAS-90: with its parents the graph of a handle holds what comes after a group', async () => {
    const handle = await chain(add.s(1, 1), group([add.s(10), add.s(20)]), xsum.s(), add.s(5)).applyAsync()
    expect(await handle.get({ timeoutMs })).toBe(39)
    const [body, header, first] = handle.asList().slice(1)
    const drawn = (await handle.buildGraph({ parents: true })).edges().map(([from, to]) => [from.id, to.id])
    expect(drawn).toEqual(
      expect.arrayContaining([
        [first, header],
        [header, body],
        [body, handle.id],
      ]),
    )
    expect(drawn).toHaveLength(5)
  })

  it('RES-47, RES-49: a group saved by ct is restored by Python, and the reverse; iterated, joined, forgotten', async () => {
    const ours = await group([add.s(1, 1), add.s(2, 2)]).applyAsync()
    await ours.save()
    expect(await client.exec('GroupResult.restore(id, app=app).get(timeout=10)', { id: ours.id })).toEqual([
      2, 4,
    ])
    const id = await client.exec<string>(
      'theirs = group(add.s(3, 3), add.s(4, 4)).apply_async()\ntheirs.save()\ntheirs.id',
    )
    const theirs = (await app.groupResult<number>(id))!
    expect(theirs).toBeInstanceOf(GroupResult)
    const values: number[] = []
    for await (const [, value] of theirs.iterate({ timeoutMs })) values.push(value)
    expect(values.toSorted()).toEqual([6, 8])
    expect(await theirs.join({ timeoutMs })).toEqual([6, 8])
    expect(await theirs.completedCount()).toBe(2)
    await theirs.forget()
    expect(await client.exec('[one.state for one in theirs.results]')).toEqual(['PENDING', 'PENDING'])
    await theirs.delete()
    expect(await client.exec('GroupResult.restore(id, app=app)', { id })).toBeNull()
  })

  it('RES-43: a group of ct is revoked by Python', async () => {
    const later = await group(
      [add.s(1, 1), add.s(2, 2)].map((one) => one.set({ countdown: 60 })),
    ).applyAsync()
    await later.save()
    await client.exec('GroupResult.restore(id, app=app).revoke()', { id: later.id })
    const revoked = (): Promise<unknown> =>
      client.exec('app.control.inspect(destination=["ct@trees"], timeout=10).revoked()')
    await expect
      .poll(revoked, { timeout: timeoutMs })
      .toEqual({ 'ct@trees': expect.arrayContaining([...later.leafIds()]) as unknown })
  })
})
