/** A task that takes its worker's process with it: parked after `maxDeliveries`, alone, and handled by `ct parked`. */
import { rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { guardedDirectory, run, startPrivateRedis, tryServices, type PrivateRedis } from '@ct-tools/services'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { createApp, type App } from '@ct/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CtProcess } from './ct-process.ts'
import { readJournals, type Step } from './journal.ts'
import { Proxy } from './proxy.ts'
import { sceneEnvironment, type Scene } from './scene.ts'

const present = (await tryServices(['redis'])) !== undefined
const here = dirname(fileURLToPath(import.meta.url))
const ct = join(dirname(createRequire(import.meta.url).resolve('@ct/core/package.json')), 'bin/ct.js')
const module = join(here, 'ledger-app.ts')
const maxDeliveries = 3

interface Parked {
  readonly id: string
  readonly taskId: string
  readonly taskName: string
  readonly history: { readonly reason: string; readonly starts: number; readonly queue: string }
}

describe.skipIf(!present)('poison', () => {
  let redis: PrivateRedis
  let proxy: Proxy
  let scene: Scene
  let worker: CtProcess
  let app: App
  let deaths = 0
  let over = false
  let supervised: Promise<void>
  let highest: Map<string, number>

  beforeEach(async () => {
    redis = await startPrivateRedis()
    proxy = await Proxy.open(redis.port)
    scene = { folder: guardedDirectory('poison'), visibilityTimeout: 1, maxDeliveries, url: redis.url }
    const words = ['worker', '-A', module, '-n', 'w@poison', '-Q', 'ledger', '-c', '10', '-l', 'warning']
    worker = new CtProcess('w', proxy, scene, [ct, ...words])
    app = createApp({ broker: redisBroker({ url: redis.url }), backend: redisBackend({ url: redis.url }) })
    writeFileSync(join(scene.folder, 'poisonous'), '')
    highest = new Map()
    deaths = 0
    over = false
    worker.start()
    supervised = supervise()
  })
  afterEach(async () => {
    over = true
    worker.signal('SIGTERM')
    await supervised
    await app.close()
    await proxy[Symbol.asyncDispose]()
    await redis[Symbol.asyncDispose]()
  })

  /** As a service manager does. */
  async function supervise(): Promise<void> {
    await worker.end(600_000)
    if (over) return
    deaths += 1
    worker.start()
    await supervise()
  }

  /** Notes the highest count that any message ever had. */
  async function look(): Promise<void> {
    const counts = (await redis.command('HGETALL', 'ct.starts')) as string[]
    for (let i = 0; i < counts.length; i += 2)
      highest.set(counts[i]!, Math.max(highest.get(counts[i]!) ?? 0, Number(counts[i + 1])))
  }

  async function command(...words: readonly string[]): Promise<string> {
    const env = { ...process.env, ...sceneEnvironment(scene), NO_COLOR: '1' }
    const args = [
      '--conditions=@ct/source',
      '--no-warnings',
      ct,
      'parked',
      ...words,
      '-Q',
      'ledger',
      '-A',
      module,
    ]
    const { code, stdout, stderr } = await run(process.execPath, args, { env })
    expect(`${code} ${stderr}`).toMatch(/^0/)
    return stdout
  }

  const parked = async (): Promise<Parked[]> => JSON.parse(await command('list', '--json')) as Parked[]

  const steps = (kind: Step['e']): Step[] =>
    readJournals(scene.folder).filter((entry): entry is Step => entry.e === kind)

  it.each(['exit', 'kill'] as const)(
    'architecture §6, CLI-20: by process.%s: parked with its history, no other task blamed; listed, shown, retried, dropped',
    { timeout: 60_000 },
    async (how) => {
      const send = (task: string, args: readonly unknown[]) => app.sendTask(task, { args, queue: 'ledger' })
      const innocent = []
      for (let n = 0; n < 60; n += 1) {
        if (n === 15) await send('ledger.poison', ['poison', how])
        innocent.push(await send('ledger.plain', [`a${n}`, n % 4 === 0 ? 60 : 5]))
      }
      const lengthOf = async (): Promise<unknown> => {
        await look()
        return await redis.command('LLEN', 'ledger.parked')
      }
      await expect.poll(lengthOf, { timeout: 40_000, interval: 50 }).toBe(1)
      for (const result of innocent) await result.get({ timeoutMs: 20_000 })
      await expect.poll(async () => await redis.command('HLEN', 'unacked')).toBe(0)
      expect(await redis.command('EXISTS', 'ct.starts')).toBe(0)

      // The first delivery is not counted, so there is one start more than counts.
      expect(steps('start').filter(({ k }) => k === 'poison')).toHaveLength(maxDeliveries + 1)
      expect(deaths).toBe(maxDeliveries + 1)
      expect([...highest.values()].filter((count) => count > 1)).toHaveLength(1)
      const starts = Map.groupBy(steps('start'), ({ k }) => k)
      starts.delete('poison')
      expect(Math.max(...[...starts.values()].map((list) => list.length))).toBeLessThanOrEqual(2)

      const [one, ...others] = await parked()
      expect(others).toEqual([])
      expect(one).toMatchObject({
        taskName: 'ledger.poison',
        history: { reason: 'max-deliveries', starts: maxDeliveries, queue: 'ledger' },
      })
      expect(await command('show', one!.taskId)).toMatch(/max-deliveries[^]*poison/)

      await expect(app.asyncResult(one!.taskId).get({ timeoutMs: 20_000 })).rejects.toThrow(/never ended/)

      rmSync(join(scene.folder, 'poisonous'))
      expect(await command('retry', one!.id)).toMatch(/1 put back/)
      // It has failed, until its new run has ended.
      await expect.poll(() => app.asyncResult(one!.taskId).state(), { timeout: 20_000 }).toBe('SUCCESS')
      expect(await app.asyncResult(one!.taskId).get({ timeoutMs: 20_000 })).toBe('poison')
      expect(await parked()).toEqual([])

      const spare = Object.freeze({ task: 'ledger.unknown' })
      await send(spare.task, [])
      await expect.poll(async () => await redis.command('LLEN', 'ledger.parked')).toBe(1)
      expect(await command('drop', '--force', (await parked())[0]!.id)).toMatch(/1 deleted/)
      expect(await redis.command('EXISTS', 'ledger.parked', 'unacked', 'ct.starts')).toBe(0)
    },
  )
})
