/** What follows from a task may begin before the step is answered that ends it: what others see of it is as ever (B27). */
import { startPrivateRedis, tryServices, type PrivateRedis } from '@ct-tools/services'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { chain, createApp, type App, type AsyncResult, type Signature } from '@ct/client'
import { recordingLogger } from '@ct/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createWorker, type Worker } from '../index.ts'

const present = (await tryServices(['redis'])) !== undefined

describe.skipIf(!present)('what may begin ahead', () => {
  let redis: PrivateRedis
  let app: App
  let worker: Worker
  let order: string[]
  /** Runs in the first step, before it ends. */
  let inFirst: () => Promise<unknown>
  /** Runs in the second step, with how often it has begun. */
  let inSecond: (runs: number) => unknown

  beforeAll(async () => {
    redis = await startPrivateRedis()
  })
  afterAll(async () => {
    await redis[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    await redis.command('FLUSHALL')
    order = []
    inFirst = () => Promise.resolve()
    inSecond = () => undefined
    make()
  })
  afterEach(async () => {
    await redis.command('CLIENT', 'UNPAUSE')
    await worker.stop()
    await app.close()
  })

  function make(settings: { readonly taskSendSentEvent?: boolean } = {}): void {
    app = createApp({
      name: 'ahead',
      ...settings,
      broker: redisBroker({ url: redis.url }),
      backend: redisBackend({ url: redis.url }),
      logger: recordingLogger(),
    })
    app.task('ahead.first', async () => {
      await inFirst()
      order.push('first')
      return 1
    })
    app.task('ahead.second', async (n: number) => {
      order.push('second')
      await inSecond(order.filter((one) => one === 'second').length)
      return n + 1
    })
    worker = createWorker(app, { withoutMingle: true, withoutHeartbeat: true, withoutGossip: true })
  }

  const send = async (): Promise<AsyncResult> => {
    const [first, second] = ['first', 'second'].map((name) => app.signature(`ahead.${name}`) as Signature)
    return (await (chain(first!, second!) as unknown as Signature).applyAsync()) as AsyncResult
  }
  /** From now on no step takes effect. */
  const pause = (): Promise<unknown> => redis.command('CLIENT', 'PAUSE', '60000', 'WRITE')
  const leavesNothing = (): Promise<void> =>
    expect.poll(() => redis.command('EXISTS', 'unacked', 'unacked_index', 'celery')).toBe(0)

  it('B27: the next step of a chain begins while the server works on the one before', async () => {
    await worker.start()
    inFirst = pause
    const began = new Promise<void>((resolve) => (inSecond = () => resolve()))
    const result = await send()
    await began
    expect(order).toEqual(['first', 'second'])
    expect(await redis.command('EXISTS', `celery-task-meta-${result.parent!.id}`)).toBe(0)
    await redis.command('CLIENT', 'UNPAUSE')
    expect(await result.get({ timeoutMs: 20_000 })).toBe(2)
    expect(await result.parent!.get({ timeoutMs: 20_000 })).toBe(1)
    expect(order).toEqual(['first', 'second'])
    await leavesNothing()
  })

  it.each(['a handler', 'an event'])(
    'B27, SIG-2, EVT-8: where %s tells that a step is sent, it begins when that is certain',
    async (how) => {
      make({ taskSendSentEvent: how === 'an event' })
      await worker.start()
      if (how === 'a handler') app.signals.afterTaskPublish.connect(() => undefined)
      inFirst = pause
      const result = await send()
      // The step is with the server, which does not work on it.
      await expect
        .poll(async () => String(await redis.command('INFO', 'clients')))
        .toMatch(/blocked_clients:[1-9]/)
      expect(order).toEqual(['first'])
      await redis.command('CLIENT', 'UNPAUSE')
      expect(await result.get({ timeoutMs: 20_000 })).toBe(2)
    },
  )

  it('B16, B27: a connection that is lost under the step takes nothing with it; what ran ahead runs again', async () => {
    await worker.start()
    inFirst = pause
    const ended = Promise.withResolvers<void>()
    const began = new Promise<void>((resolve) => {
      inSecond = (runs) => {
        resolve()
        return runs === 1 ? ended.promise : undefined
      }
    })
    const result = await send()
    await began
    inFirst = () => Promise.resolve()
    await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await redis.command('CLIENT', 'UNPAUSE')
    expect(await result.get({ timeoutMs: 20_000 })).toBe(2)
    ended.resolve()
    expect(order).toEqual(['first', 'second', 'second'])
    await leavesNothing()
  })
})
