import type { ResultMeta } from '@ct/contracts'
import { readyStates } from '@ct/contracts'
import { abortedError, Deadline, longestTimerMs } from '../connection/index.ts'
import type { ResultStore } from './result-store.ts'
import { resultTimedOut } from './wait-options.ts'
import type { WaitOptions } from './wait-options.ts'

interface Waiting extends WaitOptions {
  /** Whose result, for messages. */
  readonly what: string
  /** Time allowed in all, for messages; `timeoutMs` is what is left of it. */
  readonly allowedMs?: number | null | undefined
  /** Watched as well when it takes longer than `afterMs`. Nobody waits for them to be ready. */
  readonly later?: { readonly taskIds: readonly string[]; readonly afterMs: number } | undefined
}

/** What the caller wants after a state was told. */
export type Verdict = 'more' | 'done'

/**
 * Watches results until the caller has what it wants. `onMeta` is called for every state of every id, in order per id, and may
 * throw to end the waiting with that error.
 *
 * Resolves when `onMeta` says `done`, or when everything is ready. Rejects with what `onMeta` threw, with the store's error,
 * `CT_RESULT_TIMEOUT` or `CT_ABORTED`. Leaves no watcher, timer or listener behind.
 */
export async function waitForResults(
  store: ResultStore,
  taskIds: readonly string[],
  onMeta: (meta: ResultMeta) => Verdict,
  options: Waiting,
): Promise<void> {
  const { timeoutMs, signal, what, onInterval, later } = options
  if (signal?.aborted === true) throw abortedError(signal, `Waiting for ${what}`)
  if (taskIds.length === 0) return
  if (timeoutMs === 0) {
    await lookOnce(store, taskIds, onMeta, options)
    return
  }
  const open = new Set(taskIds)
  const stops: (() => void)[] = []
  try {
    await new Promise<void>((resolve, reject) => {
      const tell = (meta: ResultMeta): void => {
        if (!open.has(meta.taskId)) return
        try {
          options.onMessage?.(meta)
          if (readyStates.has(meta.status)) open.delete(meta.taskId)
          if (onMeta(meta) === 'done' || open.size === 0) resolve()
        } catch (error) {
          reject(error)
        }
      }
      if (timeoutMs != null) {
        const { allowedMs } = options
        const timer = setTimeout(
          () => reject(resultTimedOut(what, allowedMs ?? timeoutMs)),
          Math.min(timeoutMs, longestTimerMs),
        )
        stops.push(() => clearTimeout(timer))
      }
      if (onInterval !== undefined) {
        const timer = setInterval(() => {
          try {
            onInterval()
          } catch (error) {
            reject(error)
          }
        }, options.intervalMs ?? 500)
        stops.push(() => clearInterval(timer))
      }
      if (signal !== undefined) {
        const onAbort = (): void => reject(abortedError(signal, `Waiting for ${what}`))
        signal.addEventListener('abort', onAbort, { once: true })
        stops.push(() => signal.removeEventListener('abort', onAbort))
      }
      const watch = (taskId: string): number =>
        stops.push(store.watch(taskId, { onMeta: tell, onError: reject }))
      open.forEach(watch)
      if (later !== undefined && later.taskIds.length > 0) {
        const timer = setTimeout(() => {
          for (const taskId of later.taskIds) {
            open.add(taskId)
            watch(taskId)
          }
        }, later.afterMs)
        stops.push(() => clearTimeout(timer))
      }
    })
  } finally {
    for (const stop of stops) stop()
  }
}

async function lookOnce(
  store: ResultStore,
  taskIds: readonly string[],
  onMeta: (meta: ResultMeta) => Verdict,
  options: Waiting,
): Promise<void> {
  const ids = [...new Set(taskIds)]
  let ready = 0
  for (const meta of await store.findMetas(ids, { signal: options.signal })) {
    if (meta === undefined) continue
    options.onMessage?.(meta)
    if (readyStates.has(meta.status)) ready++
    if (onMeta(meta) === 'done') return
  }
  if (ready < ids.length) throw resultTimedOut(options.what, 0)
}

/** What the store knows of these ids now, within the time that waiting for them may take. */
export async function lookWithin(
  store: ResultStore,
  taskIds: readonly string[],
  options: Pick<WaitOptions, 'timeoutMs' | 'signal'> & { readonly what: string },
): Promise<readonly ResultMeta[]> {
  const { timeoutMs, signal, what } = options
  // "Look once" has no time of its own: it takes what the store takes.
  using deadline = new Deadline(timeoutMs == null || timeoutMs === 0 ? null : timeoutMs, signal)
  try {
    return await store.getMetas(taskIds, { signal: deadline.signal })
  } catch (error) {
    throw deadline.expired ? resultTimedOut(what, timeoutMs!, error) : error
  }
}

/**
 * As {@link waitForResults}, as a stream: everything that `select` lets through, in order of arrival, until all is ready. Leaving the
 * loop early leaves no watcher behind.
 */
export async function* streamResults(
  store: ResultStore,
  taskIds: readonly string[],
  select: (meta: ResultMeta) => boolean,
  options: Waiting,
): AsyncGenerator<ResultMeta, void, undefined> {
  const queue: ResultMeta[] = []
  let wake = (): void => {}
  let over = false
  let failure: unknown
  const left = new AbortController()
  const signal = options.signal === undefined ? left.signal : AbortSignal.any([options.signal, left.signal])
  const waiting = waitForResults(
    store,
    taskIds,
    (meta) => {
      if (select(meta)) queue.push(meta)
      wake()
      return 'more'
    },
    { ...options, signal },
  )
    .catch((error: unknown) => {
      failure = error
    })
    .finally(() => {
      over = true
      wake()
    })
  try {
    for (;;) {
      const meta = queue.shift()
      if (meta !== undefined) {
        yield meta
      } else if (over) {
        break
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
    if (failure !== undefined) throw failure
  } finally {
    left.abort()
    await waiting
  }
}
