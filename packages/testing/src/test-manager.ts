/** Waiting for what workers do, wherever they run (celery/contrib/testing/manager.py 5.7, ManagerMixin; TEST-27). */
import { setTimeout as sleep } from 'node:timers/promises'
import type { App, Inspect, QueriedTask } from '@ct/client'
import { TimeoutError } from '@ct/contracts'

export interface WaitForOptions {
  /** Default 10,000. */
  readonly timeoutMs?: number
  /** Between two looks. Default 50. */
  readonly intervalMs?: number
}

/** `reserved`: received and not started, an ETA included; `ready`: no worker has it. */
export type TaskPlace = 'active' | 'reserved' | 'ready'

export interface TestManager {
  /** Looks until `what` gives something other than undefined, null and false. Error: `CT_RESULT_TIMEOUT`, naming `desc`. */
  waitFor<T>(
    desc: string,
    what: () => T | Promise<T>,
    options?: WaitForOptions,
  ): Promise<Exclude<T, undefined | null | false>>
  /** Rejects as soon as `what` gives something within that time. */
  ensureNotForAWhile(desc: string, what: () => unknown, options?: WaitForOptions): Promise<void>
  /** Questions to the workers. */
  inspect(timeoutMs?: number): Inspect
  /** What the workers know of these tasks, by node and id. */
  queryTasks(ids: readonly string[]): Promise<Readonly<Record<string, Readonly<Record<string, QueriedTask>>>>>
  /** The ids by where they are. */
  queryTaskStates(ids: readonly string[]): Promise<Readonly<Record<TaskPlace, ReadonlySet<string>>>>
  /** Waits until a worker runs them all. */
  assertAccepted(ids: readonly string[], options?: WaitForOptions): Promise<void>
  /** Waits until workers have received them all. */
  assertReceived(ids: readonly string[], options?: WaitForOptions): Promise<void>
  /** Waits until each of them runs or has ended. */
  assertInProgressOrCompleted(ids: readonly string[], options?: WaitForOptions): Promise<void>
  /** The values of these results, all of them within the time. */
  join<T>(
    results: readonly { get(options: { timeoutMs: number }): Promise<T> }[],
    options?: WaitForOptions,
  ): Promise<T[]>
  /** Purges the queues, then waits until no worker runs anything. */
  waitUntilIdle(options?: WaitForOptions): Promise<void>
}

/**
 * For tests with workers of their own processes; a worker of `startTestWorker` has `idle()`. `inspectTimeoutMs`: how long answers of workers are
 * waited for, each time; default 500.
 */
export function testManager(app: App, options: { readonly inspectTimeoutMs?: number } = {}): TestManager {
  const { inspectTimeoutMs = 500 } = options
  const inspect = (timeoutMs: number = inspectTimeoutMs): Inspect => app.control.inspect({ timeoutMs })
  const waitFor: TestManager['waitFor'] = async (desc, what, options = {}) => {
    const { timeoutMs = 10_000, intervalMs = 50 } = options
    for (const end = performance.now() + timeoutMs; ; await sleep(intervalMs)) {
      const found = await what()
      if (found !== undefined && found !== null && found !== false)
        return found as Exclude<typeof found, undefined | null | false>
      if (performance.now() >= end) throw new TimeoutError(`Waited ${timeoutMs} ms in vain for ${desc}.`)
    }
  }
  const queryTasks: TestManager['queryTasks'] = async (ids) => (await inspect().queryTask(ids)) ?? {}
  const queryTaskStates: TestManager['queryTaskStates'] = async (ids) => {
    const places = { active: new Set<string>(), reserved: new Set<string>(), ready: new Set<string>() }
    for (const known of Object.values(await queryTasks(ids))) {
      for (const [id, [state]] of Object.entries(known)) {
        if (state === 'active') places.active.add(id)
        else if (state === 'reserved' || state === 'scheduled') places.reserved.add(id)
      }
    }
    for (const id of ids) if (!places.active.has(id) && !places.reserved.has(id)) places.ready.add(id)
    return places
  }
  return {
    waitFor,
    inspect,
    queryTasks,
    queryTaskStates,
    async ensureNotForAWhile(desc, what, options = {}) {
      const { timeoutMs = 1_000, intervalMs = 50 } = options
      for (const end = performance.now() + timeoutMs; performance.now() < end; await sleep(intervalMs)) {
        const found = await what()
        if (found !== undefined && found !== null && found !== false)
          throw new Error(`Should not have happened: ${desc}.`)
      }
    },
    async assertAccepted(ids, options) {
      await waitFor(
        `${ids.length} tasks to run`,
        async () => (await queryTaskStates(ids)).active.size === ids.length,
        options,
      )
    },
    async assertReceived(ids, options) {
      await waitFor(
        `${ids.length} tasks to be received`,
        async () => (await queryTaskStates(ids)).ready.size === 0,
        options,
      )
    },
    async assertInProgressOrCompleted(ids, options) {
      await waitFor(
        `${ids.length} tasks to run or end`,
        async () => {
          const { active } = await queryTaskStates(ids)
          const ended = await Promise.all(ids.map((id) => active.has(id) || app.asyncResult(id).ready()))
          return ended.every(Boolean)
        },
        options,
      )
    },
    async join(results, { timeoutMs = 10_000 } = {}) {
      return await Promise.all(results.map((result) => result.get({ timeoutMs })))
    },
    async waitUntilIdle(options) {
      await app.control.purge()
      await waitFor(
        'the workers to be idle',
        async () => {
          const active = await inspect().active()
          return active !== null && Object.values(active).every((tasks) => tasks.length === 0)
        },
        options,
      )
    },
  }
}
