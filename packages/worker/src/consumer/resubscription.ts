import type { Queue } from '@ct/client'
import type { Consumer } from '@ct/contracts'
import type { TraceServices } from '../trace/index.ts'

export interface ResubscriptionOptions {
  readonly services: TraceServices
  /** Queues of tasks that are consumed. */
  readonly queues: () => Iterable<Queue>
  readonly add: (queue: Queue) => Promise<void>
  /** Subscribes again to a queue of somebody else on this connection; undefined for queues that nobody knows. */
  readonly reopen: (queue: string) => (() => Promise<void>) | undefined
  /** Another one subscribes to all queues by itself. */
  readonly consumer: () => Consumer | undefined
  /** Aborts when the worker stops. */
  readonly signal: AbortSignal
}

/** Between two attempts to consume a queue that the broker refuses. */
const longestRetryMs = 60_000

/** Comes back to a queue whose subscription the broker has ended, until it can be consumed or nobody wants it any more. */
export class Resubscription {
  readonly #options: ResubscriptionOptions

  constructor(options: ResubscriptionOptions) {
    this.#options = options
  }

  async begin(name: string): Promise<void> {
    const { services, queues, add, reopen, signal, consumer: current } = this.#options
    const queue = [...queues()].find((one) => one.name === name)
    const subscribe = queue === undefined ? reopen(name) : () => add(queue)
    if (subscribe === undefined) return
    const { log, pause } = services
    const consumer = current()
    for (let attempt = 0; ; attempt++) {
      try {
        await subscribe()
        if (attempt > 0) log.info(`Queue ${name} is consumed again.`)
        return
      } catch (error) {
        // A new connection or consumer subscribes to all queues by itself.
        if (signal.aborted || current() !== consumer) return
        const waitMs = Math.min(longestRetryMs, 1000 * 2 ** attempt)
        const text = `Queue ${name} cannot be consumed: ${error instanceof Error ? error.message : String(error)}`
        // The first time it is news; later on a line a minute is enough.
        if (attempt === 0 || waitMs === longestRetryMs)
          log.error(`${text} Trying again until it can.`, { error })
        else log.debug(`${text} Trying again in ${waitMs / 1000} s.`)
        if (!(await pause(waitMs))) return
        if (current() !== consumer) return
        // Cancelled meanwhile by a command.
        if (queue !== undefined && ![...queues()].includes(queue)) return
      }
    }
  }
}
