/** The client against real Python: workers that run its tasks, clients that read what it wrote, on Redis and on RabbitMQ with results in Redis. */
import { freshRedis, freshVhost, tryServices, type Fresh, type FreshVhost } from '@ct-tools/services'
import { python, startPythonWorker, tryPython, type PythonClient, type PythonWorker } from '@ct-tools/interop'
import { amqp } from '@ct/broker-amqp'
import { redis } from '@ct/broker-redis'
import { RemoteError, TaskRevokedError } from '@ct/contracts'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { App, CeleryEvent } from './index.ts'
import { AsyncResult, createApp, EventReceiver, GroupResult } from './index.ts'

const fleets = [
  { version: '5.7', broker: 'Redis' },
  { version: '5.4', broker: 'Redis' },
  { version: '5.7', broker: 'RabbitMQ' },
  { version: '5.4', broker: 'RabbitMQ' },
] as const

for (const { version, broker } of fleets) {
  const onRabbit = broker === 'RabbitMQ'
  const present = (await tryServices(onRabbit ? ['redis', 'rabbitmq'] : ['redis'])) !== undefined
  const ready = present && (await tryPython(version))
  describe.skipIf(!ready)(`Celery ${version} on ${broker}`, () => {
    /** Results; messages too where Redis is the broker. */
    let server: Fresh
    let line: Fresh
    let vhost: FreshVhost | undefined
    let worker: PythonWorker
    let client: PythonClient
    let app: App

    beforeAll(async () => {
      server = await freshRedis()
      vhost = onRabbit ? await freshVhost() : undefined
      line = vhost ?? server
      const settings = {
        broker: line.url,
        backend: server.url,
        config: { result_extended: true, task_track_started: true, task_send_sent_event: true },
      }
      ;[worker, client] = await Promise.all([
        startPythonWorker({ version, ...settings, concurrency: 2, events: true }),
        python(version, settings),
      ])
      app = createApp({
        broker: line.url,
        backend: server.url,
        adapters: [amqp, redis],
        taskSendSentEvent: true,
        // Before 5.7 control queues were not exclusive, and Redis does not care.
        controlQueueExclusive: version === '5.7',
      })
    })

    afterAll(async () => {
      await app?.close()
      await client?.close()
      await worker?.[Symbol.asyncDispose]()
      await vhost?.release()
      await server?.release()
    })

    it('RES-11 WIRE-1: sends a task to Python and gets its value', async () => {
      const result = await app.sendTask<number>('interop_tasks.add', { args: [2, 3] })
      expect(await result.get({ timeoutMs: 20_000 })).toBe(5)
      expect(await result.state()).toBe('SUCCESS')
      expect(await result.name()).toBe('interop_tasks.add')
      expect(await result.worker()).toBe(worker.nodename)
      expect(Date.now() - (await result.dateDone())!.getTime()).toBeLessThan(60_000)
    })

    it('RES-11 RES-73 PAIN-14: five hundred at once over one subscription', async () => {
      const results = await Promise.all(
        Array.from({ length: 500 }, (_, n) => app.sendTask<number>('interop_tasks.add', { args: [n, 1] })),
      )
      const values = await Promise.all(results.map((result) => result.get({ timeoutMs: 60_000 })))
      expect(values).toEqual(Array.from({ length: 500 }, (_, n) => n + 1))
    })

    it('RES-62, PAIN-32: an exception of Python arrives typed, with its traceback', async () => {
      const failing = await app.sendTask('interop_tasks.fail', { args: ['on purpose'] })
      const error = await failing.get({ timeoutMs: 20_000 }).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(RemoteError)
      expect(error).toMatchObject({
        name: 'ValueError',
        message: 'on purpose',
        excModule: 'builtins',
        args: ['on purpose'],
      })
      expect((error as RemoteError).traceback).toMatch(
        /^Traceback \(most recent call last\):[^]*ValueError: on purpose/,
      )
      const custom = await app.sendTask('interop_tasks.fail_custom', { args: ['x', 7] })
      const unknown = await custom.get({ timeoutMs: 20_000 }).catch((thrown: unknown) => thrown)
      expect(unknown).toMatchObject({ name: 'CustomError', excModule: 'interop_tasks', args: ['x', 7] })
    })

    it('RES-19 RES-26: children and parents of a chain sent by Python', async () => {
      const id = await client.exec<string>(`
        _r = chain(add.s(1, 2), mul.s(10)).apply_async()
        _first = _r.parent.id
        _r.id
      `)
      const first = await client.exec<string>('_first')
      const tail = new AsyncResult<number>(id, app.context.resultContext)
      expect(await tail.get({ timeoutMs: 20_000 })).toBe(30)
      const values: unknown[] = []
      for await (const [node, value] of app.asyncResult(first).collect({ timeoutMs: 10_000 }))
        values.push([node.id, value])
      expect(values).toEqual([
        [first, 3],
        [id, 30],
      ])
    })

    it('RES-49: a group saved by Python is restored here, and the reverse', async () => {
      const groupId = await client.exec<string>(`
        _g = group(add.s(1, 1), add.s(2, 2)).apply_async()
        _g.save()
        _g.id
      `)
      const restored = await app.groupResult<number>(groupId)
      expect(restored).toBeInstanceOf(GroupResult)
      expect(await restored!.get({ timeoutMs: 20_000 })).toEqual([2, 4])

      const members = await Promise.all(
        [1, 2].map((n) => app.sendTask<number>('interop_tasks.add', { args: [n, n] })),
      )
      const mine = new GroupResult<number>('made-here', members, app.context.resultContext)
      await mine.save()
      expect(await client.exec(`app.GroupResult.restore('made-here').get(timeout=10)`)).toEqual([2, 4])
    })

    it('RES-60 RES-62 SEC-27: what is stored here, Python reads', async () => {
      const { results } = app.context
      await results.storeResult({
        taskId: 'from-ct',
        state: 'SUCCESS',
        result: { deep: [1, null] },
        children: [],
      })
      expect(await client.get('from-ct')).toEqual({ deep: [1, null] })
      await results.storeResult({
        taskId: 'failed-ct',
        state: 'FAILURE',
        result: new TypeError('not a number'),
        traceback: 'at add (tasks.ts:1:1)',
        children: [],
      })
      await expect(client.get('failed-ct')).rejects.toMatchObject({ type: 'TypeError' })
      expect(await client.meta('failed-ct')).toMatchObject({
        status: 'FAILURE',
        traceback: 'at add (tasks.ts:1:1)',
      })
    })

    it('D57-25: compressed results both ways', { skip: version !== '5.7' }, async () => {
      const squeezed = createApp({
        broker: line.url,
        backend: server.url,
        adapters: [amqp, redis],
        resultCompression: 'zlib',
      })
      await squeezed.context.results.storeResult({
        taskId: 'zipped',
        state: 'SUCCESS',
        result: 'a'.repeat(5000),
      })
      expect(await client.get('zipped')).toBe('a'.repeat(5000))
      await squeezed.close()
      await client.exec(`
        app.backend.compression = 'zlib'
        app.backend.store_result('zipped-py', 'b' * 5000, 'SUCCESS')
      `)
      expect(await app.asyncResult('zipped-py').get({ timeoutMs: 20_000 })).toBe('b'.repeat(5000))
    })

    it('CTRL-40 CTRL-41 CTRL-46: Python workers answer inspect', async () => {
      const inspect = app.control.inspect({ destination: [worker.nodename], timeoutMs: 20_000 })
      expect(await inspect.ping()).toEqual({ [worker.nodename]: { ok: 'pong' } })
      const registered = await inspect.registered()
      expect(registered![worker.nodename]).toContain('interop_tasks.add')
      const stats = await app.control.inspect({ destination: worker.nodename, timeoutMs: 20_000 }).stats()
      expect(stats!.pool['max-concurrency']).toBe(2)
      expect(stats!.total['interop_tasks.add']).toBeGreaterThan(0)
      const queues = await app.control
        .inspect({ destination: worker.nodename, timeoutMs: 20_000 })
        .activeQueues()
      expect(queues!.map((queue) => queue.name)).toEqual(['celery'])
      expect(
        await app.control.inspect({ destination: worker.nodename, timeoutMs: 20_000 }).conf(),
      ).toMatchObject({
        result_extended: true,
      })
      expect(
        await app.control.inspect({ destination: worker.nodename, timeoutMs: 20_000 }).report(),
      ).toMatchObject({
        ok: expect.stringContaining(version) as string,
      })
      expect(await app.control.ping({ pattern: 'py-*', timeoutMs: 20_000, limit: 1 })).toEqual([
        { [worker.nodename]: { ok: 'pong' } },
      ])
    })

    it('CTRL-20 RES-23: a task revoked here is not run by Python', async () => {
      const result = await app.sendTask('interop_tasks.sleep', { args: [0], countdown: 3 })
      expect(await result.revoke({ wait: true, timeoutMs: 1000 })).toEqual([
        { [worker.nodename]: { ok: expect.stringContaining(result.id) as string } },
      ])
      const error = await result.get({ timeoutMs: 20_000 }).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(TaskRevokedError)
      expect(
        await app.control.inspect({ destination: worker.nodename, timeoutMs: 20_000 }).revoked(),
      ).toContain(result.id)
    })

    it('CTRL-21: a running task is terminated', async () => {
      const result = await app.sendTask('interop_tasks.sleep', { args: [60] })
      await vi.waitFor(async () => expect(await result.state()).toBe('STARTED'))
      await result.revoke({ terminate: true })
      await expect(result.get({ timeoutMs: 20_000 })).rejects.toMatchObject({
        code: 'CT_REVOKED',
        reason: 'terminated',
      })
    })

    it('CTRL-23 CTRL-30 CTRL-31: commands that change a worker', async () => {
      const one = { destination: [worker.nodename], reply: true, timeoutMs: 20_000 } as const
      const answer = (replies: readonly Readonly<Record<string, unknown>>[]): unknown =>
        replies[0]?.[worker.nodename]
      expect(answer(await app.control.rateLimit('interop_tasks.mul', '100/s', one))).toEqual({
        ok: 'new rate limit set successfully',
      })
      expect(answer(await app.control.timeLimit('interop_tasks.mul', { soft: 10, hard: 20 }, one))).toEqual({
        ok: 'time limits set successfully',
      })
      expect(answer(await app.control.addConsumer('extra', one))).toEqual({ ok: 'add consumer extra' })
      const result = await app.sendTask<number>('interop_tasks.add', { args: [1, 1], queue: 'extra' })
      expect(await result.get({ timeoutMs: 20_000 })).toBe(2)
      expect(answer(await app.control.cancelConsumer('extra', one))).toEqual({
        ok: 'no longer consuming from extra',
      })
      expect(answer(await app.control.broadcast('no_such_command', one))).toMatchObject({
        error: expect.any(String) as string,
      })
    })

    it('EVT-20 EVT-21 EVT-22 EVT-23: events of Python arrive here, single and in batches', async () => {
      const seen: CeleryEvent[] = []
      await using receiver = new EventReceiver({
        broker: () => app.context.broker,
        serializers: app.context.serializers,
        clock: app.context.clock,
        handlers: { '*': (event) => seen.push(event) },
      })
      await receiver.start()
      const result = await app.sendTask('interop_tasks.add', { args: [4, 4] })
      await result.get({ timeoutMs: 20_000 })
      await vi.waitFor(
        () => {
          const types = seen.filter((event) => event['uuid'] === result.id).map((event) => event.type)
          // The client reports what it has sent when that is confirmed: a worker may be quicker.
          expect(types).toContain('task-sent')
          expect(types.filter((type) => type !== 'task-sent')).toEqual([
            'task-received',
            'task-started',
            'task-succeeded',
          ])
        },
        { timeout: 15_000 },
      )
      expect(seen.find((event) => event.type === 'task-sent')).toMatchObject({
        name: 'interop_tasks.add',
        args: expect.stringContaining('4, 4') as string,
        queue: 'celery',
        routing_key: 'celery',
        hostname: app.context.origin,
      })
      expect(
        seen.find((event) => event.type === 'task-succeeded' && event['uuid'] === result.id),
      ).toMatchObject({
        result: '8',
        hostname: worker.nodename,
      })
    })

    it('EVT-20: Python sees task-sent of a ct client', async () => {
      let id = ''
      const events = await client.events(
        async () => {
          // kombu subscribes a moment after the receiver says that it is ready; the worker's next heartbeat tells.
          await client.exec('wait_for(lambda: _event_log.events)')
          const result = await app.sendTask('interop_tasks.add', { args: [1, 2] })
          id = result.id
          await result.get({ timeoutMs: 20_000 })
        },
        (all) => all.some((event) => event['type'] === 'task-sent' && event['uuid'] === id),
      )
      const sent = (events as readonly Record<string, unknown>[]).find(
        (event) => event['type'] === 'task-sent' && event['uuid'] === id,
      )
      expect(sent).toMatchObject({
        name: 'interop_tasks.add',
        exchange: '',
        routing_key: 'celery',
        pid: process.pid,
      })
    })

    const replyQueues = async (): Promise<readonly string[]> =>
      vhost === undefined
        ? Object.keys(await client.redisDump('*reply*'))
        : (await queuesOf(vhost)).map(({ name }) => name)

    it('CTRL-4, PAIN-25: nothing of the reply queue stays behind', async () => {
      await app.control.inspect({ destination: [worker.nodename], timeoutMs: 20_000 }).ping()
      await vi.waitFor(
        async () =>
          expect((await replyQueues()).filter((name) => name.includes(app.context.oid))).toEqual([]),
        { timeout: 15_000 },
      )
    })

    const declared = async (queue: string): Promise<boolean> =>
      vhost === undefined
        ? JSON.stringify(await client.redisDump(`_kombu.binding.${queue}`)).includes(queue)
        : (await queuesOf(vhost)).some(
            (one) => one.name === queue && one.durable && !one.auto_delete && !one.exclusive,
          )

    it('ROUTE-7 APP-95, WIRE-60: the queue is declared as Python declares it', async () => {
      await app.sendTask('interop_tasks.noop', { queue: 'ours' })
      // RabbitMQ would refuse other arguments, Redis keeps the binding.
      expect(
        await client.exec(`
          with app.connection_for_write() as _c: app.amqp.queues['ours'](_c.default_channel).declare()
          [q.name for q in app.amqp.queues.values()]
        `),
      ).toContain('ours')
      expect(await declared('ours')).toBe(true)
      expect(await app.control.purge()).toBe(1)
    })
  })
}

interface ListedQueue {
  readonly name: string
  readonly durable: boolean
  readonly auto_delete: boolean
  readonly exclusive: boolean
}

async function queuesOf({ management, vhost }: FreshVhost): Promise<readonly ListedQueue[]> {
  return (await management.call('GET', `/queues/${encodeURIComponent(vhost)}`)) as readonly ListedQueue[]
}
