/** Messages that come again: RabbitMQ marks all that it has given out, and after a crash all that it has. */
import { PrivateRabbit, tryServices } from '@ct-tools/services'
import { createApp, type App } from '@ct/client'
import { createWorker, type Worker } from '@ct/worker'
import { connect } from 'amqplib'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { RabbitScene } from '../test/rabbit-scene.ts'
import { amqpBroker } from './index.ts'

const ready = await tryServices(['rabbitmq'])

/** How many ran at once, and what held them until `open`. */
class Gate {
  running: number = 0
  most: number = 0
  ended: number = 0
  readonly #opened = Promise.withResolvers<void>()

  async pass(): Promise<void> {
    this.running += 1
    this.most = Math.max(this.most, this.running)
    await this.#opened.promise
    this.running -= 1
    this.ended += 1
  }

  open(): void {
    this.#opened.resolve()
  }
}

describe.skipIf(ready === undefined)('redelivered messages', () => {
  const closing: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close()
  })

  function appOf(url: string): App {
    const broker = amqpBroker({ url })
    const app = createApp({ name: 'proj', broker, taskIgnoreResult: true })
    closing.push(
      () => broker.close(),
      () => app.close(),
    )
    return app
  }

  let next = 0
  async function start(url: string, gate: Gate): Promise<Worker> {
    const app = appOf(url)
    app.task('proj.t', () => gate.pass())
    const hostname = `w${next++}@h`
    const worker = createWorker(app, { concurrency: 5, hostname, withoutMingle: true })
    closing.push(() => worker.stop({ mode: 'cold' }))
    await worker.start()
    return worker
  }

  it('WORK-19: what comes for the second time runs beside others; what was started before, alone', async () => {
    const scene = await RabbitScene.open()
    closing.push(() => scene.close())
    const { url } = scene.vhost
    const client = appOf(url)
    for (let n = 0; n < 5; n++) await client.sendTask('proj.t')
    for (const expected of [5, 5]) {
      const gate = new Gate()
      const worker = await start(url, gate)
      await vi.waitFor(() => expect(gate.running).toBe(expected))
      // As if the process died: nothing is settled.
      await worker.stop({ mode: 'cold' })
    }
    const gate = new Gate()
    await start(url, gate)
    await vi.waitFor(() => expect(gate.running).toBe(1))
    gate.open()
    await vi.waitFor(() => expect(gate.ended).toBe(5))
    expect(gate.most).toBe(1)
  }, 30_000)

  it.skipIf(!PrivateRabbit.isInstalled)(
    'WORK-19, WORK-86: after a crash of the server its whole queue is worked with all slots, not one by one',
    async () => {
      const server = await PrivateRabbit.start()
      closing.push(() => server[Symbol.asyncDispose]())
      const client = appOf(server.url)
      for (let n = 0; n < 20; n++) await client.sendTask('proj.t')
      await client.close()
      await server.kill()
      await server.start()
      const plain = await connect(server.url)
      const first = await (await plain.createChannel()).get('celery')
      expect(first).toMatchObject({ fields: { redelivered: true } })
      await plain.close()
      const gate = new Gate()
      await start(server.url, gate)
      await vi.waitFor(() => expect(gate.running).toBe(5))
      gate.open()
      await vi.waitFor(() => expect(gate.ended).toBe(20))
      // Nothing is left of the counting.
      const list = (): Promise<string> => server.control('-q', 'list_queues', 'name')
      await vi.waitFor(async () => expect(await list()).not.toContain('ct.starts'), { timeout: 15_000 })
    },
    60_000,
  )
})
