/** A ct worker and a ct client in a fleet with real Celery 5.7, on Redis and on RabbitMQ: both directions, and workflows that both sides work on. */
import { setTimeout as sleep } from 'node:timers/promises'
import { runCelery, type PythonClient, type PythonWorker } from '@ct-tools/interop'
import { chain, chord, type App, type Signature } from '@ct/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fleetBrokers, PythonFleet } from '../test/python-fleet.ts'

const brokers = await fleetBrokers('5.7')

describe.for(brokers)('with Celery 5.7 on $name', ({ transport, present }) => {
  if (!present) {
    it.skipIf(true)('a service is missing', () => {})
    return
  }
  let fleet: PythonFleet
  let app: App
  let peer: PythonWorker
  let client: PythonClient
  const failures: string[] = []
  const seen: unknown[][] = []

  beforeAll(async () => {
    fleet = await PythonFleet.open(transport, { resultExtended: true })
    app = fleet.app
    app.task('interop_tasks.add', (x: number, y: number) => x + y)
    app.task('interop_tasks.mul', (x: number, y: number) => x * y)
    app.task('interop_tasks.xsum', (numbers: number[]) => numbers.reduce((sum, one) => sum + one, 0))
    app.task('interop_tasks.identity', (value: unknown) => value)
    app.task('interop_tasks.fail', (message = 'broken') => {
      throw new RangeError(message)
    })
    app.task('ct.retry', { bind: true, maxRetries: 3, params: ['times'] }, (task, times: number) => {
      if (task.request.retries < times) throw task.retry({ countdown: 0, exc: new Error('not yet') })
      return [task.request.retries, task.request.id]
    })
    app.task('ct.seen', (...args: unknown[]) => {
      seen.push(args)
      return args[0] ?? null
    })
    app.task('ct.sleep', { bind: true, params: ['seconds'] }, async (task, seconds: number) => {
      await sleep(seconds * 1000, undefined, { signal: task.signal }).catch(() => {})
      return 'slept'
    })
    app.task(
      'ct.fields',
      { bind: true, params: ['first', 'a'] },
      (task, _first: number, _a: number) => task.request,
    )
    app.task('ct.progress', { bind: true }, async (task) => {
      await task.updateState('PROGRESS', { current: 1, total: 2 })
      await sleep(300)
      return 'done'
    })
    const started = await Promise.all([
      fleet.client(),
      fleet.peer({ queues: ['celery'], concurrency: 2, config: { result_extended: true } }),
      fleet.work({ hostname: 'ct@interop', queues: ['ct'], taskEvents: true }),
    ])
    ;[client, peer] = started
    started[2].on('taskFailed', (event) => failures.push(event.uuid))
  })
  // A task that only had to be seen running may be running still.
  afterAll(() => fleet?.close('cold'))

  const ct = { queue: 'ct' }

  describe('Python calls ct', () => {
    it('WIRE-1, RES-60: a task and its result, extended', async () => {
      const id = await client.send('interop_tasks.add', [2, 3], {}, ct)
      expect(await client.get(id)).toBe(5)
      const meta = await client.meta(id)
      expect(meta).toMatchObject({
        status: 'SUCCESS',
        result: 5,
        children: [],
        name: 'interop_tasks.add',
        args: [2, 3],
        kwargs: {},
        worker: 'ct@interop',
        retries: 0,
        queue: 'ct',
      })
    })

    it('TASK-52: keyword arguments bind to parameters, wrong ones are a TypeError', async () => {
      expect(await client.get(await client.send('interop_tasks.add', [2], { y: 5 }, ct))).toBe(7)
      const id = await client.send('interop_tasks.add', [1], { z: 5 }, ct)
      await expect(client.get(id)).rejects.toMatchObject({ type: 'TypeError' })
    })

    it('TASK-71: a failure arrives as the exception of that name, with a traceback', async () => {
      const id = await client.send('interop_tasks.fail', ['oh'], {}, ct)
      await expect(client.get(id)).rejects.toMatchObject({ type: 'ValueError' })
      expect(await client.meta(id)).toMatchObject({
        status: 'FAILURE',
        result: { exc_type: 'ValueError', exc_module: 'builtins', exc_message: ['oh'] },
        traceback: expect.stringContaining('Traceback (most recent call last):'),
      })
      expect(failures).toContain(id)
    })

    it('TASK-95, TASK-96, WIRE-13: a retry keeps the id', async () => {
      const id = await client.send('ct.retry', [2], {}, ct)
      expect(await client.get(id)).toEqual([2, id])
    })

    it('TASK-97, PAIN-47: retries used up fail with the cause', async () => {
      const id = await client.send('ct.retry', [9], {}, ct)
      await expect(client.get(id)).rejects.toThrow('not yet')
    })

    it('WORK-63: ETA', async () => {
      const before = Date.now()
      const id = await client.send('interop_tasks.add', [1, 1], {}, { ...ct, countdown: 0.7 })
      expect(await client.get(id)).toBe(2)
      expect(Date.now() - before).toBeGreaterThan(600)
    })

    it('TASK-117: progress', async () => {
      const id = await client.send('ct.progress', [], {}, ct)
      const state = await client.exec(
        'wait_for(lambda: app.AsyncResult(i).state == "PROGRESS")\napp.AsyncResult(i).info',
        { i: id },
      )
      expect(state).toEqual({ current: 1, total: 2 })
      expect(await client.get(id)).toBe('done')
    })

    it('WORK-72: an unknown task is stored as NotRegistered', async () => {
      const id = await client.send('no.such.task', [], {}, ct)
      await expect(client.get(id)).rejects.toMatchObject({ type: 'NotRegistered' })
    })

    it('TASK-50, TASK-57: request fields', async () => {
      const id = await client.send(
        'ct.fields',
        [1],
        { a: 2 },
        { ...ct, headers: { mine: 'yes' }, shadow: 'other' },
      )
      expect(await client.get(id)).toMatchObject({
        id,
        rootId: id,
        parentId: null,
        args: [1],
        kwargs: { a: 2 },
        hostname: 'ct@interop',
        headers: { mine: 'yes' },
        shadow: 'other',
        retries: 0,
        deliveryInfo: { exchange: '', routingKey: 'ct', redelivered: false },
      })
    })
  })

  describe('ct calls Python', () => {
    it('WIRE-1: a task, its failure, its retry', async () => {
      const sum = await app.sendTask<number>('interop_tasks.add', { args: [2, 3], queue: 'celery' })
      expect(await sum.get({ timeoutMs: 20_000 })).toBe(5)
      const failed = await app.sendTask('interop_tasks.fail', { args: ['no'], queue: 'celery' })
      await expect(failed.get({ timeoutMs: 20_000 })).rejects.toMatchObject({ name: 'ValueError' })
      const retried = await app.sendTask<number>('interop_tasks.retry_then_succeed', {
        args: [2],
        queue: 'celery',
      })
      expect(await retried.get({ timeoutMs: 20_000 })).toBe(2)
    })
  })

  describe('workflows that both work on', () => {
    it('CANVAS-20: a chain through both, started in Python', async () => {
      const id = await client.apply(
        'chain(add.s(1, 2).set(queue="ct"), mul.s(10), add.s(5).set(queue="ct"), mul.s(2))',
      )
      expect(await client.get(id)).toBe(70)
    })

    it('CANVAS-60, CANVAS-61: link and link_error of both languages', async () => {
      const linked = await client.apply(
        'add.signature((1, 2), queue="ct", link=[signature("ct.seen", queue="ct", kwargs={})])',
      )
      expect(await client.get(linked)).toBe(3)
      await expect.poll(() => seen).toContainEqual([3])
      const failed = await client.apply('fail.signature(("x",), queue="ct", link_error=[on_error_id.s()])')
      await expect(client.get(failed)).rejects.toThrow('x')
      await expect.poll(() => peer.records).toContainEqual(expect.objectContaining({ on_error_id: failed }))
    })

    it('BACK-34, BACK-35, D57-2…4: a chord whose header is worked by both, the body by either', async () => {
      const header = '[add.s(1, 1).set(queue="ct"), add.s(2, 2), add.s(3, 3).set(queue="ct"), add.s(4, 4)]'
      const inPython = await client.apply(`chord(${header}, xsum.s())`)
      expect(await client.get(inPython)).toBe(20)
      const inCt = await client.apply(`chord(${header}, xsum.s().set(queue="ct"))`)
      expect(await client.get(inCt)).toBe(20)
      const ordered = await client.apply(`chord(${header}, identity.s().set(queue="ct"))`)
      expect(await client.get(ordered)).toEqual([2, 4, 6, 8])
    })

    it('D57-5, D57-80: a failing header member fails the body, whoever reports it', async () => {
      for (const queue of ['ct', 'celery']) {
        const id = await client.apply(
          `chord([add.s(1, 1), fail.s("member").set(queue="${queue}"), add.s(1, 2).set(queue="ct")], xsum.s())`,
        )
        await expect(client.get(id)).rejects.toThrow('member')
        expect(await client.meta(id)).toMatchObject({ status: 'FAILURE', result: { exc_type: 'ChordError' } })
      }
    })

    it('D57-80: a failing header fails the steps behind the chord too', async () => {
      const id = await client.apply(
        'chain(group(add.s(1, 1).set(queue="ct"), fail.s("inside").set(queue="ct")), xsum.s().set(queue="ct"), add.s(1).set(queue="ct"))',
      )
      await expect(client.get(id)).rejects.toThrow('inside')
      await expect.poll(async () => (await client.meta(id)).status).toBe('FAILURE')
      expect(await client.meta(id)).toMatchObject({ result: { exc_type: 'ChordError' } })
    })

    it('CANVAS-20, CANVAS-65: chain, group and chord built by ct, worked by both', async () => {
      const add = app.signature<number>('interop_tasks.add', { args: [1, 1], queue: 'celery' })
      const mul = app.signature<number>('interop_tasks.mul', { args: [10], queue: 'ct' })
      const sum = app.signature<number>('interop_tasks.xsum', { queue: 'celery' })
      expect(
        await (await chain(add, mul as Signature<[number], number>).applyAsync()).get({ timeoutMs: 20_000 }),
      ).toBe(20)
      const header = [add, app.signature('interop_tasks.add', { args: [2, 2], queue: 'ct' })]
      const result = await chord(header, sum as Signature<[unknown], number>).applyAsync()
      expect(await result.get({ timeoutMs: 20_000 })).toBe(6)
    })

    it('TASK-96: a retry in a chord, in a chain, with links and headers keeps them all', async () => {
      const inChord = await client.apply(
        'chord([signature("ct.retry", (2,), queue="ct", app=app), add.s(1, 1)], identity.s().set(queue="ct"))',
      )
      const [first, second] = (await client.get(inChord)) as [[number, string], number]
      expect(first[0]).toBe(2)
      expect(second).toBe(2)
      const before = seen.length
      const inChain = await client.apply(
        'chain(signature("ct.retry", (1,), queue="ct", app=app, link=[signature("ct.seen", queue="ct", app=app)]), identity.s())',
      )
      expect(((await client.get(inChain)) as [number, string])[0]).toBe(1)
      await expect.poll(() => seen.length).toBe(before + 1)
    })

    it('CTRL-30: a chord member waits in a queue that nobody consumes, until somebody does', async () => {
      const id = await client.apply(
        'chord([add.s(1, 1).set(queue="ct"), add.s(2, 2).set(queue="held")], xsum.s().set(queue="ct"))',
      )
      await expect
        .poll(async () => await app.context.producer.connection().then((c) => c.queueSize('held')))
        .toBe(1)
      expect((await client.meta(id)).status).toBe('PENDING')
      await client.exec('app.control.add_consumer("held", destination=["ct@interop"], reply=True)')
      expect(await client.get(id)).toBe(6)
      await client.exec('app.control.cancel_consumer("held", destination=["ct@interop"], reply=True)')
    })

    it('CANVAS-77: numbers keep their form on the way through ct', async () => {
      const id = await client.apply(
        'chord([identity.s(1.0).set(queue="celery"), identity.s(2**70).set(queue="celery"), add.s(1, 1).set(queue="ct")], identity.s())',
      )
      expect(await client.exec('repr(app.AsyncResult(i).get(timeout=10))', { i: id })).toBe(
        '[1.0, 1180591620717411303424, 2]',
      )
    })

    it('D57-3: no keys of a finished chord are left but the done marker', async () => {
      const keys = async (): Promise<string[]> =>
        Object.keys(await client.redisDump()).filter((key) => /^celery-taskset-meta-.*\.[jstdc]$/.test(key))
      const before = new Set(await keys())
      const id = await client.apply(
        'chord([add.s(1, 1).set(queue="ct"), add.s(2, 2).set(queue="ct")], xsum.s().set(queue="ct"))',
      )
      expect(await client.get(id)).toBe(6)
      const fresh = async (): Promise<string[]> =>
        (await keys()).filter((key) => !before.has(key)).map((key) => key.slice(-2))
      await expect.poll(fresh).toEqual(['.c'])
    })
  })

  describe('remote control', () => {
    /** With a destination Python waits for that one's answer, not until its time is over. */
    const inspect = async <T = unknown>(command: string, args: readonly unknown[] = []): Promise<T> => {
      const options = { destination: ['ct@interop'], timeout: 10 }
      return (await client.inspect<Record<string, T>>(command, args, options))['ct@interop']!
    }
    const running = (id: string): Promise<void> =>
      expect.poll(() => inspect<{ id: string }[]>('active')).toContainEqual(expect.objectContaining({ id }))

    it('CTRL-40…47: inspect sees a ct worker', async () => {
      const held = await client.send('ct.sleep', [60], {}, ct)
      const later = await client.send('interop_tasks.add', [1, 1], {}, { ...ct, countdown: 60 })
      await running(held)
      expect(await inspect('active')).toMatchObject([
        {
          id: held,
          name: 'ct.sleep',
          type: 'ct.sleep',
          args: [60],
          kwargs: {},
          hostname: 'ct@interop',
          acknowledged: false,
          delivery_info: { exchange: '', routing_key: 'ct', priority: 0, redelivered: false },
          worker_pid: process.pid,
        },
      ])
      const scheduled = await inspect<{ request: { id: string } }[]>('scheduled')
      expect(scheduled.map(({ request }) => request.id)).toEqual([later])
      expect(await client.inspect('ping')).toMatchObject({ 'ct@interop': { ok: 'pong' } })
      const registered = await inspect<string[]>('registered')
      expect(registered).toContain('ct.sleep')
      expect(registered).toEqual(registered.toSorted())
      expect(await inspect('stats')).toMatchObject({
        pid: process.pid,
        total: expect.objectContaining({ 'ct.sleep': expect.any(Number) }),
        broker: expect.objectContaining({ transport }),
        pool: expect.objectContaining({ 'max-concurrency': 50 }),
        rusage: expect.objectContaining({ utime: expect.any(Number) }),
      })
      const queues = await inspect<{ name: string }[]>('active_queues')
      expect(queues.map(({ name }) => name)).toEqual(['ct'])
      expect(await inspect('query_task', [held, later])).toMatchObject({
        [held]: ['active', expect.anything()],
        [later]: ['scheduled', expect.anything()],
      })
      expect(await inspect('conf')).toBeTypeOf('object')
    })

    it('CTRL-20, D57-60: revoke reaches a held task; terminate ends a running one', async () => {
      const held = await client.send('interop_tasks.add', [1, 1], {}, { ...ct, countdown: 1 })
      await client.exec('app.control.revoke(i)', { i: held })
      await expect(client.get(held)).rejects.toMatchObject({ type: 'TaskRevokedError' })
      const long = await client.send('ct.sleep', [60], {}, ct)
      await running(long)
      const answer = await client.exec(
        'app.control.revoke(i, terminate=True, reply=True, destination=["ct@interop"])',
        { i: long },
      )
      expect(JSON.stringify(answer)).toContain(`terminate: ${long}`)
      await expect(client.get(long)).rejects.toMatchObject({ type: 'TaskRevokedError' })
    })

    it('CTRL-23, CTRL-24, CTRL-25, CTRL-30, CTRL-31, ROUTE-47: commands answer with Celery’s words', async () => {
      const ask = async (source: string): Promise<string> => JSON.stringify(await client.exec(source))
      const to = 'destination=["ct@interop"], reply=True'
      expect(await ask(`app.control.rate_limit("ct.fields", "100/s", ${to})`)).toContain(
        'new rate limit set successfully',
      )
      expect(await ask(`app.control.rate_limit("ct.fields", 0, ${to})`)).toContain(
        'rate limit disabled successfully',
      )
      expect(await ask(`app.control.rate_limit("nope", "1/s", ${to})`)).toContain('unknown task')
      expect(await ask(`app.control.time_limit("ct.fields", soft=50, hard=60, ${to})`)).toContain(
        'time limits set successfully',
      )
      expect(await ask(`app.control.add_consumer("ct2", ${to})`)).toContain('add consumer ct2')
      const id = await client.send('interop_tasks.add', [4, 4], {}, { queue: 'ct2' })
      expect(await client.get(id)).toBe(8)
      expect(await ask(`app.control.cancel_consumer("ct2", ${to})`)).toContain('no longer consuming from ct2')
      expect(await ask(`app.control.enable_events(${to})`)).toContain('task events already enabled')
      expect(await ask('app.control.broadcast("no_such", destination=["ct@interop"], reply=True)')).toContain(
        "KeyError('no_such')",
      )
    })

    it('EVT-20…29: Python’s receiver understands the events of a ct worker', async () => {
      let id = ''
      let failed = ''
      const events = await client.events(
        async () => {
          // kombu subscribes a moment after the receiver says that it is ready; the next heartbeat tells.
          await client.exec('wait_for(lambda: _event_log.events)')
          id = await client.send('interop_tasks.add', [1, 1], {}, ct)
          failed = await client.send('interop_tasks.fail', ['event'], {}, ct)
        },
        (seen) =>
          seen.some(({ type, hostname }) => type === 'worker-heartbeat' && hostname === 'ct@interop') &&
          seen.some(({ type, uuid }) => type === 'task-failed' && uuid === failed) &&
          seen.some(({ type, uuid }) => type === 'task-succeeded' && uuid === id),
      )
      const of = (uuid: string): unknown[] =>
        events.filter((event) => event['uuid'] === uuid).map(({ type }) => type)
      expect(of(id)).toEqual(['task-received', 'task-started', 'task-succeeded'])
      expect(of(failed)).toEqual(['task-received', 'task-started', 'task-failed'])
      const ours = events.filter(({ hostname }) => hostname === 'ct@interop')
      expect(ours.find(({ type }) => type === 'worker-heartbeat')).toMatchObject({
        freq: 2,
        sw_ident: 'ct',
        active: expect.any(Number),
        processed: expect.any(Number),
        loadavg: [expect.any(Number), expect.any(Number), expect.any(Number)],
      })
      for (const event of ours) expect(event).toMatchObject({ clock: expect.any(Number), pid: process.pid })
      expect(ours.find(({ type, uuid }) => type === 'task-received' && uuid === id)).toMatchObject({
        name: 'interop_tasks.add',
        args: '[1, 1]',
        kwargs: '{}',
        retries: 0,
        root_id: id,
        parent_id: null,
      })
      expect(ours.find(({ type, uuid }) => type === 'task-succeeded' && uuid === id)).toMatchObject({
        result: '2',
        runtime: expect.any(Number),
      })
    })

    it('CTRL-44, CTRL-48, CTRL-50…53: the rest of inspect', async () => {
      for (const command of ['reserved', 'revoked', 'clock', 'memsample', 'conf'])
        expect(await inspect(command)).toBeDefined()
      expect((await inspect<{ ok: string }>('report')).ok).toContain('software -> ct:')
      const hello = await client.exec(
        'app.control.inspect(destination=["ct@interop"]).hello("somebody@else", revoked={"old": 1.5})',
      )
      expect(hello).toMatchObject({
        'ct@interop': { revoked: expect.arrayContaining(['old']), clock: expect.any(Number) },
      })
    })

    it('CTRL-40: celery status and celery inspect ping', async () => {
      const status = await runCelery('5.7', ['status', '-t', '10', '-d', 'ct@interop'], fleet.python)
      expect(status.stdout).toContain('ct@interop')
      expect(status.code).toBe(0)
    })

    it('CTRL-32: celery control shutdown stops a ct worker warm', async () => {
      const other = await fleet.work({ hostname: 'ct2@interop', queues: ['elsewhere'] })
      const shutdown = await runCelery('5.7', ['control', '-d', 'ct2@interop', 'shutdown'], fleet.python)
      expect(shutdown.stderr + shutdown.stdout).not.toContain('Traceback')
      await other.finished()
      expect(other.status).toBe('stopped')
      expect(other.exitCode).toBe(0)
    })
  })
})
