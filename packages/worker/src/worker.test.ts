/** A worker and a client on the memory broker: what a task may do, what callers see. */
import { memoryBackend } from '@ct/broker-memory'
import { Broadcast, currentTask, type App, type TaskConcurrency } from '@ct/client'
import { Ignore } from '@ct/contracts'
import { describe, expect, it, vi } from 'vitest'
import { soloPool } from './index.ts'
import { makeApp, plainBroker, soon, startWorker, waitFor, watchedBroker } from '../test/memory-worker.ts'

describe('tasks', () => {
  it('TASK-110, RES-45: a task runs and its result arrives', async () => {
    const { app } = makeApp()
    const add = app.task('add', (x: number, y: number) => x + y)
    await startWorker(app)
    const result = await add.delay(2, 3)
    expect(await result.get(soon)).toBe(5)
  })

  it('TASK-50…58: the handler gets one typed task', async () => {
    const { app } = makeApp()
    const look = app.task('look', { bind: true }, (task, x: number) => ({
      id: task.request.id,
      hostname: task.request.hostname,
      retries: task.request.retries,
      x,
      name: task.name,
      current: currentTask()?.request.id,
      aborted: task.signal.aborted,
    }))
    await startWorker(app)
    const result = await look.delay(7)
    expect(await result.get(soon)).toEqual({
      id: result.id,
      hostname: 'w@test',
      retries: 0,
      x: 7,
      name: 'look',
      current: result.id,
      aborted: false,
    })
  })

  it('TASK-50: what a task sends has it as parent and is its child', async () => {
    const { app } = makeApp()
    const inner = app.task('inner', { bind: true }, (task) => [task.request.parentId, task.request.rootId])
    const outer = app.task('outer', async () => (await inner.delay()).id)
    await startWorker(app)
    const result = await outer.delay()
    const child = app.asyncResult<string[]>((await result.get(soon)) as string)
    expect(await child.get(soon)).toEqual([result.id, result.id])
    expect((await app.context.results.getMeta(result.id)).children?.map(({ id }) => id)).toEqual([child.id])
  })

  it('TASK-95: retry with new arguments', async () => {
    const { app } = makeApp()
    const twice = app.task('twice', { bind: true }, (task, x: number): number => {
      if (task.request.retries === 0) throw task.retry({ args: [x * 2], countdown: 0 })
      return x
    })
    await startWorker(app)
    expect(await (await twice.delay(21)).get(soon)).toBe(42)
  })

  it('D57-75: a retry with other arguments may pass them in another way than its caller did', async () => {
    const { app } = makeApp()
    const again = app.task('again', { bind: true }, (task, x: number, y: number, how = ''): unknown => {
      const { retries, kwargs } = task.request
      if (retries > 0) return [x, y, how, Object.keys(kwargs)]
      throw task.retry({ countdown: 0, ...(how === 'args' ? { args: [x + 1] } : { kwargs: { y: y + 1 } }) })
    })
    await startWorker(app)
    const named = await again.applyAsync([], { kwargs: { x: 1, y: 2, how: 'args' } })
    expect(await named.get(soon)).toEqual([2, 2, 'args', ['y', 'how']])
    expect(await (await again.delay(1, 2, 'kwargs')).get(soon)).toEqual([1, 3, 'kwargs', []])
  })

  it('TASK-20, TASK-21: autoretry', async () => {
    const { app } = makeApp()
    let runs = 0
    const flaky = app.task(
      'flaky',
      {
        bind: true,
        autoretryFor: [Error],
        dontAutoretryFor: [RangeError],
        retryKwargs: { countdown: 0, maxRetries: 2 },
      },
      (task, how: string): number => {
        runs += 1
        if (how === 'never') throw new RangeError('no')
        if (task.request.retries < 2) throw new TypeError('again')
        return task.request.retries
      },
    )
    await startWorker(app)
    expect(await (await flaky.delay('later')).get(soon)).toBe(2)
    await expect((await flaky.delay('never')).get(soon)).rejects.toThrow('no')
    expect(runs).toBe(4)
  })

  it('TASK-16, TASK-117: STARTED and states of the task’s own', async () => {
    const { app } = makeApp()
    const go = Promise.withResolvers<void>()
    const slow = app.task('slow', { bind: true, trackStarted: true }, async (task) => {
      await go.promise
      await task.updateState('PROGRESS', { done: 1 })
      return 'x'
    })
    await startWorker(app)
    const result = await slow.delay()
    await expect.poll(() => result.state()).toBe('STARTED')
    expect((await app.context.results.getMeta(result.id)).result).toEqual({
      pid: process.pid,
      hostname: 'w@test',
    })
    go.resolve()
    expect(await result.get(soon)).toBe('x')
  })

  it('TASK-13, TASK-14: ignoreResult of the task, of the call, and errors stored all the same', async () => {
    const { app } = makeApp()
    const quiet = app.task('quiet', { ignoreResult: true }, () => 1)
    const loud = app.task('loud', () => 1)
    const fails = app.task('fails', { ignoreResult: true, storeErrorsEvenIfIgnored: true }, () => {
      throw new Error('kept')
    })
    const worker = await startWorker(app)
    const done = waitFor(worker, 'taskSucceeded', 3)
    const first = await quiet.delay()
    const second = await loud.applyAsync([], { ignoreResult: true })
    const third = await quiet.applyAsync([], { ignoreResult: false })
    await done
    expect(await third.get(soon)).toBe(1)
    expect((await app.context.results.getMetas([first.id, second.id])).map(({ status }) => status)).toEqual([
      'PENDING',
      'PENDING',
    ])
    const failed = waitFor(worker, 'taskFailed', 1)
    const { id } = await fails.delay()
    await failed
    expect((await app.context.results.getMeta(id)).status).toBe('FAILURE')
  })

  it('TASK-71: a result that cannot be encoded is a failure', async () => {
    const { app } = makeApp()
    const bad = app.task('bad', () => (): void => {})
    await startWorker(app)
    await expect((await bad.delay()).get(soon)).rejects.toMatchObject({ code: 'CT_ENCODE' })
  })

  it('TASK-71, TASK-76, TASK-79: whatever a task throws or returns, its caller hears of it', async () => {
    const { app, lines } = makeApp()
    const unreadable = {
      get(): never {
        throw new Error('trap')
      },
    }
    const bad = Object.defineProperties(new Error('x'), { stack: unreadable, name: unreadable })
    const revoked = (): object => {
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      return proxy
    }
    const values: Readonly<Record<string, readonly [value: () => unknown, message: string]>> = {
      null: [() => null, 'the task threw null'],
      undefined: [() => undefined, 'the task threw undefined'],
      text: [() => 'boo', 'boo'],
      getters: [() => bad, 'members cannot be read'],
      cause: [() => new Error('outer', { cause: bad }), 'members cannot be read'],
      symbol: [
        () => Object.assign(new Error('y'), { name: Symbol('n'), cause: { name: Symbol('n'), message: 1 } }),
        '',
      ],
      proxy: [revoked, 'members cannot be read'],
    }
    const fail = app.task('fail', (name: string) => {
      throw values[name]![0]()
    })
    const reject = app.task('reject', async (name: string) => {
      await Promise.resolve()
      throw values[name]![0]()
    })
    const again = app.task('again', { bind: true, maxRetries: 0 }, (task, name: string) => {
      throw task.retry({ exc: values[name]![0]() as Error })
    })
    const back = app.task('back', () => revoked())
    const then = app.task('then', () => new Proxy({}, { ...unreadable, has: () => true }))
    const quiet = app.task('quiet', { ignoreResult: true }, () => [revoked()])
    await startWorker(app)
    for (const [name, [, message]] of Object.entries(values)) {
      await expect((await fail.delay(name)).get(soon)).rejects.toThrow(message)
      await expect((await reject.delay(name)).get(soon)).rejects.toThrow(message)
    }
    await expect((await again.delay('getters')).get(soon)).rejects.toThrow('members cannot be read')
    await expect((await back.delay()).get(soon)).rejects.toThrow('revoked')
    await expect((await then.delay()).get(soon)).rejects.toThrow('trap')
    await quiet.delay()
    await vi.waitFor(() => expect(lines.at(-1)?.message).toMatch(/quiet.* succeeded .*<unrepresentable>/))
    expect(lines.filter(({ level }) => level === 'critical')).toEqual([])
  })

  it('TASK-85…88: hooks run in order; their errors change nothing (D57-63)', async () => {
    const { app, lines } = makeApp()
    const calls: string[] = []
    const hooked = app.task(
      'hooked',
      {
        beforeStart: () => void calls.push('beforeStart'),
        onSuccess: () => {
          calls.push('onSuccess')
          throw new Error('hook')
        },
        onFailure: () => void calls.push('onFailure'),
        afterReturn: (state) => void calls.push(`afterReturn ${state}`),
      },
      (fail: boolean) => {
        calls.push('run')
        if (fail) throw new Error('x')
      },
    )
    await startWorker(app)
    await (await hooked.delay(false)).get(soon)
    await expect((await hooked.delay(true)).get(soon)).rejects.toThrow('x')
    await expect.poll(() => calls.length).toBe(8)
    expect(calls).toEqual([
      'beforeStart',
      'run',
      'onSuccess',
      'afterReturn SUCCESS',
      'beforeStart',
      'run',
      'onFailure',
      'afterReturn FAILURE',
    ])
    expect(lines.some(({ message }) => message.includes('onSuccess of task hooked'))).toBe(true)
  })

  it('TASK-26, TASK-75: log lines are Celery’s', async () => {
    const { app, lines } = makeApp()
    class Expected extends Error {}
    const t = app.task('t', { throws: [Expected] }, (how: string) => {
      if (how === 'expected') throw new Expected('e')
      if (how === 'ignore') throw new Ignore()
      if (how === 'fail') throw new TypeError('f')
      return [1, 'x', null]
    })
    await startWorker(app, { concurrency: 1 })
    const ids: string[] = []
    for (const how of ['ok', 'expected', 'fail', 'ignore']) ids.push((await t.delay(how)).id)
    await expect.poll(() => lines.some(({ message }) => message.endsWith('ignored'))).toBe(true)
    const about = lines
      .filter(({ message }) => message.startsWith('Task t['))
      .map(({ level, message }) => `${level} ${message}`)
    expect(about).toContain(`info Task t[${ids[0]}] received`)
    expect(about.find((line) => line.includes('succeeded'))).toMatch(
      /^info Task t\[.*\] succeeded in [\d.e-]+s: \[1, 'x', None\]$/,
    )
    expect(about).toContain(`info Task t[${ids[1]}] raised expected: Expected('e')`)
    expect(about).toContain(`error Task t[${ids[2]}] raised unexpected: TypeError('f')`)
    expect(about).toContain(`info Task t[${ids[3]}] ignored`)
  })
})

describe('limits', () => {
  it('TASK-8: the soft limit fires the signal; a task may catch it', async () => {
    const { app } = makeApp()
    const patient = app.task('patient', { bind: true, softTimeLimit: 0.02 }, async (task) => {
      await new Promise((resolve) => {
        task.signal.addEventListener('abort', resolve)
      })
      return (task.signal.reason as Error).name
    })
    await startWorker(app)
    expect(await (await patient.delay()).get(soon)).toBe('SoftTimeLimitExceeded')
  })

  it('TASK-7, WORK-55: the hard limit records a failure, frees the slot, and ignores what the code comes to later', async () => {
    const { app, lines } = makeApp()
    const late = Promise.withResolvers<void>()
    const slow = app.task('slow', { timeLimit: 0.02 }, async () => {
      await late.promise
      return 'too late'
    })
    const quick = app.task('quick', () => 'quick')
    const worker = await startWorker(app, { concurrency: 1 })
    const result = await slow.delay()
    await expect(result.get(soon)).rejects.toMatchObject({ code: 'CT_TIME_LIMIT' })
    expect(worker.counts.active).toBe(0)
    expect(await (await quick.delay()).get(soon)).toBe('quick')
    late.resolve()
    await expect.poll(() => lines.some(({ message }) => message.includes('that is not recorded'))).toBe(true)
    expect(await result.state()).toBe('FAILURE')
  })

  it('TASK-7, TASK-117: a run that was given up at its limit does not write states over how it ended', async () => {
    const { app } = makeApp()
    const go = Promise.withResolvers<void>()
    const wrote = Promise.withResolvers<void>()
    const slow = app.task('slow', { bind: true, timeLimit: 0.03 }, async (task) => {
      await go.promise
      await task.updateState('PROGRESS', { half: true })
      wrote.resolve()
    })
    await startWorker(app)
    const result = await slow.delay()
    await expect(result.get(soon)).rejects.toMatchObject({ code: 'CT_TIME_LIMIT' })
    go.resolve()
    await wrote.promise
    expect(await app.asyncResult(result.id).state()).toBe('FAILURE')
  })

  it('TASK-7, TASK-8: limits beyond a timer’s reach do not fire at once', async () => {
    const { app, lines } = makeApp()
    const month = 30 * 86_400
    const slow = app.task('slow', { bind: true, timeLimit: month, softTimeLimit: month }, async (task) => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      return task.signal.aborted
    })
    await startWorker(app)
    expect(await (await slow.delay()).get(soon)).toBe(false)
    // A machine that stands still for a second is told too.
    const told = lines.filter(({ level, message }) => level !== 'info' && !/stood still/.test(message))
    expect(told).toEqual([])
  })

  it('TASK-139: limits of the call win over those of the task', async () => {
    const { app } = makeApp()
    const slow = app.task('slow', { bind: true, timeLimit: 60 }, (task) => [
      task.request.timeLimit,
      task.request.softTimeLimit,
    ])
    await startWorker(app)
    expect(await (await slow.applyAsync([], { timeLimit: 5, softTimeLimit: 4 })).get(soon)).toEqual([5, 4])
  })

  it('WORK-66, PAIN-21: a rate limit spaces the starts of a task and holds up no other', async () => {
    const { app } = makeApp()
    const starts: number[] = []
    const limited = app.task('limited', { rateLimit: '10/s' }, () => void starts.push(performance.now()))
    const free = app.task('free', () => 'free')
    await startWorker(app)
    const results = await Promise.all([1, 2, 3].map(() => limited.delay()))
    expect(await (await free.delay()).get(soon)).toBe('free')
    for (const result of results) await result.get(soon)
    expect(starts[1]! - starts[0]!).toBeGreaterThan(40)
    expect(starts[2]! - starts[1]!).toBeGreaterThan(40)
  })

  it('WORK-63: held messages take no place of the others', async () => {
    const { app } = makeApp({ workerPrefetchMultiplier: 1 })
    const echo = app.task('echo', (x: number) => x)
    await startWorker(app, { concurrency: 1 })
    await Promise.all([1, 2, 3, 4, 5].map((x) => echo.applyAsync([x], { countdown: 300 })))
    expect(await (await echo.delay(6)).get(soon)).toBe(6)
  })

  it('TASK-131: a countdown is waited for', async () => {
    const { app } = makeApp()
    const at = app.task('at', () => Date.now())
    await startWorker(app)
    const before = Date.now()
    expect(await (await at.applyAsync([], { countdown: 0.15 })).get(soon)).toBeGreaterThanOrEqual(
      before + 150,
    )
  })

  it('WORK-68: a task that expires while it is held is revoked', async () => {
    const { app } = makeApp()
    const t = app.task('t', () => 1)
    await startWorker(app)
    const result = await t.applyAsync([], { expires: 0.02, countdown: 0.05 })
    await expect(result.get(soon)).rejects.toMatchObject({ code: 'CT_REVOKED', message: 'expired' })
  })
})

describe('the event loop', () => {
  it('P7, PAIN-2: tasks that compute leave heartbeats and timers their turn', async () => {
    const { app } = makeApp()
    // Counted, not timed: how many run one after the other without anybody else having his turn.
    let inARow = 0
    let most = 0
    const busy = app.task('busy', () => {
      most = Math.max(most, ++inARow)
      for (const until = performance.now() + 4; performance.now() < until;);
    })
    const results = await Promise.all(Array.from({ length: 60 }, () => busy.delay()))
    const timer = setInterval(() => {
      inARow = 0
    }, 1)
    await startWorker(app)
    for (const result of results) await result.get(soon)
    clearInterval(timer)
    expect(most).toBeLessThan(20)
  })
})

describe('PAIN-59: as many of a task as may run at a time', () => {
  /** A task that runs until it is let go, and what ran at once of each kind. */
  function crowd(app: App, concurrency: TaskConcurrency | number) {
    const running: string[] = []
    const most = new Map<string, number>()
    const gates: (() => void)[] = []
    const task = app.task('crowd', { concurrency, params: ['tenant'] }, async (tenant: string) => {
      running.push(tenant)
      const now = running.filter((one) => one === tenant).length
      most.set(tenant, Math.max(most.get(tenant) ?? 0, now))
      await new Promise<void>((resolve) => gates.push(resolve))
      running.splice(running.indexOf(tenant), 1)
      return tenant
    })
    return { task, running, most, release: () => gates.splice(0).forEach((go) => go()) }
  }

  it('of the task; others go on beside those that wait', async () => {
    const { app } = makeApp()
    const { task, running, most, release } = crowd(app, 2)
    const other = app.task('other', () => 'other')
    const worker = await startWorker(app, { concurrency: 10 })
    const results = await Promise.all([1, 2, 3, 4, 5].map(() => task.delay('a')))
    expect(await (await other.delay()).get(soon)).toBe('other')
    expect(running).toEqual(['a', 'a'])
    expect(worker.counts.active).toBe(2)
    for (let turn = 0; turn < 3; turn += 1) {
      const waiting = Math.min(2, 5 - turn * 2)
      await expect.poll(() => running.length).toBe(waiting)
      release()
    }
    for (const result of results) expect(await result.get(soon)).toBe('a')
    expect(most.get('a')).toBe(2)
  })

  it('of the calls with one key', async () => {
    const { app } = makeApp()
    const { task, running, most, release } = crowd(app, { limit: 1, key: ([tenant]) => String(tenant) })
    await startWorker(app, { concurrency: 10 })
    const results = await Promise.all(['a', 'b', 'a', 'c', 'b'].map((tenant) => task.delay(tenant)))
    await expect.poll(() => running.toSorted()).toEqual(['a', 'b', 'c'])
    release()
    await expect.poll(() => running.toSorted()).toEqual(['a', 'b'])
    release()
    for (const result of results) await result.get(soon)
    expect([...most.values()]).toEqual([1, 1, 1])
  })

  it('one that waits and is revoked makes room; a key that cannot be made fails its task', async () => {
    const { app } = makeApp()
    const { task, running, release } = crowd(app, {
      limit: 1,
      key: ([tenant]) => {
        if (tenant === 'nobody') throw new RangeError('no such tenant')
        return 'all'
      },
    })
    await startWorker(app, { concurrency: 10 })
    const [first, second, third] = [await task.delay('1'), await task.delay('2'), await task.delay('3')]
    await expect.poll(() => running).toEqual(['1'])
    await expect((await task.delay('nobody')).get(soon)).rejects.toThrow('no such tenant')
    await app.control.revoke(second.id, { reply: true, limit: 1, timeoutMs: 20_000 })
    release()
    expect(await first.get(soon)).toBe('1')
    await expect.poll(() => running).toEqual(['3'])
    release()
    expect(await third.get(soon)).toBe('3')
    await expect(second.get(soon)).rejects.toMatchObject({ name: 'TaskRevokedError' })
  })

  it('one that is ended makes room', async () => {
    const { app } = makeApp()
    const { task, running } = crowd(app, 1)
    await startWorker(app, { concurrency: 10 })
    const late = await task.applyAsync(['late'], { timeLimit: 0.05 })
    await task.delay('next')
    await expect(late.get(soon)).rejects.toMatchObject({ name: 'TimeLimitExceeded' })
    await expect.poll(() => running).toContain('next')
  })
})

it('PAIN-64: a worker keeps no result of a broadcast task whose sender left it open', async () => {
  const shout = { taskQueues: ['celery', new Broadcast('shout')] }
  const hub = `worker-test-shout-${process.pid}`
  const both = { ...shout, broker: plainBroker(hub), backend: memoryBackend({ name: hub }) }
  const { app } = makeApp(both)
  const ran: string[] = []
  app.task('heard', (word: string) => {
    ran.push(word)
    return word
  })
  await startWorker(app)
  // As Python's send_task: the header is null.
  const { app: sender } = makeApp({ ...both, defaults: 'celery' })
  const open = await sender.sendTask('heard', { args: ['open'], queue: 'shout' })
  const kept = await sender.sendTask('heard', { args: ['kept'], queue: 'shout', ignoreResult: false })
  expect(await kept.get(soon)).toBe('kept')
  await expect.poll(() => ran.length).toBe(2)
  const plain = await sender.sendTask('heard', { args: ['plain'] })
  expect(await plain.get(soon)).toBe('plain')
  expect(await open.state()).toBe('PENDING')
})

describe('the solo pool', () => {
  it('PAIN-66: remote control is answered while its task runs', async () => {
    const { app } = makeApp()
    const go = Promise.withResolvers<void>()
    const slow = app.task('slow', () => go.promise)
    const worker = await startWorker(app, { pool: soloPool() })
    const result = await slow.delay()
    await expect.poll(() => worker.counts.active).toBe(1)
    expect(await app.control.ping({ timeoutMs: 20_000, destination: ['w@test'] })).toEqual([
      { 'w@test': { ok: 'pong' } },
    ])
    go.resolve()
    await result.get(soon)
  })
})

describe('a broker that can do less', () => {
  it('TRANS-14: without fanout a worker works tasks, listens to no control and sends no events', async () => {
    const declared: string[] = []
    const broker = watchedBroker(
      `worker-test-deaf-${process.pid}`,
      (message) => void declared.push(message.exchange),
      { remoteControl: false },
    )
    const { app } = makeApp({ broker, workerSendTaskEvents: true })
    const add = app.task('add', (x: number, y: number) => x + y)
    await startWorker(app, { withoutMingle: false })
    expect(await (await add.delay(2, 2)).get(soon)).toBe(4)
    expect(new Set(declared)).toEqual(new Set(['']))
    await expect(app.control.ping()).rejects.toMatchObject({ code: 'CT_UNSUPPORTED' })
  })
})
