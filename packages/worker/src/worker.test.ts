/** A worker and a client on the memory broker: what a task may do, what callers see, how a worker starts and stops. */
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import {
  Broadcast,
  chain,
  chord,
  createApp,
  currentTask,
  EventReceiver,
  group,
  prepareTask,
  type App,
  type AppOptions,
  type Logger,
  type TaskConcurrency,
} from '@ct/client'
import {
  BackendError,
  BrokerUnavailableError,
  ConfigurationError,
  Ignore,
  parkedSuffix,
  PublishError,
  type Broker,
  type BrokerConnection,
  type ConnectOptions,
  type ConsumerOptions,
  type OutgoingMessage,
} from '@ct/contracts'
import { fakeClock } from '@ct/testing'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createWorker, soloPool, type Worker, type WorkerOptions } from './index.ts'

interface Line {
  readonly level: string
  readonly message: string
}

function recordingLogger(lines: Line[]): Logger {
  const logger: Logger = {
    debug: () => {},
    info: (message) => lines.push({ level: 'info', message }),
    warn: (message) => lines.push({ level: 'warn', message }),
    error: (message) => lines.push({ level: 'error', message }),
    critical: (message) => lines.push({ level: 'critical', message }),
    child: () => logger,
  }
  return logger
}

let hubs = 0
const open: { worker?: Worker; app: App }[] = []

/** The memory broker, without what it does for the worker elsewhere: hold messages until their ETA. */
function plainBroker(hub: string): Broker {
  const broker = memoryBroker({ name: hub })
  const capabilities = { ...broker.capabilities, nativeDelay: null }
  return new Proxy(broker, {
    get(target, key) {
      if (key === 'capabilities') return capabilities
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** The same, told of what is published on it: `onPublish` may refuse a message with an error. */
function watchedBroker(
  hub: string,
  onPublish: (message: OutgoingMessage) => Error | void,
  capabilities: Partial<Broker['capabilities']> = {},
): Broker {
  const inner = plainBroker(hub)
  const watched = (connection: BrokerConnection): BrokerConnection =>
    new Proxy(connection, {
      get(line, member) {
        if (member === 'publish') {
          return async (message: OutgoingMessage) => {
            const refused = onPublish(message)
            if (refused !== undefined) throw refused
            await line.publish(message)
          }
        }
        const value: unknown = Reflect.get(line, member)
        return typeof value === 'function' ? (value.bind(line) as unknown) : value
      },
    })
  return new Proxy(inner, {
    get(target, key) {
      if (key === 'capabilities') return { ...target.capabilities, ...capabilities }
      if (key === 'connect') return async (options: ConnectOptions) => watched(await target.connect(options))
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** A connection that closes gives messages back unmarked; one that dies marks them. */
function marking(connection: BrokerConnection): BrokerConnection {
  return new Proxy(connection, {
    get(target, key) {
      if (key === 'openConsumer') {
        return (options: ConsumerOptions) =>
          target.openConsumer({
            ...options,
            onDelivery: (delivery) => {
              Object.defineProperty(delivery, 'info', { value: { ...delivery.info, redelivered: true } })
              options.onDelivery(delivery)
            },
          })
      }
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** The same, with connections that can be cut as a broker without leases cuts them: what is held goes back at once. */
function fragileBroker(hub: string): { broker: Broker; cut: () => Promise<void> } {
  const inner = plainBroker(hub)
  const live = new Set<() => Promise<void>>()
  let cuts = 0
  const broker = new Proxy(inner, {
    get(target, key) {
      if (key !== 'connect') return Reflect.get(target, key) as unknown
      return async (options: ConnectOptions) => {
        const connection = await target.connect(options)
        live.add(async () => {
          options.onNotice({ kind: 'connection-lost', error: new BrokerUnavailableError('cut') })
          await connection.close()
        })
        cuts += 1
        return cuts <= 2 ? connection : marking(connection)
      }
    },
  })
  return {
    broker,
    cut: async () => {
      const all = [...live]
      live.clear()
      await Promise.all(all.map((one) => one()))
    },
  }
}

function makeApp(options: AppOptions = {}): { app: App; lines: Line[] } {
  const hub = `worker-test-${process.pid}-${++hubs}`
  const lines: Line[] = []
  const app = createApp({
    name: 'proj',
    broker: plainBroker(hub),
    backend: memoryBackend({ name: hub }),
    logger: recordingLogger(lines),
    ...options,
  })
  open.push({ app })
  return { app, lines }
}

async function startWorker(app: App, options: WorkerOptions = {}): Promise<Worker> {
  const worker = createWorker(app, { withoutMingle: true, hostname: 'w@test', ...options })
  open.push({ app, worker })
  await worker.start()
  return worker
}

afterEach(async () => {
  for (const { worker } of open) await worker?.stop({ mode: 'cold' })
  for (const { app } of open) await app.close()
  open.length = 0
})

const soon = { timeoutMs: 20_000 }

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

describe('messages nobody can work', () => {
  it('PAIN-8, TASK-102, architecture §6: a message that never ends is parked after maxDeliveries starts', async () => {
    const { app, lines } = makeApp({ maxDeliveries: 3 })
    let runs = 0
    const { Reject } = await import('@ct/contracts')
    const poison = app.task('poison', () => {
      runs += 1
      throw new Reject('again', true)
    })
    const fine = app.task('fine', () => 'fine')
    await startWorker(app)
    const result = await poison.delay()
    const parked = `celery${parkedSuffix}`
    const connection = await app.context.producer.connection()
    await expect.poll(() => connection.queueSize(parked)).toBe(1)
    // The first start is not counted, three redelivered ones are.
    expect(runs).toBe(4)
    expect(await (await fine.delay()).get(soon)).toBe('fine')
    expect(
      lines.some(({ level, message }) => level === 'error' && message.includes('parked in celery.parked')),
    ).toBe(true)
    const [message] = await connection.parked.list('celery')
    expect(message).toMatchObject({ taskName: 'poison', history: { reason: 'max-deliveries', starts: 3 } })
    // Who waits is told.
    await expect(result.get(soon)).rejects.toMatchObject({
      name: 'WorkerLostError',
      message: expect.stringMatching(/started 3 times and never ended .*celery\.parked/) as string,
    })
  })

  it('PAIN-8, PAIN-30: a firing of beat that was parked runs when it is put back', async () => {
    const { app } = makeApp({ maxDeliveries: 1 })
    const { Reject } = await import('@ct/contracts')
    let ill = true
    app.task('tick', () => {
      if (ill) throw new Reject('again', true)
      return 'well'
    })
    await startWorker(app)
    const headers = { celery_beat_task: true, ct_scheduled_at: '2026-03-01T12:00:00+00:00' }
    const result = await app.sendTask('tick', { taskId: 'firing', headers })
    await expect(result.get(soon)).rejects.toMatchObject({ name: 'WorkerLostError' })
    const connection = await app.context.producer.connection()
    await expect.poll(() => connection.queueSize(`celery${parkedSuffix}`)).toBe(1)
    ill = false
    const [parked] = await connection.parked.list('celery')
    await connection.parked.retry('celery', [parked!.id])
    await expect.poll(() => app.asyncResult('firing').state()).toBe('SUCCESS')
  })

  it('PAIN-8, PAIN-53: what waits for a parked message is told: its chord, the rest of its chain, error callbacks', async () => {
    const { app } = makeApp({ maxDeliveries: 1 })
    const { Reject } = await import('@ct/contracts')
    const poison = app.task('poison', () => {
      throw new Reject('again', true)
    })
    const fine = app.task('fine', () => 'fine')
    const told: unknown[] = []
    const tell = app.task('tell', (id: unknown) => void told.push(id))
    await startWorker(app)
    const body = await chord([fine.s(), poison.s()], fine.si()).applyAsync()
    await expect(body.get(soon)).rejects.toThrow(/never ended/)
    const last = await chain(poison.s(), fine.si()).applyAsync([], { linkError: tell.s() })
    await expect(last.get(soon)).rejects.toThrow(/never ended/)
    await expect.poll(() => told.length).toBe(1)
  })

  it('PAIN-8: a message that is found to make no sense after it was taken in leaves nothing behind', async () => {
    const { app, lines } = makeApp()
    app.task('t', () => 1)
    app.signals.taskReceived.connect(() => undefined)
    await startWorker(app)
    const step = '{"task":"t","args":[],"kwargs":{},"options":{},"subtask_type":null,"immutable":false}'
    await app.context.producer.publish({
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      properties: {},
      exchange: '',
      routingKey: 'celery',
      headers: { task: 't', id: 'odd', lang: 'py' },
      // Only the step that is next is looked at when the message is read.
      body: Buffer.from(`[[],{},{"chain":[{nope},${step}]}]`),
    })
    await expect.poll(() => lines.map(({ message }) => message).join()).toMatch(/parked in celery\.parked/)
    const known = await app.control.inspect({ destination: ['w@test'], timeoutMs: 20_000 }).queryTask(['odd'])
    expect(known).toEqual({ 'w@test': {} })
  })

  const good: Record<string, unknown> = { task: 't', id: 'x', lang: 'py' }
  const corpus: readonly (readonly [string, Partial<OutgoingMessage> & { readonly text?: string }])[] = [
    ['no headers, body no task', { headers: {}, text: '{}' }],
    ['headers without a task', { headers: { id: 'x' }, text: '[[],{},{}]' }],
    ['body not JSON', { headers: good, text: '{nope' }],
    ['body of two', { headers: good, text: '[[],{}]' }],
    ['body an object without args', { headers: good, text: '{"a":1}' }],
    ['empty body', { headers: good, text: '' }],
    ['args a text', { headers: good, text: '["abc",{},null]' }],
    ['kwargs a list', { headers: good, text: '[[],[],null]' }],
    ['kwargs null', { headers: good, text: '[[],null,null]' }],
    ['embed a text', { headers: good, text: '[[],{},"x"]' }],
    ['callbacks not signatures', { headers: good, text: '[[],{},{"callbacks":[1]}]' }],
    ['id missing', { headers: { task: 't' }, text: '[[],{},null]' }],
    ['id a number', { headers: { task: 't', id: 5 }, text: '[[],{},null]' }],
    ['task a number', { headers: { task: 5, id: 'x' }, text: '[[],{},null]' }],
    ['eta no time', { headers: { ...good, eta: 'soon' }, text: '[[],{},null]' }],
    ['eta a number', { headers: { ...good, eta: 12 }, text: '[[],{},null]' }],
    ['expires no time', { headers: { ...good, expires: '' }, text: '[[],{},null]' }],
    ['timelimit of one', { headers: { ...good, timelimit: [5] }, text: '[[],{},null]' }],
    ['retries negative', { headers: { ...good, retries: -1 }, text: '[[],{},null]' }],
    ['group_index a text', { headers: { ...good, group_index: 'a' }, text: '[[],{},null]' }],
    ['stamps a list', { headers: { ...good, stamps: [] }, text: '[[],{},null]' }],
    [
      'content type not accepted',
      { headers: good, contentType: 'application/x-python-serialize', text: '[[],{},null]' },
    ],
    [
      'compression unknown',
      { headers: { ...good, compression: 'application/x-nothing' }, text: '[[],{},null]' },
    ],
    ['compression a lie', { headers: { ...good, compression: 'application/x-gzip' }, text: '[[],{},null]' }],
    ['nested too deep', { headers: good, text: `[[${'['.repeat(5000)}${']'.repeat(5000)}],{},null]` }],
    ['unknown task', { headers: { ...good, task: 'nobody' }, text: '[[],{},null]' }],
  ]

  it.each(['ct', 'celery'] as const)(
    'WORK-72…74, D57-200…202: with defaults %s, no malformed message stops the worker',
    async (defaults) => {
      const { app, lines } = makeApp({ defaults })
      const t = app.task('t', () => 'ran')
      const worker = await startWorker(app)
      for (const [, { text, ...message }] of corpus) {
        await app.context.producer.publish({
          body: new TextEncoder().encode(text),
          contentType: 'application/json',
          contentEncoding: 'utf-8',
          headers: {},
          properties: {},
          exchange: '',
          routingKey: 'celery',
          ...message,
        })
      }
      await expect.poll(() => worker.counts.refused).toBe(corpus.length)
      expect(lines.filter(({ level }) => level !== 'info')).toHaveLength(corpus.length)
      expect(await (await t.delay()).get(soon)).toBe('ran')
      const connection = await app.context.producer.connection()
      await expect
        .poll(() => connection.queueSize(`celery${parkedSuffix}`))
        .toBe(defaults === 'ct' ? corpus.length : 0)
      expect(await connection.queueSize('celery')).toBe(0)
    },
  )
})

describe('a message that makes no sense', () => {
  it('D57-66, TASK-80: an ETA that is no time, and keyword arguments that are no mapping: FAILURE, and not run', async () => {
    const { app } = makeApp()
    let runs = 0
    app.task('t', () => ++runs)
    await startWorker(app)
    const connection = await app.context.producer.connection()
    const send = async (id: string, headers: object, body = '[[], {}, {}]'): Promise<void> => {
      const { message } = prepareTask(app.context, {
        task: 't',
        args: [],
        kwargs: {},
        options: { task_id: id },
      })
      const bytes = new TextEncoder().encode(body)
      await connection.publish({ ...message, body: bytes, headers: { ...message.headers, ...headers } })
    }
    await send('eta', { eta: 'soon' })
    await send('kwargs', {}, '[[], [1], {}]')
    for (const [id, word] of [
      ['eta', 'eta'],
      ['kwargs', 'kwargs'],
    ] as const) {
      const result = app.asyncResult(id)
      await expect(result.get(soon)).rejects.toThrow(word)
      expect(await result.state()).toBe('FAILURE')
    }
    expect(runs).toBe(0)
  })
})

describe('what follows a task, and is refused', () => {
  const ran: string[] = []
  async function start(refuse: (times: number) => Error | undefined): Promise<App> {
    ran.length = 0
    let times = 0
    const broker = watchedBroker(`worker-test-refused-${process.pid}-${hubs}`, ({ headers }) =>
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

describe('a result store that refuses', () => {
  /** Refuses documents of that state. */
  async function refusing(state: string): Promise<{ app: App; lines: Line[]; worker: Worker; id: string }> {
    const hub = `worker-test-refusing-${process.pid}-${state}`
    const { app, lines } = makeApp({
      broker: plainBroker(hub),
      backend: memoryBackend({ name: `${hub}-results` }),
    })
    app.task('retried', { bind: true }, (task) => {
      if (task.request.retries === 0) throw task.retry({ countdown: 0 })
      return task.request.retries
    })
    app.task('last', () => 'last')
    const { results } = app.context
    const store = results.store.bind(results)
    Object.defineProperty(results, 'store', {
      value: (writes: Parameters<typeof store>[0]) =>
        writes.some((write) => write.state === state)
          ? Promise.reject(new BackendError('WRONGTYPE'))
          : store(writes),
    })
    return { app, lines, worker: await startWorker(app), id: `id-${state}` }
  }

  const said = (state: string, id: string): Line => ({
    level: 'critical',
    message: `The result store refuses the state ${state} of task retried[${id}].`,
  })

  it('PAIN-8: REVOKED: that is logged, and the message does not go round for ever', async () => {
    const { app, lines, worker, id } = await refusing('REVOKED')
    await app.control.revoke(id)
    await expect
      .poll(() => lines)
      .toContainEqual({ level: 'info', message: `Tasks flagged as revoked: ${id}` })
    await app.sendTask('retried', { taskId: id })
    expect(await (await app.sendTask('last')).get(soon)).toBe('last')
    expect(worker.counts.received).toBe(2)
    expect(lines).toContainEqual(said('REVOKED', id))
  })

  it('PAIN-8: RETRY: that is logged, and the task is retried all the same', async () => {
    const { app, lines, id } = await refusing('RETRY')
    expect(await (await app.sendTask('retried', { taskId: id })).get(soon)).toBe(1)
    expect(lines).toContainEqual(said('RETRY', id))
  })
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

describe('a broker that gives messages back when the connection dies', () => {
  it('D57-67: what was held for its ETA is dropped with the connection, and runs once when its message has come again', async () => {
    const { broker, cut } = fragileBroker(`worker-test-fragile3-${process.pid}`)
    const clock = fakeClock()
    const { app } = makeApp({
      time: clock,
      broker,
      backend: memoryBackend({ name: `worker-test-fragile3-${process.pid}` }),
    })
    let runs = 0
    const later = app.task('later', () => ++runs)
    const worker = await startWorker(app)
    const result = await later.applyAsync([], { countdown: 60 })
    await expect.poll(() => worker.counts.received).toBe(1)
    await cut()
    await expect.poll(() => worker.counts.received).toBe(2)
    // Both are due now, what was held first and what came again.
    await clock.advance(60_000)
    expect(await result.get()).toBe(1)
    expect(await (await later.delay()).get()).toBe(2)
    expect(runs).toBe(2)
  })

  it('WORK-88, WORK-89: a running task goes on and is settled by its message that came again; the rest is fetched again', async () => {
    const { broker, cut } = fragileBroker(`worker-test-fragile-${process.pid}`)
    const { app } = makeApp({
      broker,
      backend: memoryBackend({ name: `worker-test-fragile-${process.pid}` }),
    })
    const runs: number[] = []
    const go = Promise.withResolvers<void>()
    const slow = app.task('slow', async (n: number) => {
      runs.push(n)
      await go.promise
      return n
    })
    const worker = await startWorker(app, { concurrency: 2, prefetchMultiplier: 2 })
    const results = await Promise.all([1, 2, 3, 4].map((n) => slow.delay(n)))
    await expect.poll(() => worker.counts.active).toBe(2)
    await cut()
    await expect.poll(() => worker.status).toBe('running')
    await expect.poll(() => worker.counts.received).toBeGreaterThan(5)
    go.resolve()
    for (const [index, result] of results.entries()) expect(await result.get(soon)).toBe(index + 1)
    expect(runs.toSorted()).toEqual([1, 2, 3, 4])
    const connection = await app.context.producer.connection()
    expect(await connection.queueSize('celery')).toBe(0)
  })

  it('a task that ended while there was no connection is settled when its message comes again', async () => {
    const { broker, cut } = fragileBroker(`worker-test-fragile2-${process.pid}`)
    const { app, lines } = makeApp({
      broker,
      backend: memoryBackend({ name: `worker-test-fragile2-${process.pid}` }),
    })
    let runs = 0
    const go = Promise.withResolvers<void>()
    const slow = app.task('slow', async () => {
      runs += 1
      await go.promise
      return 'once'
    })
    const worker = await startWorker(app)
    const result = await slow.delay()
    await expect.poll(() => worker.counts.active).toBe(1)
    const cutting = cut()
    go.resolve()
    await cutting
    expect(await result.get(soon)).toBe('once')
    expect(runs).toBe(1)
    expect(lines.every(({ level }) => level !== 'critical')).toBe(true)
  })
})

describe('starting and stopping', () => {
  it('WORK-15: a warm stop waits for what runs and gives back what has not started', async () => {
    const { app } = makeApp()
    const go = Promise.withResolvers<void>()
    let started = 0
    const slow = app.task('slow', async () => {
      started += 1
      await go.promise
      return 'done'
    })
    const worker = await startWorker(app, { concurrency: 1 })
    const first = await slow.delay()
    await Promise.all([slow.delay(), slow.applyAsync([], { countdown: 60 })])
    await expect.poll(() => worker.counts.received).toBe(3)
    const stopped = worker.stop()
    await expect.poll(() => worker.status).toBe('warm')
    go.resolve()
    await stopped
    expect(started).toBe(1)
    expect(await first.get(soon)).toBe('done')
    expect(worker.exitCode).toBe(0)
    const connection = await app.context.producer.connection()
    expect(await connection.queueSize('celery')).toBe(2)
  })

  it('WORK-16, WORK-17: soft waits a while, then cold gives unfinished late-ack tasks back', async () => {
    const { app } = makeApp({ workerSoftShutdownTimeout: 0.05 })
    const reasons: unknown[] = []
    const endless = app.task('endless', { bind: true }, async (task) => {
      await new Promise((resolve) => {
        task.signal.addEventListener('abort', resolve)
      })
      reasons.push(task.signal.reason)
    })
    const cancelled: string[] = []
    const worker = await startWorker(app)
    worker.on('taskCancelled', ({ uuid }) => cancelled.push(uuid))
    const modes: string[] = []
    worker.on('stopping', (mode) => modes.push(mode))
    const { id } = await endless.delay()
    await expect.poll(() => worker.counts.active).toBe(1)
    const stopped = worker.stop()
    await expect.poll(() => worker.status).toBe('warm')
    await worker.stop({ mode: 'soft' })
    await stopped
    expect(modes).toEqual(['warm', 'soft', 'cold'])
    expect(cancelled).toEqual([id])
    expect(worker.exitCode).toBe(1)
    expect(reasons).toMatchObject([{ code: 'CT_ABORTED' }])
    const connection = await app.context.producer.connection()
    expect(await connection.queueSize('celery')).toBe(1)
  })

  it('WORK-15: await using stops the worker; stop is idempotent and legal before start', async () => {
    const { app } = makeApp()
    app.task('t', () => 1)
    const never = createWorker(app)
    await never.stop()
    expect(never.status).toBe('stopped')
    await expect(never.start()).rejects.toThrow('The worker was stopped. Make another one.')
    const worker = createWorker(app, { withoutMingle: true })
    {
      await using running = worker
      await running.start()
      expect(running.status).toBe('running')
    }
    expect(worker.status).toBe('stopped')
    await worker.stop()
  })

  it('WORK-5: queues can be chosen and excluded', async () => {
    const { app } = makeApp({ taskQueues: { one: {}, two: {}, three: {} } as never })
    expect(createWorker(app, { queues: 'one,two' }).queues).toEqual(['one', 'two'])
    expect(createWorker(app, { excludeQueues: ['two'] }).queues).toEqual(['one', 'three'])
    expect(() => createWorker(app, { excludeQueues: ['one', 'two', 'three'] })).toThrow(ConfigurationError)
  })

  it('refuses unknown options with a suggestion, and wrong values', () => {
    const { app } = makeApp()
    expect(() => createWorker(app, { concurency: 5 } as never)).toThrow(/concurrency/)
    expect(() => createWorker(app, { concurrency: 0 })).toThrow(ConfigurationError)
    expect(() => createWorker(app, { pool: 'prefork' as never })).toThrow(/pool/)
  })

  it.each([
    { queues: 42 },
    { queues: [null] },
    { excludeQueues: 42 },
    { hostname: 42 },
    { pool: {} },
    { pool: null },
    { autoscale: null },
    { autoscale: { max: 1, min: 2 } },
    { modules: 'x' },
    { taskEvents: 1 },
    { heartbeatInterval: 1e12 },
    { watchdogMs: Infinity },
  ])('refuses the option %j', (options) => {
    const { app } = makeApp()
    expect(() => createWorker(app, options as never)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/CT_CONFIGURATION|CT_ADAPTER/) }),
    )
  })

  it('EVT-8, EVT-20…27: task events reach listeners, and the broker only when asked for', async () => {
    const { app } = makeApp()
    const t = app.task('t', () => 1)
    const worker = await startWorker(app)
    const seen: string[] = []
    worker.on('taskReceived', () => seen.push('received'))
    worker.on('taskStarted', () => seen.push('started'))
    worker.on('taskSucceeded', ({ result }) => seen.push(`succeeded ${result}`))
    worker.on('taskSucceeded', () => {
      throw new Error('a listener’s own trouble')
    })
    await (await t.delay()).get(soon)
    await expect.poll(() => seen).toEqual(['received', 'started', 'succeeded 1'])
  })

  it('TASK-17: a task with sendEvents: false is in no event', async () => {
    const { app } = makeApp()
    const quiet = app.task('quiet', { sendEvents: false }, () => 1)
    const loud = app.task('loud', () => 2)
    const worker = await startWorker(app)
    const seen: string[] = []
    worker.on('taskReceived', ({ name }) => seen.push(String(name)))
    worker.on('taskSucceeded', ({ result }) => seen.push(String(result)))
    await (await quiet.delay()).get(soon)
    await (await loud.delay()).get(soon)
    await expect.poll(() => seen).toEqual(['loud', '2'])
  })

  it('TASK-33: resultreprMaxsize is how much of a result logs and events show', async () => {
    const { app, lines } = makeApp()
    const long = app.task('long', { resultreprMaxsize: 20 }, () => 'x'.repeat(100))
    const worker = await startWorker(app)
    const shown: unknown[] = []
    worker.on('taskSucceeded', ({ result }) => shown.push(result))
    expect(await (await long.delay()).get(soon)).toHaveLength(100)
    await expect.poll(() => shown.map((text) => String(text).length)).toEqual([expect.closeTo(20, -1)])
    await vi.waitFor(() => expect(lines.at(-1)?.message).toMatch(/succeeded in .*: '?x{10,20}\.\.\./))
  })

  it('TASK-118: a task sends events of its own', async () => {
    const { app } = makeApp()
    const work = app.task('work', { bind: true }, async (task) => {
      await task.sendEvent('halfway', { percent: 50 })
      return task.request.id
    })
    const got = Promise.withResolvers<object>()
    const { broker, serializers, clock } = app.context
    const handlers = { 'task-halfway': got.resolve }
    const receiver = new EventReceiver({ broker: () => broker, serializers, clock, handlers })
    try {
      await receiver.start()
      await startWorker(app, { taskEvents: true })
      const id = await (await work.delay()).get(soon)
      expect(await got.promise).toMatchObject({ uuid: id, percent: 50 })
    } finally {
      await receiver.close()
    }
  })

  it("TASK-123: log lines of a task, its own and the worker's, carry its name, its id and the id of its root", async () => {
    const said: unknown[] = []
    const logger = (fields: object): Logger => ({
      ...recordingLogger([]),
      info: (message, more) =>
        void (/^here|^Task talk/.test(message) && said.push([message.slice(0, 4), { ...fields, ...more }])),
      child: (more) => logger({ ...fields, ...more }),
    })
    const { app } = makeApp({ logger: logger({}) })
    const talk = app.task('talk', { bind: true }, (task) => task.log.info('here'))
    await startWorker(app)
    const result = await talk.applyAsync([], { rootId: 'root-1' })
    await result.get(soon)
    await expect.poll(() => said.length).toBe(3)
    const fields = { taskId: result.id, taskName: 'talk', rootId: 'root-1' }
    expect(said).toEqual([
      ['Task', fields],
      ['here', fields],
      ['Task', fields],
    ])
  })

  it('CTRL-20: revoked before it starts', async () => {
    const clock = fakeClock()
    const { app } = makeApp({ time: clock })
    const ran: number[] = []
    const t = app.task('t', (n: number) => void ran.push(n))
    const worker = await startWorker(app)
    const held = await t.applyAsync([1], { countdown: 60 })
    await expect.poll(() => worker.counts.received).toBe(1)
    await app.control.revoke(held.id, { reply: true, limit: 1, timeoutMs: 20_000 })
    await clock.advance(60_000)
    await expect(held.get()).rejects.toMatchObject({ code: 'CT_REVOKED' })
    await (await t.delay(2)).get()
    expect(ran).toEqual([2])
  })

  it('WORK-41, §4.2 pool_grow: concurrency bounds what runs at a time', async () => {
    const { app } = makeApp()
    const go = Promise.withResolvers<void>()
    const slow = app.task('slow', () => go.promise)
    const worker = await startWorker(app, { concurrency: 2 })
    const results = await Promise.all([1, 2, 3, 4].map(() => slow.delay()))
    await expect.poll(() => worker.counts.active).toBe(2)
    await app.control.broadcast('pool_grow', {
      arguments: { n: 1 },
      reply: true,
      limit: 1,
      timeoutMs: 20_000,
    })
    await expect.poll(() => worker.counts.active).toBe(3)
    go.resolve()
    for (const result of results) await result.get(soon)
  })
})

function waitFor(worker: Worker, name: 'taskSucceeded' | 'taskFailed', count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let seen = 0
  worker.on(name, () => {
    seen += 1
    if (seen === count) resolve()
  })
  return promise
}
