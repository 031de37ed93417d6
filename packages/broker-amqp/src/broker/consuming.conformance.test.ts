/** Consumers as RabbitMQ sees them: their arguments, how their prefetch changes, what an acknowledgement costs on the wire. */
import { tryServices } from '@ct-tools/services'
import type { Channel } from 'amqplib'
import type { Delivery } from '@ct/contracts'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { messageTo, queueNamed, RabbitScene } from '../../test/rabbit-scene.ts'

const ready = await tryServices(['rabbitmq'])

interface ConsumerInfo {
  readonly queue: { readonly name: string }
  readonly prefetch_count: number
  readonly arguments: Readonly<Record<string, unknown>>
}

describe.skipIf(ready === undefined)('consuming', () => {
  let scene: RabbitScene
  beforeEach(async () => {
    scene = await RabbitScene.open()
  })
  afterEach(() => scene.close())

  async function consumers(): Promise<readonly ConsumerInfo[]> {
    return (await scene.vhost.management.call('GET', `/consumers/${scene.vhost.vhost}`)) as ConsumerInfo[]
  }

  /** The management plugin hears of consumers only every five seconds. */
  async function prefetches(expected: readonly number[]): Promise<void> {
    await vi.waitFor(
      async () =>
        expect((await consumers()).map(({ prefetch_count: prefetch }) => prefetch)).toEqual(expected),
      { timeout: 15_000, interval: 200 },
    )
  }

  it('ROUTE-28: consumer arguments are passed on: the consumer of the higher x-priority gets the messages', async () => {
    const { connection } = await scene.connect()
    const low = await scene.consume(connection, [queueNamed('q')])
    const high = await scene.consume(connection, [{ queue: queueNamed('q'), arguments: { 'x-priority': 5 } }])
    await connection.publishMany(Array.from({ length: 5 }, () => messageTo('q')))
    await vi.waitFor(() => expect(high.got.length).toBe(5))
    expect(low.got.length).toBe(0)
  })

  it('WORK-60, WORK-61: a larger budget opens another consumer first, a smaller one its successor before the others go', async () => {
    const { connection } = await scene.connect()
    const { consumer, got } = await scene.consume(connection, [queueNamed('q')], 10)
    let fewest = Infinity
    const done = new AbortController()
    const sample = async (): Promise<void> => {
      while (!done.signal.aborted) fewest = Math.min(fewest, await count())
    }
    const count = async (): Promise<number> => (await scene.channel.checkQueue('q')).consumerCount
    const sampled = sample()
    consumer.setCredit(20)
    await vi.waitFor(async () => expect(await count()).toBe(2))
    consumer.setCredit(40)
    consumer.setCredit(80)
    await vi.waitFor(async () => expect(await count()).toBeGreaterThanOrEqual(3))
    for (const credit of [120, 160, 200, 240]) {
      consumer.setCredit(credit)
      await consumer.flush()
    }
    await vi.waitFor(async () => expect(await count()).toBeLessThanOrEqual(4))
    await connection.publishMany(Array.from({ length: 300 }, () => messageTo('q')))
    await vi.waitFor(() => expect(got.length).toBe(240))
    consumer.setCredit(5)
    await vi.waitFor(async () => expect(await count()).toBe(1))
    done.abort()
    await sampled
    expect(fewest).toBeGreaterThanOrEqual(1)
    await prefetches([5])
    // By attrition: nothing comes until fewer than five are open.
    for (const one of got.slice(0, 235)) await one.settle({ action: 'ack' })
    await consumer.flush()
    expect(got.length).toBe(240)
    await got[235]!.settle({ action: 'ack' })
    await vi.waitFor(() => expect(got.length).toBe(241))
  })

  it('TRANS-25: what was held over a channel that ended takes nothing of the budget', async () => {
    const { connection } = await scene.connect()
    const { consumer, got } = await scene.consume(connection, [queueNamed('q')], 5)
    await connection.publishMany(Array.from({ length: 5 }, () => messageTo('q')))
    await vi.waitFor(() => expect(got.length).toBe(5))
    const held = got[0] as Delivery & { readonly session: { readonly channel: Channel } }
    const gone = new Promise((resolve) => held.session.channel.once('close', resolve))
    held.session.channel.ack({ fields: { deliveryTag: 4711 } } as Parameters<Channel['ack']>[0])
    await gone
    // One of them is settled too late, the others never are: a worker forgets what it has not started.
    await expect(held.settle({ action: 'ack' })).rejects.toMatchObject({ code: 'CT_BROKER_UNAVAILABLE' })
    await consumer.subscribe([{ queue: queueNamed('q') }])
    await vi.waitFor(() => expect(got.length).toBe(10))
    await connection.publish(messageTo('q'))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(got.length).toBe(10)
    await got[9]?.settle({ action: 'ack' })
    await vi.waitFor(() => expect(got.length).toBe(11))
  })

  it('WORK-62: a budget beyond 65,535 is none, as AMQP counts in 16 bits', async () => {
    const { connection } = await scene.connect()
    await scene.consume(connection, [queueNamed('q')], 70_000)
    await prefetches([0])
  })

  it('WORK-60: a hundred acknowledgements in order are one frame, and those around an open message as few as can be', async () => {
    const { connection } = await scene.connect()
    await connection.declare([queueNamed('q')])
    await connection.publishMany(Array.from({ length: 300 }, () => messageTo('q')))
    const { consumer, got } = await scene.consume(connection, [queueNamed('q')], 200)
    await vi.waitFor(() => expect(got.length).toBe(200))
    const { stream } = (got[0] as unknown as { readonly session: { readonly channel: Channel } }).session
      .channel.connection as unknown as { readonly stream: { readonly bytesWritten: number } }
    const before = stream.bytesWritten
    // In any order within the turn.
    const settled = got
      .slice(0, 100)
      .toReversed()
      .map((one: Delivery) => one.settle({ action: 'ack' }))
    await Promise.all(settled)
    await vi.waitFor(() => expect(stream.bytesWritten - before).toBe(21))
    // The message before them is open: singly, in one piece.
    await Promise.all(got.slice(101, 111).map((one) => one.settle({ action: 'ack' })))
    await vi.waitFor(() => expect(stream.bytesWritten - before).toBe(21 + 210))
    await got[100]!.settle({ action: 'requeue' })
    await consumer.flush()
    await vi.waitFor(() => expect(got.length).toBe(301))
    await consumer.close()
    await vi.waitFor(async () => expect((await scene.channel.checkQueue('q')).messageCount).toBe(190))
  })
})
