import { BrokerUnavailableError } from '@ct/contracts'
import { recordingLogger } from '@ct/testing'
import { afterEach, expect, it, vi } from 'vitest'
import { TaskConsumer, type TaskConsumerOptions } from './task-consumer.ts'

afterEach(() => void vi.useRealTimers())

function consumerOn(connection: object): TaskConsumer {
  return new TaskConsumer({
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
}

it('WORK-20: once nobody waits any more, consuming that cannot be started is not tried again without a pause', async () => {
  let attempts = 0
  const consumer = consumerOn({
    openConsumer: () => {
      attempts += 1
      // Without the end of waiting this would go on for good.
      if (attempts > 20) void consumer.stop()
      return new Promise((_resolve, reject) => {
        setImmediate(() => reject(new BrokerUnavailableError('busy')))
      })
    },
  })
  await expect(consumer.start()).rejects.toMatchObject({ code: 'CT_CLOSED' })
  expect(attempts).toBe(1)
})

it('WORK-20, D57-69: a broker that falls silent while consuming is started does not keep the worker from stopping', async () => {
  vi.useFakeTimers()
  let closed = 0
  const opening = Promise.withResolvers<object>()
  const consumer = consumerOn({ openConsumer: () => opening.promise })
  const started = consumer.start().catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(0)
  const stopped = consumer.close()
  await vi.advanceTimersByTimeAsync(5000)
  expect(await started).toMatchObject({ code: 'CT_CLOSED' })
  await stopped
  // What comes too late is given up by itself.
  opening.resolve({ close: () => Promise.resolve((closed += 1)), setCredit: () => undefined })
  await vi.advanceTimersByTimeAsync(0)
  expect([closed, vi.getTimerCount()]).toEqual([1, 0])
})
