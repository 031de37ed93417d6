/** A ct worker that gossips, beside a Python worker that does, on Redis and on RabbitMQ. */
import type { PythonClient, PythonWorker } from '@ct-tools/interop'
import type { App, Logger } from '@ct/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fleetBrokers, PythonFleet } from '../test/python-fleet.ts'
import type { Worker } from './index.ts'

const brokers = await fleetBrokers('5.7')

describe.for(brokers)('gossip with Celery 5.7 on $name', ({ transport, present }) => {
  if (!present) {
    it.skipIf(true)('a service is missing', () => {})
    return
  }
  let fleet: PythonFleet
  let peer: PythonWorker
  let client: PythonClient
  const lines: string[] = []
  const heard: string[] = []
  const acted: string[] = []
  const logger: Logger = {
    debug: () => {},
    info: (message) => lines.push(message),
    warn: (message) => lines.push(message),
    error: (message) => lines.push(message),
    critical: (message) => lines.push(message),
    child: () => logger,
  }

  const options = { name: 'fleet', defaults: 'celery', logger } as const
  const work = async (app: App, hostname: string): Promise<Worker> => {
    app.task('fleet.act', { ignoreResult: true }, (what: string) => void acted.push(what))
    return await fleet.work({ hostname, queues: ['ct'] }, app)
  }
  /** Beside the first one: each has an app, and so a clock, of its own. */
  const another = (hostname: string): Promise<Worker> =>
    work(
      fleet.anotherApp({ ...options, logger: { ...logger, info: () => {}, child: () => logger } }),
      hostname,
    )

  beforeAll(async () => {
    fleet = await PythonFleet.open(transport, options)
    const worker = await work(fleet.app, 'ct@gossip')
    for (const name of ['nodeJoin', 'nodeLeave', 'nodeLost'] as const)
      worker.on(name, ({ hostname, swIdent }) => heard.push(`${name} ${hostname} ${swIdent ?? ''}`))
    ;[client, peer] = await Promise.all([fleet.client(), fleet.peer({ gossip: true, loglevel: 'DEBUG' })])
  })
  afterAll(() => fleet?.close())

  it('WORK-93, WORK-96, EVT-29: each hears the other join, and ct’s clock follows', async () => {
    await peer.waitForLog('ct@gossip joined the party')
    await expect.poll(() => heard).toContain(`nodeJoin ${peer.nodename} py-celery`)
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
    await expect.poll(() => heard.join()).toContain('nodeJoin ct3@gossip')
    await expect.poll(() => others).toContain(peer.nodename)
    await expect.poll(() => others).toContain('ct@gossip')
    for (const [index, caller] of ['python', 'ct', 'python', 'ct'].entries()) {
      const id = `election-${index}`
      const from = peer.log.length
      if (caller === 'python') {
        await client.exec(
          `app.control.election(i, "task", signature("fleet.act", (i,), queue="ct", app=app))`,
          { i: id },
        )
      } else {
        await fleet.app.control.election(
          id,
          'task',
          fleet.app.signature('fleet.act', { args: [id], queue: 'ct' }),
        )
      }
      const theirs = await peer.waitForLog(
        new RegExp(`I won the election '${id}'|node (\\S+) elected for '${id}'`),
        10_000,
        from,
      )
      const ours = (): string[] => lines.filter((one) => one.includes(id))
      await expect.poll(ours).toHaveLength(1)
      const winner = theirs[1] ?? `${peer.nodename}.${peer.pid}`
      expect(ours()).toEqual([
        winner === `ct@gossip.${process.pid}`
          ? `I won the election ${id}`
          : `node ${winner} elected for ${id}`,
      ])
      await expect.poll(() => acted.filter((one) => one === id)).toHaveLength(1)
    }
    await third.stop()
  })

  it('WORK-93: each hears the other leave', async () => {
    const other = await another('ct2@gossip')
    await peer.waitForLog('ct2@gossip joined the party')
    await other.stop()
    await peer.waitForLog('ct2@gossip left')
    await peer.stop()
    await expect.poll(() => heard).toContain(`nodeLeave ${peer.nodename} py-celery`)
  })
})
