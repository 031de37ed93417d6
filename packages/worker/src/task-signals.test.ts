/** The signals a worker fires, in order, for everything that a task can come to. */
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { createApp, currentTask, type App, type Logger, type SignalName } from '@ct/client'
import { Ignore, Reject } from '@ct/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import { createWorker, type Worker, type WorkerOptions } from './index.ts'

const errors: string[] = []
const logger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: (message) => void errors.push(message),
  critical: () => {},
  child: () => logger,
}

let hubs = 0
let app: App
let worker: Worker
let seen: string[] = []

const ofTasks: readonly SignalName[] = [
  ...(['taskReceived', 'taskPrerun', 'taskPostrun', 'taskSuccess', 'taskRetry', 'taskFailure'] as const),
  ...(['taskInternalError', 'taskRevoked', 'taskRejected', 'taskUnknown'] as const),
]

/** Writes down each signal of tasks, with what tells it from others. */
function record(names: readonly SignalName[] = ofTasks): void {
  for (const name of names) {
    app.signals[name].connect((fields: object) => {
      const { state, terminated, expired, exc } = fields as Readonly<Record<string, unknown>>
      const facts = [
        state,
        terminated === true && 'terminated',
        expired === true && 'expired',
        exc === null && 'no task',
      ]
      seen.push([name, ...facts.filter((fact) => typeof fact === 'string')].join(' '))
    })
  }
}

function makeApp(): App {
  errors.length = 0
  seen = []
  const name = `signals-${process.pid}-${++hubs}`
  app = createApp({ name: 'proj', broker: memoryBroker({ name }), backend: memoryBackend({ name }), logger })
  return app
}

async function start(options: WorkerOptions = {}): Promise<Worker> {
  worker = createWorker(app, { hostname: 'w@host', withoutMingle: true, ...options })
  await worker.start()
  return worker
}

afterEach(async () => {
  await worker?.stop()
  await app?.close()
})

async function publish(headers: Readonly<Record<string, unknown>>, body = '[[], {}, {}]'): Promise<void> {
  await app.context.producer.publish({
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    properties: {},
    exchange: '',
    routingKey: 'celery',
    headers,
    body: Buffer.from(body),
  })
}

async function settled(): Promise<void> {
  while (worker.counts.active > 0) await new Promise(setImmediate)
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
}

describe('signals of tasks', () => {
  it('SIG-4, SIG-5, SIG-6, SIG-7, D57-130: success, with hooks and the stored result at their places', async () => {
    makeApp()
    record()
    app.task(
      'proj.add',
      {
        beforeStart: () => void seen.push('beforeStart'),
        onSuccess: () => void seen.push('onSuccess'),
        afterReturn: () => void seen.push('afterReturn'),
      },
      (x: number, y: number) => {
        seen.push('run')
        return x + y
      },
    )
    const facts: unknown[] = []
    app.signals.taskSuccess.connect(async ({ sender, result, runtime }) => {
      const id = currentTask()!.request.id
      facts.push(sender.name, result, runtime >= 0, await app.asyncResult(id).status())
    })
    app.signals.taskPrerun.connect(({ taskId, task, args, kwargs }) =>
      facts.push(taskId === currentTask()?.request.id, task.name, args, kwargs),
    )
    app.signals.taskPostrun.connect(({ retval, state }) => facts.push(retval, state))
    await start()
    await (await app.sendTask('proj.add', { args: [2, 3] })).get({ timeoutMs: 20_000 })
    await settled()
    expect(seen).toEqual([
      ...['taskReceived', 'taskPrerun', 'beforeStart', 'run', 'onSuccess', 'taskSuccess', 'afterReturn'],
      'taskPostrun SUCCESS',
    ])
    expect(facts).toEqual([true, 'proj.add', [2, 3], {}, 'proj.add', 5, true, 'SUCCESS', 5, 'SUCCESS'])
  })

  it('SIG-5: the code of the task starts when an async handler of taskPrerun has ended', async () => {
    makeApp()
    app.task('proj.run', () => void seen.push('run'))
    app.signals.taskPrerun.connect(async () => {
      await new Promise(setImmediate)
      seen.push('ready')
    })
    await start()
    await (await app.sendTask('proj.run')).get({ timeoutMs: 20_000 })
    expect(seen).toEqual(['ready', 'run'])
  })

  it('SIG-9, D57-133, TASK-74: failure, with its task as the current one', async () => {
    makeApp()
    record()
    app.task('proj.fail', { onFailure: () => void seen.push('onFailure') }, () => {
      throw new RangeError('broken')
    })
    const facts: unknown[] = []
    app.signals.taskFailure.connect(({ taskId, exception, args, traceback, einfo }) => {
      facts.push(taskId === currentTask()?.request.id, (exception as Error).message, args)
      facts.push(traceback.includes('broken'), einfo.type)
    })
    await start()
    await expect((await app.sendTask('proj.fail', { args: [] })).get({ timeoutMs: 20_000 })).rejects.toThrow()
    await settled()
    expect(seen).toEqual(['taskReceived', 'taskPrerun', 'onFailure', 'taskFailure', 'taskPostrun FAILURE'])
    expect(facts).toEqual([true, 'broken', [], true, 'RangeError'])
  })

  it('SIG-8: a retry, and the run after it', async () => {
    makeApp()
    record()
    app.task('proj.retry', { bind: true, onRetry: () => void seen.push('onRetry') }, (task) => {
      if (task.request.retries === 0) throw task.retry({ countdown: 0, exc: new Error('not yet') })
      return 'done'
    })
    const reasons: unknown[] = []
    app.signals.taskRetry.connect(({ request, reason, einfo }) =>
      reasons.push(request.retries, (reason as Error).name, einfo?.traceback.includes('not yet')),
    )
    await start()
    await (await app.sendTask('proj.retry')).get({ timeoutMs: 20_000 })
    await settled()
    // The copy is published before the original has ended: the two overlap.
    expect(seen.filter((one) => /retry/i.test(one))).toEqual(['onRetry', 'taskRetry', 'taskPostrun RETRY'])
    expect(seen.filter((one) => !/retry/i.test(one))).toEqual([
      ...['taskReceived', 'taskPrerun', 'taskReceived', 'taskPrerun', 'taskSuccess', 'taskPostrun SUCCESS'],
    ])
    expect(reasons).toEqual([0, 'Retry', true])
  })

  it.each([
    ['Ignore', () => new Ignore(), ['taskPostrun IGNORED']],
    ['Reject', () => new Reject('no', false), ['taskPostrun REJECTED', 'taskFailure']],
  ])('SIG-6, TASK-74: %s', async (_, error, then) => {
    makeApp()
    record()
    const done = Promise.withResolvers<void>()
    app.task('proj.leave', () => {
      setImmediate(done.resolve)
      throw error()
    })
    await start()
    await app.sendTask('proj.leave')
    await done.promise
    await settled()
    expect(seen).toEqual(['taskReceived', 'taskPrerun', ...then])
  })

  it('SIG-11, WORK-68, WORK-69: revoked before it starts, expired, terminated while it runs', async () => {
    makeApp()
    record()
    const running = Promise.withResolvers<void>()
    app.task('proj.wait', { bind: true }, (task) => {
      running.resolve()
      return new Promise((resolve) => {
        task.signal.addEventListener('abort', () => resolve('late'))
      })
    })
    await start()
    await publish({ task: 'proj.wait', id: 'gone', expires: '2001-01-01T00:00:00+00:00' })
    await expect(app.asyncResult('gone').get({ timeoutMs: 20_000 })).rejects.toThrow('expired')
    await settled()
    expect(seen).toEqual(['taskRevoked expired'])
    seen = []
    const signums: unknown[] = []
    app.signals.taskRevoked.connect(({ signum, request }) => signums.push(signum, request.id))
    const handle = await app.sendTask('proj.wait')
    await running.promise
    await app.control.broadcast('revoke', {
      arguments: { task_id: handle.id, terminate: true, signal: 'SIGTERM' },
    })
    await expect(handle.get({ timeoutMs: 20_000 })).rejects.toThrow('terminated')
    await settled()
    expect(signums).toEqual([15, handle.id])
    expect(seen.toSorted()).toEqual([
      ...['taskPostrun', 'taskPrerun', 'taskReceived', 'taskRevoked terminated'],
    ])
  })

  it('SIG-9: a hard time limit', async () => {
    makeApp()
    record()
    app.task('proj.long', { bind: true, timeLimit: 0.02 }, (task) => {
      return new Promise((resolve) => {
        task.signal.addEventListener('abort', () => resolve('late'))
      })
    })
    await start()
    await expect((await app.sendTask('proj.long')).get({ timeoutMs: 20_000 })).rejects.toThrow()
    await settled()
    expect(seen.toSorted()).toEqual(['taskFailure', 'taskPostrun', 'taskPrerun', 'taskReceived'])
  })

  it('SIG-12, SIG-13: unknown tasks and messages that are none', async () => {
    makeApp()
    record()
    const facts: unknown[] = []
    app.signals.taskUnknown.connect(({ sender, name, id, message, exc }) =>
      facts.push(sender.hostname, name, id, message.queue, (exc as Error).name),
    )
    await start()
    const { id } = await app.sendTask('proj.nobody')
    await publish({}, '[1]')
    await publish({ task: 'proj.nobody', id: 'x', eta: 'tomorrow' })
    while (seen.length < 3) await new Promise(setImmediate)
    expect(seen).toEqual(['taskUnknown', 'taskRejected no task', 'taskRejected'])
    expect(facts).toEqual(['w@host', 'proj.nobody', id, 'celery', 'NotRegistered'])
  })

  it('SIG-8: a cold shutdown tells of tasks that were acknowledged early', async () => {
    makeApp()
    record()
    const running = Promise.withResolvers<void>()
    const retries: unknown[] = []
    app.signals.taskRetry.connect(({ reason, einfo }) => retries.push(reason, einfo))
    app.task('proj.wait', { acksLate: false }, () => {
      running.resolve()
      return new Promise(() => {})
    })
    await start()
    await app.sendTask('proj.wait')
    await running.promise
    await worker.stop({ mode: 'cold' })
    expect(seen).toEqual(['taskReceived', 'taskPrerun', 'taskRetry'])
    expect(retries).toEqual([null, null])
  })

  it('SIG-10: an error of the worker’s own at a task’s ending', async () => {
    makeApp()
    const { backend } = app.context
    const facts = Promise.withResolvers<unknown[]>()
    app.signals.taskInternalError.connect(({ sender, taskId, request, exception, einfo }) =>
      facts.resolve([sender.name, taskId === request.id, (exception as Error).message, einfo.type]),
    )
    app.task('proj.add', { maxDeliveries: 1 }, (x: number) => x)
    Object.defineProperty(app.context.results, 'store', {
      value: () => Promise.reject(new TypeError('nobody thought of this')),
    })
    // Makes the result go to the store by itself instead of with the ack.
    app.signals.taskSuccess.connect(() => {})
    await start()
    await app.sendTask('proj.add', { args: [1] })
    expect(await facts.promise).toEqual(['proj.add', true, 'nobody thought of this', 'TypeError'])
    expect(backend).toBeDefined()
  })

  it('a handler that throws changes nothing of the task, and is logged', async () => {
    makeApp()
    app.task('proj.add', (x: number) => x)
    for (const name of ofTasks) {
      app.signals[name].connect(() => {
        throw new Error('oh')
      })
    }
    await start()
    expect(await (await app.sendTask('proj.add', { args: [1] })).get({ timeoutMs: 20_000 })).toBe(1)
    await settled()
    expect(errors).toEqual(
      ['taskReceived', 'taskPrerun', 'taskSuccess', 'taskPostrun'].map(
        (name) => `A handler of the signal ${name} raised an error.`,
      ),
    )
  })
})

describe('signals of the worker', () => {
  it('SIG-14, SIG-15, SIG-17, SIG-19, SIG-20, SIG-21, SIG-23, SIG-28, SIG-29, WORK-27: in Celery’s order from the first to the last', async () => {
    makeApp()
    app.task('proj.run', () => undefined)
    const names: readonly SignalName[] = [
      ...(['celerydInit', 'workerInit', 'celerydAfterSetup', 'workerProcessInit', 'workerReady'] as const),
      ...(['workerShuttingDown', 'workerShutdown', 'workerProcessShutdown', 'onAfterFinalize'] as const),
      ...(['eventletPoolStarted', 'eventletPoolApply'] as const),
      ...(['eventletPoolPreshutdown', 'eventletPoolPostshutdown'] as const),
    ]
    record(names)
    app.signals.celerydInit.connect(
      ({ instance, conf }) => {
        expect(conf.workerPrefetchMultiplier).not.toBe(7)
        instance.app.configure({ workerPrefetchMultiplier: 7 })
      },
      { sender: 'w@host' },
    )
    app.signals.celerydAfterSetup.connect(async ({ instance }) => await instance.addConsumer('more'), {
      sender: 'w@host',
    })
    await start()
    expect(app.settings.workerPrefetchMultiplier).toBe(7)
    expect(worker.queues).toEqual(['celery', 'more'])
    await (await app.sendTask('proj.run', { queue: 'more' })).get({ timeoutMs: 20_000 })
    await worker.stop()
    expect(seen).toEqual([
      ...['celerydInit', 'workerInit', 'onAfterFinalize', 'celerydAfterSetup', 'workerProcessInit'],
      ...['eventletPoolStarted', 'workerReady', 'eventletPoolApply', 'eventletPoolPreshutdown'],
      ...['eventletPoolPostshutdown', 'workerProcessShutdown', 'workerShutdown'],
    ])
  })

  it('SIG-24, WORK-94: heartbeatSent with each event of a worker', async () => {
    makeApp()
    const beats: unknown[] = []
    app.signals.heartbeatSent.connect(({ sender }) => beats.push(sender))
    await start({ heartbeatInterval: 3 })
    await worker.stop()
    // worker-online and worker-offline
    expect(beats).toEqual([
      { hostname: 'w@host', interval: 3 },
      { hostname: 'w@host', interval: 3 },
    ])
  })
})
