import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { createApp } from '@ct/client'
import type { BrokerConnection, Consumer } from '@ct/contracts'
import { afterEach, expect, it, vi } from 'vitest'
import { Gossip } from '../gossip.ts'
import { ConnectionParts, type ConnectionPartsOptions } from './connection-parts.ts'

afterEach(() => void vi.useRealTimers())

const app = createApp({
  name: 'proj',
  broker: memoryBroker({ name: 'connection-parts' }),
  backend: memoryBackend({ name: 'connection-parts' }),
})

it('EVT-8: a worker that stops while its connection is set up says nothing more of being online', async () => {
  const opened = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const started: string[] = []
  const parts = new ConnectionParts({
    app,
    hostname: 'w@h',
    options: { withoutMingle: true, withoutRemoteControl: true },
    capabilities: app.context.readBroker.capabilities,
    gossip: {
      open: () => {
        opened.resolve()
        return goOn.promise
      },
    },
    heartbeat: { start: () => started.push('heartbeat') },
    steps: () => ({ startConsumer: () => started.push('steps') }),
  } as unknown as ConnectionPartsOptions)
  const opening = parts.open({} as BrokerConnection)
  await opened.promise
  parts.leave()
  goOn.resolve()
  await opening
  expect(started).toEqual([])
})

it('WORK-93: gossip that is closed while it opens leaves nothing behind', async () => {
  vi.useFakeTimers()
  const subscribed = Promise.withResolvers<void>()
  let open = 1
  const consumer = {
    subscribe: () => subscribed.promise,
    close: () => {
      open = 0
      return Promise.resolve()
    },
  } as unknown as Consumer
  const gossip = new Gossip({
    context: app.context,
    hostname: 'w@h',
    dispatcher: { send: () => undefined } as never,
    heartbeatInterval: 2,
    electionHandlers: {},
    onNodeJoin: () => undefined,
    onNodeLeave: () => undefined,
    onNodeLost: () => undefined,
  })
  const opening = gossip.open({
    openConsumer: () => Promise.resolve(consumer),
  } as unknown as BrokerConnection)
  await Promise.resolve()
  await gossip.close()
  subscribed.resolve()
  await opening
  expect([open, vi.getTimerCount()]).toEqual([0, 0])
})
