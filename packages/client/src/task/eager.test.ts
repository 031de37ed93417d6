import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Ignore, Reject } from '@ct/contracts'
import { capturedApp } from '../../test/captured-app.ts'
import type { CapturedApp } from '../../test/captured-app.ts'
import { chain, chord, currentTask, group } from '../canvas/index.ts'
import type { AppOptions } from '../app/index.ts'
import type { TaskContext } from './task-context.ts'
import type { TaskRequest } from './task-request.ts'

let captured: CapturedApp

async function use(options: AppOptions = {}): Promise<CapturedApp['app']> {
  await captured?.[Symbol.asyncDispose]()
  captured = capturedApp(options)
  return captured.app
}

beforeEach(async () => {
  await use({ taskAlwaysEager: true })
})
afterEach(async () => {
  expect(await captured.sent()).toEqual([])
  await captured[Symbol.asyncDispose]()
})

const add = (x: number, y: number): number => x + y
const boom = (): never => {
  throw new RangeError('boom')
}

describe('taskAlwaysEager', () => {
  it('TEST-1, TASK-112, TASK-152, RES-52, SET-133: runs the task in the caller and gives its result', async () => {
    const task = captured.app.task('proj.add', add)
    const result = await task.delay(2, 2)
    expect([
      await result.get(),
      await result.state(),
      await result.ready(),
      await result.successful(),
    ]).toEqual([4, 'SUCCESS', true, true])
    expect(await (await task.applyAsync([1, 2], { countdown: 1000, taskId: 'mine' })).get()).toBe(3)
    expect((await task.applyAsync([1, 2], { taskId: 'mine' })).id).toBe('mine')
    await result.revoke()
    expect(await result.state()).toBe('REVOKED')
  })

  it('APP-8: the current task is the innermost that runs, then the one around it again; one that is called as a function is none', async () => {
    const { app } = captured
    const seen: unknown[] = []
    const note = (): void => void seen.push(currentTask()?.name)
    const plain = app.task('proj.plain', note)
    const inner = app.task('proj.inner', () => {
      note()
      plain()
    })
    const outer = app.task('proj.outer', async () => {
      note()
      await inner.delay()
      note()
    })
    await outer.delay()
    note()
    expect(seen).toEqual(['proj.outer', 'proj.inner', 'proj.inner', 'proj.outer', undefined])
  })

  it('TASK-89: onReplace sees what a task is replaced by, and may change it', async () => {
    const { app } = captured
    const plus = app.task('proj.plus', (x: number, y: number) => x + y)
    const seen: unknown[] = []
    const task = app.task(
      'proj.hooked',
      {
        bind: true,
        onReplace: (replacement, request) => {
          seen.push(replacement.task, replacement.id === request.id)
          if (replacement.args[0] === 0) return plus.s(20, 22)
          replacement.set({ priority: 3 })
          seen.push(replacement.options['priority'])
          return undefined
        },
      },
      (running: TaskContext, x: number): number => {
        throw running.replace(plus.s(x, 1))
      },
    )
    expect(await (await task.delay(1)).get()).toBe(2)
    expect(await (await task.delay(0)).get()).toBe(42)
    expect(seen).toEqual(['proj.plus', true, 3, 'proj.plus', true])
  })

  it('TASK-115, CANVAS-36, CANVAS-93: a task that replaces itself gives what its replacement gives', async () => {
    const { app } = captured
    const plus = app.task('proj.add', add)
    const seen: unknown[] = []
    const note = app.task('proj.note', (value: unknown) => void seen.push(value))
    const task = app.task('proj.replaced', { bind: true }, (running: TaskContext, kind: string): number => {
      if (kind === 'group') throw running.replace(group([plus.s(1, 1), plus.s(2, 2)]))
      if (kind === 'none') throw running.replace(chain())
      // The types refuse it, a message from elsewhere may have it.
      if (kind === 'no body') throw running.replace(chord([plus.s(1, 1)], chain() as never))
      throw running.replace(chain(plus.s(1, 1), plus.s(40)))
    })
    const result = await task.applyAsync(['chain'], { link: note.s(), taskId: 'mine' })
    expect([result.id, await result.get()]).toEqual(['mine', 42])
    expect(seen).toEqual([42])
    expect(await (await task.delay('group')).get()).toEqual([2, 4])
    await expect((await task.delay('none')).get()).rejects.toThrow(/Cannot replace with an empty chain/)
    await expect((await task.delay('no body')).get()).rejects.toThrow(/empty chain as the body of a chord/)
  })

  it('TASK-115, CANVAS-93: what is linked to a replacement is called before what was linked to the task', async () => {
    const { app } = captured
    const plus = app.task('proj.add', add)
    const seen: string[] = []
    const note = app.task('proj.note', (_value: unknown, who: string) => void seen.push(who))
    const task = app.task('proj.replaced', { bind: true }, (running: TaskContext): number => {
      const end = plus.s(40)
      end.link(note.s('end'))
      const inner = chain(plus.s(1, 1), end)
      const replacement = chain(inner)
      inner.link(note.s('inner'))
      replacement.link(note.s('whole'))
      throw running.replace(replacement)
    })
    const result = await task.applyAsync([], { link: note.s('task') })
    expect(await result.get()).toBe(42)
    expect(seen).toEqual(['end', 'inner', 'whole', 'task'])
  })

  it('TEST-1, RES-24, RES-49: the results of a group that ran in the caller are told and iterated without a store', async () => {
    const { app } = captured
    const plus = app.task('proj.add', add)
    const results = await group([plus.s(1, 1), group([plus.s(2, 2)])]).apply()
    const { promise, resolve } = Promise.withResolvers<unknown>()
    results.onReady(resolve)
    expect(await promise).toBe(results)
    const metas: unknown[] = []
    for await (const [id, meta] of results.iterNative()) metas.push([id === meta.taskId, meta.result])
    expect(metas).toEqual([
      [true, 2],
      [true, 4],
    ])
  })

  it('CANVAS-50…52, TASK-114: map, starmap and chunks run in the caller too', async () => {
    const plus = captured.app.task('proj.add', add)
    const pairs: [number, number][] = [
      [1, 1],
      [2, 2],
      [3, 3],
    ]
    expect(await (await plus.starmap(pairs).delay()).get()).toEqual([2, 4, 6])
    expect(await (await plus.chunks(pairs, 2).delay()).get()).toEqual([[2, 4], [6]])
    const failing = captured.app.task('proj.boom', boom)
    await expect((await failing.map([undefined as never]).delay()).get()).rejects.toThrow('boom')
  })

  it('TASK-116: only members of a chord can add to it', async () => {
    const plus = captured.app.task('proj.add', add)
    const task = captured.app.task('proj.lonely', { bind: true }, async (running: TaskContext) => {
      await running.addToChord(plus.s(1, 1))
    })
    await expect((await task.delay()).get()).rejects.toThrow(/not a member of a chord/)
  })

  it('TEST-1: sendTask and signatures by name are sent all the same', async () => {
    await captured.app.sendTask('far')
    await captured.app.signature('far').delay()
    expect(await captured.sent()).toHaveLength(2)
  })

  it('TEST-2: arguments go through the serializer; with apply() they do not', async () => {
    const seen: unknown[] = []
    const task = captured.app.task('proj.see', (value: unknown) => {
      seen.push(value)
    })
    const value = { at: undefined, list: [1] }
    await task.delay(value)
    await task.apply([value])
    expect(seen[0]).toEqual({ list: [1] })
    expect(seen[0]).not.toBe(value)
    expect(seen[1]).toBe(value)
    await expect(task.delay(() => 1)).rejects.toMatchObject({ code: 'CT_ENCODE' })
  })

  it('TEST-3, SET-147: errors stay in the result, or are thrown', async () => {
    const task = captured.app.task('proj.boom', boom)
    const result = await task.delay()
    expect(await result.state()).toBe('FAILURE')
    await expect(result.get()).rejects.toThrow('boom')
    expect(await result.get({ propagate: false })).toBeInstanceOf(RangeError)
    await expect(task.apply({ throw: true })).rejects.toThrow('boom')
    await use({ taskAlwaysEager: true, taskEagerPropagates: true })
    const strict = captured.app.task('proj.boom', boom)
    await expect(strict.delay()).rejects.toThrow('boom')
    expect(await (await strict.apply({ throw: false })).state()).toBe('FAILURE')
  })

  it('TASK-15 TEST-4 SET-161: results are stored when asked for', async () => {
    const app = await use({ taskAlwaysEager: true, taskStoreEagerResult: true })
    const task = app.task('proj.add', add)
    const result = await task.delay(1, 2)
    expect(await app.asyncResult(result.id).get({ timeoutMs: 20_000 })).toBe(3)
    const failed = await app.task('proj.boom', boom).delay()
    await expect(app.asyncResult(failed.id).get({ timeoutMs: 20_000 })).rejects.toThrow('boom')
    const ignored = await task.applyAsync([1, 2], { ignoreResult: true })
    expect(await app.asyncResult(ignored.id).state()).toBe('PENDING')
  })

  it('TEST-5, TASK-100: retries at once, however long it should wait', async () => {
    const tries: number[] = []
    const task = captured.app.task('proj.retry', { bind: true, maxRetries: 3 }, (task, fail: number) => {
      tries.push(task.request.retries)
      if (task.request.retries < fail) throw task.retry({ countdown: 1000 })
      return 'done'
    })
    expect(await (await task.delay(2)).get()).toBe('done')
    expect(tries).toEqual([0, 1, 2])
    await expect((await task.delay(9)).get()).rejects.toMatchObject({ code: 'CT_MAX_RETRIES' })
    const own = captured.app.task('proj.own', { bind: true, maxRetries: 1 }, (task) => {
      throw task.retry({ exc: new RangeError('mine') })
    })
    await expect((await own.delay()).get()).rejects.toThrow('mine')
  })

  it('TASK-75, TASK-95: a retry may change the arguments', async () => {
    const task = captured.app.task('proj.change', { bind: true }, (task, value: string) => {
      if (value === 'first') throw task.retry({ args: ['second'] })
      return value
    })
    expect(await (await task.delay('first')).get()).toBe('second')
  })

  it('D57-75: a retry that changes only one kind of arguments may pass them in another way', async () => {
    const { app } = captured
    const positional = app.task('proj.positional', { bind: true }, (task, x: number, y: number, z = 0) => {
      if (task.request.retries === 0) throw task.retry({ args: [x + 10, y + 10] })
      return [x, y, z]
    })
    const named = app.task('proj.named', { bind: true }, (task, x: number, y: number, z = 0) => {
      if (task.request.retries === 0) throw task.retry({ kwargs: { y: y + 10, z: 5 } })
      return [x, y, z]
    })
    const all = { kwargs: { x: 1, y: 2, z: 3 } }
    expect(await (await positional.applyAsync([], all)).get()).toEqual([11, 12, 3])
    expect(await (await named.applyAsync([1, 2])).get()).toEqual([1, 12, 5])
  })

  it('TASK-20, TASK-21: retries by itself for some errors', async () => {
    let tries = 0
    const task = captured.app.task(
      'proj.auto',
      { autoretryFor: [Error], dontAutoretryFor: [TypeError], maxRetries: 2 },
      (kind: string) => {
        tries++
        throw kind === 'type' ? new TypeError(kind) : new RangeError(kind)
      },
    )
    await expect((await task.delay('range')).get()).rejects.toThrow(RangeError)
    expect(tries).toBe(3)
    await expect((await task.delay('type')).get()).rejects.toThrow(TypeError)
    expect(tries).toBe(4)
  })

  it('TASK-101, TASK-102: Ignore and Reject are outcomes', async () => {
    const ignore = captured.app.task('proj.ignore', () => {
      throw new Ignore()
    })
    const reject = captured.app.task('proj.reject', () => {
      throw new Reject('no')
    })
    expect(await (await ignore.delay()).state()).toBe('IGNORED')
    expect(await (await reject.delay()).state()).toBe('REJECTED')
  })

  it('TEST-6: the request says so', async () => {
    let context: TaskContext | undefined
    const task = captured.app.task('proj.look', { bind: true }, (task, _x: number) => {
      expect(currentTask()).toBe(task)
      context = task
    })
    const result = await task.applyAsync([1], { priority: 3, headers: { tenant: 'a' } })
    expect(context!.request).toMatchObject({
      id: result.id,
      rootId: result.id,
      args: [1],
      isEager: true,
      calledDirectly: false,
      retries: 0,
      headers: { tenant: 'a' },
      deliveryInfo: { isEager: true, priority: 3 },
    })
    expect(context!.signal.aborted).toBe(false)
    expect(currentTask()).toBeUndefined()
  })

  it('links run inline, error callbacks with the failed id', async () => {
    const seen: unknown[] = []
    const note = captured.app.task('proj.note', (value: unknown) => {
      seen.push(value)
    })
    const task = captured.app.task('proj.add', add)
    await task.applyAsync([1, 2], { link: note.s() })
    const failed = await captured.app.task('proj.boom', boom).applyAsync({ linkError: note.s() })
    expect(seen).toEqual([3, failed.id])
  })

  it('CANVAS-62: an error callback of the new style gets request, error and traceback; what it throws is logged', async () => {
    const seen: unknown[] = []
    const told = captured.app.task('proj.told', (request: TaskRequest, error: Error, trace: string) => {
      seen.push(request.id, error.message, trace.includes('boom'))
      throw new Error('in the callback')
    })
    const three = captured.app.task('proj.three', (id: string, error: unknown, mine: number) => {
      seen.push(id, error, mine)
    })
    const failed = await captured.app
      .task('proj.boom', boom)
      .applyAsync({ linkError: [told.s(), three.s(undefined, 7)] })
    expect(seen).toEqual([failed.id, 'boom', true, failed.id, undefined, 7])
  })

  it('CANVAS-36, D57-84: callbacks of a call go to the body of a chord; a group takes none', async () => {
    const seen: unknown[] = []
    const note = captured.app.task('proj.note', (value: unknown) => void seen.push(value))
    const task = captured.app.task('proj.add', add)
    const sum = captured.app.task('proj.sum', (values: number[]) => values.reduce((a, b) => a + b, 0))
    const fail = captured.app.task('proj.boom', (_values: number[]) => boom())
    await chord([task.s(1, 1), task.s(2, 2)], sum.s()).applyAsync({ link: note.s() })
    const failed = await chord([task.s(1, 1)], fail.s()).applyAsync({ linkError: note.s() })
    expect(seen).toEqual([6, failed.id])
    await expect(group([task.s(1, 1)]).applyAsync({ link: note.s() })).rejects.toThrow(
      'A group takes no link',
    )
    expect((await group([task.s(1, 1)]).applyAsync({ taskId: 'mine' })).id).toBe('mine')
  })

  it('TASK-85…88: calls the handlers in order', async () => {
    const calls: string[] = []
    const hooks = {
      beforeStart: () => calls.push('beforeStart'),
      onSuccess: (value: unknown) => calls.push(`onSuccess ${String(value)}`),
      onFailure: (error: unknown) => calls.push(`onFailure ${(error as Error).message}`),
      onRetry: () => calls.push('onRetry'),
      afterReturn: (state: string) => calls.push(`afterReturn ${state}`),
    }
    await captured.app.task('proj.add', hooks, add).delay(1, 2)
    await captured.app
      .task('proj.boom', { ...hooks, autoretryFor: [RangeError], maxRetries: 1 }, boom)
      .delay()
    expect(calls).toEqual([
      'beforeStart',
      'onSuccess 3',
      'afterReturn SUCCESS',
      'beforeStart',
      'onRetry',
      'beforeStart',
      'onFailure boom',
      'afterReturn FAILURE',
    ])
  })

  it('CANVAS-36: canvases run in place', async () => {
    const { app } = captured
    const task = app.task('proj.add', add)
    const sum = app.task('proj.sum', (values: number[]) => values.reduce((a, b) => a + b, 0))
    const chained = await chain(task.s(2, 2), task.s(4), task.s(8)).applyAsync()
    expect([await chained.get(), await (chained.parent as typeof chained).get()]).toEqual([16, 8])
    const grouped = await group([task.s(1, 1), task.s(2, 2)]).applyAsync()
    expect([
      await grouped.get(),
      await grouped.ready(),
      await grouped.successful(),
      await grouped.completedCount(),
    ]).toEqual([[2, 4], true, true, 2])
    const joined = await chord([task.s(1, 1), task.s(2, 2)], sum.s()).applyAsync()
    expect(await joined.get()).toBe(6)
    expect(await joined.parent?.get()).toEqual([2, 4])
    expect(await (await chain(group([task.s(1), task.s(2)]), sum.s(), task.s(5)).delay(1)).get()).toBe(10)
    expect(await (await group([]).applyAsync()).get()).toEqual([])
  })

  it('canvas §13: a failing step fails the call, Ignore stops the chain', async () => {
    const { app } = captured
    const task = app.task('proj.add', add)
    const fail = app.task('proj.boom', (_x: number): number => boom())
    const stop = app.task('proj.stop', (_x: number): number => {
      throw new Ignore()
    })
    await expect(chain(task.s(1, 1), fail.s(), task.s(1)).applyAsync()).rejects.toThrow('boom')
    expect(await (await chain(task.s(1, 1), stop.s(), task.s(1)).applyAsync()).state()).toBe('IGNORED')
    await expect(
      chord([fail.s(1)], app.task('proj.sum', (values: number[]) => values.length).s()).applyAsync(),
    ).rejects.toThrow('boom')
    const linked: number[] = []
    const note = app.task('proj.note', (value: number) => {
      linked.push(value)
    })
    const canvas = chain(task.s(1, 1), task.s(1))
    canvas.link(note.s())
    await canvas.applyAsync()
    expect(linked).toEqual([3])
  })

  it('updateState stores only where eager results are stored', async () => {
    const app = await use({ taskAlwaysEager: true, taskStoreEagerResult: true })
    const states: string[] = []
    const task = app.task('proj.progress', { bind: true }, async (task) => {
      await task.updateState('PROGRESS', { done: 1 })
      const meta = await app.asyncResult(task.request.id).meta()
      states.push(`${meta.status} ${JSON.stringify(meta.result)}`)
      await task.sendEvent('custom', { x: 1 })
    })
    await task.delay()
    expect(states).toEqual(['PROGRESS {"done":1}'])
  })
})

describe('a task called as a function', () => {
  it('TASK-40, TEST-8: runs the function, and nothing else', async () => {
    const { app } = captured
    expect(app.task('proj.add', add)(1, 2)).toBe(3)
    const look = app.task('proj.look', { bind: true }, (task, x: number) => [
      task.request.calledDirectly,
      task.request.id,
      x,
    ])
    expect(look(7)).toEqual([true, '', 7])
    const again = app.task('proj.again', { bind: true }, (task) => {
      throw task.retry({ exc: new RangeError('mine') })
    })
    expect(() => again()).toThrow('mine')
  })
})
