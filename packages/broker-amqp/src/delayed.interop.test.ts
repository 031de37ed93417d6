/** Native delayed delivery, shared with Celery 5.7: the same exchanges and queues, and tasks through them in both directions. */
import { python, startPythonWorker, tryPython } from '@ct-tools/interop'
import { freshRedis, freshVhost, tryServices } from '@ct-tools/services'
import type { Delivery, OutgoingMessage, QueueDeclaration } from '@ct/contracts'
import { expect, it, vi } from 'vitest'
import { amqpBroker } from './index.ts'

const ready = (await tryPython('5.7')) && (await tryServices(['rabbitmq'])) !== undefined

const topicQueue: QueueDeclaration = {
  name: 'slow',
  durable: true,
  exclusive: false,
  autoDelete: false,
  arguments: { 'x-queue-type': 'quorum' },
  bindings: [
    { exchange: { name: 'slow', type: 'topic', durable: true, autoDelete: false }, routingKey: 'slow' },
  ],
}

const config = {
  task_default_queue: 'slow',
  task_default_exchange: 'slow',
  task_default_exchange_type: 'topic',
  task_default_routing_key: 'slow',
  task_default_queue_type: 'quorum',
}

function task(id: string, more: Partial<OutgoingMessage>): OutgoingMessage {
  return {
    exchange: 'slow',
    exchangeType: 'topic',
    routingKey: 'slow',
    body: Buffer.from('[["ct"], {}, {}]'),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: { id, task: 'interop_tasks.identity', root_id: id, lang: 'js' },
    properties: { correlationId: id, deliveryMode: 2 },
    ...more,
  }
}

it.skipIf(!ready)(
  'ROUTE-41, D57-36, WIRE-14: delayed tasks of ct reach a Python worker and the reverse, over one topology',
  async () => {
    await using vhost = await freshVhost()
    await using redis = await freshRedis()
    const peers = { broker: vhost.url, backend: redis.url, config }
    const ct = amqpBroker({ url: vhost.url, nativeDelayedDelivery: true })
    await using _ct = ct
    const connection = await ct.connect({ onNotice: () => {} })
    await connection.declare([topicQueue])
    // A Python worker declares all of it again, with its own arguments: any difference would be refused.
    await using client = await python('5.7', peers)
    const worker = await startPythonWorker({ version: '5.7', ...peers })

    const sent = Date.now()
    await connection.publish(task('delayed-by-ct', { notBefore: sent + 2_400 }))
    expect(await client.get('delayed-by-ct', 20)).toBe('ct')
    expect(Date.now() - sent).toBeGreaterThan(1_900)
    await worker.stop()

    // Python delays, ct takes; and a direct queue, which Python leaves to the worker.
    const direct: QueueDeclaration = { ...topicQueue, name: 'plain', arguments: {}, bindings: [] }
    const got: { readonly delivery: Delivery; readonly after: number }[] = []
    const started = Date.now()
    const consumer = await connection.openConsumer({
      credit: 10,
      onDelivery: (delivery) => got.push({ delivery, after: Date.now() - started }),
    })
    await consumer.subscribe([{ queue: topicQueue }, { queue: direct }])
    const id = await client.send('interop_tasks.identity', ['py'], {}, { countdown: 2 })
    await connection.publish(
      task('direct', {
        exchange: '',
        exchangeType: 'direct',
        routingKey: 'plain',
        notBefore: Date.now() + 3_500,
      }),
    )
    await vi.waitFor(() => expect(got.length).toBe(2), { timeout: 15_000 })
    expect(got.map(({ delivery }) => [delivery.queue, delivery.headers['id']])).toEqual([
      ['slow', id],
      ['plain', 'direct'],
    ])
    expect(got[0]?.after).toBeGreaterThan(900)
    expect(got[1]?.after).toBeGreaterThan(2_900)
    for (const { delivery } of got) await delivery.settle({ action: 'ack' })

    // A retry of what was delayed carries the old key; it must not grow.
    const again = Date.now()
    // What core sees is where the task was sent to.
    expect(got.map(({ delivery }) => [delivery.info.exchange, delivery.info.routingKey])).toEqual([
      ['slow', 'slow'],
      ['', 'plain'],
    ])
    const routingKey = `${'0.'.repeat(27)}1.slow`
    await connection.publish(task('again', { routingKey, notBefore: again + 1_500 }))
    await vi.waitFor(() => expect(got.length).toBe(3))
    expect(got[2]?.delivery.info.routingKey).toBe('slow')
    await got[2]?.delivery.settle({ action: 'ack' })
    await consumer.flush()
  },
  90_000,
)
