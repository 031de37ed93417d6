/** The client on a real Redis that goes away, comes back, and falls silent. */
import { type PrivateRedis, startPrivateRedis, tryServices } from '@ct-tools/services'
import { redis } from '@ct/broker-redis'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { App, AppOptions } from './index.ts'
import { createApp } from './index.ts'

const present = (await tryServices(['redis'])) !== undefined

describe.skipIf(!present)('a client and its Redis', () => {
  let server: PrivateRedis
  let apps: App[]
  const open = (options: AppOptions = {}): App => {
    const app = createApp({ broker: server.url, backend: server.url, adapters: [redis], ...options })
    apps.push(app)
    return app
  }

  beforeEach(async () => {
    server = await startPrivateRedis({ appendonly: 'always', password: 'secret' })
    apps = []
  })
  afterEach(async () => {
    await Promise.all(apps.map((app) => app.close()))
    await server[Symbol.asyncDispose]()
  })

  it('RES-73: those who wait get what was stored while their connections were gone', async () => {
    const app = open()
    const waiting = Promise.all(['a', 'b', 'c'].map((id) => app.asyncResult(id).get({ timeoutMs: 20_000 })))
    const worker = open().context.results
    await worker.storeResult({ taskId: 'a', state: 'SUCCESS', result: 1 })
    await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await worker.storeResult({ taskId: 'b', state: 'SUCCESS', result: 2 })
    await server.restart()
    await worker.storeResult({ taskId: 'c', state: 'SUCCESS', result: 3 })
    expect(await waiting).toEqual([1, 2, 3])
  })

  it('APP-96, PAIN-12: a publish outlives a restart of the server', async () => {
    const app = open()
    await app.sendTask('t')
    await server.kill()
    const sending = app.sendTask('t')
    await new Promise((resolve) => setTimeout(resolve, 300))
    await server.start()
    await sending
    const connection = await app.context.producer.connection()
    expect(await connection.queueSize('celery')).toBe(2)
  })

  it('a server that is away: the publish fails in its time, nothing delivered, no password in the message', async () => {
    const app = open({ publishTimeoutMs: 500 })
    await server.stop()
    const started = performance.now()
    const error: unknown = await app.sendTask('t').catch((thrown: unknown) => thrown)
    // Its own time is ten seconds: a busy machine has room in between.
    expect(performance.now() - started).toBeLessThan(5000)
    expect(error).toMatchObject({ code: 'CT_PUBLISH', maybeDelivered: false, retryable: true })
    expect(String((error as Error).message) + String((error as Error).cause)).not.toContain('secret')
  })

  it('a server that falls silent: the publish may have been delivered, and the next one goes through when it speaks again', async () => {
    const app = open({ publishTimeoutMs: 500 })
    await app.sendTask('t')
    server.pause()
    await expect(app.sendTask('t')).rejects.toMatchObject({ code: 'CT_PUBLISH', maybeDelivered: true })
    server.resume()
    await vi.waitFor(() => app.sendTask('t'))
  })

  it('CTRL-34, PAIN-56: sends thousands in one step, and purges them', async () => {
    const app = open()
    const add = app.task('t', (n: number) => n)
    await app.sendMany(Array.from({ length: 3000 }, (_, n) => add.s(n)))
    const connection = await app.context.producer.connection()
    expect(await connection.queueSize('celery')).toBe(3000)
    expect(await app.control.purge()).toBe(3000)
  })

  it('a wrong password is an error at once, for senders and for those who wait', async () => {
    const wrong = server.url.replace('secret', 'wrong')
    const app = open({ broker: wrong, backend: wrong })
    await expect(app.sendTask('t')).rejects.toMatchObject({ retryable: false })
    await expect(app.asyncResult('a').get({ timeoutMs: 20_000 })).rejects.toMatchObject({
      code: 'CT_BACKEND',
    })
  })

  it('close while everything hangs leaves nothing open', async () => {
    const app = open({ publishTimeoutMs: 1000 })
    await app.sendTask('t')
    const waiting = app
      .asyncResult('never')
      .get()
      .catch((thrown: unknown) => thrown)
    await new Promise((resolve) => setTimeout(resolve, 50))
    server.pause()
    const sending = app.sendTask('t').catch((thrown: unknown) => thrown)
    await app.close()
    expect(await sending).toMatchObject({ code: 'CT_PUBLISH' })
    expect(await waiting).toMatchObject({ code: 'CT_CLOSED' })
    server.resume()
  })
})
