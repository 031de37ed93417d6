/** What follows from a task and is taken in the same step (B27): the same messages in the same order and the same keys as if they had been in their lists. */
import type { Broker, Delivery, OutgoingMessage, QueueDeclaration } from '@ct/contracts'
import { expect, it } from 'vitest'
import { queue, redisScene } from '../../test/redis-scene.ts'
import { redisBroker } from './broker.ts'

const { server, opened } = await redisScene()

function message(to: string, id: string, priority: number = 0): OutgoingMessage {
  return {
    body: Buffer.from(`body of ${id}`),
    contentType: 'text/plain',
    contentEncoding: 'utf-8',
    headers: { id, list: [1, { two: 2 }], big: 12345678901234567890n },
    properties: { correlationId: id, priority },
    exchange: '',
    routingKey: to,
  }
}

interface Options {
  readonly credit?: number
  readonly broker?: Broker
}

interface Inbox {
  readonly got: Delivery[]
  /** The next one that was not asked for yet. */
  next(): Promise<Delivery>
}

async function consume(
  queues: readonly QueueDeclaration[],
  { credit = 10, broker = redisBroker({ url: server.url }) }: Options = {},
) {
  opened.push(broker)
  const connection = await broker.connect({ onNotice: () => undefined })
  const got: Delivery[] = []
  let asked = 0
  let wake = (): void => undefined
  const consumer = await connection.openConsumer({
    credit,
    onDelivery: (delivery) => {
      got.push(delivery)
      wake()
    },
  })
  const inbox: Inbox = {
    got,
    async next() {
      const index = asked++
      while (got.length <= index) await new Promise<void>((resolve) => (wake = resolve))
      return got[index]!
    },
  }
  await consumer.subscribe(queues.map((one) => ({ queue: one })))
  return { connection, consumer, inbox }
}

const idOf = ({ headers }: Delivery): unknown => headers['id']

/** The first message, with nothing behind it: the consumer is waiting for more. */
async function started(queues: readonly QueueDeclaration[], options: Options = {}) {
  const parts = await consume(queues, options)
  await parts.connection.publish(message(queues[0]!.name, 'first'))
  const first = await parts.inbox.next()
  await server.command('CONFIG', 'RESETSTAT')
  return { ...parts, first }
}

async function calls(command: string): Promise<number> {
  const stats = String(await server.command('INFO', 'commandstats'))
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
}

it('B27: a message that was never in its list is what it would be had it been there, for us and in unacked', async () => {
  const { first, inbox, connection } = await started([queue('q')])
  await first.settle({ action: 'ack', messages: [message('q', 'next')] })
  const brought = await inbox.next()
  expect(await calls('lpush')).toBe(0)
  expect(await calls('rpop')).toBe(0)
  const entry = String(await server.command('HGET', 'unacked', brought.tag))
  expect(await server.command('ZCARD', 'unacked_index')).toBe(1)
  expect(await server.command('HLEN', 'unacked')).toBe(1)
  // The same message once more, by way of its list.
  await connection.publish(message('q', 'next'))
  const popped = await inbox.next()
  const usual = String(await server.command('HGET', 'unacked', popped.tag))
  const tags = /"delivery_tag": "[^"]*"/
  expect(tags.test(entry)).toBe(true)
  expect(entry.replace(tags, '')).toBe(usual.replace(tags, ''))
  for (const field of [
    'queue',
    'body',
    'contentType',
    'contentEncoding',
    'headers',
    'properties',
    'info',
  ] as const)
    expect({ [field]: brought[field] }).toEqual({ [field]: popped[field] })
})

it('B27: what is brought is released, requeued and parked as it stands', async () => {
  const { first, inbox } = await started([queue('q')])
  const follow = async (held: Delivery, id: string): Promise<Delivery> => {
    await held.settle({ action: 'ack', messages: [message('q', id)] })
    return inbox.next()
  }
  const released = await follow(first, 'a')
  await released.settle({ action: 'release' })
  const again = await inbox.next()
  expect([idOf(again), again.info.redelivered]).toEqual(['a', false])
  const requeued = await follow(again, 'b')
  await requeued.settle({ action: 'requeue' })
  const redelivered = await inbox.next()
  expect([idOf(redelivered), redelivered.info.redelivered]).toEqual(['b', true])
  const parked = await follow(redelivered, 'c')
  await parked.settle({ action: 'park', reason: 'test' })
  expect(String(await server.command('LINDEX', 'q.parked', '0'))).toContain('"id": "c"')
  expect(await server.command('EXISTS', 'unacked', 'unacked_index', 'q')).toBe(0)
})

it('B27, TRANS-34: an older message goes first, in whichever list it is', async () => {
  const { first, inbox } = await started([queue('q'), queue('r')], { credit: 1 })
  // Of lower priority, and in another queue.
  const outside = await consume([])
  await outside.connection.publish(message('r', 'older, of another queue'))
  await outside.connection.publish(message('q', 'older, less urgent', 9))
  await first.settle({ action: 'ack', messages: [message('q', 'younger')] })
  const order: unknown[] = []
  for (let n = 0; n < 3; n += 1) {
    const one = await inbox.next()
    order.push(idOf(one))
    await one.settle({ action: 'ack' })
  }
  expect(order.toSorted()).toEqual(['older, less urgent', 'older, of another queue', 'younger'])
  // Priorities come before queues, and within a priority the queues take turns.
  expect(order.at(-1)).toBe('older, less urgent')
  expect(await calls('lpush')).toBeGreaterThan(2)
})

it('B27: of more messages than there is room for the most urgent are taken, the others are in their lists', async () => {
  const { first, inbox } = await started([queue('q')], { credit: 1 })
  await first.settle({
    action: 'ack',
    messages: [message('q', 'low', 9), message('q', 'a'), message('q', 'b'), message('elsewhere', 'x')],
  })
  const a = await inbox.next()
  expect(idOf(a)).toBe('a')
  expect(await server.command('LLEN', 'q')).toBe(1)
  expect(await server.command('LLEN', 'q\x06\x169')).toBe(1)
  expect(await server.command('LLEN', 'elsewhere')).toBe(1)
  await a.settle({ action: 'ack' })
  const b = await inbox.next()
  expect(idOf(b)).toBe('b')
  await b.settle({ action: 'ack' })
  expect(idOf(await inbox.next())).toBe('low')
})

it('B20, B27: what leads to a queue that is paused stays in its list', async () => {
  const { first, inbox, consumer } = await started([queue('q'), queue('r')])
  consumer.pause(['r'])
  await first.settle({ action: 'ack', messages: [message('r', 'later'), message('q', 'now')] })
  expect(idOf(await inbox.next())).toBe('now')
  expect(await server.command('LLEN', 'r')).toBe(1)
  consumer.resume(['r'])
  expect(idOf(await inbox.next())).toBe('later')
})

it('B27: what is put back in the same step is in front of what follows', async () => {
  const { first, inbox, connection, consumer } = await started([queue('q')], { credit: 2 })
  await connection.publish(message('q', 'second'))
  const second = await inbox.next()
  const settled = [
    first.settle({ action: 'ack', messages: [message('q', 'follower')] }),
    second.settle({ action: 'release' }),
  ]
  await Promise.all(settled)
  expect([idOf(await inbox.next()), idOf(await inbox.next())]).toEqual(['second', 'follower'])
  await consumer.close({ unsettled: 'keep' })
  expect(await server.command('HLEN', 'unacked')).toBe(2)
})

it('B13, B27: a queue whose messages are forgotten when they are taken keeps none that is brought', async () => {
  const { inbox, connection, consumer, first } = await started([queue('q')])
  await consumer.subscribe([{ queue: queue('events'), noAck: true }])
  await first.settle({ action: 'ack', messages: [message('events', 'told'), message('q', 'next')] })
  const two = [await inbox.next(), await inbox.next()]
  expect(two.map(idOf).toSorted()).toEqual(['next', 'told'])
  expect(await server.command('HLEN', 'unacked')).toBe(1)
  expect(await connection.queueSize('events')).toBe(0)
})

it.each([false, true])(
  'B10, B27: a message that was brought in an answer that never came is put back, or adopted (ahead: %s)',
  async (ahead) => {
    const broker = redisBroker({ url: server.url })
    const { first, inbox: before } = await started([queue('q')], { broker })
    const settlement = { action: 'ack', messages: [message('q', 'next')], ahead } as const
    const answered = first.settle(settlement)
    await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await answered.catch(() => undefined)
    const { inbox, consumer } = await consume([queue('q')], { broker })
    // Gone: the script ran. Else it is made again.
    const [, early] = before.got
    expect(early === undefined).toBe(!ahead)
    const gone = await consumer.adopt(early === undefined ? [first] : [first, early])
    if (!gone.includes(first)) await first.settle(settlement)
    // With the settlement goes what was handed out ahead of it.
    expect(early !== undefined && gone.includes(early)).toBe(early !== undefined && !gone.includes(first))
    const next = early === undefined || gone.includes(early) ? await inbox.next() : early
    expect(idOf(next)).toBe('next')
    await next.settle({ action: 'ack' })
    expect(await server.command('EXISTS', 'unacked', 'unacked_index', 'q')).toBe(0)
  },
)
