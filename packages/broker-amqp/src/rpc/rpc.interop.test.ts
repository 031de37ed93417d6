/** Results as messages, in both directions with Celery 5.7. */
import { python, startPythonWorker, tryPython } from '@ct-tools/interop'
import { freshVhost, tryServices } from '@ct-tools/services'
import { createApp } from '@ct/client'
import { createWorker } from '@ct/worker'
import { expect, it } from 'vitest'
import { amqp } from '../index.ts'

const ready = (await tryPython('5.7')) && (await tryServices(['rabbitmq'])) !== undefined

it.skipIf(!ready)(
  'BACK-20, BACK-21, BACK-22, WIRE-36, D57-174: rpc:// between ct and Python, whoever works',
  async () => {
    await using vhost = await freshVhost()
    const peers = { broker: vhost.url, backend: 'rpc://' }
    await using app = createApp({
      name: 'interop_tasks',
      adapters: [amqp],
      broker: vhost.url,
      backend: 'rpc://',
    })
    const triple = app.task('ct.triple', (value: number) => value * 3)
    app.task('ct.fail', () => {
      throw new RangeError('too much')
    })
    const worker = createWorker(app, { queues: ['ct'], withoutMingle: true })
    const [client, peer] = await Promise.all([
      python('5.7', peers),
      startPythonWorker({ version: '5.7', ...peers, queues: ['celery'] }),
      worker.start(),
    ])
    try {
      expect(await client.get(await client.send('ct.triple', [14], {}, { queue: 'ct' }), 20)).toBe(42)
      const failed = await client.send('ct.fail', [], {}, { queue: 'ct' })
      await expect(client.get(failed, 20)).rejects.toMatchObject({ type: 'ValueError' })
      const sent = await app.sendTask('interop_tasks.add', { args: [2, 3], queue: 'celery' })
      expect(await sent.get({ timeoutMs: 20_000 })).toBe(5)
      // Read again: Celery's own client keeps the last state as well.
      expect(await sent.get({ timeoutMs: 20_000 })).toBe(5)
      const wrong = await app.sendTask('interop_tasks.fail', { args: ['oh'], queue: 'celery' })
      await expect(wrong.get({ timeoutMs: 20_000 })).rejects.toThrow('oh')
      expect(await (await triple.applyAsync([5], { queue: 'ct' })).get({ timeoutMs: 20_000 })).toBe(15)
    } finally {
      await worker.stop()
      await client[Symbol.asyncDispose]()
      await peer.stop()
    }
  },
  90_000,
)
