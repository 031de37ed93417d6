import { BrokerUnavailableError } from '@ct/contracts'
import { recordingLogger } from '@ct/testing'
import { expect, it } from 'vitest'
import { TaskConsumer, type TaskConsumerOptions } from './task-consumer.ts'

it('WORK-20: once nobody waits any more, consuming that cannot be started is not tried again without a pause', async () => {
  let attempts = 0
  const connection = {
    leaseMs: undefined,
    openConsumer: () => {
      attempts += 1
      // Without the end of waiting this would go on for good.
      if (attempts > 20) void consumer.stop()
      return new Promise((_resolve, reject) => {
        setImmediate(() => reject(new BrokerUnavailableError('busy')))
      })
    },
  }
  const consumer: TaskConsumer = new TaskConsumer({
    broker: { capabilities: { settleAcrossConnections: true } },
    connection: {
      current: connection,
      listen: () => () => undefined,
      whenReady: () => Promise.resolve(connection),
    },
    queues: () => [],
    state: { open: new Set([{}]) },
    services: { log: recordingLogger(), pause: () => Promise.resolve(false) },
    reception: { receive: () => undefined },
    credit: { current: 1, maxClaim: 1 },
    maxAttempts: { first: undefined, later: undefined },
    onConnected: () => Promise.resolve(),
  } as unknown as TaskConsumerOptions)
  await expect(consumer.start()).rejects.toMatchObject({ code: 'CT_CLOSED' })
  expect(attempts).toBe(1)
})
