/** Several workers on one memory broker: what they know of each other, and commands of the user's own. */
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { createApp, type App, type AppOptions, type Logger } from '@ct/client'
import { afterEach, describe, expect, it } from 'vitest'
import { createWorker, type Worker, type WorkerOptions } from './index.ts'

let hubs = 0
let hub: string
const closing: (() => Promise<unknown>)[] = []
const lines: string[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
  lines.length = 0
})

const logger: Logger = {
  debug: (message) => lines.push(message),
  info: (message) => lines.push(message),
  warn: (message) => lines.push(message),
  error: (message) => lines.push(message),
  critical: (message) => lines.push(message),
  child: () => logger,
}

/** Each worker with an app of its own, as in processes of their own. */
function makeApp(options: AppOptions = {}): App {
  const app = createApp({
    name: 'fleet',
    broker: memoryBroker({ name: hub }),
    backend: memoryBackend({ name: hub }),
    logger,
    ...options,
  })
  closing.push(() => app.close())
  return app
}

async function start(app: App, options: WorkerOptions): Promise<Worker> {
  const worker = createWorker(app, options)
  closing.push(() => worker.stop())
  await worker.start()
  return worker
}

const gossiping: AppOptions = { workerGossip: true, workerMingle: 'off' }

describe('gossip', () => {
  it('WORK-93: workers hear of each other as they come and go', async () => {
    hub = `fleet-${++hubs}`
    const heard: string[] = []
    const one = createWorker(makeApp(gossiping), { hostname: 'one@h' })
    for (const name of ['nodeJoin', 'nodeLeave', 'nodeLost'] as const)
      one.on(name, ({ hostname }) => heard.push(`${name} ${hostname}`))
    closing.push(() => one.stop())
    await one.start()
    const two = await start(makeApp(gossiping), { hostname: 'two@h' })
    await expect.poll(() => heard).toEqual(['nodeJoin two@h'])
    await two.stop()
    await expect.poll(() => heard).toEqual(['nodeJoin two@h', 'nodeLeave two@h'])
    expect(lines).toEqual(expect.arrayContaining(['two@h joined the party', 'two@h left']))
  })

  it('WORK-93, PAIN-38: is off unless it is asked for, and on with Celery’s defaults', async () => {
    hub = `fleet-${++hubs}`
    const heard: string[] = []
    const quiet = createWorker(makeApp({ workerMingle: 'off' }), { hostname: 'quiet@h' })
    const celery = createWorker(makeApp({ defaults: 'celery', workerMingle: 'off' }), {
      hostname: 'celery@h',
    })
    for (const worker of [quiet, celery]) {
      worker.on('nodeJoin', ({ hostname }) => heard.push(`${worker.hostname} heard ${hostname}`))
      closing.push(() => worker.stop())
      await worker.start()
    }
    await start(makeApp(), { hostname: 'third@h', withoutMingle: true })
    await expect.poll(() => heard).toContain('celery@h heard third@h')
    expect(heard.filter((line) => line.startsWith('quiet'))).toEqual([])
  })

  it('D57-175, EVT-42, PAIN-38: a worker in another time zone is no worker whose clock is off; one that is an hour off is told', async () => {
    hub = `fleet-${++hubs}`
    const heard: string[] = []
    const one = createWorker(makeApp(gossiping), { hostname: 'one@h' })
    one.on('nodeJoin', ({ hostname }) => heard.push(hostname))
    closing.push(() => one.stop())
    await one.start()
    const dispatcher = makeApp().events.dispatcher({ hostname: 'far@h' })
    dispatcher.send('worker-online', { utcoffset: -5.5, freq: 2 })
    await expect.poll(() => heard).toEqual(['far@h'])
    expect(lines.filter((line) => line.includes('clocks'))).toEqual([])
    dispatcher.send('worker-heartbeat', { timestamp: Date.now() / 1000 - 3600, freq: 2 })
    await expect.poll(() => lines.filter((line) => line.includes('The clocks of far@h'))).toHaveLength(1)
    await dispatcher.close()
  })

  it('WORK-97, CTRL-33: of a fleet one worker sends the signature that the election is about', async () => {
    hub = `fleet-${++hubs}`
    const runs: string[] = []
    const apps = ['one@h', 'two@h', 'three@h'].map((name) => {
      const app = makeApp(gossiping)
      app.task('fleet.act', (what: string) => void runs.push(`${name} ${what}`))
      return { app, name }
    })
    const workers = []
    for (const { app, name } of apps) workers.push(await start(app, { hostname: name }))
    const { app } = apps[0]!
    await app.control.election('once', 'task', app.signature('fleet.act', { args: ['now'] }))
    await expect.poll(() => runs).toHaveLength(1)
    await expect.poll(() => lines.filter((line) => line.includes('once'))).toHaveLength(3)
    expect(lines.filter((line) => line === 'I won the election once')).toHaveLength(1)
    await sleep(0)
    expect(runs).toHaveLength(1)
  })

  it('CANVAS-16: a signature that the workers elect one to send', async () => {
    hub = `fleet-${++hubs}`
    const runs: string[] = []
    const apps = ['one@h', 'two@h'].map((name) => {
      const app = makeApp(gossiping)
      const act = app.task('fleet.act', (what: string) => runs.push(`${name} ${what}`))
      return { app, act, name }
    })
    for (const { app, name } of apps) await start(app, { hostname: name })
    const handle = await apps[0]!.act.s('once').election()
    await expect.poll(() => runs).toHaveLength(1)
    await expect
      .poll(() => lines.filter((line) => line.includes('elect') && line.includes(handle.id)))
      .toHaveLength(2)
    await sleep(0)
    expect(runs).toHaveLength(1)
  })

  it('WORK-97: topics of the user’s own', async () => {
    hub = `fleet-${++hubs}`
    const done: unknown[] = []
    const app = makeApp(gossiping)
    await start(app, { hostname: 'one@h', electionHandlers: { compact: (action) => done.push(action) } })
    await app.control.election('night', 'compact', { table: 'orders' })
    await expect.poll(() => done).toEqual([{ table: 'orders' }])
  })
})

describe('what a worker tells of its broker', () => {
  it('D57-16: stats names all servers that stand in for each other, and no password', async () => {
    hub = `fleet-${++hubs}`
    const app = makeApp({
      broker: ['one', 'two'].map((name) => {
        const inner = memoryBroker({ name: hub })
        return new Proxy(inner, {
          get: (target, key) =>
            key === 'describe'
              ? () => ({ ...target.describe(), url: `memory://me:**@${name}` })
              : (Reflect.get(target, key) as unknown),
        })
      }),
    })
    await start(app, { hostname: 'one@h', withoutMingle: true })
    const [answer] = Object.values((await app.control.inspect({ limit: 1, timeoutMs: 20_000 }).stats()) ?? {})
    expect(answer).toMatchObject({
      broker: { transport: 'memory', alternates: ['memory://me:**@one', 'memory://me:**@two'] },
    })
  })
})

describe('commands of the user’s own', () => {
  it('CTRL-13: typed arguments, an alias, and answers by node', async () => {
    hub = `fleet-${++hubs}`
    const app = makeApp()
    app.controlCommand(
      {
        name: 'scale_by',
        alias: 'scale',
        args: { factor: 'number', why: 'text' },
        required: ['factor'],
        help: 'say it larger',
      },
      ({ hostname, concurrency }, { factor, why }) => ({
        ok: `${hostname}: ${concurrency * factor} ${why ?? 'for no reason'}`,
      }),
    )
    app.inspectCommand({ name: 'words', variadic: 'list' }, (_worker, { list }) => list.length)
    await start(app, { hostname: 'one@h', concurrency: 2, withoutMingle: true })
    const ask = async (command: string, args: Record<string, unknown>): Promise<unknown> =>
      (
        await app.control.broadcast(command, {
          arguments: args,
          reply: true,
          destination: ['one@h'],
          timeoutMs: 20_000,
        })
      )[0]?.['one@h']
    expect(await ask('scale_by', { factor: 1.5 })).toEqual({ ok: 'one@h: 3 for no reason' })
    expect(await ask('scale', { factor: 2, why: 'now' })).toEqual({ ok: 'one@h: 4 now' })
    expect(await ask('words', { list: ['a', 'b'] })).toBe(2)
    expect(await ask('words', {})).toBe(0)
    expect(await ask('scale', {})).toEqual({
      error: `TypeError("scale_by() missing 1 required argument: 'factor'")`,
    })
    expect(await ask('scale', { factor: 'x' })).toEqual({
      error: `TypeError('scale_by(): factor must be a number')`,
    })
    expect(await ask('scale', { factor: 1, stray: 1 })).toEqual({
      error: `TypeError("scale_by() got an unexpected keyword argument 'stray'")`,
    })
  })

  it('CTRL-9: an error in one is the answer, and the worker goes on', async () => {
    hub = `fleet-${++hubs}`
    const app = makeApp()
    app.controlCommand({ name: 'break' }, () => {
      throw new RangeError('too much')
    })
    await start(app, { hostname: 'one@h', withoutMingle: true })
    expect(
      await app.control.broadcast('break', { reply: true, destination: ['one@h'], timeoutMs: 20_000 }),
    ).toEqual([{ 'one@h': { error: "ValueError('too much')" } }])
    expect(await app.control.ping({ destination: ['one@h'], timeoutMs: 20_000 })).toHaveLength(1)
  })

  it('CTRL-13: wrong definitions are refused at once, names of Celery’s at the start', async () => {
    hub = `fleet-${++hubs}`
    const app = makeApp()
    const define = (definition: object): void => app.controlCommand(definition as never, () => null)
    expect(() => define({ name: 'no-dash' })).toThrow(/letters, digits/)
    expect(() => define({ name: 'a', args: { n: 'int' } })).toThrow(/kind "int"/)
    expect(() => define({ name: 'a', required: ['n'] })).toThrow(/requires "n"/)
    expect(() => define({ name: 'a', colour: 'red' })).toThrow(/colour/)
    define({ name: 'a' })
    expect(() => define({ name: 'a' })).toThrow(/already/)
    define({ name: 'ping' })
    await expect(createWorker(app, { hostname: 'one@h' }).start()).rejects.toThrow(
      /"ping" is a command of every worker/,
    )
  })

  it('CTRL-15: without remote control nobody answers', async () => {
    hub = `fleet-${++hubs}`
    const app = makeApp({ workerEnableRemoteControl: false })
    const worker = await start(app, { hostname: 'one@h' })
    expect(await app.control.ping({ timeoutMs: 100 })).toEqual([])
    expect(worker.status).toBe('running')
  })
})

describe('what a pool cannot do', () => {
  it('CTRL-27…29, SET-188: is said, as Celery says it', async () => {
    hub = `fleet-${++hubs}`
    const app = makeApp({ workerPoolRestarts: true })
    await start(app, { hostname: 'solo@h', pool: 'solo', withoutMingle: true })
    const to = { reply: true, destination: ['solo@h'], timeoutMs: 20_000 }
    expect(await app.control.poolGrow(1, to)).toEqual([
      { 'solo@h': { error: `AttributeError("'TaskPool' object has no attribute 'grow'")` } },
    ])
    expect(await app.control.autoscale(3, 1, to)).toEqual([
      { 'solo@h': { error: "ValueError('Autoscale not enabled')" } },
    ])
    expect(await app.control.poolRestart(to)).toEqual([{ 'solo@h': { ok: 'reload started' } }])
    expect(JSON.stringify(await app.control.poolRestart({ ...to, reload: true }))).toMatch(
      /NotImplementedError.*-P threads/,
    )
  })
})

describe('what a command changes', () => {
  const soon = { timeoutMs: 20_000 }
  const told = { ...soon, reply: true, limit: 1 }

  it('CTRL-24: time_limit, hard and soft, of tasks that start from then on', async () => {
    hub = `fleet-${++hubs}`
    const app = makeApp()
    const wait = app.task('wait', { bind: true }, async (task) => {
      await new Promise((_, reject) => {
        task.signal.addEventListener('abort', () => reject(task.signal.reason as Error))
      })
    })
    await start(app, { hostname: 'one@h', withoutMingle: true })
    await app.control.timeLimit('wait', { hard: 0.05, ...told })
    await expect((await wait.delay()).get(soon)).rejects.toMatchObject({ name: 'TimeLimitExceeded' })
    await app.control.timeLimit('wait', { soft: 0.05, ...told })
    await expect((await wait.delay()).get(soon)).rejects.toMatchObject({ name: 'SoftTimeLimitExceeded' })
  })

  it('CTRL-20, D57-60: revoke stores REVOKED at once of a task that waits for its time', async () => {
    hub = `fleet-${++hubs}`
    const app = makeApp()
    const task = app.task('later', () => 1)
    await start(app, { hostname: 'one@h', withoutMingle: true })
    const result = await task.applyAsync([], { countdown: 3600 })
    await app.control.revoke(result.id, told)
    await expect(result.get(soon)).rejects.toMatchObject({ name: 'TaskRevokedError' })
    expect(await result.state()).toBe('REVOKED')
  })

  it.each(['wait', 'background'] as const)(
    'PAIN-68: a worker whose name is taken says so when it starts, and none other does (mingle: %s)',
    async (workerMingle) => {
      hub = `fleet-${++hubs}`
      const warned = (): string[] => lines.filter((line) => line.includes('is named same@h too'))
      await start(makeApp({ workerMingle }), { hostname: 'same@h' })
      await start(makeApp({ workerMingle }), { hostname: 'other@h' })
      await expect.poll(() => lines.some((line) => line.includes('sync with 1 nodes'))).toBe(true)
      expect(warned()).toEqual([])
      await start(makeApp({ workerMingle }), { hostname: 'same@h' })
      await expect.poll(() => warned().length).toBe(1)
    },
  )

  it('WORK-92, CTRL-53: a worker that starts learns the revoked ids of those that are there', async () => {
    hub = `fleet-${++hubs}`
    const app = makeApp()
    await start(app, { hostname: 'one@h', withoutMingle: true })
    await app.control.revoke(['first', 'second'], told)
    const other = makeApp({ workerMingle: 'wait' })
    await start(other, { hostname: 'two@h' })
    const revoked = await app.control.inspect({ ...soon, destination: ['two@h'] }).revoked()
    expect(revoked).toEqual({ 'two@h': ['first', 'second'] })
  })
})
