/** For steps that take messages of their own from the worker's connection (celery/bootsteps.py 5.7, `ConsumerStep`; WORK-32). */
import type { Queue, Step } from '@ct/client'
import type { Consumer, Delivery } from '@ct/contracts'
import type { WorkerConsumer } from './worker-consumer.ts'

export interface StepConsumer {
  readonly queues: readonly Queue[]
  /** Settles the delivery, now or later: `delivery.settle({ action: 'ack' })`. What it throws is logged, and the message put back. */
  readonly onMessage: (delivery: Delivery) => unknown
  /** Most messages held at a time. Default 10. */
  readonly prefetchCount?: number
}

/**
 * @example
 * class Inbox extends ConsumerStep {
 *   override getConsumers() {
 *     return [{ queues: [new Queue('inbox')], onMessage: (delivery) => delivery.settle({ action: 'ack' }) }]
 *   }
 * }
 * app.steps.consumer.add(Inbox)
 */
export abstract class ConsumerStep implements Step<WorkerConsumer> {
  readonly #open: Consumer[] = []

  /** Also after each reconnect. */
  abstract getConsumers(parent: WorkerConsumer): readonly StepConsumer[]

  async start(parent: WorkerConsumer): Promise<void> {
    const { logger } = parent.app.context
    for (const { queues, onMessage, prefetchCount = 10 } of this.getConsumers(parent)) {
      const consumer = await parent.connection.openConsumer({
        credit: prefetchCount,
        onDelivery: (delivery) => {
          const handled = new Promise<unknown>((resolve) => {
            resolve(onMessage(delivery))
          })
          void handled.catch((error: unknown) => {
            logger.error(`The bootstep ${this.constructor.name} failed at a message; it is put back.`, {
              error,
            })
            return delivery.settle({ action: 'requeue' }).catch(() => undefined)
          })
        },
      })
      this.#open.push(consumer)
      await consumer.subscribe(
        queues.map((queue) => ({
          queue: queue.declaration,
          noAck: queue.noAck,
          ...(queue.exchange === undefined ? {} : { exchangeType: queue.exchange.type }),
        })),
      )
    }
  }

  async stop(): Promise<void> {
    for (const consumer of this.#open.splice(0)) {
      await consumer.stop().catch(() => undefined)
      await consumer.close({ unsettled: 'release' }).catch(() => undefined)
    }
  }
}
