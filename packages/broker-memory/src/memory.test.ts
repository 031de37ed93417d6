import { randomUUID } from 'node:crypto'
import { assertContract, type BrokerConnection, type Notice, type OutgoingMessage } from '@ct/contracts'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { memory, memoryBackend, memoryBroker, memoryHub, memoryScheduleStore } from './index.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  vi.useRealTimers()
  for (const close of closing.splice(0)) await close()
})

async function connect(
  options: Parameters<typeof memoryBroker>[0],
  notices: Notice[] = [],
): Promise<BrokerConnection> {
  const broker = memoryBroker(options)
  closing.push(() => broker.close())
  return broker.connect({ onNotice: (notice) => notices.push(notice) })
}

function message(body: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    exchange: '',
    routingKey: 'q',
    body: Buffer.from(body),
    contentType: 'text/plain',
    contentEncoding: 'utf-8',
    headers: { id: body },
    properties: {},
    ...more,
  }
}

const queue = { name: 'q', durable: true, exclusive: false, autoDelete: false, bindings: [] }

describe('memory adapter', () => {
  it('owns memory:// for brokers, memory:// and cache+memory:// for results', () => {
    assertContract(memory, 'adapter')
    expect(memory.brokerSchemes).toEqual(['memory'])
    expect(memory.backendSchemes).toEqual(['memory', 'cache+memory'])
    const broker = memory.broker!('memory://proj', {})
    expect(broker.describe()).toMatchObject({ transport: 'memory', hostname: 'proj', url: 'memory://proj' })
    const same = memory.backend!('cache+memory://proj', {})
    expect(broker.settlesWith(same)).toBe(true)
    expect(broker.settlesWith(memory.backend!('memory://other', {}))).toBe(false)
    expect(memory.scheduleStore!('memory://proj', {}).firesWith(broker)).toBe(true)
  })

  it('TRANS-15: without a name, or on localhost, everybody meets at the hub "default"', () => {
    for (const url of ['memory://', 'memory://localhost', 'memory://localhost//', 'memory:///']) {
      expect(memory.broker!(url, {}).describe().hostname).toBe('default')
    }
    expect(memoryBroker().settlesWith(memoryBackend({ name: 'default' }))).toBe(true)
  })

  it('refuses options that it does not have, and leases that cannot be', () => {
    expect(() => memoryBroker({ leeseMs: 5 } as object)).toThrow(/no option "leeseMs"/)
    expect(() => memoryBackend({ leaseMs: 5 } as object)).toThrow(/no option "leaseMs"/)
    expect(() => memoryScheduleStore({ names: 'x' } as object)).toThrow(/no option "names"/)
    expect(() => memoryBroker({ leaseMs: 0 })).toThrow(/above 0/)
  })
})

describe('memory broker', () => {
  it('hubs of different names do not meet', async () => {
    const [one, two] = [await connect({ name: randomUUID() }), await connect({ name: randomUUID() })]
    await one.publish(message('m'))
    expect(await one.queueSize('q')).toBe(1)
    expect(await two.queueSize('q')).toBe(0)
  })

  it('what is queued outlives its connections, and delayed messages come though everybody was away meanwhile', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    const name = randomUUID()
    const first = await connect({ name })
    await first.publish(message('now'))
    for (const ms of [3_000, 1_000, 2_000]) {
      await first.publish(message(`in ${ms}`, { notBefore: Date.now() + ms }))
    }
    await first.close()
    await vi.advanceTimersByTimeAsync(2_500)
    const second = await connect({ name })
    await vi.advanceTimersByTimeAsync(0)
    expect(await second.queueSize('q')).toBe(3)
    await vi.advanceTimersByTimeAsync(600)
    expect(await second.queueSize('q')).toBe(4)
  })

  it('a message whose expiration has passed is not delivered', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const connection = await connect({ name: randomUUID() })
    await connection.publish(message('short', { properties: { expiration: '1000' } }))
    await connection.publish(message('long'))
    vi.setSystemTime(Date.now() + 1_001)
    const got: string[] = []
    const consumer = await connection.openConsumer({
      credit: 5,
      onDelivery: (delivery) => got.push(Buffer.from(delivery.body).toString()),
    })
    await consumer.subscribe([{ queue }])
    await expect.poll(() => got).toEqual(['long'])
  })

  it('an auto-delete queue goes with its last reader, and takes its bindings along', async () => {
    const name = randomUUID()
    const exchange = { name: 'news', type: 'fanout', durable: true, autoDelete: false }
    const shared = { ...queue, name: 'shared', autoDelete: true, bindings: [{ exchange, routingKey: '' }] }
    const connections = [await connect({ name }), await connect({ name })]
    for (const connection of connections) {
      const consumer = await connection.openConsumer({ credit: 1, onDelivery: () => {} })
      await consumer.subscribe([{ queue: shared }])
    }
    await connections[0]!.close()
    expect(memoryHub(name).bindings.bindings('news')).toHaveLength(1)
    await connections[1]!.close()
    expect(memoryHub(name).bindings.bindings('news')).toEqual([])
    expect(memoryHub(name).queue('shared')).toBeUndefined()
  })

  it('tells that leases ran out', async () => {
    const name = randomUUID()
    const notices: Notice[] = []
    // Whichever of the two looks first, tells.
    const held = await connect({ name, leaseMs: 40 }, notices)
    await held.publish(message('m'))
    const taken = Promise.withResolvers<unknown>()
    const consumer = await held.openConsumer({ credit: 1, onDelivery: taken.resolve })
    await consumer.subscribe([{ queue }])
    await taken.promise
    await consumer.close({ unsettled: 'keep' })
    const watcher = await connect({ name, leaseMs: 40 }, notices)
    await watcher.openConsumer({ credit: 1, onDelivery: () => {} })
    await expect.poll(() => notices).toEqual([{ kind: 'restored', count: 1 }])
  })
})
