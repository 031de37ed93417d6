/** One test of the pool suite: a pool, and jobs that wait at a gate until the test opens it. */
import {
  isCeleryError,
  type Pool,
  type PoolJobEvents,
  type PoolOutcome,
  type PoolStartOptions,
  type PoolTicket,
} from '@ct/contracts'
import { eventually, within } from '../waiting.ts'
import { runConformanceJob, type ConformanceJob } from './jobs.ts'

/** What an adapter's test gives the pool suite. */
export interface PoolHarness {
  readonly pool: Pool
  /** For pools that do not share memory: an entry that runs {@link runConformanceJob}, and a module that may be imported. */
  readonly start?: Pick<PoolStartOptions, 'entry' | 'modules' | 'config'>
  close(): Promise<void>
}

/** A submitted job and what happened to it. */
export interface SceneJob {
  readonly ticket: PoolTicket
  readonly accepted: { readonly pid: number; readonly startedAt: number }[]
  readonly messages: { readonly kind: string; readonly payload: unknown }[]
  /** Answers the job that waits at its gate. */
  open(answer?: unknown): void
  /** Answers it with an error. */
  refuse(error: Error): void
  /** Resolves when the job has reached its gate. */
  atGate(): Promise<void>
}

export class PoolScene {
  readonly pool: Pool
  readonly slotErrors: Error[] = []
  readonly #harness: PoolHarness
  #jobs = 0

  constructor(harness: PoolHarness) {
    this.#harness = harness
    this.pool = harness.pool
  }

  start(size: number, more: Partial<PoolStartOptions> = {}): Promise<void> {
    return this.pool.start({
      size,
      entry: new URL('file:///nowhere.js'),
      modules: [],
      config: null,
      execute: runConformanceJob,
      onSlotError: (error) => this.slotErrors.push(error),
      maxTasksPerChild: undefined,
      maxMemoryPerChildKb: undefined,
      ...this.#harness.start,
      ...more,
    })
  }

  submit(job: ConformanceJob): SceneJob {
    const accepted: SceneJob['accepted'] = []
    const messages: SceneJob['messages'] = []
    const gate = Promise.withResolvers<unknown>()
    gate.promise.catch(() => undefined)
    const events: PoolJobEvents = {
      onAccepted: (info) => accepted.push(info),
      onMessage: async (message) => {
        messages.push(message)
        return message.kind === 'gate' ? gate.promise : message.payload
      },
    }
    const jobId = ++this.#jobs
    const ticket = this.pool.submit(
      {
        jobId,
        taskId: `task-${jobId}`,
        taskName: 'conformance',
        body: new TextEncoder().encode(JSON.stringify(job)),
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        request: {},
      },
      events,
    )
    return {
      ticket,
      accepted,
      messages,
      open: (answer) => gate.resolve(answer ?? null),
      refuse: (error) => gate.reject(error),
      atGate: () =>
        eventually(`job ${jobId} at its gate`, 10_000, () =>
          messages.some(({ kind }) => kind === 'gate') ? true : undefined,
        ).then(() => undefined),
    }
  }

  outcome(job: SceneJob): Promise<PoolOutcome> {
    return within('the outcome', 10_000, job.ticket.outcome)
  }

  /** The value of a job that is done. */
  async value(job: SceneJob): Promise<unknown> {
    const outcome = await this.outcome(job)
    if (outcome.kind !== 'done') throw new Error(`Expected a value, but the job is lost: ${outcome.reason}`)
    return outcome.value
  }

  /** The code of ours with which something rejects. */
  async code(promise: Promise<unknown>): Promise<string | undefined> {
    try {
      await promise
    } catch (error) {
      return isCeleryError(error) ? error.code : String(error)
    }
    return undefined
  }

  async close(): Promise<void> {
    await within('close', 10_000, this.pool.close())
    await this.#harness.close()
  }
}
