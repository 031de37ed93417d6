/**
 * The table of worker-behaviour §3.2 (acks, states and events per outcome), row by row, with its [DEV] rows as amended by D57-61, 64, 65.
 *
 * Where ct differs on purpose:
 *  - hard time limit: one FAILURE and one `task-failed`, as Celery's green pools have it; prefork's second pair says nothing new
 *  - a lost slot: FAILURE is stored before the ack or reject, so that a crash in between loses nothing
 */
import { createApp, type App, type TaskDefinition } from '@ct/client'
import {
  buildTaskMessage,
  CompressorRegistry,
  definePool,
  Ignore,
  jsonSerializer,
  readTaskBody,
  readTaskMessage,
  Reject,
  SerializerRegistry,
  type Delivery,
  type Pool,
  type PoolJobEvents,
  type PoolOutcome,
  type PoolStartOptions,
  type PoolTicket,
  type ResultWrite,
  type Settlement,
  BackendUnavailableError,
} from '@ct/contracts'
import { describe, expect, it } from 'vitest'
import { Dispatcher } from '../consumer/index.ts'
import { asyncPool } from '../pool/index.ts'
import { Request, Revocations, Strategy, WorkerState } from '../request/index.ts'
import { executor, Tracer, type Results, type TraceServices } from './index.ts'

const serializers = new SerializerRegistry()
const codecs = {
  serializers,
  compressors: new CompressorRegistry(),
  accept: serializers.accept(['json']),
  maxBytes: 1 << 20,
}

interface Setup {
  readonly defaults: 'ct' | 'celery'
  readonly options?: TaskDefinition
  readonly task: (app: App) => (...args: never[]) => unknown
  readonly canSettle: boolean
  readonly expires?: number
  readonly act?: (parts: { dispatcher: Dispatcher; request: Request; revocations: Revocations }) => void
  readonly pool?: Pool
  readonly stored?: string
}

/** Runs one task through dispatcher, pool and tracer; every effect is written down in order. */
async function effects(setup: Setup): Promise<string[]> {
  const seen: string[] = []
  const app = createApp({ defaults: setup.defaults, logger: silent() })
  const task = app.task(
    't',
    { ...setup.options, bind: true } as { readonly bind: true },
    ((...args: never[]) => {
      seen.push('run')
      return setup.task(app)(...args)
    }) as never,
  )
  const done = Promise.withResolvers<void>()
  const delivery = deliver(seen, setup.expires)
  const results = recorder(seen, setup)
  const services: TraceServices = {
    app,
    hostname: 'w@h',
    results,
    chords: { kind: 'none' } as never,
    sender: {} as never,
    events: {
      enabled: true,
      send: (type, fields) => {
        const requeue = fields['requeue'] === undefined ? '' : `(${String(fields['requeue'])})`
        if (type !== 'task-started') seen.push(`${type}${requeue}`)
      },
    },
    log: { ...silent(), infoEnabled: true, debugEnabled: true },
    defaults: setup.defaults,
    inheritPriority: false,
    chordJoinTimeout: 3,
    publishBoundMs: 1000,
    task: () => undefined,
    pause: () => Promise.resolve(true),
    onInternalError: (error) => done.reject(error),
  }
  const state = new WorkerState()
  const revocations = new Revocations({ environment: {} })
  const onEnd = (): void => {
    setImmediate(() => setImmediate(() => done.resolve()))
  }
  const tracer = new Tracer({
    services,
    publishRetry: () => {
      seen.push('publish')
      return Promise.resolve()
    },
    onEnd,
    now: Date.now,
  })
  const pool = setup.pool ?? asyncPool()
  await pool.start(startOptions(executor(services)))
  const dispatcher = new Dispatcher({
    pool,
    state,
    services,
    tracer,
    revocations,
    deduplicate: undefined,
    marksUnstarted: false,
    onSettled: onEnd,
  })
  const message = readTaskMessage(delivery, codecs)
  const strategy = new Strategy(app.tasks.get(task.name)!, {
    timeLimit: null,
    softTimeLimit: null,
    disableRateLimits: false,
  })
  const request = new Request(delivery, message, readTaskBody(message, codecs), strategy)
  state.open.add(request)
  if (setup.act !== undefined && setup.options?.name === 'before')
    setup.act({ dispatcher, request, revocations })
  dispatcher.submit(request)
  if (setup.act !== undefined && setup.options?.name !== 'before') {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    setup.act({ dispatcher, request, revocations })
  }
  await done.promise
  await pool.close()
  await app.close()
  return seen
}

function deliver(seen: string[], expires: number | undefined): Delivery {
  const content = buildTaskMessage(
    {
      task: 't',
      id: 'id-1',
      args: [],
      kwargs: {},
      origin: 'o',
      ...(expires === undefined ? {} : { expires }),
    },
    { serializer: jsonSerializer, compression: null },
  )
  return {
    ...content,
    tag: '1',
    queue: 'celery',
    info: { exchange: '', routingKey: 'celery', priority: 0, redelivered: false },
    settled: false,
    settle(settlement: Settlement) {
      if ('results' in settlement)
        for (const write of settlement.results ?? []) seen.push(`store ${write.state}`)
      seen.push(settlement.action)
      return Promise.resolve()
    },
    countStart: () => Promise.resolve(1),
  }
}

function recorder(seen: string[], setup: Setup): Results {
  return {
    enabled: true,
    canSettle: setup.canSettle,
    readable: true,
    encode: (subject, { state }) =>
      ({
        taskId: subject.taskId,
        state,
        ready: true,
        document: new Uint8Array(),
        expiresInMs: undefined,
      }) satisfies ResultWrite,
    store: (writes) => {
      for (const write of writes) seen.push(`store ${write.state}`)
      return Promise.resolve()
    },
    meta: () =>
      setup.stored === 'unreachable'
        ? Promise.reject(new BackendUnavailableError('away'))
        : Promise.resolve(setup.stored === undefined ? undefined : ({ status: setup.stored } as never)),
    errorOf: () => new Error('stored'),
  }
}

function silent(): App['context']['logger'] {
  const logger = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: () => {},
    critical: () => {},
    child: () => logger,
  }
  return logger
}

function startOptions(execute: PoolStartOptions['execute']): PoolStartOptions {
  return {
    size: 1,
    entry: new URL('file:///slot.js'),
    modules: [],
    config: undefined,
    execute,
    onSlotError: () => {},
    maxTasksPerChild: undefined,
    maxMemoryPerChildKb: undefined,
  }
}

/** A pool whose slot dies as soon as the job has begun. */
function dyingPool(): Pool {
  return definePool({
    name: 'dying',
    packageName: 'test',
    capabilities: {
      implementation: 'test',
      sharesMemory: false,
      canKill: true,
      isolatesCpu: true,
      resizable: false,
    },
    size: 1,
    active: 0,
    hasRoom: true,
    start: () => Promise.resolve(),
    submit(_job: unknown, events: PoolJobEvents): PoolTicket {
      events.onAccepted({ pid: 7, startedAt: Date.now() })
      const outcome: PoolOutcome = { kind: 'lost', reason: 'died', signal: 'SIGKILL', exitCode: undefined }
      return {
        outcome: Promise.resolve(outcome),
        whenEnded: (listener) => listener(outcome),
        abort: () => {},
        kill: () => true,
        withdraw: () => {},
      }
    },
    grow: () => Promise.resolve(),
    shrink: () => Promise.resolve(),
    info: () => ({}),
    stop: () => Promise.resolve(),
    close: () => Promise.resolve(),
  })
}

interface Row {
  readonly outcome: string
  readonly task: Setup['task']
  readonly early: readonly string[]
  readonly late: readonly string[]
  /** Where it differs from `late`: no ack on failure, no ack on timeout. */
  readonly noAck?: readonly string[]
  readonly options?: TaskDefinition
  readonly act?: Setup['act']
  readonly pool?: () => Pool
  readonly expires?: number
  readonly stored?: string
}

const endless = (): Promise<never> => new Promise(() => {})
const returns = (): (() => number) => () => 1

const rows: readonly Row[] = [
  {
    outcome: 'TASK-70: success',
    task: returns,
    early: ['ack', 'run', 'store SUCCESS', 'task-succeeded'],
    late: ['run', 'store SUCCESS', 'ack', 'task-succeeded'],
  },
  {
    outcome: 'TASK-71: exception',
    task: () => () => {
      throw new Error('no')
    },
    early: ['ack', 'run', 'store FAILURE', 'task-failed'],
    late: ['run', 'store FAILURE', 'ack', 'task-failed'],
    noAck: ['run', 'store FAILURE', 'reject', 'task-rejected(false)', 'task-failed'],
  },
  {
    outcome: 'TASK-8, TASK-104: soft time limit, not caught',
    options: { softTimeLimit: 0.01 },
    task: () =>
      (async (task: { signal: AbortSignal }) => {
        await new Promise((_resolve, reject) => {
          task.signal.addEventListener('abort', () => reject(task.signal.reason as Error))
        })
      }) as never,
    early: ['ack', 'run', 'store FAILURE', 'task-failed'],
    late: ['run', 'store FAILURE', 'ack', 'task-failed'],
    noAck: ['run', 'store FAILURE', 'reject', 'task-rejected(false)', 'task-failed'],
  },
  {
    outcome: 'TASK-95: Retry',
    task: () =>
      ((task: { retry(): Error }) => {
        throw task.retry()
      }) as never,
    early: ['ack', 'run', 'store RETRY', 'publish', 'task-retried'],
    late: ['run', 'store RETRY', 'publish', 'ack', 'task-retried'],
  },
  {
    outcome: 'TASK-101: Ignore',
    task: () => () => {
      throw new Ignore()
    },
    early: ['ack', 'run'],
    late: ['run', 'ack'],
  },
  {
    outcome: 'TASK-102, D57-209, D57-158: Reject without requeue',
    task: () => () => {
      throw new Reject('bad')
    },
    early: ['ack', 'run', 'store FAILURE', 'task-failed'],
    late: ['run', 'store FAILURE', 'task-failed', 'reject', 'task-rejected(false)'],
  },
  {
    outcome: 'TASK-102, D57-158: Reject with requeue',
    task: () => () => {
      throw new Reject('later', true)
    },
    early: ['ack', 'run'],
    late: ['run', 'requeue', 'task-rejected(true)'],
  },
  {
    outcome: 'TASK-7, TASK-104: hard time limit',
    options: { timeLimit: 0.01 },
    task: () => endless,
    early: ['ack', 'run', 'store FAILURE', 'task-failed'],
    late: ['run', 'store FAILURE', 'ack', 'task-failed'],
    noAck: ['run', 'store FAILURE', 'requeue', 'task-rejected(true)', 'task-failed'],
  },
  {
    outcome: 'WORK-44, TASK-104, PAIN-7: process lost, rejectOnWorkerLost false',
    options: { rejectOnWorkerLost: false },
    task: returns,
    pool: dyingPool,
    early: ['ack', 'store FAILURE', 'task-failed'],
    late: ['store FAILURE', 'ack', 'task-failed'],
    noAck: ['store FAILURE', 'reject', 'task-rejected(false)', 'task-failed'],
  },
  {
    outcome: 'TASK-12: process lost, rejectOnWorkerLost true',
    options: { rejectOnWorkerLost: true },
    task: returns,
    pool: dyingPool,
    early: ['ack', 'store FAILURE', 'task-failed'],
    late: ['requeue', 'task-rejected(true)'],
  },
  {
    outcome: 'D57-61: process lost after its SUCCESS was stored',
    options: { rejectOnWorkerLost: true },
    task: returns,
    pool: dyingPool,
    stored: 'SUCCESS',
    early: ['ack', 'task-succeeded'],
    late: ['ack', 'task-succeeded'],
  },
  {
    outcome: 'D57-164: process lost, and a result store that cannot be asked',
    options: { rejectOnWorkerLost: true },
    task: returns,
    pool: dyingPool,
    stored: 'unreachable',
    early: ['ack', 'store FAILURE', 'task-failed'],
    late: ['requeue', 'task-rejected(true)'],
  },
  {
    outcome: 'D57-64: process lost, retryOnWorkerLost',
    options: { retryOnWorkerLost: true, rejectOnWorkerLost: true },
    task: returns,
    pool: dyingPool,
    early: ['ack', 'store RETRY', 'publish', 'task-retried'],
    late: ['store RETRY', 'publish', 'ack', 'task-retried'],
  },
  {
    outcome: 'D57-64: process lost, retryOnWorkerLost, retries spent',
    options: { retryOnWorkerLost: true, rejectOnWorkerLost: true, maxRetries: 0 },
    task: returns,
    pool: dyingPool,
    early: ['ack', 'store FAILURE', 'task-failed'],
    late: ['store FAILURE', 'ack', 'task-failed'],
    noAck: ['store FAILURE', 'reject', 'task-rejected(false)', 'task-failed'],
  },
  {
    outcome: 'WORK-69, TASK-104: revoked before the start',
    options: { name: 'before' },
    task: returns,
    act: ({ revocations }) => revocations.ids.add('id-1'),
    early: ['task-revoked', 'store REVOKED', 'ack'],
    late: ['task-revoked', 'store REVOKED', 'ack'],
  },
  {
    outcome: 'WORK-68: expired before the start',
    task: returns,
    expires: 1000,
    early: ['task-revoked', 'store REVOKED', 'ack'],
    late: ['task-revoked', 'store REVOKED', 'ack'],
  },
  {
    outcome: 'CTRL-20, TASK-104: terminated by revoke',
    task: () => endless,
    act: ({ dispatcher, request }) => void dispatcher.terminate(request, 'SIGTERM', 15),
    early: ['ack', 'run', 'task-revoked', 'store REVOKED'],
    late: ['run', 'task-revoked', 'store REVOKED', 'ack'],
  },
  {
    outcome: 'EVT-28: cancelled by a cold shutdown',
    task: () => endless,
    act: ({ dispatcher, request }) => dispatcher.cancel(request, new Error('cold')),
    early: ['ack', 'run', 'task-cancelled', 'store RETRY'],
    late: ['run', 'task-cancelled', 'requeue'],
  },
]

describe.each([
  ['results stored apart', false],
  ['results settled with the ack', true],
] as const)('D57-61, D57-164: acks, states and events, %s', (_name, canSettle) => {
  describe.each(rows)('$outcome', (row) => {
    const run = (defaults: 'ct' | 'celery', options: TaskDefinition): Promise<string[]> =>
      effects({
        defaults,
        canSettle,
        task: row.task,
        options: { ...row.options, ...options },
        ...(row.act === undefined ? {} : { act: row.act }),
        ...(row.pool === undefined ? {} : { pool: row.pool() }),
        ...(row.expires === undefined ? {} : { expires: row.expires }),
        ...(row.stored === undefined ? {} : { stored: row.stored }),
      })

    it('TASK-9: early ack', async () => {
      expect(await run('ct', { acksLate: false })).toEqual(row.early)
    })

    it('TASK-9: late ack', async () => {
      expect(await run('celery', { acksLate: true })).toEqual(row.late)
    })

    it('TASK-10, TASK-11: late ack, no ack on failure or timeout', async () => {
      const noAck = row.noAck ?? row.late
      expect(await run('ct', { acksLate: true, acksOnFailure: false, acksOnTimeout: false })).toEqual(noAck)
      expect(await run('ct', { acksLate: true, acksOnFailureOrTimeout: false })).toEqual(noAck)
    })

    it('PAIN-73: defaults: ct acknowledges late, celery early', async () => {
      expect(await run('ct', {})).toEqual(row.late)
      expect(await run('celery', {})).toEqual(row.early)
    })
  })

  describe('PAIN-36: what becomes of the message, by the class of the error', () => {
    class Busy extends Error {}
    class VeryBusy extends Busy {}
    class Broken extends Error {}
    const run = (error: unknown, options: TaskDefinition): Promise<string[]> =>
      effects({
        defaults: 'ct',
        canSettle,
        options: { acksLate: true, ...options },
        task: () => () => {
          throw error
        },
      })
    const requeued = ['run', 'requeue', 'task-rejected(true)']
    const rejected = ['run', 'store FAILURE', 'reject', 'task-rejected(false)', 'task-failed']
    const acknowledged = ['run', 'store FAILURE', 'ack', 'task-failed']

    it('requeueFor: back to the queue, and nothing stored; of derived classes too', async () => {
      expect(await run(new VeryBusy(), { requeueFor: [Busy] })).toEqual(requeued)
      expect(await run(new Broken(), { requeueFor: [Busy] })).toEqual(acknowledged)
    })

    it('rejectFor and ackFor: FAILURE, and the message as the list says, against acksOnFailure', async () => {
      expect(await run(new Broken(), { rejectFor: [Broken], acksOnFailure: true })).toEqual(rejected)
      expect(await run(new Broken(), { ackFor: [Broken], acksOnFailure: false })).toEqual(acknowledged)
      expect(await run(new Busy(), { ackFor: [Broken], acksOnFailure: false })).toEqual(rejected)
      // The first of requeueFor, rejectFor, ackFor that has it.
      expect(await run(new VeryBusy(), { rejectFor: [Busy], ackFor: [VeryBusy] })).toEqual(rejected)
    })

    it('retries come first', async () => {
      const first = await run(new Busy(), { autoretryFor: [Busy], requeueFor: [Busy] })
      expect(first).toContain('store RETRY')
      const spent = await run(new Busy(), { autoretryFor: [Busy], requeueFor: [Busy], maxRetries: 0 })
      expect(spent).toEqual(requeued)
    })
  })
})
