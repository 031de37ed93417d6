import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { createApp, type App, type Logger } from '@ct/client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createWorker, type Worker } from './index.ts'
import { LimitedSet, RevokedStamps } from './request/index.ts'
import { StateFile } from './state-file.ts'

let folder: string
const warnings: string[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ct-state-'))
  warnings.length = 0
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

const clockAt = (value: number): { value: number; adjust(other: number): number } => ({
  value,
  adjust(other) {
    return (this.value = Math.max(this.value, other) + 1)
  },
})
const set = (): LimitedSet => new LimitedSet({ max: 100, expiresMs: 60_000 })
const file = (
  path: string,
  revoked: LimitedSet,
  clock = clockAt(1),
  stamps = new RevokedStamps({ max: 4 }),
): StateFile =>
  new StateFile({
    path,
    revoked,
    stamps,
    clock,
    logger: () => ({ warn: (message: string) => warnings.push(message) }),
  })

describe('the state file', () => {
  it('SET-195, D57-11: keeps ids in their order and the clock; nothing else is left in the folder', async () => {
    const path = join(folder, 'w.state')
    const first = set()
    const kept = file(path, first, clockAt(41))
    await kept.open()
    first.add('one')
    first.add('two')
    await kept.close()
    const second = set()
    const clock = clockAt(1)
    const again = file(path, second, clock)
    await again.open()
    expect(second.ids()).toEqual(['one', 'two'])
    expect(clock.value).toBe(42)
    await again.close()
    expect(await readdir(folder)).toEqual(['w.state'])
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ format: 'ct-worker-state', version: 1 })
  })

  it('PAIN-63: stamps that are revoked are kept, values of a kind that text can hold; the oldest go', async () => {
    const path = join(folder, 'w.state')
    const stamps = new RevokedStamps({ max: 4 })
    const kept = file(path, set(), clockAt(1), stamps)
    await kept.open()
    stamps.add({ first: 1, order: [1, 'x', true, { a: 1 }] })
    stamps.add({ ['__proto__']: 'odd' })
    expect([stamps.size, stamps.has('first', 1), stamps.has('__proto__', 'odd')]).toEqual([4, false, true])
    await kept.close()
    const restored = new RevokedStamps({ max: 4 })
    const again = file(path, set(), clockAt(1), restored)
    await again.open()
    await again.close()
    expect(restored.entries()).toEqual([
      ['order', ['x', true]],
      ['__proto__', ['odd']],
    ])
    // What somebody has written by hand is no reason not to start.
    await writeFile(
      path,
      '{"format":"ct-worker-state","version":1,"clock":1,"revoked":[],"stamps":[1,["a"],["b",[{},2]]]}',
    )
    const odd = new RevokedStamps({ max: 4 })
    const third = file(path, set(), clockAt(1), odd)
    await third.open()
    await third.close()
    expect(odd.entries()).toEqual([['b', [2]]])
  })

  it('SET-195: a revoke is on the disk before the worker ends', async () => {
    const path = join(folder, 'w.state')
    const revoked = set()
    const kept = file(path, revoked)
    await kept.open()
    revoked.add('one')
    await expect.poll(async () => await readFile(path, 'utf8')).toContain('"one"')
    await kept.close()
  })

  it('SET-195: a damaged file is set aside, somebody else’s is left alone', async () => {
    const path = join(folder, 'w.state')
    await writeFile(path, '{"format":"ct-worker-state","version":1,"rev')
    const kept = file(path, set())
    await kept.open()
    await kept.close()
    expect(warnings).toEqual([expect.stringMatching(/damaged/)])
    expect((await readdir(folder)).filter((name) => name.includes('.damaged-'))).toHaveLength(1)
    const shelf = join(folder, 'celery.db')
    await writeFile(shelf, Buffer.from([0, 5, 97, 21]))
    await expect(file(shelf, set()).open()).rejects.toMatchObject({ code: 'CT_CONFIGURATION' })
    expect([...(await readFile(shelf))]).toEqual([0, 5, 97, 21])
  })

  it('SET-195: where it cannot be written the worker does not start', async () => {
    await expect(file(join(folder, 'no', 'such', 'w.state'), set()).open()).rejects.toThrow(
      /cannot be written/,
    )
    await mkdir(join(folder, 'folder'))
    await expect(file(join(folder, 'folder'), set()).open()).rejects.toThrow(/cannot be read/)
  })
})

describe('a worker with a state file', () => {
  const silent: Logger = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: () => {},
    critical: () => {},
    child: () => silent,
  }
  let app: App
  let worker: Worker | undefined
  afterEach(async () => {
    await worker?.stop()
    await app?.close()
  })

  it('WORK-26, CTRL-20, SET-195, PAIN-24: a task revoked before a restart does not run after it', async () => {
    app = createApp({
      name: 'state-file',
      broker: memoryBroker({ name: 'state-file' }),
      backend: memoryBackend({ name: 'state-file' }),
      logger: silent,
      workerStateDb: join(folder, '%n.state'),
    })
    let runs = 0
    const task = app.task('count', () => ++runs)
    const id = 'revoked-before'
    worker = createWorker(app, { hostname: 'w1@here' })
    await worker.start()
    await app.control.revoke(id, { reply: true, destination: ['w1@here'], timeoutMs: 20_000 })
    const stamp = { order: [7] }
    await app.control.revokeByStampedHeaders(stamp, {
      reply: true,
      destination: ['w1@here'],
      timeoutMs: 20_000,
    })
    await worker.stop()
    expect(await readdir(folder)).toEqual(['w1.state'])
    worker = createWorker(app, { hostname: 'w1@here', withoutMingle: true })
    await worker.start()
    const revoked = await task.applyAsync([], { taskId: id })
    const stamped = await task.applyAsync([], { stamps: { order: 7 } })
    await (await task.delay()).get({ timeoutMs: 20_000 })
    for (const one of [revoked, stamped])
      await expect(one.get({ timeoutMs: 20_000 })).rejects.toMatchObject({ name: 'TaskRevokedError' })
    expect(runs).toBe(1)
  })
})
