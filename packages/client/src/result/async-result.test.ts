import type { ResultBackend, ResultHandle } from '@ct/contracts'
import { CompressorRegistry, RemoteError, SerializerRegistry, TaskRevokedError } from '@ct/contracts'
import { memoryBackend } from '@ct/broker-memory'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { ResultContext, ResultSettings, TaskOutcome } from './index.ts'
import {
  AsyncResult,
  EagerResult,
  GroupResult,
  restoreGroup,
  ResultCodec,
  resultFromTuple,
  ResultSet,
  ResultStore,
} from './index.ts'

let hub = 0
let backend: ResultBackend
let context: ResultContext
let stores: ResultStore[]

function open(settings: ResultSettings = {}): ResultStore {
  const store = new ResultStore({
    backend: () => backend,
    serializers: new SerializerRegistry(),
    compressors: new CompressorRegistry(),
    settings,
    now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  })
  stores.push(store)
  return store
}

/** What a worker would store, from a store of its own. */
async function stored(
  outcome: Partial<TaskOutcome> & { taskId: string },
  settings?: ResultSettings,
): Promise<void> {
  await open(settings).storeResult({ state: 'SUCCESS', result: null, children: [], ...outcome })
}

const boom = (text = 'bad'): unknown => ({
  exc_type: 'ValueError',
  exc_message: [text, 3],
  exc_module: 'builtins',
})

beforeEach(() => {
  backend = memoryBackend({ name: `results-${hub++}` })
  stores = []
  context = { store: open() }
})
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()))
  await backend.close()
})

const result = <T = unknown>(id: string, options = {}): AsyncResult<T> =>
  new AsyncResult<T>(id, context, options)

describe('AsyncResult', () => {
  it('RES-10: needs an id; equal by id', () => {
    expect(() => result('')).toThrow(/id of a task/)
    expect(result('a').equals(result('a'))).toBe(true)
    expect(result('a').equals('a')).toBe(true)
    expect(result('a').equals(result('b'))).toBe(false)
    expect(String(result('a'))).toBe('a')
  })

  it('RES-24: it is not awaitable', async () => {
    const handle = result('a')
    expect('then' in handle).toBe(false)
    expect(await Promise.resolve(handle)).toBe(handle)
  })

  it('RES-4 RES-31, PAIN-15: PENDING when nothing is known, which exists() tells apart', async () => {
    const handle = result('a')
    expect(await handle.state()).toBe('PENDING')
    expect(await handle.exists()).toBe(false)
    expect(await handle.ready()).toBe(false)
    expect(await handle.result()).toBeNull()
    await stored({ taskId: 'a', state: 'PENDING' })
    expect(await handle.exists()).toBe(true)
  })

  it('RES-11: get() returns a value stored before, and one stored later', async () => {
    await stored({ taskId: 'a', result: 4 })
    expect(await result<number>('a').get()).toBe(4)
    const waiting = result('b').get({ timeoutMs: 20_000 })
    await stored({ taskId: 'b', state: 'STARTED', result: { pid: 1 } })
    await stored({ taskId: 'b', result: { deep: [1, null] } })
    expect(await waiting).toEqual({ deep: [1, null] })
  })

  it('RES-11 RES-17: an error comes back typed, with its traceback; propagate: false hands it over', async () => {
    await stored({ taskId: 'a', state: 'FAILURE', result: boom(), traceback: 'Traceback …' })
    const error = await result('a')
      .get()
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(RemoteError)
    expect(error).toMatchObject({
      name: 'ValueError',
      code: 'CT_REMOTE',
      excType: 'ValueError',
      excModule: 'builtins',
      args: ['bad', 3],
      traceback: 'Traceback …',
    })
    expect(await result('a').get({ propagate: false })).toMatchObject({ excType: 'ValueError' })
    expect(await result('a').result()).toBeInstanceOf(RemoteError)
    expect(await result('a').traceback()).toBe('Traceback …')
    expect(await result('a').failed()).toBe(true)
  })

  it('RES-2, RES-18: REVOKED raises, RETRY does not end the waiting', async () => {
    await stored({ taskId: 'a', state: 'RETRY', result: boom() })
    await expect(result('a').get({ timeoutMs: 0 })).rejects.toMatchObject({ code: 'CT_RESULT_TIMEOUT' })
    expect(await result('a').result()).toBeInstanceOf(RemoteError)
    await stored({
      taskId: 'a',
      state: 'REVOKED',
      result: { exc_type: 'TaskRevokedError', exc_message: ['terminated'], exc_module: 'celery.exceptions' },
    })
    const error = await result('a')
      .get()
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(TaskRevokedError)
    expect(error).toMatchObject({ reason: 'terminated' })
  })

  it.each([
    ['PENDING', false, false, false],
    ['RECEIVED', false, false, false],
    ['STARTED', false, false, false],
    ['RETRY', false, false, false],
    ['PROGRESS', false, false, false],
    ['SUCCESS', true, true, false],
    ['FAILURE', true, false, true],
    ['REVOKED', true, false, false],
  ])('RES-18 RES-5: %s: ready %s, successful %s, failed %s', async (state, ready, successful, failed) => {
    const value = state === 'FAILURE' || state === 'REVOKED' || state === 'RETRY' ? boom() : 1
    await stored({ taskId: 'a', state, result: value })
    const handle = result('a')
    expect([await handle.ready(), await handle.successful(), await handle.failed()]).toEqual([
      ready,
      successful,
      failed,
    ])
  })

  it('RES-20 RES-30: the parent comes from the tuple, not from the store; ids from here to the root', async () => {
    await stored({ taskId: 'c', result: 3, parentId: 'b' })
    expect(result('c').parent).toBeNull()
    const chained = resultFromTuple([['c', [['b', [['a', null], null]], null]], null], context) as AsyncResult
    expect(chained.asList()).toEqual(['c', 'b', 'a'])
    expect((chained.parent as AsyncResult).id).toBe('b')
    expect(await chained.get()).toBe(3)
  })

  it('RES-32: who gives up waiting is not subscribed any more', async () => {
    const connection = await backend.connect({ onNotice: () => {} })
    const removed: string[] = []
    const added: string[] = []
    const subscribe = connection.subscribe.bind(connection)
    vi.spyOn(backend, 'connect').mockResolvedValue(
      Object.assign(connection, {
        subscribe: (...args: Parameters<typeof subscribe>) => {
          const subscription = subscribe(...args)
          const { add, remove } = subscription
          return Object.assign(subscription, {
            add: (ids: readonly string[]) => {
              added.push(...ids)
              return add.call(subscription, ids)
            },
            remove: (ids: readonly string[]) => {
              removed.push(...ids)
              return remove.call(subscription, ids)
            },
          })
        },
      }),
    )
    const leaving = new AbortController()
    const stays = result('c').get({ timeoutMs: 20_000 })
    await expect.poll(() => added).toEqual(['c'])
    // From here on there is a connection: who comes is subscribed before any time can be over.
    const waits = [result('a').get({ timeoutMs: 20 }), result('b').get({ signal: leaving.signal })].map(
      (one) => one.catch((error: unknown) => error),
    )
    await expect.poll(() => added.toSorted()).toEqual(['a', 'b', 'c'])
    leaving.abort()
    await Promise.all(waits)
    await expect.poll(() => removed.toSorted()).toEqual(['a', 'b'])
    await stored({ taskId: 'c', result: 1 })
    expect(await stays).toBe(1)
    await expect.poll(() => removed.toSorted()).toEqual(['a', 'b', 'c'])
  })

  it('RES-13, PAIN-49: the time allowed; the task goes on', async () => {
    await expect(result('a').get({ timeoutMs: 10 })).rejects.toMatchObject({
      code: 'CT_RESULT_TIMEOUT',
      excType: 'TimeoutError',
      message: expect.stringMatching(/task a was not ready within 10 ms/) as string,
    })
  })

  it('D57-73: a time of 0 looks once; what is ready wins', async () => {
    await expect(result('a').get({ timeoutMs: 0 })).rejects.toMatchObject({ code: 'CT_RESULT_TIMEOUT' })
    await stored({ taskId: 'a', result: 1 })
    expect(await result('a').get({ timeoutMs: 0 })).toBe(1)
  })

  it('a signal ends the waiting', async () => {
    const giveUp = new AbortController()
    const waiting = result('a').get({ signal: giveUp.signal })
    giveUp.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'CT_ABORTED' })
    await expect(result('a').get({ signal: giveUp.signal })).rejects.toMatchObject({ code: 'CT_ABORTED' })
  })

  it('RES-12, PAIN-49: refused where the app says so, unless told otherwise', async () => {
    await stored({ taskId: 'a', result: 1 })
    context = {
      store: context.store,
      assertMayWait: () => {
        throw new Error('inside a task')
      },
    }
    await expect(result('a').get()).rejects.toThrow('inside a task')
    expect(await result('a').get({ disableSyncSubtasks: false })).toBe(1)
  })

  it('RES-14, PAIN-49, PAIN-53: the error of a failed parent is thrown, the oldest first, instead of waiting for ever', async () => {
    const root = result('root')
    const middle = result('middle', { parent: root })
    const tail = result('tail', { parent: middle })
    await stored({ taskId: 'middle', state: 'FAILURE', result: boom('second') })
    await stored({ taskId: 'root', state: 'FAILURE', result: boom('first') })
    await expect(tail.get()).rejects.toMatchObject({ args: ['first', 3] })
    await expect(tail.get({ followParents: false, timeoutMs: 5 })).rejects.toMatchObject({
      code: 'CT_RESULT_TIMEOUT',
    })
    expect(tail.asList()).toEqual(['tail', 'middle', 'root'])
  })

  it('RES-14: a parent that fails while waiting, among the members of a group too: they are watched once it takes long', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const watch = vi.spyOn(context.store, 'watch')
    const header = new GroupResult('g', [result('m1'), result('m2')], context)
    const body = result('body', { parent: header })
    const waiting = body.get({ timeoutMs: 20_000 })
    waiting.catch(() => undefined)
    await vi.waitFor(() => expect(watch.mock.calls.map(([id]) => id)).toEqual(['body']))
    await stored({ taskId: 'm1', result: 1 })
    await stored({ taskId: 'm2', state: 'FAILURE', result: boom('member') })
    expect(watch).toHaveBeenCalledOnce()
    vi.advanceTimersByTime(500)
    expect(watch.mock.calls.map(([id]) => id)).toEqual(['body', 'm1', 'm2'])
    await expect(waiting).rejects.toMatchObject({ args: ['member', 3] })
  })

  it('RES-14: where this task failed, the oldest of the errors is thrown, though nobody heard of it before', async () => {
    const watch = vi.spyOn(context.store, 'watch')
    const root = result('root')
    const tail = result('tail', { parent: result('middle', { parent: root }) })
    const waiting = tail.get({ timeoutMs: 5000 })
    waiting.catch(() => undefined)
    await vi.waitFor(() => expect(watch).toHaveBeenCalledOnce())
    await stored({ taskId: 'root', state: 'FAILURE', result: boom('first') })
    await stored({ taskId: 'middle', state: 'FAILURE', result: boom('second') })
    await stored({ taskId: 'tail', state: 'FAILURE', result: boom('last') })
    await expect(waiting).rejects.toMatchObject({ args: ['first', 3] })
    expect(watch).toHaveBeenCalledOnce()
    const { promise, resolve } = Promise.withResolvers<unknown>()
    const alone = result('alone', { parent: result('well') })
    alone.get().catch(resolve)
    await vi.waitFor(() => expect(watch).toHaveBeenCalledTimes(2))
    await stored({ taskId: 'alone', state: 'FAILURE', result: boom('its own') })
    expect(await promise).toMatchObject({ args: ['its own', 3] })
  })

  it('RES-15: callback, onMessage, onInterval', async () => {
    const states: string[] = []
    const done = vi.fn()
    const tick = vi.fn()
    const waiting = result('a').get({
      callback: done,
      onMessage: (meta) => states.push(meta.status),
      onInterval: tick,
      intervalMs: 1,
    })
    await vi.waitFor(() => expect(tick).toHaveBeenCalled())
    await stored({ taskId: 'a', state: 'PROGRESS', result: { done: 1 } })
    await stored({ taskId: 'a', result: 5 })
    await waiting
    expect(states).toEqual(['PROGRESS', 'SUCCESS'])
    expect(done).toHaveBeenCalledWith('a', 5)
  })

  it('every question takes a signal', async () => {
    const given = { signal: AbortSignal.abort(new Error('user left')) }
    const one = result('a')
    const many = new GroupResult('g', [result('a'), result('b')], context)
    const questions: Record<string, Promise<unknown>> = {
      meta: one.meta(given),
      state: one.state(given),
      ready: one.ready(given),
      result: one.result(given),
      children: one.children(given),
      worker: one.worker(given),
      exists: one.exists(given),
      maybeThrow: one.maybeThrow(given),
      forget: one.forget(given),
      get: one.get(given),
      getLeaf: one.getLeaf(given),
      getWithParent: result('c', { parent: one }).get(given),
      groupReady: many.ready(given),
      groupGet: many.get(given),
      groupCount: many.completedCount(given),
      groupForget: many.forget(given),
      groupSave: many.save(given),
      groupDelete: many.delete(given),
      restore: restoreGroup('g', context, given),
    }
    const answers = await Promise.allSettled(Object.values(questions))
    const codes = answers.map((answer) => (answer.status === 'rejected' ? answer.reason.code : 'an answer'))
    expect(Object.fromEntries(Object.keys(questions).map((name, at) => [name, codes[at]]))).toEqual(
      Object.fromEntries(Object.keys(questions).map((name) => [name, 'CT_ABORTED'])),
    )
  })

  it('the time allowed holds for parents too, and while the store is away', async () => {
    const tail = result('a', { parent: result('p') })
    const getMetas = vi.spyOn(context.store, 'getMetas').mockImplementationOnce(
      (_ids, options) =>
        new Promise((_, reject) => {
          options!.signal!.addEventListener('abort', () => reject(new Error('given up')))
        }),
    )
    await expect(tail.get({ timeoutMs: 20 })).rejects.toMatchObject({
      code: 'CT_RESULT_TIMEOUT',
      message: 'The result of task a was not ready within 20 ms. The task goes on.',
    })
    expect(getMetas).toHaveBeenCalledOnce()
    await expect(tail.get({ timeoutMs: 20 })).rejects.toThrow('not ready within 20 ms')
  })

  it('RES-16: members whose result is ignored keep nobody waiting', async () => {
    const group = new GroupResult('g', [result('a'), result('b', { ignored: true })], context)
    await stored({ taskId: 'a', result: 1 })
    expect(await group.get({ timeoutMs: 20_000 })).toEqual([1, null])
    const { promise, resolve } = Promise.withResolvers<void>()
    group.onReady(() => resolve())
    await promise
    expect(group.leafIds()).toEqual(['a', 'b'])
  })

  it('RES-16: an ignored result is null at once', async () => {
    expect(await result('a', { ignored: true }).get()).toBeNull()
    const { promise, resolve } = Promise.withResolvers<string>()
    result('a', { ignored: true }).onReady(({ id }) => resolve(id))
    expect(await promise).toBe('a')
    expect((await result('a', { ignored: true }).iterate().next()).done).toBe(true)
  })

  it('RES-6 RES-17: a custom state carries its metadata', async () => {
    await stored({ taskId: 'a', state: 'PROGRESS', result: { done: 3, total: 10 } })
    expect(await result('a').info()).toEqual({ done: 3, total: 10 })
    expect(await result('a').ready()).toBe(false)
  })

  it('RES-17 RES-7 BACK-7: a final state is asked for once; SUCCESS is never overwritten', async () => {
    const handle = result('a')
    await stored({ taskId: 'a', result: 1 })
    await handle.get()
    await stored({ taskId: 'a', state: 'FAILURE', result: boom() })
    expect(await handle.state()).toBe('SUCCESS')
    expect(await result('a').state()).toBe('SUCCESS')
    await backend.close()
    expect(await handle.successful()).toBe(true)
  })

  it('RES-27, RES-28: what leads back to itself is walked once; results of one level are asked for together', async () => {
    const child = (id: string): ResultHandle => ({ id, parent: null, children: null })
    await stored({ taskId: 'a', children: ['b', 'c', 'd'].map(child) })
    for (const id of ['b', 'c', 'd']) await stored({ taskId: id, children: [child('a')] })
    const walked: string[] = []
    for await (const [, node] of result('a').iterdeps()) walked.push(node.id)
    expect(walked).toEqual(['a', 'b', 'c', 'd', 'a', 'a', 'a'])
    const values: string[] = []
    for await (const [node] of result('a').collect()) values.push(node.id)
    expect(values).toEqual(walked)
    const { store } = context
    const getMeta = store.getMeta.bind(store)
    let together = 0
    let most = 0
    const spy = vi.spyOn(store, 'getMeta').mockImplementation(async (...given) => {
      most = Math.max(most, ++together)
      const meta = await getMeta(...given)
      together--
      return meta
    })
    const graph = await result('a').buildGraph()
    expect([graph.size, graph.edges().length, most]).toEqual([4, 6, 3])
    spy.mockRestore()
  })

  it('RES-19 RES-65: children are handles again, groups among them; a foreign shape is left out', async () => {
    await stored({
      taskId: 'a',
      children: [
        { id: 'c', parent: null, children: null },
        { id: 'g', parent: null, children: [{ id: 'm', parent: null, children: null }] },
      ],
    })
    const children = await result('a').children()
    expect(children!.map((child) => child.id)).toEqual(['c', 'g'])
    expect(children![1]).toBeInstanceOf(GroupResult)
    await stored({ taskId: 'b', children: null })
    expect(await result('b').children()).toBeNull()
  })

  it('RES-21 RES-61: extended fields where they were stored; date_done always', async () => {
    const extended = {
      name: 'add',
      args: [1, 2],
      kwargs: { z: 3 },
      worker: 'w@h',
      retries: 1,
      queue: 'celery',
    }
    await stored({ taskId: 'a', result: 1, extended })
    expect(await result('a').name()).toBeNull()
    expect(await result('a').dateDone()).toEqual(new Date('2026-01-02T03:04:05.678Z'))
    await stored({ taskId: 'b', result: 1, extended }, { resultExtended: true })
    const handle = result('b')
    expect([
      await handle.name(),
      await handle.args(),
      await handle.kwargs(),
      await handle.worker(),
      await handle.retries(),
      await handle.queue(),
    ]).toEqual(['add', [1, 2], { z: 3 }, 'w@h', 1, 'celery'])
  })

  it('RES-22: forget() deletes this result and its parents’', async () => {
    await stored({ taskId: 'a', result: 1 })
    await stored({ taskId: 'p', result: 1 })
    const handle = result('a', { parent: result('p') })
    await handle.get()
    await handle.forget()
    expect(await handle.state()).toBe('PENDING')
    expect(await result('p').exists()).toBe(false)
  })

  it('RES-23: revoke goes through remote control', async () => {
    const revoke = vi.fn(async () => [])
    context = { store: context.store, control: () => ({ revoke, revokeByStampedHeaders: revoke }) }
    await result('a').revoke({ terminate: true, killSignal: 'SIGINT', wait: true, timeoutMs: 5 })
    expect(revoke).toHaveBeenCalledWith('a', {
      terminate: true,
      killSignal: 'SIGINT',
      reply: true,
      timeoutMs: 5,
    })
    context = { store: context.store }
    await expect(result('a').revoke()).rejects.toMatchObject({ code: 'CT_CONFIGURATION' })
  })

  it('RES-24: onReady calls back once, and can be taken back', async () => {
    const seen: unknown[] = []
    const handle = result('a')
    handle.onReady((ready) => seen.push(ready))
    const stop = handle.onReady(() => seen.push('never'))
    stop()
    result('b').onReady(
      () => {},
      (error) => seen.push(error),
    )
    await stored({ taskId: 'a', result: 1 })
    await stored({ taskId: 'b', state: 'FAILURE', result: boom() })
    await vi.waitFor(() => expect(seen).toHaveLength(2))
    expect(seen[0]).toBe(handle)
    expect(seen[1]).toBeInstanceOf(RemoteError)
  })

  it('RES-24: what a callback throws is an uncaught exception, of several results as of one', async () => {
    const uncaught: unknown[] = []
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error, origin) => uncaught.push([origin, error.message]))
    try {
      const group = new GroupResult('g', [result('a')], context)
      group.onReady(() => {
        throw new Error('mine')
      })
      await stored({ taskId: 'a', result: 1 })
      await vi.waitFor(() => expect(uncaught).toEqual([['uncaughtException', 'mine']]))
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  })

  it('RES-25: maybeThrow', async () => {
    await stored({ taskId: 'a', state: 'FAILURE', result: boom() })
    await expect(result('a').maybeThrow()).rejects.toBeInstanceOf(RemoteError)
    expect(await result('a').maybeThrow({ propagate: false })).toBeInstanceOf(RemoteError)
    expect(await result('x').maybeThrow()).toBeNull()
  })

  it('RES-26 RES-27: walks the tree of children', async () => {
    await stored({ taskId: 'a', result: 1, children: [{ id: 'b', parent: null, children: null }] })
    await stored({ taskId: 'b', result: 2 })
    const collected: unknown[] = []
    for await (const [node, value] of result('a').collect()) collected.push([node.id, value])
    expect(collected).toEqual([
      ['a', 1],
      ['b', 2],
    ])
    expect(await result('a').getLeaf()).toBe(2)
    await stored({ taskId: 'c', result: 1, children: [{ id: 'open', parent: null, children: null }] })
    const walk = async (): Promise<void> => {
      for await (const _ of result('c').iterdeps());
    }
    await expect(walk()).rejects.toThrow(/open is not ready/)
    const seen: string[] = []
    for await (const [, node] of result('c').iterdeps({ intermediate: true })) seen.push(node.id)
    expect(seen).toEqual(['c', 'open'])
  })

  it('iterate() tells every state', async () => {
    const states: string[] = []
    const watching = (async () => {
      for await (const meta of result('a').iterate()) states.push(meta.status)
    })()
    await vi.waitFor(async () => {
      await stored({ taskId: 'a', state: 'PROGRESS', result: 1 })
      expect(states).toContain('PROGRESS')
    })
    await stored({ taskId: 'a', result: 2 })
    await watching
    expect(states.at(-1)).toBe('SUCCESS')
  })

  it('RES-29 RES-51: tuples both ways, those of Python too', () => {
    const handle = result('c', { parent: result('p', { parent: result('r') }) })
    const tuple = [['c', [['p', [['r', null], null]], null]], null]
    expect(handle.asTuple()).toEqual(tuple)
    expect(JSON.parse(JSON.stringify({ handle }))).toEqual({ handle: tuple })
    expect(resultFromTuple(tuple, context)).toMatchObject({
      id: 'c',
      parent: { id: 'p', parent: { id: 'r' } },
    })
    expect(resultFromTuple(handle, context)).toBe(handle)
    expect(resultFromTuple(['bare', null], context).id).toBe('bare')
    const group = resultFromTuple([['g', null], [[['m', null], null]]], context)
    expect(group).toBeInstanceOf(GroupResult)
    expect(() => resultFromTuple([1], context)).toThrow()
  })

  it('RES-29, RES-51: the result of a chain of thousands of steps travels as a tuple', () => {
    let last: AsyncResult | undefined
    for (let step = 0; step < 20_000; step++) last = result(`t${step}`, { parent: last })
    const read = resultFromTuple(last!.asTuple(), context) as AsyncResult
    expect(read.equals(last)).toBe(true)
    const ids: string[] = []
    for (let node: typeof read.parent = read; node !== null; node = node.parent) ids.push(node.id)
    expect([ids.length, ids[0], ids.at(-1)]).toEqual([20_000, 't19999', 't0'])
  })
})

describe('options of a wait', () => {
  it.each([
    [{ timeout: 10 }, /no option "timeout"\. Give timeoutMs, in milliseconds/],
    [{ timeoutMS: 10 }, /Did you mean "timeoutMs"/],
    [{ timeoutMs: NaN }, /timeoutMs must be a number of milliseconds; it is NaN/],
    [{ timeoutMs: -1 }, /it is -1/],
    [{ timeoutMs: '10' }, /it is 10/],
    [{ signal: {} }, /signal must be an AbortSignal/],
    [{ intervalMs: 0 }, /intervalMs must be a number of milliseconds above 0/],
    [10, /takes options, such as/],
  ])('RES-10: %j is refused', async (options, message) => {
    await expect(result('a').get(options as never)).rejects.toThrow(message)
    const all = new ResultSet([result('a')], context)
    await expect(all.get(options as never)).rejects.toThrow(message)
    await expect(all.join(options as never)).rejects.toThrow(message)
    await expect(all.iterNative(options as never).next()).rejects.toThrow(message)
    await expect(
      result('a')
        .iterate(options as never)
        .next(),
    ).rejects.toThrow(message)
    // A test that runs tasks in its caller finds what production would refuse.
    const eager = new EagerResult('e', { state: 'SUCCESS', value: 1 }, context)
    await expect(eager.get(options as never)).rejects.toThrow(message)
  })

  it('RES-10: longer than any timer is not short', async () => {
    const waiting = result('a').get({ timeoutMs: Infinity })
    const patient = result('a').get({ timeoutMs: 2 ** 40 })
    await new Promise((resolve) => setTimeout(resolve, 20))
    await stored({ taskId: 'a', result: 1 })
    expect(await Promise.all([waiting, patient])).toEqual([1, 1])
  })
})

describe('ResultSet and GroupResult', () => {
  const set = (...ids: string[]): ResultSet<number> =>
    new ResultSet<number>(
      ids.map((id) => result(id)),
      context,
    )

  it('RES-40 RES-53: an ordered collection', () => {
    const results = set('a', 'b')
    results.add(result('b'))
    results.update([result('c')])
    expect([...results].map(String)).toEqual(['a', 'b', 'c'])
    expect([results.length, results.at(-1)!.id]).toEqual([3, 'c'])
    results.remove('a')
    expect(() => results.remove('a')).toThrow(/not a member/)
    expect(results.discard('a')).toBe(false)
    results.clear()
    expect(results.length).toBe(0)
  })

  it('RES-41 RES-42: states of all', async () => {
    const results = set('a', 'b')
    await stored({ taskId: 'a', result: 1 })
    expect([
      await results.ready(),
      await results.waiting(),
      await results.successful(),
      await results.failed(),
    ]).toEqual([false, true, false, false])
    await stored({ taskId: 'b', state: 'FAILURE', result: boom() })
    expect([await results.ready(), await results.successful(), await results.failed()]).toEqual([
      true,
      false,
      true,
    ])
    expect(await results.completedCount()).toBe(1)
    await expect(results.maybeThrow()).rejects.toBeInstanceOf(RemoteError)
  })

  it('RES-44 RES-46: values in order of the members; the first error to arrive', async () => {
    const all = set('a', 'b').get({ timeoutMs: 20_000 })
    await stored({ taskId: 'b', result: 2 })
    await stored({ taskId: 'a', result: 1 })
    expect(await all).toEqual([1, 2])
    const failing = set('c', 'd', 'e').get()
    await stored({ taskId: 'd', state: 'FAILURE', result: boom('d') })
    await expect(failing).rejects.toMatchObject({ args: ['d', 3] })
    await stored({ taskId: 'c', state: 'FAILURE', result: boom('c') })
    await stored({ taskId: 'e', result: 5 })
    const values = await set('c', 'd', 'e').get({ propagate: false })
    expect(values[2]).toBe(5)
    expect(values[0]).toMatchObject({ args: ['c', 3] })
  })

  it('RES-45: join throws the first error in order, and its time is for all together', async () => {
    await stored({ taskId: 'b', state: 'FAILURE', result: boom('b') })
    const joining = set('a', 'b').join({ timeoutMs: 20_000 })
    await stored({ taskId: 'a', state: 'FAILURE', result: boom('a') })
    await expect(joining).rejects.toMatchObject({ args: ['a', 3] })
    await expect(set('x', 'y').join({ timeoutMs: 5 })).rejects.toMatchObject({ code: 'CT_RESULT_TIMEOUT' })
  })

  it('D57-73: a time of 0 for join and joinNative', async () => {
    await stored({ taskId: 'a', result: 1 })
    expect(await set('a').join({ timeoutMs: 0 })).toEqual([1])
    expect(await set('a').joinNative({ timeoutMs: 0 })).toEqual([1])
    await expect(set('a', 'b').join({ timeoutMs: 0 })).rejects.toMatchObject({ code: 'CT_RESULT_TIMEOUT' })
    await expect(set('a', 'b').joinNative({ timeoutMs: 0 })).rejects.toMatchObject({
      code: 'CT_RESULT_TIMEOUT',
    })
  })

  it('RES-47: results as they come; leaving early leaves nothing behind', async () => {
    const seen: string[] = []
    const watching = (async () => {
      for await (const [id, value] of set('a', 'b', 'c').iterate()) {
        seen.push(`${id}=${value}`)
        if (seen.length === 2) break
      }
    })()
    await stored({ taskId: 'b', result: 2 })
    await vi.waitFor(() => expect(seen).toEqual(['b=2']))
    await stored({ taskId: 'a', result: 1 })
    await watching
    expect(seen).toEqual(['b=2', 'a=1'])
  })

  it('RES-46 D57-74: nested groups give nested arrays, propagate included', async () => {
    const nested = new ResultSet(
      [result('a'), new GroupResult('g', [result('b'), result('c')], context)],
      context,
    )
    for (const [taskId, value] of Object.entries({ a: 1, b: 2, c: 3 }))
      await stored({ taskId, result: value })
    expect(await nested.joinNative()).toEqual([1, [2, 3]])
    expect(await nested.join()).toEqual([1, [2, 3]])
    await stored({ taskId: 'd', state: 'FAILURE', result: boom() })
    const failed = new ResultSet([new GroupResult('h', [result('d')], context)], context)
    expect(await failed.joinNative({ propagate: false })).toEqual([[expect.any(RemoteError)]])
  })

  it('RES-48 D57-74: onReady fires once for all; several handles of one id are all told', async () => {
    const fired = vi.fn()
    set('a', 'b').onReady(fired)
    const twice = Promise.all([result('a').get(), result('a').get(), set('a').get()])
    await stored({ taskId: 'a', result: 1 })
    expect(await twice).toEqual([1, 1, [1]])
    expect(fired).not.toHaveBeenCalled()
    await stored({ taskId: 'b', result: 2 })
    await vi.waitFor(() => expect(fired).toHaveBeenCalledOnce())
  })

  it('RES-43: forget all; revoke all with one message', async () => {
    const revoke = vi.fn(async () => [])
    context = { store: context.store, control: () => ({ revoke, revokeByStampedHeaders: revoke }) }
    await stored({ taskId: 'a', result: 1 })
    await set('a', 'b').revoke()
    expect(revoke).toHaveBeenCalledWith(['a', 'b'], {})
    await set('a').forget()
    expect(await result('a').exists()).toBe(false)
  })

  it('RES-49 RES-50: a group is saved, restored and deleted', async () => {
    const group = new GroupResult<number>('g', [result('a'), result('b', { parent: result('p') })], context, {
      parent: result('r'),
    })
    await group.save()
    const restored = await restoreGroup<number>('g', context)
    expect(restored!.asTuple()).toEqual(group.asTuple())
    expect(restored!.equals(group)).toBe(true)
    await group.delete()
    expect(await restoreGroup('g', context)).toBeUndefined()
  })

  it('an empty set is ready at once', async () => {
    expect(await set().get()).toEqual([])
    expect(await set().ready()).toBe(true)
  })
})

describe('EagerResult', () => {
  it('RES-52: the same interface without a store', async () => {
    const eager = new EagerResult<number>('e', { state: 'SUCCESS', value: 4, name: 'add' }, context)
    expect([await eager.get(), await eager.ready(), await eager.successful(), await eager.name()]).toEqual([
      4,
      true,
      true,
      'add',
    ])
    const error = new Error('x')
    const failed = new EagerResult('f', { state: 'FAILURE', value: error, traceback: 'tb' }, context)
    await expect(failed.get()).rejects.toBe(error)
    expect(await failed.get({ propagate: false })).toBe(error)
    expect(await failed.traceback()).toBe('tb')
  })

  it('RES-52 D57-74: revoke replaces the result', async () => {
    const eager = new EagerResult('e', { state: 'SUCCESS', value: 4 }, context)
    await eager.revoke()
    expect(await eager.state()).toBe('REVOKED')
    await expect(eager.get()).rejects.toBeInstanceOf(TaskRevokedError)
  })
})

describe('the store', () => {
  it('APP-78: results that are disabled say so', async () => {
    const disabled = new ResultStore({
      backend: () => undefined,
      serializers: new SerializerRegistry(),
      compressors: new CompressorRegistry(),
    })
    expect(disabled.enabled).toBe(false)
    await expect(new AsyncResult('a', { store: disabled }).get()).rejects.toThrow(/Results are disabled/)
    await disabled.close()
  })

  it('RES-68, SET-107: finished results are cached up to resultCacheMax, only SUCCESS', async () => {
    const reader = open({ resultCacheMax: 1 })
    await stored({ taskId: 'a', result: 1 })
    await stored({ taskId: 'b', result: 2 })
    await reader.getMeta('a')
    await open().forget(['a', 'b'])
    expect((await reader.getMeta('a')).status).toBe('SUCCESS')
    expect((await reader.getMeta('b')).status).toBe('PENDING')
  })

  it('SET-110 D57-25 D57-26: compression with its marker, read whatever the setting says', async () => {
    const codec = (settings: ResultSettings, compression: boolean): ResultCodec =>
      new ResultCodec({
        capabilities: { ...backend.capabilities, compression },
        serializers: new SerializerRegistry(),
        compressors: new CompressorRegistry(),
        settings,
        now: Date.now,
      })
    const text = 'long '.repeat(1000)
    const write = codec({ resultCompression: 'gzip' }, true).encode({
      taskId: 'x',
      state: 'SUCCESS',
      result: text,
    })
    expect(Buffer.from(write.document).toString('latin1')).toMatch(
      /^\0celery-compressed\0application\/x-gzip\0/,
    )
    expect(write.document.length).toBeLessThan(500)
    expect(codec({}, false).decode({ taskId: 'x', document: write.document }).result).toBe(text)
    const part = codec({ resultCompression: 'gzip' }, true).encodeValue([1, 'x', 'SUCCESS', text])
    expect(codec({}, false).decodeValue(part)).toEqual([1, 'x', 'SUCCESS', text])
    const plain = codec({ resultCompression: 'gzip' }, false).encode({
      taskId: 'x',
      state: 'SUCCESS',
      result: 1,
    })
    expect(Buffer.from(plain.document).toString()).toMatch(/^\{/)
    expect(() => codec({ resultCompression: 'nope' }, true)).toThrow(/"nope"/)
  })

  it('BACK-42: a store of columns gets each field encoded by itself', () => {
    const options = {
      serializers: new SerializerRegistry(),
      compressors: new CompressorRegistry(),
      settings: { resultExtended: true },
      now: () => 1000,
    }
    const codec = new ResultCodec({
      ...options,
      capabilities: { ...backend.capabilities, format: 'columns' },
    })
    const write = codec.encode({
      taskId: 'x',
      state: 'SUCCESS',
      result: [1],
      children: [{ id: 'c', parent: null, children: null }],
      extended: {
        name: 'add',
        args: [1],
        kwargs: {},
        worker: 'w@h',
        retries: 0,
        queue: 'celery',
        stampedHeaders: ['s'],
        stamps: { s: 1 },
      },
    })
    expect(write.document).toHaveLength(0)
    expect(Buffer.from(write.columns!.result).toString()).toBe('[1]')
    expect(write.columns).toMatchObject({ status: 'SUCCESS', dateDone: 1000, name: 'add', worker: 'w@h' })
    expect(codec.decode({ taskId: 'x', columns: write.columns! })).toMatchObject({
      taskId: 'x',
      status: 'SUCCESS',
      result: [1],
      children: [{ id: 'c' }],
      dateDone: '1970-01-01T00:00:01+00:00',
      extended: { name: 'add', args: [1], kwargs: {}, stampedHeaders: ['s'], stamps: { s: 1 } },
    })
  })

  it('RES-67 SET-113 D57-9, D57-113: expiry, of failures by their own setting', () => {
    const expiry = (settings: ResultSettings, state: string): number | undefined =>
      open(settings).encodeResult({ taskId: 'x', state, result: null }).expiresInMs
    expect(expiry({}, 'SUCCESS')).toBe(86_400_000)
    expect(expiry({ resultExpires: 1.5 }, 'STARTED')).toBe(1500)
    expect(expiry({ resultExpires: 0 }, 'SUCCESS')).toBeUndefined()
    expect(expiry({ resultExpires: null }, 'SUCCESS')).toBeUndefined()
    expect(expiry({ resultFailureExpires: 7 }, 'FAILURE')).toBe(7000)
    expect(expiry({ resultFailureExpires: 7 }, 'REVOKED')).toBe(86_400_000)
    expect(expiry({ resultFailureExpires: 0 }, 'FAILURE')).toBeUndefined()
  })

  it('RES-60 RES-62: the document as Python writes it', () => {
    const write = open().encodeResult({
      taskId: 't',
      state: 'FAILURE',
      result: new RangeError('too big'),
      traceback: 'tb',
      children: [{ id: 'c', parent: null, children: null }],
      groupId: 'g',
      parentId: 'p',
    })
    expect(JSON.parse(Buffer.from(write.document).toString())).toEqual({
      status: 'FAILURE',
      result: {
        exc_type: expect.any(String) as string,
        exc_message: ['too big'],
        exc_module: expect.any(String) as string,
      },
      traceback: 'tb',
      children: [[['c', null], null]],
      date_done: '2026-01-02T03:04:05.678000+00:00',
      group_id: 'g',
      parent_id: 'p',
      task_id: 't',
    })
    expect(write).toMatchObject({ ready: true, state: 'FAILURE' })
  })

  it('RES-66, SEC-2, SET-100: content that is not accepted is not decoded', async () => {
    await stored({ taskId: 'a', result: 1 })
    const strict = open({ resultAcceptContent: ['text'] })
    await expect(strict.getMeta('a')).rejects.toMatchObject({ code: 'CT_CONTENT_DISALLOWED' })
  })

  it('close ends all waiting', async () => {
    const waiting = result('a').get()
    await Promise.resolve()
    await context.store.close()
    await expect(waiting).rejects.toMatchObject({ code: 'CT_CLOSED' })
    await expect(result('a').get()).rejects.toMatchObject({ code: 'CT_CLOSED' })
  })

  it('RES-73, PAIN-14: one subscription however many wait; ids that come in one turn are added together', async () => {
    const connection = await context.store.connection()
    const subscribe = vi.spyOn(connection, 'subscribe')
    const waiting = Promise.all(Array.from({ length: 50 }, (_, index) => result(`many-${index % 25}`).get()))
    await vi.waitFor(() => expect(subscribe).toHaveBeenCalledOnce())
    const subscription = subscribe.mock.results[0]!.value as ReturnType<typeof connection.subscribe>
    const add = vi.spyOn(subscription, 'add')
    const remove = vi.spyOn(subscription, 'remove')
    for (let index = 0; index < 25; index++) await stored({ taskId: `many-${index}`, result: index })
    expect(await waiting).toHaveLength(50)
    expect(subscribe).toHaveBeenCalledOnce()
    expect(add).not.toHaveBeenCalled()
    await vi.waitFor(() => expect(remove.mock.calls.flatMap(([ids]) => ids)).toHaveLength(25))
  })
})
