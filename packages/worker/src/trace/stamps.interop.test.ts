/** Stamps in a fleet of ct and Celery 5.7: put on by either, seen by both, through chains, chords, callbacks and replacements; revoked by them. */
import { tryPython, type PythonClient, type PythonWorker } from '@ct-tools/interop'
import { chain, chord, type AnySignature, type App, type StampingVisitor } from '@ct/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PythonFleet } from '../../test/python-fleet.ts'

const ready = await tryPython('5.7')
const timeoutMs = 20_000

/** What a task saw of itself: `ct` or `py`, and its stamps. */
type Seen = readonly [where: string, stamps: Readonly<Record<string, unknown>>]

const setup = `
@app.task(name='py.stamps', bind=True)
def stamps(self, *before):
    seen = [list(before[0])] if before and isinstance(before[0], (list, tuple)) else []
    return (seen[0] if seen else []) + [['py', self.request.stamps]]
@app.task(name='py.note', bind=True)
def note(self, *args):
    record(stamps=self.request.stamps)
`

describe.skipIf(!ready)('stamps, in a fleet with Celery 5.7', () => {
  let fleet: PythonFleet
  let app: App
  let peer: PythonWorker
  let client: PythonClient
  const noted: unknown[] = []

  beforeAll(async () => {
    fleet = await PythonFleet.open('redis', {
      name: 'ct',
      resultExtended: true,
      taskRoutes: { 'py.*': 'py' },
    })
    app = fleet.app
    app.task('ct.stamps', { bind: true }, (task, ...before: readonly unknown[]) => {
      const seen = Array.isArray(before[0]) ? (before[0] as Seen[]) : []
      return [...seen, ['ct', task.request.stamps]]
    })
    app.task('ct.replaced', { bind: true }, (task) => {
      throw task.replace(app.signature('py.stamps', { args: [[]], immutable: true }))
    })
    app.task('ct.fail', () => {
      throw new RangeError('on purpose')
    })
    app.task(
      'ct.note',
      { bind: true },
      (task, ..._given: readonly unknown[]) => void noted.push(task.request.stamps),
    )
    const config = { result_extended: true, task_routes: { 'py.*': { queue: 'py' } } }
    ;[client, peer] = await Promise.all([
      fleet.client('5.7', { config }),
      fleet.peer({ config, setup, queues: ['py'], concurrency: 2 }),
      fleet.work({ hostname: 'ct@stamps', withoutHeartbeat: true }),
    ])
  })
  afterAll(() => fleet?.close())

  const sig = (name: string, ...args: readonly unknown[]): AnySignature => app.signature(name, { args })
  const value = async (canvas: AnySignature): Promise<unknown> =>
    await (
      (await (canvas as { applyAsync(): Promise<unknown> }).applyAsync()) as {
        get(options: object): Promise<unknown>
      }
    ).get({ timeoutMs })
  const untyped = chain as unknown as (...steps: readonly AnySignature[]) => AnySignature
  const acme = { tenant: 'acme' }

  it('CANVAS-85, CANVAS-86: of a chain that both sides work on, built by ct', async () => {
    const canvas = untyped(sig('ct.stamps'), sig('py.stamps'), sig('ct.stamps')).stamp(acme)
    expect(await value(canvas)).toEqual([
      ['ct', acme],
      ['py', acme],
      ['ct', acme],
    ])
  })

  it('row 120, CANVAS-85, CANVAS-86: built by Python, and stored with the results', async () => {
    const id = await client.exec<string>(
      `s = lambda name: app.signature(name)
canvas = s('py.stamps') | s('ct.stamps') | s('py.stamps')
canvas.stamp(tenant='acme')
result = canvas.apply_async()
result.id`,
    )
    expect(await app.asyncResult(id).get({ timeoutMs })).toEqual([
      ['py', acme],
      ['ct', acme],
      ['py', acme],
    ])
    const [theirs, ours] = await client.exec<Record<string, unknown>[]>(
      '[app.backend.get_task_meta(one.id) for one in (result, result.parent)]',
    )
    for (const meta of [theirs, ours]) expect(meta).toMatchObject({ stamped_headers: ['tenant'], ...acme })
  })

  it('row 121, CANVAS-81, CANVAS-85: members of a chord and, by a visitor, its body', async () => {
    const make = (): AnySignature => chord([sig('ct.stamps'), sig('py.stamps')], sig('ct.stamps') as never)
    expect(await value(make().stamp(acme))).toEqual([[['ct', acme]], [['py', acme]], ['ct', null]])
    const visitor: StampingVisitor = {
      onSignature: ({ task }) => ({ task }),
      onChordBody: () => ({ body: true }),
    }
    expect(await value(make().stamp(visitor, { stamps: acme }))).toEqual([
      [['ct', { ...acme, task: 'ct.stamps' }]],
      [['py', { ...acme, task: 'py.stamps' }]],
      ['ct', { ...acme, body: true, task: 'ct.stamps' }],
    ])
  })

  it('CANVAS-83: callbacks and error callbacks, of either language', async () => {
    const good = sig('ct.stamps')
    good.link(sig('py.note'))
    good.link(sig('ct.note'))
    await value(good.stamp(acme))
    const bad = sig('ct.fail')
    bad.linkError(sig('py.note'))
    bad.linkError(sig('ct.note'))
    await expect(value(bad.stamp({ tenant: 'other' }))).rejects.toThrow(/on purpose/)
    await expect.poll(() => noted, { timeout: timeoutMs }).toEqual([acme, { tenant: 'other' }])
    await expect
      .poll(() => peer.records.map(({ stamps }) => stamps), { timeout: timeoutMs })
      .toEqual([acme, { tenant: 'other' }])
  })

  it('CANVAS-85, TASK-115: what replaces a stamped task has its stamps', async () => {
    expect(await value(sig('ct.replaced').stamp(acme))).toEqual([['py', acme]])
  })

  it('CANVAS-86, RES-23, PAIN-52: revoked by stamps, from ct and from Python, on workers of both', async () => {
    for (const [tenant, revoke] of [
      ['by-ct', () => app.control.revokeByStampedHeaders({ tenant: ['by-ct'] })],
      ['by-python', () => client.exec("app.control.revoke_by_stamped_headers({'tenant': ['by-python']})")],
    ] as const) {
      await revoke()
      const both = await Promise.all(
        ['ct.stamps', 'py.stamps'].map(
          async (name) =>
            (await app.signature(name).stamp({ tenant }).set({ countdown: 0.2 }).applyAsync()) as {
              state(): Promise<string>
            },
        ),
      )
      for (const result of both)
        await expect.poll(() => result.state(), { timeout: timeoutMs }).toBe('REVOKED')
    }
  })
})
