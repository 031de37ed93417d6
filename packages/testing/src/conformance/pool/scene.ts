/** One test of the pool suite: a pool, and jobs that wait at a gate until the test opens it. */
import {
  isCeleryError,
  type Pool,
  type PoolJobEvents,
  type PoolOutcome,
  type PoolStartOptions,
  type PoolTicket,
  type SlotChange,
  type SlotMessage,
} from '@ct/contracts'
import { eventually, within } from '../waiting.ts'
import { runConformanceJob, type ConformanceJob } from './jobs.ts'

/** What an adapter's test gives the pool suite. */
export interface PoolHarness {
  readonly pool: Pool
  close(): Promise<void>
}

/** A submitted job and what happened to it. */
export interface SceneJob {
  readonly ticket: PoolTicket
  readonly accepted: { readonly pid: number; readonly startedAt: number; readonly agoMs?: number }[]
  readonly messages: { readonly kind: string; readonly payload: unknown }[]
  /** The bytes that were submitted. */
  readonly body: Uint8Array
  /** Answers the job that waits at its gate. */
  open(answer?: unknown): void
  /** Answers it with an error. */
  refuse(error: Error): void
  /** Resolves when the pool was told that the job has begun. */
  begun(): Promise<void>
  /** Resolves when the job has reached its gate. */
  atGate(): Promise<void>
}

/** A module that may be loaded, for pools that want one. */
export const emptyModule = 'data:text/javascript,'

/** Beside this file, or in the folder of its name when this package is built. */
export function slotEntry(): URL {
  const here = import.meta.url
  return here.endsWith('.ts')
    ? new URL('./slot-entry.ts', here)
    : new URL(import.meta.resolve('@ct/testing/conformance/slot-entry'))
}

export class PoolScene {
  pool: Pool
  readonly slotErrors: Error[] = []
  readonly slotMessages: SlotMessage[] = []
  readonly slotChanges: SlotChange[] = []
  readonly #make: () => Promise<PoolHarness>
  #harness: PoolHarness
  #jobs = 0

  constructor(harness: PoolHarness, make: () => Promise<PoolHarness>) {
    this.#make = make
    this.#harness = harness
    this.pool = harness.pool
  }

  /** Goes on with a new pool; what was told so far is kept. */
  async again(): Promise<void> {
    await this.close()
    this.#harness = await this.#make()
    this.pool = this.#harness.pool
  }

  start(size: number, more: Partial<PoolStartOptions> = {}): Promise<void> {
    return this.pool.start({
      size,
      entry: slotEntry(),
      modules: [emptyModule],
      config: null,
      execute: runConformanceJob,
      onSlotError: (error) => this.slotErrors.push(error),
      onSlotMessage: (message) => this.slotMessages.push(message),
      onSlotChange: (change) => this.slotChanges.push(change),
      maxTasksPerChild: undefined,
      maxMemoryPerChildKb: undefined,
      ...more,
    })
  }

  /** `taskName`: by default one that no other job has, so that nobody knows how long it will take. */
  submit(job: ConformanceJob, options: { readonly taskName?: string } = {}): SceneJob {
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
    const body = new TextEncoder().encode(JSON.stringify(job))
    const ticket = this.pool.submit(
      {
        jobId,
        taskId: `task-${jobId}`,
        taskName: options.taskName ?? `conformance.${jobId}`,
        body,
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        request: {},
        // Whether the pool listens is its own business: what happens must be the same.
        patient: true,
      },
      events,
    )
    return {
      ticket,
      accepted,
      messages,
      body,
      open: (answer) => gate.resolve(answer ?? null),
      refuse: (error) => gate.reject(error),
      begun: () =>
        eventually(`job ${jobId} to begin`, 20_000, () => (accepted.length > 0 ? true : undefined)).then(
          () => undefined,
        ),
      atGate: () =>
        eventually(`job ${jobId} at its gate`, 20_000, () =>
          messages.some(({ kind }) => kind === 'gate') ? true : undefined,
        ).then(() => undefined),
    }
  }

  outcome(job: SceneJob): Promise<PoolOutcome> {
    return within('the outcome', 20_000, job.ticket.outcome)
  }

  /** The value of a job that is done. */
  async value(job: SceneJob): Promise<unknown> {
    const outcome = await this.outcome(job)
    if (outcome.kind !== 'done') throw new Error(`Expected a value, but: ${JSON.stringify(outcome)}`)
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
    await within('close', 20_000, this.pool.close())
    await this.#harness.close()
  }
}
