/** What is RabbitMQ's own: types on the wire, refusals, server-side cancels, odd messages, quorum queues. */
import { freshVhost, tryServices, type FreshVhost } from '@ct-tools/services'
import { connect, type Channel, type ChannelModel } from 'amqplib'
import {
  isCeleryError,
  PublishError,
  type BrokerConnection,
  type Delivery,
  type Notice,
  type OutgoingMessage,
  type QueueDeclaration,
} from '@ct/contracts'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Line } from '../../test/line.ts'
import { amqpBroker } from './broker.ts'

const ready = await tryServices(['rabbitmq'])

function queue(name: string, more: Partial<QueueDeclaration> = {}): QueueDeclaration {
  return { name, durable: true, exclusive: false, autoDelete: false, bindings: [], ...more }
}

function message(routingKey: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    exchange: '',
    routingKey,
    body: Buffer.from('[[], {}, {}]'),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: { id: 'x', task: 't' },
    properties: {},
    ...more,
  }
}

describe.skipIf(ready === undefined)('RabbitMQ', () => {
  let vhost: FreshVhost
  let plain: ChannelModel
  let channel: Channel
  const opened: { close(): Promise<void> }[] = []

  beforeEach(async () => {
    vhost = await freshVhost()
    plain = await connect(vhost.url)
    plain.on('error', () => {})
    channel = await plain.createChannel()
    channel.on('error', () => {})
  })
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close()
    await plain.close().catch(() => {})
    await vhost.release()
  })

  async function ct(url: string = vhost.url): Promise<{ connection: BrokerConnection; notices: Notice[] }> {
    const broker = amqpBroker({ url })
    opened.push(broker)
    const notices: Notice[] = []
    return { connection: await broker.connect({ onNotice: (notice) => notices.push(notice) }), notices }
  }

  async function consume(
    connection: BrokerConnection,
    declared: readonly QueueDeclaration[],
    credit: number = 10,
  ) {
    const got: Delivery[] = []
    const consumer = await connection.openConsumer({ credit, onDelivery: (one) => got.push(one) })
    await consumer.subscribe(declared.map((one) => ({ queue: one })))
    return { consumer, got }
  }

  it('WIRE-1, WIRE-11: header values travel as the types that py-amqp writes', async () => {
    const { connection } = await ct()
    await connection.declare([queue('q')])
    const stream = (plain as unknown as { connection: { stream: NodeJS.EventEmitter } }).connection.stream
    const headers = {
      retries: 0,
      small: -1,
      big: 2 ** 40,
      half: 0.5,
      flag: true,
      none: null,
      '!': { '!': 'text' },
    }
    await connection.publish(message('q', { headers }))
    const bytes: Buffer[] = []
    stream.on('data', (chunk: Buffer) => bytes.push(chunk))
    const got = await channel.get('q', { noAck: true })
    const wire = Buffer.concat(bytes).toString('latin1')
    expect(wire).toContain('\x07retriesI\0\0\0\0')
    expect(wire).toContain('\x05smallI\xff\xff\xff\xff')
    expect(wire).toContain('\x03bigl\0\0\x01\0\0\0\0\0')
    expect(wire).toContain('\x04halfd')
    expect(wire).toContain('\x04flagt\x01')
    expect(wire).toContain('\x04noneV')
    expect(got !== false && got.properties.headers).toEqual(headers)
  })

  it('TRANS-22: a publish to an exchange that is not there names it, and harms no other', async () => {
    const { connection } = await ct()
    await connection.declare([queue('q')])
    const outcomes = await connection.publishMany([
      message('q'),
      message('key', { exchange: 'nowhere', exchangeType: 'direct' }),
      message('q'),
    ])
    expect(outcomes.map((outcome) => outcome === undefined)).toEqual([true, false, true])
    expect(outcomes[1]).toBeInstanceOf(PublishError)
    expect(outcomes[1]?.message).toContain('"nowhere"')
    expect(await connection.queueSize('q')).toBe(2)
  })

  it('TRANS-22: a mandatory message without a queue is returned: the error names exchange and key', async () => {
    const { connection } = await ct()
    const outcomes = await connection.publishMany([
      message('missing', { mandatory: true }),
      message('dropped'),
      message('gone', { exchange: 'amq.topic', mandatory: true }),
    ])
    expect(outcomes[0]).toMatchObject({ code: 'CT_PUBLISH', maybeDelivered: false, retryable: false })
    expect(outcomes[0]?.message).toContain('queue "missing"')
    expect(outcomes[1]).toBeUndefined()
    expect(outcomes[2]?.message).toContain('exchange "amq.topic" with routing key "gone"')
  })

  it('TRANS-21: an exchange deleted behind our back costs one clear error, and the next publish works', async () => {
    const { connection } = await ct()
    const exchange = { name: 'e', type: 'direct', durable: true, autoDelete: false } as const
    const bound = queue('q', { bindings: [{ exchange, routingKey: 'k' }] })
    await connection.declare([bound])
    await connection.publish(message('k', { exchange: 'e' }))
    await channel.deleteExchange('e')
    await expect(connection.publish(message('k', { exchange: 'e' }))).rejects.toMatchObject({
      code: 'CT_PUBLISH',
    })
    await connection.declare([bound])
    await connection.publish(message('k', { exchange: 'e' }))
    expect(await connection.queueSize('q')).toBe(2)
  })

  it('TRANS-20: a queue that exists with other arguments is refused with what to do, and the connection lives on', async () => {
    const { connection, notices } = await ct()
    await channel.assertQueue('q', { durable: true, maxPriority: 5 })
    const refused = await connection.declare([queue('q')]).catch((error: unknown) => error)
    expect(isCeleryError(refused) && refused.code).toBe('CT_BROKER')
    expect(refused).toMatchObject({ retryable: false, details: { replyCode: 406 } })
    expect(String(refused)).toMatch(/PRECONDITION.FAILED.*x-max-priority/s)
    await connection.declare([queue('other')])
    await connection.publish(message('other'))
    expect(notices).toEqual([])
  })

  it('TRANS-24: a deleted queue is told, and subscribing again makes it anew', async () => {
    const { connection, notices } = await ct()
    const { consumer, got } = await consume(connection, [queue('gone'), queue('stays')])
    await channel.deleteQueue('gone')
    await vi.waitFor(() => expect(notices).toMatchObject([{ kind: 'consumer-cancelled', queue: 'gone' }]))
    await consumer.subscribe([{ queue: queue('gone') }])
    await connection.publishMany([message('gone'), message('stays')])
    await vi.waitFor(() => expect(got.map((one) => one.queue).toSorted()).toEqual(['gone', 'stays']))
  })

  it('TRANS-25: when the channel dies, each queue is told, held messages say so, and subscribing again works', async () => {
    const { connection, notices } = await ct()
    const { consumer, got } = await consume(connection, [queue('a'), queue('b')])
    await connection.publish(message('a'))
    await vi.waitFor(() => expect(got.length).toBe(1))
    const held = got[0] as Delivery & { readonly session: { readonly channel: Channel } }
    // An acknowledgement of what was never delivered: RabbitMQ ends the channel with 406, as consumer_timeout does.
    held.session.channel.ack({ fields: { deliveryTag: 4711 } } as Parameters<Channel['ack']>[0])
    await vi.waitFor(() =>
      expect(notices).toMatchObject([
        { kind: 'lease-lost', tags: [held.tag] },
        { kind: 'consumer-cancelled', queue: 'a' },
        { kind: 'consumer-cancelled', queue: 'b' },
      ]),
    )
    await expect(held.settle({ action: 'ack' })).rejects.toMatchObject({ code: 'CT_BROKER_UNAVAILABLE' })
    await consumer.subscribe([{ queue: queue('a') }, { queue: queue('b') }])
    await vi.waitFor(() => expect(got.length).toBe(2))
    expect(got[1]?.info.redelivered).toBe(true)
    await got[1]?.settle({ action: 'ack' })
    await consumer.flush()
  })

  it('WIRE-1: messages that no Celery would send are delivered as they are and settle like any other', async () => {
    const { connection, notices } = await ct()
    const { consumer, got } = await consume(connection, [queue('odd')])
    const send = (options: Parameters<Channel['publish']>[3], body: string = 'x'): boolean =>
      channel.publish('', 'odd', Buffer.from(body), options)
    send({})
    send({ contentType: 'application/json', contentEncoding: 'latin-9' }, '{not json')
    send({
      headers: {
        id: 5,
        task: ['a'],
        when: { '!': 'timestamp', value: 1_700_000_000 },
        price: { '!': 'decimal', value: { places: 2, digits: 314 } },
        deep: { a: [{ b: Buffer.from('z') }] },
        long: 'y'.repeat(50_000),
      },
    })
    send({ correlationId: 'ż', replyTo: '', expiration: '60000', timestamp: 1, type: 't', appId: 'a' }, '')
    await vi.waitFor(() => expect(got.length).toBe(4))
    expect(got[0]).toMatchObject({ contentType: 'application/data', contentEncoding: 'binary', headers: {} })
    expect(got[1]).toMatchObject({ contentEncoding: 'latin-9' })
    expect(got[2]?.headers).toMatchObject({ id: 5, when: new Date(1_700_000_000_000), price: '3.14' })
    expect(got[3]?.properties).toMatchObject({ correlationId: 'ż', expiration: '60000' })
    for (const one of got) await one.settle({ action: 'reject' })
    await consumer.flush()
    expect(await connection.queueSize('odd')).toBe(0)
    expect(notices).toEqual([])
  })

  it('WORK-61: a busy queue gets what idle ones do not need of the budget', async () => {
    const { connection } = await ct()
    const names = ['busy', 'idle-1', 'idle-2', 'idle-3']
    const { got } = await consume(
      connection,
      names.map((name) => queue(name)),
      40,
    )
    await connection.publishMany(Array.from({ length: 60 }, () => message('busy')))
    await vi.waitFor(() => expect(got.length).toBeGreaterThanOrEqual(10))
    await vi.waitFor(() => expect(got.length).toBeGreaterThanOrEqual(30))
    expect(got.length).toBeLessThanOrEqual(40)
    await connection.publish(message('idle-3'))
    await vi.waitFor(() => expect(got.some((one) => one.queue === 'idle-3')).toBe(true))
  })

  it('TRANS-23: quorum queues count deliveries themselves; no counter queue is made', async () => {
    const { connection } = await ct()
    const quorum = queue('quorum', { arguments: { 'x-queue-type': 'quorum' } })
    const { got } = await consume(connection, [quorum], 1)
    await connection.publish(message('quorum'))
    await vi.waitFor(() => expect(got.length).toBe(1))
    expect(await got[0]?.countStart()).toBe(1)
    await got[0]?.settle({ action: 'requeue' })
    await vi.waitFor(() => expect(got.length).toBe(2))
    expect(got[1]?.headers['x-delivery-count']).toBe(1)
    expect(await got[1]?.countStart()).toBe(2)
    await got[1]?.settle({ action: 'ack' })
    const queues = (await vhost.management.call('GET', `/queues/${vhost.vhost}?columns=name`)) as {
      name: string
    }[]
    expect(queues.filter(({ name }) => name.startsWith('ct.starts.'))).toEqual([])
  })

  it('TRANS-3: round-robin stays with a server that works and goes on to the next when it does not', async () => {
    const [first, second] = [await Line.to(vhost.url), await Line.to(vhost.url)]
    const broker = amqpBroker({ url: `amqp://127.0.0.1:1//;${first.url};${second.url}` })
    opened.push(second, broker)
    const connectOnce = async (): Promise<readonly [boolean, boolean]> => {
      const connection = await broker.connect({ onNotice: () => {} })
      const used = [first.sent > 0, second.sent > 0] as const
      await connection.close()
      await first.cut()
      await second.cut()
      return used
    }
    expect(await connectOnce()).toEqual([true, false])
    expect(await connectOnce()).toEqual([true, false])
    await first.close()
    expect(await connectOnce()).toEqual([false, true])
    expect(await connectOnce()).toEqual([false, true])
  })

  it('TRANS-3: shuffle begins anywhere', async () => {
    const lines = [await Line.to(vhost.url), await Line.to(vhost.url)] as const
    const url = lines.map((line) => line.url).join(';')
    const broker = amqpBroker({ url, failoverStrategy: 'shuffle' })
    opened.push(...lines, broker)
    const used = new Set<number>()
    // That one of two is never drawn in forty times is as good as impossible.
    for (let turn = 0; turn < 40 && used.size < 2; turn++) {
      const connection = await broker.connect({ onNotice: () => {} })
      used.add(lines[0].sent > 0 ? 0 : 1)
      await connection.close()
      await Promise.all(lines.map((line) => line.cut()))
    }
    expect(used.size).toBe(2)
  })

  it('TRANS-2, PAIN-61: small frames carry large messages; too few channels, too large messages and headers say so', async () => {
    const small = amqpBroker({ url: vhost.url, frameMax: 4096 })
    opened.push(small)
    const connection = await small.connect({ onNotice: () => {} })
    const { got } = await consume(connection, [queue('q')])
    const body = Buffer.alloc(300_000, 'x')
    await connection.publish(message('q', { body }))
    await vi.waitFor(() => expect(got.length).toBe(1))
    expect(Buffer.from(got[0]!.body).equals(body)).toBe(true)
    await expect(
      connection.publish(message('q', { headers: { id: 'x', big: 'x'.repeat(5000) } })),
    ).rejects.toMatchObject({ code: 'CT_ENCODE' })

    const few = amqpBroker({ url: vhost.url, channelMax: 2 })
    opened.push(few)
    const narrow = await few.connect({ onNotice: () => {} })
    await narrow.declare([queue('q')])
    await expect(consume(narrow, [queue('q')])).rejects.toMatchObject({
      code: 'CT_BROKER',
      retryable: false,
      message: expect.stringContaining('channelMax') as string,
    })

    const outcomes = await connection.publishMany([
      message('q', { body: Buffer.alloc(16 * 1024 * 1024 + 1) }),
      message('q'),
    ])
    expect(outcomes).toEqual([
      expect.objectContaining({
        code: 'CT_MESSAGE_TOO_LARGE',
        details: { bytes: 16 * 1024 * 1024 + 1, maxBytes: 16 * 1024 * 1024, maybeDelivered: false },
      }),
      undefined,
    ])
  })

  it('TRANS-3: the failover list is walked until a server answers, and TLS or SASL refusals are told', async () => {
    const line = await Line.to(vhost.url)
    opened.push(line)
    const { connection } = await ct(`amqp://127.0.0.1:1//;${line.url}`)
    await connection.declare([queue('q')])
    const external = amqpBroker({ url: vhost.url, loginMethod: 'EXTERNAL' })
    await expect(external.connect({ onNotice: () => {} })).rejects.toMatchObject({ code: 'CT_BROKER' })
    const nowhere = amqpBroker({ url: vhost.url.replace(/\/[^/]*$/, '/no-such-vhost') })
    await expect(nowhere.connect({ onNotice: () => {} })).rejects.toMatchObject({ code: 'CT_BROKER' })
    const noTls = amqpBroker({ url: vhost.url.replace('amqp:', 'amqps:') })
    await expect(noTls.connect({ onNotice: () => {} })).rejects.toMatchObject({
      code: 'CT_BROKER_UNAVAILABLE',
      message: expect.stringMatching(/cannot be reached by TLS.*does not speak it/) as unknown,
    })
    const amqplain = amqpBroker({ url: vhost.url, loginMethod: 'AMQPLAIN' })
    await (await amqplain.connect({ onNotice: () => {} })).close()
  })
})
