import { memoryBroker } from '@ct/broker-memory'
import { createApp } from '@ct/client'
import { jsonSerializer, type BrokerConnection, type Delivery, type OutgoingMessage } from '@ct/contracts'
import { recordingLogger, testDelivery } from '@ct/testing'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { CommandTarget } from './command.ts'
import { Pidbox } from './pidbox.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('CTRL-13, PAIN-66: a command that never ends keeps neither the others nor the end of the worker', async () => {
  const log = recordingLogger()
  const app = createApp({ name: 'proj', broker: memoryBroker({ name: 'pidbox' }), logger: log })
  app.inspectCommand({ name: 'hang' }, () => new Promise(() => undefined))
  let deliver: (delivery: Delivery) => void = () => undefined
  const replies: unknown[] = []
  const connection = {
    openConsumer: ({ onDelivery }: { onDelivery: typeof deliver }) => {
      deliver = onDelivery
      return Promise.resolve({
        subscribe: () => Promise.resolve(),
        stop: () => Promise.resolve(),
        close: () => Promise.resolve(),
      })
    },
    publish: ({ body }: OutgoingMessage) => {
      replies.push(jsonSerializer.decode(body))
      return Promise.resolve()
    },
  } as unknown as BrokerConnection
  const pidbox = new Pidbox({ context: app.context, hostname: 'w@h', worker: {} } as CommandTarget)
  await pidbox.open(connection)
  for (const method of ['hang', 'ping']) {
    const body = { method, arguments: {}, reply_to: { exchange: 'reply', routing_key: 'me' }, ticket: 't' }
    deliver(
      testDelivery({
        body: jsonSerializer.encode(body),
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        headers: { clock: 1 },
        properties: {},
      }),
    )
  }
  await vi.advanceTimersByTimeAsync(4000)
  expect(replies).toEqual([])
  await vi.advanceTimersByTimeAsync(1000)
  expect(replies).toEqual([{ 'w@h': { ok: 'pong' } }])
  expect(log.records.map(({ message }) => message)).toEqual([
    'A command of remote control has not ended after 5 s; others wait for it no longer.',
  ])
  await pidbox.close()
  expect(vi.getTimerCount()).toBe(0)
})
