/** Chains, groups and chords on a worker, in memory; what follows a task and is refused. */
import { chain, chord, group, type App } from '@ct/client'
import { PublishError } from '@ct/contracts'
import { describe, expect, it, vi } from 'vitest'
import { newHub, makeApp, soon, startWorker, watchedBroker } from '../test/memory-worker.ts'

describe('workflows', () => {
  it('CANVAS-20, CANVAS-65: chain, group, chord', async () => {
    const { app } = makeApp()
    const add = app.task('add', (x: number, y: number) => x + y)
    const sum = app.task('sum', (numbers: number[]) => numbers.reduce((a, b) => a + b, 0))
    await startWorker(app)
    expect(await (await chain(add.s(1, 2), add.s(10), add.s(100)).applyAsync()).get(soon)).toBe(113)
    expect(await (await group([add.s(1, 1), add.s(2, 2)]).applyAsync()).get(soon)).toEqual([2, 4])
    expect(await (await chord([add.s(1, 1), add.s(2, 2), add.s(3, 3)], sum.s()).applyAsync()).get(soon)).toBe(
      12,
    )
    const both = chain(add.s(1, 1), group([add.s(1), add.s(2)]), sum.s(), add.s(1000))
    expect(await (await both.applyAsync()).get(soon)).toBe(1007)
  })

  it('CANVAS-60…64, PAIN-18: callbacks, error callbacks of both styles', async () => {
    const { app } = makeApp()
    const seen: unknown[] = []
    const t = app.task('t', (fail: boolean) => {
      if (fail) throw new Error('broken')
      return 'value'
    })
    const note = app.task('note', (value: unknown) => void seen.push(['note', value]))
    const old = app.task('old', (id: string) => void seen.push(['old', id]))
    const fresh = app.task('fresh', (request: { id: string }, error: Error, traceback: string) => {
      seen.push(['fresh', request.id, error.message, traceback.startsWith('Traceback')])
    })
    const throws = app.task('throws', (_request: unknown, _error: unknown, _traceback: unknown) => {
      throw new Error('errback')
    })
    await startWorker(app)
    await (await t.applyAsync([false], { link: [note.s() as never, note.s() as never] })).get(soon)
    await expect.poll(() => seen.length).toBe(2)
    const errbacks = [throws.s(), fresh.s(), old.s()] as never[]
    const failed = await t.applyAsync([true], { linkError: errbacks })
    await expect(failed.get(soon)).rejects.toThrow('broken')
    await expect.poll(() => seen.length).toBe(4)
    expect(seen).toEqual([
      ['note', 'value'],
      ['note', 'value'],
      ['fresh', failed.id, 'broken', true],
      ['old', failed.id],
    ])
  })

  it('CANVAS-60: what is linked to a chain in a group of a group at the end of a chain is called', async () => {
    const { app } = makeApp()
    const seen: unknown[] = []
    const add = app.task('add', (x: number, y: number) => x + y)
    const note = app.task('note', (value: unknown) => void seen.push(value))
    await startWorker(app)
    const inner = chain(add.s(30), add.s(100))
    inner.link(note.s())
    await chain(add.s(1, 1), group([group([inner])])).applyAsync()
    await expect.poll(() => seen).toEqual([132])
  })

  it('D57-88: of an error callback only the arguments count that the failure still has to supply', async () => {
    const { app } = makeApp()
    const seen: unknown[] = []
    const note = (name: string, ...values: unknown[]): void => void seen.push([name, ...values])
    const t = app.task('t', () => {
      throw new Error('broken')
    })
    const stored = app.task('stored', (id: string, tag: string) => note('stored', id, tag))
    const named = app.task('named', (id: string, tag: string) => note('named', id, tag))
    const four = app.task('four', (request: { id: string }, error: Error, _traceback: unknown, tag: string) =>
      note('four', request.id, error.message, tag),
    )
    await startWorker(app)
    const linkError = [
      app.signature(stored.name, { args: ['x'] }),
      app.signature(named.name, { kwargs: { tag: 'y' } }),
      app.signature(four.name, { args: ['z'] }),
    ]
    const { id } = await t.applyAsync({ linkError })
    await expect.poll(() => seen.length).toBe(3)
    expect(seen.toSorted()).toEqual([
      ['four', id, 'broken', 'z'],
      ['named', id, 'y'],
      ['stored', id, 'x'],
    ])
  })

  it('D57-168: without a result store, too, a chain that fails calls its error callback', async () => {
    const { app } = makeApp({ backend: 'disabled://' })
    const seen: unknown[] = []
    const fail = app.task('fail', (): number => {
      throw new Error('broken')
    })
    const next = app.task('next', (x: number) => void seen.push(['next', x]))
    app.task('failed', (id: string) => void seen.push(['failed', id]))
    await startWorker(app)
    const ids: unknown[] = []
    app.signals.taskFailure.connect(({ taskId }) => void ids.push(taskId))
    const whole = chain(fail.s(), next.s())
    whole.onError(app.signature('failed'))
    await whole.applyAsync()
    await expect.poll(() => seen.length).toBe(1)
    expect(seen).toEqual([['failed', ids[0]]])
  })

  it('CANVAS-70, D57-80: a failed header fails the body and the steps behind it', async () => {
    const { app } = makeApp()
    const add = app.task('add', (x: number, y: number) => x + y)
    const fail = app.task('fail', (): number => {
      throw new TypeError('member')
    })
    const sum = app.task('sum', (numbers: number[]) => numbers.length)
    await startWorker(app)
    const last = await chain(group([add.s(1, 1), fail.s()]), sum.s(), add.s(1)).applyAsync()
    await expect(last.get(soon)).rejects.toThrow()
    await expect.poll(async () => (await app.context.results.getMeta(last.id)).status).toBe('FAILURE')
    expect((await app.context.results.getMeta(last.id)).result).toMatchObject({ exc_type: 'ChordError' })
  })

  it('canvas §7.1, PAIN-53: a failing step marks the steps behind it', async () => {
    const { app } = makeApp()
    const fail = app.task('fail', (): number => {
      throw new TypeError('first')
    })
    const add = app.task('add', (x: number, y: number) => x + y)
    await startWorker(app)
    const last = await chain(fail.s(), add.s(1), add.s(2)).applyAsync()
    await expect(last.get(soon)).rejects.toThrow('first')
    await expect.poll(async () => (await app.context.results.getMeta(last.id)).status).toBe('FAILURE')
  })

  it('APP-57, WIRE-60: built-in tasks can be called by name', async () => {
    const { app } = makeApp()
    app.task('double', (x: number) => x * 2)
    app.task('add', (x: number, y: number) => x + y)
    const { hostname } = await startWorker(app)
    const one = { ...soon, destination: [hostname] }
    const call = async (name: string, args: unknown[], kwargs: Record<string, unknown>): Promise<unknown> =>
      await (await app.sendTask(name, { args, kwargs })).get(soon)
    const sig = (task: string): object => ({
      task,
      args: [],
      kwargs: {},
      options: {},
      subtask_type: null,
      immutable: false,
    })
    expect(await call('celery.accumulate', [1, 2], { index: 0 })).toBe(1)
    expect(await call('celery.accumulate', [1, 2], {})).toEqual([1, 2])
    expect(await call('celery.map', [], { task: sig('double'), it: [1, 2] })).toEqual([2, 4])
    expect(
      await call('celery.starmap', [], {
        task: sig('add'),
        it: [
          [1, 2],
          [3, 4],
        ],
      }),
    ).toEqual([3, 7])
    expect(await call('celery.backend_cleanup', [], {})).toBeNull()
    expect(
      await call('celery.chunks', [], {
        task: sig('add'),
        it: [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
        n: 2,
      }),
    ).toHaveLength(2)
    // Those of older clients are sent on, but for a chain, which is none (celery/app/builtins.py).
    const result = await app.sendTask('celery.chain', { args: [] })
    await expect(result.get(soon)).rejects.toThrow('chain is not a real task')
    const [names] = Object.values((await app.control.inspect(one).registered()) ?? {})
    expect(names).toEqual(['add', 'double'])
    const [all] = await app.control.broadcast<readonly string[]>('registered', {
      ...one,
      reply: true,
      arguments: { builtins: true },
    })
    expect(Object.values(all ?? {})[0]).toEqual(expect.arrayContaining(['celery.group', 'celery.chord']))
  })
})

describe('chords of stores that cannot count', () => {
  it('CANVAS-68, D57-85: celery.chord_unlock waits for the members, then calls the body', async () => {
    const { app } = makeApp()
    const go = Promise.withResolvers<void>()
    const slow = app.task('slow', async (n: number) => {
      await go.promise
      return n
    })
    const bodies: unknown[] = []
    const body = app.task('body', (numbers: number[]) => {
      bodies.push(numbers)
      return numbers
    })
    await startWorker(app)
    const members = await Promise.all([1, 2].map((n) => slow.delay(n)))
    const callback = body.s()
    const result = callback.freeze()
    const unlock = await app.sendTask('celery.chord_unlock', {
      args: ['group-1', callback],
      kwargs: {
        interval: 0.02,
        max_retries: null,
        result: members.map(({ id }) => [[id, null], null]),
        unknown: 1,
      },
    })
    await expect.poll(() => unlock.state()).not.toBe('SUCCESS')
    expect(bodies).toEqual([])
    go.resolve()
    expect(await result.get(soon)).toEqual([1, 2])
    expect(bodies).toHaveLength(1)
  })

  it('CANVAS-68, CANVAS-70: a failed member, or retries spent, fails the body', async () => {
    const { app } = makeApp()
    const fail = app.task('fail', () => {
      throw new TypeError('member')
    })
    const body = app.task('body', () => 'never')
    await startWorker(app)
    const member = await fail.delay()
    for (const [ids, retries] of [
      [[member.id], null],
      [['nobody'], 1],
    ] as const) {
      const callback = body.s()
      const result = callback.freeze()
      await app.sendTask('celery.chord_unlock', {
        args: ['group-2', callback],
        kwargs: { interval: 0.01, max_retries: retries, result: ids.map((id) => [[id, null], null]) },
      })
      await expect(result.get(soon)).rejects.toMatchObject({ code: 'CT_CHORD' })
    }
  })

  it('CANVAS-68, D57-62: a broker that is away when the body is to be sent is waited for', async () => {
    const { app } = makeApp()
    const one = app.task('one', () => 1)
    const body = app.task('body', (numbers: number[]) => numbers)
    await startWorker(app)
    const member = await one.delay()
    const { producer } = app.context
    const publish = producer.publish.bind(producer) as (...given: unknown[]) => Promise<never>
    let away = true
    const spy = vi.spyOn(producer, 'publish').mockImplementation((...given) => {
      if (!away || given[0].headers['task'] !== 'body') return publish(...given)
      away = false
      return Promise.reject(new PublishError('away', { retryable: true, maybeDelivered: false }))
    })
    const callback = body.s()
    const result = callback.freeze()
    await app.sendTask('celery.chord_unlock', {
      args: ['group-4', callback],
      kwargs: { interval: 0.01, max_retries: null, result: [[[member.id, null], null]] },
    })
    expect(await result.get(soon)).toEqual([1])
    expect(away).toBe(false)
    spy.mockRestore()
  })

  it('CANVAS-68, PAIN-17: a lost member fails the body within chordStallTimeoutMs, and is named', async () => {
    const { app } = makeApp({ chordStallTimeoutMs: 60 })
    const body = app.task('body', () => 'never')
    await startWorker(app)
    const callback = body.s()
    const result = callback.freeze()
    await app.sendTask('celery.chord_unlock', {
      args: ['group-3', callback],
      kwargs: { interval: 0.02, max_retries: null, result: [[['lost-one', null], null]] },
    })
    await expect(result.get(soon)).rejects.toThrow(
      /still waits for 1 of its members after .* no result of lost-one/,
    )
  })
})

describe('what follows a task, and is refused', () => {
  const ran: string[] = []
  async function start(refuse: (times: number) => Error | undefined): Promise<App> {
    ran.length = 0
    let times = 0
    const broker = watchedBroker(newHub(), ({ headers }) =>
      headers['task'] === 'next' ? refuse(++times) : undefined,
    )
    const { app } = makeApp({
      broker,
      taskPublishRetryPolicy: { maxRetries: 3, intervalStart: 0, intervalStep: 0, intervalMax: 0 },
    })
    for (const name of ['t', 'link', 'next'])
      app.task(name, { typing: false }, () => {
        ran.push(name)
        return name
      })
    app.task('failed', (_request: unknown, error: Error, _traceback: unknown) => void ran.push(error.message))
    await startWorker(app)
    return app
  }
  const call = (app: App): ReturnType<App['sendTask']> =>
    app.sendTask('t', {
      link: app.signature('link', { immutable: true }),
      linkError: app.signature('failed'),
      chain: [app.signature('next', { immutable: true })],
    })

  it('D57-62, D57-165: for a moment: it is sent again, what was accepted is not', async () => {
    const refused = new PublishError('not now', { maybeDelivered: false })
    const app = await start((times) => (times <= 2 ? refused : undefined))
    expect(await (await call(app)).get(soon)).toBe('t')
    await expect.poll(() => ran.length).toBe(3)
    expect(ran.toSorted()).toEqual(['link', 'next', 't'])
  })

  it('D57-62, D57-165: for good: the task fails, its error callback is called once, and it does not run again', async () => {
    const refused = new PublishError('never', { maybeDelivered: false, retryable: false })
    const app = await start(() => refused)
    await expect((await call(app)).get(soon)).rejects.toThrow('never')
    await expect.poll(() => ran.length).toBe(3)
    expect(ran.toSorted()).toEqual(['link', 'never', 't'])
  })
})
