import type { Queue } from '@ct/client'
import { isRetryable, type BrokerConnection } from '@ct/contracts'
import type { TraceServices } from '../trace/index.ts'

/** As in Celery. */
const mostAttempts = 3

export interface DelayOptions {
  readonly services: TraceServices
  readonly signal: AbortSignal
  /** The worker stops, or the connection is lost: the next one declares everything by itself. */
  readonly isOver: () => boolean
}

/**
 * Declares what the broker needs to keep tasks for these queues until their ETA. Celery tries three times, says so and goes on
 * (celery/worker/consumer/delayed_delivery.py 5.7).
 */
export async function prepareDelays(
  connection: BrokerConnection,
  queues: readonly Queue[],
  { services, signal, isOver }: DelayOptions,
): Promise<void> {
  if (connection.prepareDelays === undefined) return
  const declarations = queues.filter((queue) => !queue.isBroadcast).map(({ declaration }) => declaration)
  for (let attempt = 1; ; attempt++) {
    try {
      await connection.prepareDelays(declarations, { signal })
      return
    } catch (error) {
      if (isOver()) return
      if (attempt === mostAttempts || !isRetryable(error)) {
        services.log.critical(
          'What the broker needs to keep tasks until their ETA cannot be declared: those that were delayed elsewhere may not arrive.',
          { error },
        )
        return
      }
      if (!(await services.pause(1000)) || isOver()) return
    }
  }
}
