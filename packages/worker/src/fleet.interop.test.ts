/** A ct worker that gossips, beside a Python worker that does, on Redis and on RabbitMQ. */
import { python, startPythonWorker, tryPython, type PythonClient, type PythonWorker } from '@ct-tools/interop'
import { freshRedis, freshVhost, tryServices, type Fresh } from '@ct-tools/services'
import { amqpBroker } from '@ct/broker-amqp'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { createApp, type App, type Logger } from '@ct/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createWorker, type Worker } from './index.ts'

const ready = await tryPython('5.7')

const brokers = [
  { name: 'Redis', transport: 'redis', present: ready, make: redisBroker },
  {
    name: 'RabbitMQ',
    transport: 'amqp',
    present: ready && (await tryServices(['rabbitmq'])) !== undefined,
    make: amqpBroker,
  },
]

describe.for(brokers)('gossip with Celery 5.7 on $name', ({ transport, present, make }) => {
  if (!present) {
    it.skipIf(true)('a service is missing', () => {})
    return
  }
  let line: Fresh
  let redis: Awaited<ReturnType<typeof freshRedis>>
  let app: App
  let worker: Worker
  let peer: PythonWorker
  let client: PythonClient
  const lines: string[] = []
  const heard: string[] = []
  const acted: string[] = []
  const closing: (() => Promise<unknown>)[] = []
  const logger: Logger = {
    debug: () => {},
    info: (message) => lines.push(message),
    warn: (message) => lines.push(message),
    error: (message) => lines.push(message),
    critical: (message) => lines.push(message),
    child: () => logger,
  }

  /** Of a worker: each has a clock of its own. */
  const fleetApp = (log: Logger): App =>
    createApp({
      name: 'fleet',
      broker: make({ url: line.url }),
      backend: redisBackend({ url: redis.url }),
      defaults: 'celery',
      logger: log,
    })

  /** Beside the first one. */
  const another = async (hostname: string): Promise<Worker> => {
    const own = fleetApp({ ...logger, info: () => {}, child: () => logger })
    const more = createWorker(own, { hostname, queues: ['ct'], withoutMingle: true })
    closing.push(async () => {
      await more.stop()
      await own.close()
    })
    own.task('fleet.act', { ignoreResult: true }, (what: string) => void acted.push(what))
    await more.start()
    return more
  }

  beforeAll(async () => {
    redis = await freshRedis()
    line = transport === 'redis' ? redis : await freshVhost()
    const peers = { broker: line.url, backend: redis.url }
    app = fleetApp(logger)
    app.task('fleet.act', { ignoreResult: true }, (what: string) => void acted.push(what))
    worker = createWorker(app, { hostname: 'ct@gossip', queues: ['ct'], withoutMingle: true })
    for (const name of ['nodeJoin', 'nodeLeave', 'nodeLost'] as const)
      worker.on(name, ({ hostname, swIdent }) => heard.push(`${name} ${hostname} ${swIdent ?? ''}`))
    await worker.start()
    ;[client, peer] = await Promise.all([
      python('5.7', peers),
      startPythonWorker({ version: '5.7', ...peers, gossip: true, loglevel: 'DEBUG' }),
    ])
  })
  afterAll(async () => {
    await worker?.stop()
    await app?.close()
    for (const close of closing) await close()
    await client?.[Symbol.asyncDispose]()
    await peer?.kill()
    if (line !== redis) await line?.[Symbol.asyncDispose]()
    await redis?.[Symbol.asyncDispose]()
  })

  it('WORK-93, WORK-96, EVT-29: each hears the other join, and ct’s clock follows', async () => {
    await peer.waitForLog('ct@gossip joined the party')
    await expect.poll(() => heard, { timeout: 10_000 }).toContain(`nodeJoin ${peer.nodename} py-celery`)
    const clock = await client.exec<number>(
      'app.control.mailbox.clock.adjust(70000)\napp.control.inspect(destination=["ct@gossip"]).clock()["ct@gossip"]["clock"]',
    )
    expect(clock).toBeGreaterThan(70_000)
  })

  it('WORK-97, CTRL-33, EVT-30: elections called from Python and from ct have one winner, which acts', async () => {
    // Celery's own workers die of an election when exactly one other worker is there (see elections.ts): here there are two.
    const others: string[] = []
    const third = await another('ct3@gossip')
    third.on('nodeJoin', ({ hostname }) => others.push(hostname))
    await peer.waitForLog('ct3@gossip joined the party')
    await expect.poll(() => heard.join(), { timeout: 10_000 }).toContain('nodeJoin ct3@gossip')
    await expect.poll(() => others, { timeout: 10_000 }).toContain(peer.nodename)
    await expect.poll(() => others, { timeout: 10_000 }).toContain('ct@gossip')
    for (const [index, caller] of ['python', 'ct', 'python', 'ct'].entries()) {
      const id = `election-${index}`
      const from = peer.log.length
      if (caller === 'python') {
        await client.exec(
          `app.control.election(i, "task", signature("fleet.act", (i,), queue="ct", app=app))`,
          { i: id },
        )
      } else {
        await app.control.election(id, 'task', app.signature('fleet.act', { args: [id], queue: 'ct' }))
      }
      const theirs = await peer.waitForLog(
        new RegExp(`I won the election '${id}'|node (\\S+) elected for '${id}'`),
        10_000,
        from,
      )
      const ours = (): string[] => lines.filter((one) => one.includes(id))
      await expect.poll(ours, { timeout: 10_000 }).toHaveLength(1)
      const winner = theirs[1] ?? `${peer.nodename}.${peer.pid}`
      expect(ours()).toEqual([
        winner === `ct@gossip.${process.pid}`
          ? `I won the election ${id}`
          : `node ${winner} elected for ${id}`,
      ])
      await expect.poll(() => acted.filter((one) => one === id), { timeout: 10_000 }).toHaveLength(1)
    }
    await closing.pop()!()
  })

  it('WORK-93: each hears the other leave', async () => {
    const other = await another('ct2@gossip')
    await peer.waitForLog('ct2@gossip joined the party')
    await other.stop()
    await peer.waitForLog('ct2@gossip left')
    await peer.stop()
    await expect.poll(() => heard, { timeout: 10_000 }).toContain(`nodeLeave ${peer.nodename} py-celery`)
  })
})
