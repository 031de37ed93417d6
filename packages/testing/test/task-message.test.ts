import type { App } from '@ct/client'
import { afterEach, describe, expect, it } from 'vitest'
import { messageOf, putMessage, startTestWorker, taskMessage, testApp, testDelivery } from '../src/index.ts'

const apps: App[] = []

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

describe('messages without a caller', () => {
  it.each([1, 2] as const)(
    'TEST-28: a worker takes those of protocol %i for what they are',
    async (protocol) => {
      const app = testApp()
      apps.push(app)
      const echo = app.task('proj.echo', { bind: true }, (task, x: number, y = 0) => [
        task.request.retries,
        x,
        y,
      ])
      await using worker = await startTestWorker(app)
      const message = taskMessage('proj.echo', { protocol, id: 'the-id', args: [1, 2], retries: 3 })
      await putMessage(app, message)
      await worker.idle()
      expect(await app.asyncResult('the-id').get({ timeoutMs: 20_000 })).toEqual([3, 1, 2])
      await putMessage(app, messageOf(echo.s(5), { protocol, id: 'other' }))
      await worker.idle()
      expect(await app.asyncResult('other').get({ timeoutMs: 20_000 })).toEqual([0, 5, 0])
    },
  )

  it('TEST-28: times are ISO text, as on the wire', () => {
    const eta = new Date(Date.UTC(2026, 0, 1))
    const text = '2026-01-01T00:00:00+00:00'
    expect(taskMessage('t', { eta }).headers['eta']).toBe(text)
    const body = JSON.parse(String(taskMessage('t', { protocol: 1, eta }).body)) as { readonly eta: string }
    expect(new Date(body.eta)).toEqual(eta)
    expect(taskMessage('t', { eta: text }).headers['eta']).toBe(text)
    expect(() => taskMessage('', {})).toThrow()
    expect(() => taskMessage('t', { protocol: 3 as never })).toThrow('no task message protocol 3')
  })

  it('TEST-28: a delivery keeps how it was settled', async () => {
    const delivery = testDelivery(taskMessage('t'), { queue: 'q', redelivered: true })
    expect(delivery).toMatchObject({
      queue: 'q',
      info: { redelivered: true, routingKey: 'q' },
      settled: false,
    })
    await delivery.settle({ action: 'requeue' })
    expect(delivery.settled).toBe(true)
    expect(delivery.settlements).toEqual([{ action: 'requeue' }])
    expect(await delivery.countStart()).toBe(1)
  })
})
