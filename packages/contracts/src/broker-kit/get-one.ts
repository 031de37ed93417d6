import type { BrokerConnection, CallOptions, Delivery, Settlement } from '../broker.ts'

/** A message that was counted may be somebody else's by now. */
const patienceMs = 1_000

/**
 * `basic.get` of a broker that has consumers only (B26): one with a credit of one, stopped at its first delivery. It stays open until the
 * message is settled, since what it holds would come back with it.
 */
export async function getOne(
  connection: BrokerConnection,
  queue: string,
  options: CallOptions = {},
): Promise<Delivery | undefined> {
  if ((await connection.queueSize(queue, options)) === 0) return undefined
  const first = Promise.withResolvers<Delivery | undefined>()
  const consumer = await connection.openConsumer({ credit: 1, maxClaim: 1, onDelivery: first.resolve })
  const timer = setTimeout(first.resolve, patienceMs, undefined)
  try {
    await consumer.subscribe(
      [
        {
          queue: {
            name: queue,
            durable: true,
            exclusive: false,
            autoDelete: false,
            bindings: [],
            noDeclare: true,
          },
        },
      ],
      options,
    )
    const delivery = await first.promise
    await consumer.stop()
    if (delivery === undefined) {
      await consumer.close()
      return undefined
    }
    const settle = delivery.settle.bind(delivery)
    return Object.defineProperty(delivery, 'settle', {
      value: async (settlement: Settlement): Promise<void> => {
        await settle(settlement)
        await consumer.flush()
        await consumer.close()
      },
    })
  } catch (error) {
    await consumer.close()
    throw error
  } finally {
    clearTimeout(timer)
  }
}
