import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { capturedApp } from '../../test/captured-app.ts'
import type { CapturedApp } from '../../test/captured-app.ts'
import { automaticRetry } from './retry-control.ts'
import { localRequest } from './eager.ts'
import { resolveTaskOptions } from './resolve-options.ts'
import type { SchemaResult, StandardSchema } from './standard-schema.ts'
import type { App } from '../app/index.ts'
import type { TaskContext } from './task-context.ts'
import type { TaskOptions } from './task-options.ts'

let captured: CapturedApp

beforeEach(() => {
  captured = capturedApp()
})
afterEach(async () => {
  await captured[Symbol.asyncDispose]()
})

/** A schema as a library makes it. */
function schema<I, O>(
  validate: (value: unknown) => SchemaResult<O> | Promise<SchemaResult<O>>,
): StandardSchema<I, O> {
  return { '~standard': { version: 1, vendor: 'test', validate } }
}

const context = {} as TaskContext

describe('app.task', () => {
  it('TASK-1, APP-54: is named by hand, by option, or after app and function', () => {
    const { app } = captured
    function named(): void {}
    const arrow = (): void => {}
    expect(app.task('a.b', () => 1).name).toBe('a.b')
    expect(app.task({ name: 'c.d' }, () => 1).name).toBe('c.d')
    expect(app.task(named).name).toBe('proj.named')
    expect(app.task({ rateLimit: 5 }, arrow).name).toBe('proj.arrow')
    expect(() => app.task(() => 1)).toThrow(/without a name needs one/)
    expect(() => (app.task as unknown as (name: string) => void)('x')).toThrow(/needs a function/)
  })

  it('APP-52, APP-53, D57-134: registers it; a name belongs to one task', () => {
    const { app } = captured
    const task = app.task('a', () => 1)
    expect(app.tasks.get('a')).toBe(task)
    expect([app.tasks.has('b'), app.tasks.names(), app.tasks.size]).toEqual([false, ['a'], 1])
    expect(() => app.task('a', () => 1)).toThrow(
      expect.objectContaining({ code: 'CT_ALREADY_REGISTERED' }) as Error,
    )
    expect(app.registerTask(task)).toBe(task)
    app.tasks.unregister('a')
    app.task('a', () => 2)
  })

  it('APP-58: tasks of a library are a function of the app; each app has its own', async () => {
    const mathTasks = (app: App) => ({ double: app.task('math.double', (x: number) => x * 2) })
    await using other = capturedApp({ taskDefaultQueue: 'other' })
    const [here, there] = [mathTasks(captured.app), mathTasks(other.app)]
    expect(here.double).not.toBe(there.double)
    await there.double.delay(2)
    expect((await other.sent('other')).map(({ headers }) => headers['task'])).toEqual(['math.double'])
    expect(await captured.sent()).toEqual([])
  })

  it('TASK-3, TASK-39: options that tasks have in common are spread, and overridden', () => {
    const { app } = captured
    const http = { autoretryFor: [TypeError], retryBackoff: true, maxRetries: 9 } satisfies TaskOptions
    const get = app.task('get', { ...http, bind: true }, (task, url: string) => `${task.name} ${url}`)
    const put = app.task('put', { ...http, maxRetries: 1 }, (url: string) => url)
    expect([get.options.maxRetries, get.options.retryBackoff, put.options.maxRetries]).toEqual([9, 1, 1])
    expect(put.options.autoretryFor).toEqual([TypeError])
  })

  it('TASK-41: what surrounds the body is a function around it, with the names of its parameters', async () => {
    const seen: unknown[] = []
    const timed =
      <A extends unknown[], R>(fn: (...args: A) => R) =>
      (...args: A): R => {
        seen.push(args)
        return fn(...args)
      }
    const add = captured.app.task(
      'add',
      { params: ['x', 'y'] },
      timed((x: number, y: number) => x + y),
    )
    expect(await (await add.apply([], { kwargs: { x: 1, y: 2 } })).get()).toBe(3)
    expect(seen).toEqual([[1, 2]])
  })

  it('TASK-113, APP-61: signatures, immutable ones, and their long form', () => {
    const add = captured.app.task('add', (x: number, y: number) => x + y)
    expect(add.s(1).toJSON()).toMatchObject({ task: 'add', args: [1], immutable: false })
    expect(add.si(1, 2).toJSON()).toMatchObject({ args: [1, 2], immutable: true })
    const long = { task: 'add', args: [1], kwargs: { y: 2 }, options: { queue: 'q' } }
    expect(add.signature([1], { kwargs: { y: 2 }, queue: 'q' }).toJSON()).toMatchObject(long)
    expect(captured.app.signature('add', { args: [1], kwargs: { y: 2 }, queue: 'q' }).toJSON()).toMatchObject(
      long,
    )
  })

  it('TASK-119: makes handles of its results by id', () => {
    const task = captured.app.task('t', () => 1)
    expect(task.asyncResult('an-id').id).toBe('an-id')
  })

  it('is a function and a task', () => {
    const task = captured.app.task('proj.add', (x: number, y: number) => x + y)
    expect(typeof task).toBe('function')
    expect(task(1, 2)).toBe(3)
    expect(String(task)).toBe('<@task: proj.add>')
    expect(task.asyncResult('id').id).toBe('id')
  })

  it.each([
    [{ ackLate: true }, /unknown option "ackLate"\. Did you mean "acksLate"/],
    [{ acksLate: 1 }, /"acksLate" of task x must be true or false/],
    [{ rateLimit: '10/d' }, /"rateLimit" of task x must be a number per second/],
    [{ timeLimit: 1, softTimeLimit: 2 }, /must be not above timeLimit \(1 s\)/],
    [{ autoretryFor: ['Error'] }, /must be a list of error classes/],
    [{ requeueFor: [1] }, /"requeueFor" of task x must be a list of error classes/],
    [{ rejectFor: Error }, /must be a list of error classes/],
    [{ concurrency: 0 }, /"concurrency" of task x must be a whole number from 1/],
    [{ concurrency: { limit: 1, key: 'a' } }, /"concurrency" of task x must be/],
    [{ concurrency: { limit: { limit: 1 } } }, /"concurrency" of task x must be/],
    [{ concurrency: { limit: 1, per: 'a' } }, /"concurrency" of task x must be/],
    [{ onSuccess: 1 }, /must be a function/],
    [{ maxRetries: -1 }, /must be a number not below 0/],
    [{ priority: 300 }, /must be a whole number from 0 to 255/],
    [{ params: 'x' }, /"params" of task x must be a list of names/],
    [{ args: {} }, /"args" of task x must be a schema/],
    [{ queue: 42 }, /"queue" of task x must be the name of a queue/],
    [{ expires: NaN }, /"expires" of task x must be seconds/],
    [{ timeLimit: Infinity }, /must be a finite number, or null/],
    [{ retryBackoff: 'x' }, /"retryBackoff" of task x must be true, false or a number/],
    [{ retryKwargs: { countdown: 'x' } }, /"retryKwargs" of task x must be/],
    [{ retryKwargs: { max: 1 } }, /"retryKwargs" of task x must be/],
  ])('TASK-8: refuses wrong options: %o', (options, message) => {
    expect(() => captured.app.task('x', options as never, () => 1)).toThrow(message)
  })

  it('options resolve over settings, which resolve over defaults', () => {
    const { app } = captured
    const task = app.task('x', { timeLimit: 5, retryBackoff: true, acksOnFailureOrTimeout: false }, () => 1)
    expect(task.options).toMatchObject({
      timeLimit: 5,
      softTimeLimit: null,
      acksLate: true,
      rejectOnWorkerLost: true,
      maxDeliveries: 5,
      acksOnFailure: false,
      acksOnTimeout: false,
      maxRetries: 3,
      defaultRetryDelay: 180,
      retryBackoff: 1,
      retryBackoffMax: 600,
      retryJitter: true,
      ignoreResult: false,
      sendEvents: true,
      trail: true,
      typing: true,
      resultreprMaxsize: 1024,
      serializer: null,
    })
    expect(task.options).toBe(task.options)
    app.configure({ taskAcksLate: false, taskSoftTimeLimit: 3 })
    expect([task.options.acksLate, task.options.softTimeLimit]).toEqual([false, 3])
    const plain = resolveTaskOptions('x', {}, capturedApp({ defaults: 'celery' }).app.settings)
    expect([plain.acksLate, plain.rejectOnWorkerLost, plain.maxDeliveries]).toEqual([false, false, null])
  })

  it('SET-155, D57-114: taskRejectOnWorkerLost and taskRetryOnWorkerLost are those of tasks that say nothing', () => {
    const { settings } = capturedApp({ taskRejectOnWorkerLost: false, taskRetryOnWorkerLost: true }).app
    const lost = { rejectOnWorkerLost: false, retryOnWorkerLost: true }
    expect(resolveTaskOptions('x', {}, settings)).toMatchObject(lost)
    const other = { rejectOnWorkerLost: true, retryOnWorkerLost: false }
    expect(resolveTaskOptions('x', other, settings)).toMatchObject(other)
  })

  it('PAIN-36: what is to give a message back needs one that is acknowledged late', () => {
    const { settings } = capturedApp({ defaults: 'celery' }).app
    for (const options of [{ requeueFor: [TypeError] }, { rejectFor: [TypeError] }]) {
      expect(() => resolveTaskOptions('x', options, settings)).toThrow(/of task x needs acksLate/)
      expect(resolveTaskOptions('x', { ...options, acksLate: true }, settings)).toMatchObject(options)
    }
    expect(resolveTaskOptions('x', { ackFor: [TypeError] }, settings).ackFor).toEqual([TypeError])
  })

  it('TASK-11: failure and time-out are settled apart', () => {
    const { settings } = capturedApp({ taskAcksOnFailure: false }).app
    expect(resolveTaskOptions('x', {}, settings)).toMatchObject({ acksOnFailure: false, acksOnTimeout: true })
    expect(resolveTaskOptions('x', { acksOnTimeout: false }, settings)).toMatchObject({
      acksOnFailure: false,
      acksOnTimeout: false,
    })
  })

  it('APP-55: tells how many arguments it takes', () => {
    const { app } = captured
    expect(app.task('a', (x: number, y = 1) => x + y).arity).toEqual({ required: 1, most: 2 })
    expect(app.task('b', { bind: true }, (_task, x: number) => x).arity).toEqual({ required: 1, most: 1 })
    expect(app.task('c', (...all: number[]) => all).arity).toEqual({ required: 0, most: Infinity })
  })
})

describe('run', () => {
  it('TASK-2: gives a bound handler the context first', () => {
    const task = captured.app.task('x', { bind: true }, (task, x: number, y = 2) => [task, x, y])
    expect(task.run(context, [1], { y: 3 })).toEqual([context, 1, 3])
    expect(() => task.run(context, [], {})).toThrow("missing 1 required positional argument: 'x'")
  })

  const pair = schema<[string, number], [Date, number]>((value) => {
    const [at, count] = value as [string, number]
    return typeof count === 'number'
      ? { value: [new Date(at), count] }
      : { issues: [{ message: 'not a number', path: [1] }] }
  })

  it('TASK-31: validates positional arguments by a schema, at send and at receive', async () => {
    const task = captured.app.task('x', { args: pair }, (at, count) => [at, count])
    expect(task.run(context, ['2026-01-01', 1], {})).toEqual([new Date('2026-01-01'), 1])
    expect(task.run(context, ['2026-01-01'], { count: 1 })).toEqual([new Date('2026-01-01'), 1])
    expect(() => task.run(context, ['2026-01-01', '1'], {})).toThrow(
      'x() got arguments that do not fit its schema: 1: not a number',
    )
    await expect(task.delay('2026-01-01', '1' as never)).rejects.toMatchObject({ code: 'CT_ARGUMENTS' })
    await task.delay('2026-01-01', 1)
    // What is sent is what was given: the receiver transforms it again.
    expect((await captured.sent())[0]!.args).toEqual(['2026-01-01', 1])
    expect(task('2026-01-01', 1)).toEqual([new Date('2026-01-01'), 1])
  })

  const mail = schema<{ to: string; copies?: number }, { to: string; copies: number }>(async (value) => {
    const { to, copies = 1 } = value as { to?: string; copies?: number }
    return to === undefined
      ? { issues: [{ message: 'required', path: [{ key: 'to' }] }] }
      : { value: { to, copies } }
  })

  it('TASK-31: takes keyword arguments as one object, with an asynchronous schema too', async () => {
    const task = captured.app.task(
      'x',
      { kwargs: mail, params: ['to', 'copies'] },
      ({ to, copies }) => `${to} ${copies}`,
    )
    expect(await task.run(context, [], { to: 'a' })).toBe('a 1')
    expect(await task.run(context, ['a', 2], {})).toBe('a 2')
    await expect(task.run(context, [], {})).rejects.toThrow('to: required')
    expect(() => task.run(context, ['a'], { to: 'b' })).toThrow("multiple values for argument 'to'")
    expect(() => task.run(context, ['a', 1, 2], {})).toThrow('3 were given')
    await task.delay({ to: 'a' })
    await task.applyAsync([{ to: 'b' }], { shadow: 'x' })
    await task.s({ to: 'c' }).applyAsync()
    await expect(task.delay({} as never)).rejects.toThrow('to: required')
    expect((await captured.sent()).map(({ args, kwargs }) => [args, kwargs])).toEqual([
      [[], { to: 'a' }],
      [[], { to: 'b' }],
      [[], { to: 'c' }],
    ])
    expect(await task({ to: 'a' })).toBe('a 1')
  })
})

describe('automaticRetry', () => {
  const scope = (options: object, retries = 0): Parameters<typeof automaticRetry>[0] => {
    const task = captured.app.task(
      `x${Math.random()}`,
      { autoretryFor: [Error], ...options } as never,
      () => 1,
    )
    return { task, request: localRequest('x', { calledDirectly: false, retries }) }
  }

  it('TASK-19 TASK-22…25, PAIN-47: waits as back-off, its limit and jitter say', () => {
    const error = new RangeError('x')
    const when = (options: object, retries: number, random = 0.5): unknown =>
      automaticRetry(scope({ maxRetries: null, ...options }, retries), error, () => random)?.when
    expect(when({}, 0)).toBe(180)
    expect(when({ retryKwargs: { countdown: 7 } }, 0)).toBe(7)
    expect([0, 1, 5].map((retries) => when({ retryBackoff: true, retryJitter: false }, retries))).toEqual([
      1, 2, 32,
    ])
    expect(when({ retryBackoff: 3, retryJitter: false }, 2)).toBe(12)
    expect(when({ retryBackoff: 0.2, retryJitter: false }, 1)).toBe(2)
    expect(when({ retryBackoff: true, retryBackoffMax: 10, retryJitter: false }, 9)).toBe(10)
    expect([0, 0.999999].map((random) => when({ retryBackoff: 4 }, 1, random))).toEqual([0, 8])
  })

  it('TASK-18, TASK-22, PAIN-47: gives up after maxRetries', () => {
    const error = new RangeError('x')
    expect(automaticRetry(scope({}, 2), error)).toBeDefined()
    expect(automaticRetry(scope({}, 3), error)).toBeUndefined()
    expect(automaticRetry(scope({ retryKwargs: { maxRetries: 5 } }, 4), error)).toBeDefined()
    expect(automaticRetry(scope({ autoretryFor: [] }), error)).toBeUndefined()
  })
})
