/** A worker for users' own tests: started, quick to start, quick to stop (celery/contrib/testing/worker.py 5.7, start_worker). */
import type { App } from '@ct/client'
import { CeleryError, TimeoutError, type BrokerConnection } from '@ct/contracts'
import { createWorker, type Worker, type WorkerOptions } from '@ct/worker'
import { isFakeClock, tasksAsleep } from './fake-clock.ts'
import { pingTask, registerPing } from './ping-task.ts'

/** Celery's parameters of `start_worker`, besides every option of a worker. */
export interface TestWorkerOptions extends WorkerOptions {
  /** Send `celery.ping` and wait for it before the worker is handed out. Default true where tasks run in this process. */
  readonly performPingCheck?: boolean | undefined
  /** How long the ping may take. Default 10,000. */
  readonly pingTimeoutMs?: number | undefined
  /** How long the running tasks may take at the end; then they are given up and the end fails. Default 10,000. */
  readonly shutdownTimeoutMs?: number | undefined
}

export interface TestWorker extends Worker {
  /** Resolves when tasks are consumed. */
  ensureStarted(): Promise<void>
  /** Resolves when nothing waits in the worker's queues and nothing runs. Tasks that wait for their ETA or a rate limit do not count. */
  idle(): Promise<void>
}

/**
 * Starts a worker for the tasks of `app` in this process. It neither asks other workers for anything nor sends heartbeats, and takes a
 * node name that no other has. One task runs at a time (pool `solo`) unless `pool` or `concurrency` say otherwise. Errors: those of `worker.start()`;
 * `CT_RESULT_TIMEOUT` when the ping is not answered. Disposing of it stops it, and fails with `CT_ABORTED` when tasks do not end in time.
 *
 * @example
 * await using worker = await startTestWorker(app)
 * expect(await (await add.delay(2, 2)).get({ timeoutMs: 1_000 })).toBe(4)
 */
export async function startTestWorker(app: App, options: TestWorkerOptions = {}): Promise<TestWorker> {
  const { performPingCheck, pingTimeoutMs = 10_000, shutdownTimeoutMs = 10_000, ...given } = options
  const { testWorkerStarting, testWorkerStarted, testWorkerStopped } = app.signals
  await testWorkerStarting.send({ sender: app })
  const solo = given.pool === undefined && given.concurrency === undefined && given.autoscale === undefined
  const made = createWorker(app, {
    hostname: `test-${crypto.randomUUID().slice(0, 8)}@%h`,
    withoutMingle: true,
    withoutGossip: true,
    withoutHeartbeat: true,
    ...(solo ? { pool: 'solo', concurrency: 1 } : {}),
    ...given,
  })
  const queues = new QueueSizes(made)
  const { time } = app.context
  const unhook = isFakeClock(time) ? time.settle(() => worker.idle()) : undefined
  const stopped = Promise.withResolvers<void>()
  made.on('stopped', () => {
    unhook?.()
    const told = queues.close().then(() => testWorkerStopped.send({ sender: app, worker: made }))
    told.then(() => stopped.resolve(), stopped.reject)
  })
  const worker: TestWorker = Object.assign(made, {
    ensureStarted: () => made.start(),
    idle: () => idle(made, queues, () => tasksAsleep(time)),
    [Symbol.asyncDispose]: async () => {
      await end(made, shutdownTimeoutMs)
      if (made.status === 'stopped') await stopped.promise
    },
  })
  const check = performPingCheck ?? made.pool.capabilities.sharesMemory
  if (check && made.pool.capabilities.sharesMemory) registerPing(app)
  await worker.start()
  try {
    if (check) await ping(worker, pingTimeoutMs)
    await testWorkerStarted.send({ sender: app, worker, consumer: worker })
  } catch (error) {
    await worker[Symbol.asyncDispose]()
    throw error
  }
  return worker
}

/** Another worker of the app may be the one that gets it: who waits for an answer waits for that of any. */
async function ping(worker: Worker, timeoutMs: number): Promise<void> {
  const { app } = worker
  const id = crypto.randomUUID()
  const ran = Promise.withResolvers<void>()
  // The time may be over before it is sent.
  ran.promise.catch(() => undefined)
  const listener = (event: { readonly uuid?: unknown }): void => {
    if (event.uuid === id) ran.resolve()
  }
  const unhook = app.signals.taskPostrun.connect(({ taskId }) => {
    if (taskId === id) ran.resolve()
  })
  worker.on('taskSucceeded', listener)
  const timer = setTimeout(
    () => ran.reject(new TimeoutError(`The test worker did not answer ${pingTask} within ${timeoutMs} ms.`)),
    timeoutMs,
  )
  const over = new AbortController()
  try {
    const result = await app.sendTask(pingTask, { queue: worker.queues[0], taskId: id })
    if (app.context.results.enabled) {
      const answer = result.get({ signal: over.signal })
      answer.catch(() => undefined)
      await Promise.race([ran.promise, answer])
      await result.get({ timeoutMs })
    } else await ran.promise
    await result.forget().catch(() => undefined)
  } finally {
    over.abort()
    clearTimeout(timer)
    unhook()
    worker.off('taskSucceeded', listener)
  }
}

async function end(worker: Worker, timeoutMs: number): Promise<void> {
  let late = false
  const timer = setTimeout(() => {
    late = true
    void worker.stop({ mode: 'cold' })
  }, timeoutMs)
  const running = worker.running.map(({ name, id }) => `${name}[${id}]`)
  await worker.stop()
  clearTimeout(timer)
  if (late)
    throw new CeleryError(
      'CT_ABORTED',
      `The test worker did not stop within ${timeoutMs} ms, so its tasks were given up: ${running.join(', ')}.`,
    )
}

/** Turns of the event loop without a change after which nothing is on its way any more. */
const quietTurns = 8

async function idle(worker: Worker, queues: QueueSizes, asleep: () => number): Promise<void> {
  let before = ''
  for (let quiet = 0, turns = 0; quiet < quietTurns; turns++) {
    if (worker.status === 'stopped' || worker.status === 'idle') return
    // Tasks with real work to do are not waited for by spinning.
    await new Promise<void>((resolve) => (turns < 200 ? setImmediate(resolve) : setTimeout(resolve, 2)))
    const { active, processed, received, refused } = worker.counts
    const ready = await queues.ready()
    const now = [active, processed, received, refused, ready].join()
    // A task that waits for the fake clock goes on only when that is moved; a paused worker leaves its queues alone.
    quiet =
      now === before && active <= asleep() && (ready === 0 || active > 0 || worker.paused) ? quiet + 1 : 0
    before = now
  }
}

/** Messages that wait in the queues of a worker, over a connection of its own. */
class QueueSizes {
  readonly #worker: Worker
  #connection: Promise<BrokerConnection> | undefined

  constructor(worker: Worker) {
    this.#worker = worker
  }

  async ready(): Promise<number> {
    const { readBroker } = this.#worker.app.context
    if (readBroker.capabilities.queueSize === 'none') return 0
    const connection = await (this.#connection ??= readBroker.connect({ onNotice: () => undefined }))
    const sizes = await Promise.all(this.#worker.queues.map((queue) => connection.queueSize(queue)))
    return sizes.reduce((sum, size) => sum + size, 0)
  }

  async close(): Promise<void> {
    await (await this.#connection)?.close()
  }
}
