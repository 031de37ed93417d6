import { randomUUID } from 'node:crypto'
import { memoryBroker } from '@ct/broker-memory'
import {
  BrokerUnavailableError,
  PublishError,
  type Delivery,
  type Notice,
  type OutgoingMessage,
} from '@ct/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import { chaosBroker, type ChaosBroker, type ChaosOptions } from '../src/index.ts'

const open: ChaosBroker[] = []

function make(options: Partial<ChaosOptions> = {}): ChaosBroker {
  const broker = chaosBroker(memoryBroker({ name: randomUUID() }), { seed: 1, ...options })
  open.push(broker)
  return broker
}

afterEach(async () => {
  for (const broker of open.splice(0)) await broker.close()
})

const queue = { name: 'q', durable: true, exclusive: false, autoDelete: false, bindings: [] }

function message(body: string): OutgoingMessage {
  return {
    exchange: '',
    routingKey: 'q',
    body: Buffer.from(body),
    contentType: 'text/plain',
    contentEncoding: 'utf-8',
    headers: { id: body, task: 't' },
    properties: {},
  }
}

const silent = { onNotice: () => {} }

describe('chaosBroker', () => {
  it('fails the same calls for the same seed, and others for another', async () => {
    const run = async (seed: number): Promise<string> => {
      const connection = await make({ seed, faults: { publish: 0.3 } }).connect(silent)
      let outcome = ''
      for (let index = 0; index < 60; index++) {
        outcome += await connection.publish(message(`m${index}`)).then(
          () => '.',
          (error: PublishError) => (error.maybeDelivered ? '?' : 'x'),
        )
      }
      return outcome
    }
    const first = await run(7)
    expect(await run(7)).toBe(first)
    expect(await run(8)).not.toBe(first)
    expect(first).toMatch(/\./)
    expect(first).toMatch(/x/)
    expect(first).toMatch(/\?/)
  })

  it('a publish that fails is sent or not, as its fault says', async () => {
    const broker = make()
    const connection = await broker.connect(silent)
    for (const [fault, size] of [
      ['before', 0],
      ['unknown', 0],
      ['after', 1],
    ] as const) {
      broker.chaos.failNext('publish', fault)
      const error: unknown = await connection.publish(message(fault)).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(PublishError)
      expect((error as PublishError).maybeDelivered).toBe(fault !== 'before')
      expect(await connection.queueSize('q')).toBe(size)
    }
    expect(broker.chaos.counts.publish).toBe(3)
  })

  it('a settlement that fails loses the connection, before or after the broker did it', async () => {
    for (const [fault, left] of [
      ['before', 1],
      ['after', 0],
    ] as const) {
      const broker = make()
      const notices: Notice[] = []
      const connection = await broker.connect({ onNotice: (notice) => notices.push(notice) })
      const got = Promise.withResolvers<Delivery>()
      const consumer = await connection.openConsumer({ credit: 1, onDelivery: got.resolve })
      await consumer.subscribe([{ queue }])
      await connection.publish(message('m'))
      const delivery = await got.promise
      broker.chaos.failNext('settle', fault)
      await expect(delivery.settle({ action: 'ack' })).rejects.toBeInstanceOf(BrokerUnavailableError)
      expect(notices.map(({ kind }) => kind)).toEqual(['connection-lost'])
      await expect(connection.queueSize('q')).rejects.toBeInstanceOf(BrokerUnavailableError)
      await connection.close()
      const again = await broker.connect(silent)
      expect(await again.queueSize('q')).toBe(left)
    }
  })

  it('asleep nothing answers and nothing comes; awake everything goes on', async () => {
    const broker = make()
    const connection = await broker.connect(silent)
    const got: string[] = []
    const consumer = await connection.openConsumer({
      credit: 10,
      onDelivery: (delivery) => got.push(Buffer.from(delivery.body).toString()),
    })
    await consumer.subscribe([{ queue }])
    broker.chaos.sleep()
    let answered = false
    const publishing = connection.publish(message('m')).then(() => (answered = true))
    const connecting = broker.connect(silent)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect({ answered, got }).toEqual({ answered: false, got: [] })
    broker.chaos.wake()
    await publishing
    await connecting
    await expect.poll(() => got).toEqual(['m'])
  })

  it('closing a sleeping broker does not hang', async () => {
    const broker = make()
    const connection = await broker.connect(silent)
    broker.chaos.sleep()
    const publishing = connection.publish(message('m')).catch((error: unknown) => error)
    await broker.close()
    expect(await publishing).toBeInstanceOf(Error)
  })

  it('connecting can fail', async () => {
    const broker = make({ faults: { connect: 1 } })
    await expect(broker.connect(silent)).rejects.toBeInstanceOf(BrokerUnavailableError)
    broker.chaos.setFaults({})
    await broker.connect(silent)
    expect(broker.chaos.counts.connect).toBe(1)
  })
})
