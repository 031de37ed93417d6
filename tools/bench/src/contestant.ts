/**
 * What every contestant of the bench can do. The work is always the same: a task `add(x, y)` whose result is stored and kept.
 * Each call runs in a fresh process of its own (see run-one.ts), so that no contestant meets another's heap or connections.
 */
export interface Contestant {
  readonly name: string
  /** Package and version, and every option that is not a default; printed with the figures. */
  readonly about: string
  /** Concurrencies at which the peer is tried for `drain`; its best one counts. */
  readonly concurrencies: readonly number[]
  /** Queues `tasks` tasks; not timed. */
  fill(redisUrl: string, tasks: number): Promise<void>
  /** Works off what is queued in one worker process; seconds from the start of consuming to the last stored result. */
  drain(redisUrl: string, tasks: number, concurrency: number): Promise<DrainResult>
  /** `callers` concurrent callers, each sending one task after the other; seconds for all. */
  send?(redisUrl: string, tasks: number, callers: number): Promise<{ readonly seconds: number }>
  /** Batches of `batch` in one call each, one after the other. */
  sendMany?(redisUrl: string, tasks: number, batch: number): Promise<{ readonly seconds: number }>
  /** Starts a worker that serves until the process is told to end; for round trips, idling and memory. */
  serve?(redisUrl: string, concurrency: number): Promise<Served>
  /** One task after the other, each awaited; milliseconds of each. */
  roundTrips?(redisUrl: string, tasks: number): Promise<{ readonly milliseconds: readonly number[] }>
}

export interface DrainResult {
  readonly seconds: number
  /** User and system CPU seconds of the worker process. */
  readonly cpuSeconds?: number
}

export interface Served {
  stop(): Promise<void>
}

/** CPU seconds of this process while `work` runs, and the wall-clock seconds. */
export async function timed(work: () => Promise<void>): Promise<{ seconds: number; cpuSeconds: number }> {
  const cpu = process.cpuUsage()
  const start = process.hrtime.bigint()
  await work()
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  const used = process.cpuUsage(cpu)
  return { seconds, cpuSeconds: (used.user + used.system) / 1e6 }
}

/** Resolves the returned promise at the `count`th call of `hit`. */
export function countdown(count: number): { readonly reached: Promise<void>; hit(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  let left = count
  return {
    reached: promise,
    hit() {
      left -= 1
      if (left === 0) resolve()
    },
  }
}

/** `callers` loops share `tasks` calls of `call`. */
export async function fromCallers(
  tasks: number,
  callers: number,
  call: (n: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const caller = async (): Promise<void> => {
    while (next < tasks) await call(next++)
  }
  await Promise.all(Array.from({ length: callers }, caller))
}
