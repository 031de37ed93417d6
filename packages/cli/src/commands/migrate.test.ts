import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { App } from '@ct/client'
import { ctWith, memoryApp, type Ran } from '../fixtures/run-ct.ts'

const apps: App[] = []
let source: string
let target: string

const open = (broker: string): App => {
  const app = memoryApp({ broker, environment: {} })
  apps.push(app)
  return app
}
const size = async (broker: string, queue: string): Promise<number> =>
  await (await open(broker).context.producer.connection()).queueSize(queue)
const ct = async (...argv: readonly string[]): Promise<Ran> =>
  await ctWith({ createApp: memoryApp }, 'migrate', source, target, '-t', '0.2', ...argv)

beforeEach(async () => {
  source = `memory://${randomUUID()}`
  target = `memory://${randomUUID()}`
  const app = open(source)
  await app.sendTask('shop.mail', { args: [1], taskId: 'one' })
  await app.sendTask('shop.charge', { args: [2], taskId: 'two', priority: 5 })
  await app.sendTask('shop.mail', { args: [3], taskId: 'three', queue: 'slow' })
})
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

describe('ct migrate', () => {
  it('CLI-30, TEST-41: copies what waits, and leaves it where it was', async () => {
    const { out, exitCode } = await ct()
    expect(exitCode).toBe(0)
    expect(out).toContain('Migrating task 1/2: shop.mail[one]')
    expect(out).toContain('2 messages copied.')
    expect([await size(source, 'celery'), await size(target, 'celery')]).toEqual([2, 2])
  })

  it('CLI-30, TEST-41, TEST-42: moves with --ack-messages, renames queues, and what arrives runs', async () => {
    const { out } = await ct('-a', '-Q', 'slow:fast,celery')
    expect(out).toContain('3 messages moved.')
    expect([await size(source, 'celery'), await size(source, 'slow')]).toEqual([0, 0])
    expect([await size(target, 'celery'), await size(target, 'fast')]).toEqual([2, 1])
    const connection = await open(target).context.producer.connection()
    const got = Promise.withResolvers<readonly unknown[]>()
    const consumer = await connection.openConsumer({
      credit: 1,
      onDelivery: ({ headers, body }) =>
        got.resolve([headers['id'], headers['task'], Buffer.from(body).toString()]),
    })
    await consumer.subscribe([{ queue: open(target).context.queues.get('fast').declaration }])
    expect(await got.promise).toEqual(['three', 'shop.mail', expect.stringContaining('[[3],')])
    await consumer.close()
  })

  it('CLI-30, TEST-42: only these tasks, at most so many', async () => {
    await ct('-a', '-T', 'shop.charge')
    expect([await size(source, 'celery'), await size(target, 'celery')]).toEqual([1, 1])
    await ct('-a', '-n', '1', '-Q', 'celery,slow')
    expect([(await size(target, 'celery')) + (await size(target, 'slow'))]).toEqual([2])
  })

  it('CLI-30, TEST-42: tasks behind many others are found', async () => {
    const app = open(source)
    for (let i = 0; i < 120; i++) await app.sendTask('shop.mail', { args: [i] })
    await app.sendTask('shop.last', { args: [] })
    expect((await ct('-a', '-T', 'shop.last')).out).toContain('1 message moved.')
    expect([await size(source, 'celery'), await size(target, 'celery')]).toEqual([122, 1])
  })

  it('CLI-30: a broker that takes its time has it: the time without a message counts from listening', async () => {
    const slowly = (...given: Parameters<typeof memoryApp>): App => {
      const app = memoryApp(...given)
      const { producer } = app.context
      const connect = producer.connection.bind(producer)
      producer.connection = async (options) => {
        const connection = await connect(options)
        const declare = connection.declare.bind(connection)
        connection.declare = async (queues, calling) => {
          await new Promise((resolve) => setTimeout(resolve, 400))
          await declare(queues, calling)
        }
        return connection
      }
      return app
    }
    const { out } = await ctWith({ createApp: slowly }, 'migrate', source, target, '-t', '0.2')
    expect(out).toContain('2 messages copied.')
  })

  it('CLI-30: what fails before anything comes leaves no timer behind; a time that no timer counts is refused', async () => {
    const failing = (...given: Parameters<typeof memoryApp>): App => {
      const app = memoryApp(...given)
      app.context.producer.connection = () => Promise.reject(new Error('no'))
      return app
    }
    const refusing = (...given: Parameters<typeof memoryApp>): App => {
      const app = memoryApp(...given)
      const { producer } = app.context
      const connect = producer.connection.bind(producer)
      producer.connection = async (options) => {
        const connection = await connect(options)
        connection.declare = () => Promise.reject(new Error('refused'))
        return connection
      }
      return app
    }
    const timers = (): number => process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length
    const before = timers()
    for (const createApp of [failing, refusing]) {
      const { exitCode } = await ctWith({ createApp }, 'migrate', source, target, '-t', '100')
      expect(exitCode).toBe(1)
    }
    expect(timers()).toBe(before)
    expect((await ctWith({ createApp: memoryApp }, 'migrate', source, target, '-t', '1e9')).exitCode).toBe(2)
  })

  it('CLI-30: what cannot be published stays, and is told', async () => {
    const { exitCode, err } = await ctWith({ createApp: memoryApp }, 'migrate', source, 'nothing://here')
    expect([exitCode, err]).toEqual([1, expect.stringMatching(/nothing/)])
    expect(await size(source, 'celery')).toBe(2)
  })
})
