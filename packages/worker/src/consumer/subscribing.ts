/** Which queues a consumer takes from. */
import type { Queue } from '@ct/client'
import { isCeleryError, type Consumer, type Subscription } from '@ct/contracts'

export async function subscribeAll(consumer: Consumer, queues: readonly Queue[]): Promise<void> {
  await consumer.subscribe(queues.map(subscription))
}

/**
 * After a loss: a queue that the broker refuses by now is no reason to leave the others. Those that are refused are the answer, to be tried again
 * like one that is refused while we run. `isCurrent`: the connection lives.
 */
export async function subscribeToEach(
  consumer: Consumer,
  queues: readonly Queue[],
  isCurrent: () => boolean,
): Promise<readonly Queue[]> {
  const isRefusal = (error: unknown): boolean =>
    isCeleryError(error) && error.code === 'CT_BROKER' && !error.retryable && isCurrent()
  try {
    await subscribeAll(consumer, queues)
    return []
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
  const refused: Queue[] = []
  for (const queue of queues) {
    try {
      await subscribeAll(consumer, [queue])
    } catch (error) {
      if (!isRefusal(error)) throw error
      refused.push(queue)
    }
  }
  return refused
}

/** Of these, those that were cancelled, or paused, while they were being subscribed to. */
export async function leaveUnwanted(
  consumer: Consumer,
  queues: readonly Queue[],
  wanted: Iterable<Queue>,
): Promise<void> {
  const names = new Set([...wanted].map(({ name }) => name))
  const unwanted = queues.map(({ name }) => name).filter((name) => !names.has(name))
  if (unwanted.length > 0) await consumer.cancel(unwanted)
}

function subscription(queue: Queue): Subscription {
  return {
    queue: queue.declaration,
    noAck: queue.noAck,
    ...(queue.exchange === undefined ? {} : { exchangeType: queue.exchange.type }),
    ...(queue.consumerArguments === undefined ? {} : { arguments: queue.consumerArguments }),
  }
}
