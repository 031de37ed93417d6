import { randomUUID } from 'node:crypto'
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { createApp, type App } from '@ct/client'
import { afterEach, describe, expect, it } from 'vitest'
import {
  chaosBroker,
  expectNoTaskSent,
  expectTaskSent,
  fakeClock,
  recordingLogger,
  seededRandom,
  spyBroker,
  startTestWorker,
} from '../src/index.ts'

const apps: App[] = []

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

describe('fakeClock', () => {
  it('wakes sleepers in order, each at its own instant, also those that go to sleep again', async () => {
    const clock = fakeClock(1_000)
    const woken: [string, number][] = []
    const nap = async (name: string, ms: number): Promise<void> => {
      await clock.sleep(ms)
      woken.push([name, clock.now()])
    }
    void nap('late', 300)
    void nap('early', 100).then(() => nap('again', 50))
    void nap('never', 10_000)
    await clock.advance(500)
    expect(woken).toEqual([
      ['early', 1_100],
      ['again', 1_150],
      ['late', 1_300],
    ])
    expect(clock.now()).toBe(1_500)
    expect(clock.waiting).toBe(1)
  })

  it('never goes back, whoever moves it at the same time', async () => {
    const clock = fakeClock(0)
    await Promise.all([clock.advance(10_000), clock.advance(5)])
    expect(clock.now()).toBe(10_000)
  })

  it('a signal ends a sleep and takes it off the list', async () => {
    const clock = fakeClock()
    const controller = new AbortController()
    const asleep = clock.sleep(1_000, controller.signal)
    controller.abort()
    await asleep
    expect(clock.waiting).toBe(0)
  })
})

describe('seededRandom', () => {
  it('repeats itself for a seed and stays in its range', () => {
    const draw = (seed: number): number[] => {
      const random = seededRandom(seed)
      return Array.from({ length: 1_000 }, () => random.below(10))
    }
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
    expect(new Set(draw(3))).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
  })
})

describe('recordingLogger', () => {
  it('keeps levels, messages and the fields of children', () => {
    const logger = recordingLogger()
    logger.child({ task: 'a' }).child({ id: 1 }).warn('careful', { n: 2 })
    logger.debug('detail')
    expect(logger.records[0]).toEqual({
      level: 'warn',
      message: 'careful',
      fields: { task: 'a', id: 1, n: 2 },
    })
    expect(logger.lines('warn')).toEqual(['warn: careful'])
  })
})

describe('task spy', () => {
  it('tells what was sent, with decoded arguments, and lists it when something is missing', async () => {
    const broker = spyBroker(memoryBroker({ name: randomUUID() }))
    const app = createApp({ name: 'spied', broker })
    apps.push(app)
    const add = app.task('proj.add', (x: number, y: number) => x + y)
    await add.delay(1, 2)
    await app.sendTask('mail.send', { args: ['a@example.org'], kwargs: { urgent: true }, queue: 'mail' })
    expect(expectTaskSent(broker, 'proj.add', { args: [1, 2] }).kwargs).toEqual({})
    expectTaskSent(broker, 'mail.send', { kwargs: { urgent: true }, routingKey: 'mail' })
    expectNoTaskSent(broker, 'proj.add', { args: [2, 1] })
    expect(() => expectTaskSent(broker, 'proj.add', { args: [9] })).toThrow(/proj\.add .*\[9\][^]*mail\.send/)
    expect(() => expectNoTaskSent(broker, 'mail.send')).toThrow(/should not have been sent/)
    // A field that tasks do not have would never fit, and such a test never fail.
    for (const expectation of [expectTaskSent, expectNoTaskSent])
      expect(() => expectation(broker, 'mail.send', { queue: 'mail' } as never)).toThrow(/has no "queue"/)
    broker.clear()
    expect(() => expectTaskSent(broker, 'proj.add')).toThrow(/nothing/)
  })
})

describe('startTestWorker', () => {
  it('works tasks in this process, over a broker that is cut now and then', async () => {
    const name = randomUUID()
    const broker = chaosBroker(memoryBroker({ name }), { seed: 3 })
    const app = createApp({
      name: 'worked',
      broker,
      backend: memoryBackend({ name }),
      logger: recordingLogger(),
    })
    apps.push(app)
    const add = app.task('proj.add', (x: number, y: number) => x + y)
    await using worker = await startTestWorker(app)
    expect(await (await add.delay(2, 2)).get({ timeoutMs: 20_000 })).toBe(4)
    broker.cut()
    expect(await (await add.delay(3, 4)).get({ timeoutMs: 20_000 })).toBe(7)
    expect(worker).toBeDefined()
  })
})
