import type { ParkedHistory, Settlement } from '@ct/contracts'
import type { AmqpDelivery } from './delivery.ts'
import type { ParkedQueues } from './parked.ts'

/** Puts a message beside its queue, then takes it out: twice there rather than nowhere. One that cannot be put goes back to its queue. */
export async function parkDelivery(
  parked: ParkedQueues,
  delivery: AmqpDelivery,
  { reason, starts }: Extract<Settlement, { action: 'park' }>,
): Promise<void> {
  const history: ParkedHistory = {
    reason,
    starts: starts ?? 0,
    parkedAt: new Date().toISOString(),
    queue: delivery.queue,
  }
  try {
    await parked.put(delivery, history)
  } catch (error) {
    await delivery.session.settle(delivery.number, 'requeue').catch(() => undefined)
    throw error
  }
  await delivery.session.settle(delivery.number, 'ack')
}
