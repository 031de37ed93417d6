/** Every command of Celery's `inspect` and `control`, given by Python's command line and API to a ct worker, on Redis and on RabbitMQ. */
import { setTimeout as sleep } from 'node:timers/promises'
import { runCelery, type PythonClient } from '@ct-tools/interop'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fleetBrokers, PythonFleet } from '../test/python-fleet.ts'
import type { Worker } from './index.ts'

const node = 'ct@control'
const soon = { timeout: 15_000 }

const brokers = await fleetBrokers('5.7')

describe.for(brokers)('remote control by Celery 5.7 on $name', ({ transport, present }) => {
  if (!present) {
    it.skipIf(true)('a service is missing', () => {})
    return
  }
  let fleet: PythonFleet
  let worker: Worker
  let client: PythonClient

  beforeAll(async () => {
    fleet = await PythonFleet.open(transport)
    const { app } = fleet
    app.task('interop_tasks.add', { rateLimit: '100/s' }, (x: number, y: number) => x + y)
    app.task('interop_tasks.sleep', { bind: true, params: ['seconds'] }, async (task, seconds: number) => {
      await sleep(seconds * 1000, undefined, { signal: task.signal }).catch(() => {})
      return seconds
    })
    app.controlCommand(
      { name: 'double', args: { n: 'integer' }, required: ['n'], help: 'twice as much' },
      ({ hostname }, { n }) => ({ ok: `${hostname} ${n * 2}` }),
    )
    ;[client, worker] = await Promise.all([fleet.client(), fleet.work({ hostname: node, concurrency: 2 })])
  })
  afterAll(() => fleet?.close('cold'))

  /** `app.control.<source>`, answered by the one worker. */
  const tell = async (call: string, vars: Record<string, unknown> = {}): Promise<unknown> => {
    const source = call.replace(
      /\)$/,
      `${call.endsWith('()') ? '' : ', '}destination=[node], reply=True, timeout=5)`,
    )
    const replies = await client.exec<Record<string, unknown>[]>(`app.control.${source}`, { node, ...vars })
    return replies[0]?.[node]
  }
  const ask = async <T = unknown>(call: string, vars: Record<string, unknown> = {}): Promise<T> =>
    (
      await client.exec<Record<string, T>>(`app.control.inspect(destination=[node], timeout=5).${call}`, {
        node,
        ...vars,
      })
    )[node]!

  it('CTRL-40, CTRL-50, CTRL-51, CTRL-52, CTRL-53, D57-10, D57-163, WIRE-52, WIRE-51: what needs no tasks', async () => {
    expect(await ask('ping()')).toEqual({ ok: 'pong' })
    expect(await ask('clock()')).toEqual({ clock: expect.any(Number) })
    expect(await ask('memsample()')).toMatch(/^\d+(\.\d)?[MG]B$/)
    expect(await ask('memdump(samples=3)')).toMatch(/resident, heap used[^]*old_space/)
    expect(await ask('objgraph()')).toMatchObject({
      error: expect.stringMatching(/^ImportError\('Requires the objgraph library/),
    })
    expect(await ask<{ ok: string }>('report()')).toMatchObject({
      ok: expect.stringContaining('software -> ct:'),
    })
    expect(await ask('hello("py@h", ["known-to-python"])')).toMatchObject({ revoked: ['known-to-python'] })
    // As releases before 5.7 send it: a map of moments.
    expect(await ask('hello("old@h", {"known-to-old": 1700000000})')).toMatchObject({
      revoked: ['known-to-python', 'known-to-old'],
    })
    expect(await ask('hello(node)')).toBeNull()
  })

  it('CTRL-45, CTRL-46, CTRL-47, CTRL-48, D57-15: what it is', async () => {
    expect(await ask('registered()')).toEqual(['interop_tasks.add [rate_limit=100/s]', 'interop_tasks.sleep'])
    expect(await ask('registered("max_retries")')).toContain('interop_tasks.sleep [max_retries=3]')
    expect(await ask('registered("__class__", "_given", 5)')).toContain('interop_tasks.sleep')
    expect(await ask('stats()')).toMatchObject({
      clock: expect.stringMatching(/^\d+$/),
      uptime: expect.any(Number),
      pool: { 'max-concurrency': 2 },
      broker: { transport, hostname: '127.0.0.1' },
    })
    expect(await ask('active_queues()')).toEqual([
      expect.objectContaining({
        name: 'celery',
        exchange: expect.objectContaining({ type: 'direct' }),
        no_ack: false,
      }),
    ])
    const conf = await ask<Record<string, unknown>>('conf()')
    const all = await ask<Record<string, unknown>>('conf(with_defaults=True)')
    expect(Object.keys(all).length).toBeGreaterThan(Object.keys(conf).length + 50)
    // JSON has no infinity: Celery sends what only Python can read.
    expect(all).toMatchObject({ result_backend_max_retries: 'inf' })
    expect(JSON.stringify(conf)).not.toContain('guest:guest')
  })

  it('CTRL-41, CTRL-42, CTRL-43, CTRL-49, CTRL-55, D57-14, D57-171: what it has', async () => {
    const running = await client.send('interop_tasks.sleep', [60])
    const second = await client.send('interop_tasks.sleep', [60])
    const waiting = await client.send('interop_tasks.sleep', [60])
    const later = await client.send('interop_tasks.add', [1, 2], {}, { countdown: 600 })
    const ids = async (call: string): Promise<string[]> =>
      (await ask<{ id: string }[]>(call)).map(({ id }) => id).toSorted()
    await expect.poll(() => ids('active()'), soon).toEqual([running, second].toSorted())
    await expect.poll(() => ids('reserved()'), soon).toEqual([waiting])
    await expect
      .poll(
        async () =>
          (await ask<{ request: { id: string } }[]>('scheduled()')).map(({ request }) => request.id),
        soon,
      )
      .toEqual([later])
    expect((await ask<object[]>('active()')).find((one) => (one as { id: string }).id === running)).toEqual({
      id: running,
      name: 'interop_tasks.sleep',
      args: [60],
      kwargs: {},
      type: 'interop_tasks.sleep',
      hostname: node,
      time_start: expect.any(Number),
      acknowledged: false,
      delivery_info: { exchange: '', routing_key: 'celery', priority: 0, redelivered: false },
      worker_pid: process.pid,
    })
    expect(await ask<{ args: unknown }[]>('active(safe=True)')).toContainEqual(
      expect.objectContaining({ args: '[60]' }),
    )
    expect(await ask('query_task(a, b, c, "unknown")', { a: running, b: waiting, c: later })).toEqual({
      [running]: ['active', expect.objectContaining({ id: running })],
      [waiting]: ['reserved', expect.objectContaining({ id: waiting })],
      [later]: ['scheduled', expect.objectContaining({ id: later })],
    })
    expect(await tell('terminate(i, signal="SIGTERM")', { i: [running, second] })).toEqual({
      ok: expect.stringMatching(/^terminate: /),
    })
    expect(await tell('revoke(i)', { i: later })).toEqual({ ok: `tasks {'${later}'} flagged as revoked` })
    expect(await tell('revoke(i, terminate=True, signal="sigterm")', { i: waiting })).toEqual({
      error: "TypeError('signal name must be uppercase string.')",
    })
    expect(await tell('revoke(i, terminate=True)', { i: 'nobody' })).toEqual({
      ok: 'terminate: tasks unknown',
    })
    expect(await tell('terminate(i)', { i: waiting })).toEqual({ ok: `terminate: ${waiting}` })
    expect(await ask('revoked()')).toEqual(
      expect.arrayContaining([running, second, later, waiting, 'nobody']),
    )
    await expect.poll(() => ids('active()'), soon).toEqual([])
  })

  it('CTRL-22, D57-68: tasks with a stamp', async () => {
    const id = await client.exec<string>(
      'from celery.canvas import StampingVisitor\nclass Stamp(StampingVisitor):\n    def on_signature(self, sig, **headers):\n        return {"customer": ["c-7"]}\nsig = signature("interop_tasks.add", (1, 1), app=app)\nsig.stamp(Stamp())\nsig.apply_async(countdown=3).id',
    )
    expect(await tell('revoke_by_stamped_headers({"customer": ["c-7"]})')).toEqual({
      ok: expect.stringMatching(/^headers .*c-7.* flagged as revoked, but not terminated$/),
    })
    await expect(client.get(id)).rejects.toMatchObject({ type: 'TaskRevokedError' })
  })

  it('CTRL-23, CTRL-24: limits', async () => {
    expect(await tell('rate_limit("interop_tasks.add", "10/m")')).toEqual({
      ok: 'new rate limit set successfully',
    })
    expect(await tell('rate_limit("interop_tasks.add", 0)')).toEqual({
      ok: 'rate limit disabled successfully',
    })
    expect(await tell('rate_limit("interop_tasks.nope", "10/m")')).toEqual({ error: 'unknown task' })
    expect(await tell('rate_limit("interop_tasks.add", "often")')).toEqual({
      error: expect.stringMatching(/^Invalid rate limit string: ValueError/),
    })
    expect(await tell('time_limit("interop_tasks.sleep", soft=0.2, hard=60)')).toEqual({
      ok: 'time limits set successfully',
    })
    const limited = await client.send('interop_tasks.sleep', [30])
    await expect.poll(async () => (await client.meta(limited)).status, soon).toMatch(/SUCCESS|FAILURE/)
    expect(await tell('time_limit("interop_tasks.nope", soft=1)')).toEqual({ error: 'unknown task' })
    await tell('time_limit("interop_tasks.sleep")')
  })

  it('CTRL-25, CTRL-26, EVT-8: events on and off, a heartbeat', async () => {
    expect(await tell('enable_events()')).toEqual({ ok: 'task events enabled' })
    expect(await tell('enable_events()')).toEqual({ ok: 'task events already enabled' })
    expect(await tell('disable_events()')).toEqual({ ok: 'task events disabled' })
    expect(await tell('disable_events()')).toEqual({ ok: 'task events already disabled' })
    expect(await tell('heartbeat()')).toBeNull()
  })

  it('CTRL-27, CTRL-28, CTRL-29, CTRL-33, WORK-52: the pool', async () => {
    expect(await tell('pool_grow(2)')).toEqual({ ok: 'pool will grow' })
    expect(worker.concurrency).toBe(4)
    expect(await tell('pool_shrink(3)')).toEqual({ ok: 'pool will shrink' })
    expect(worker.concurrency).toBe(1)
    expect(await tell('pool_restart()')).toEqual({ error: "ValueError('Pool restarts not enabled')" })
    expect(await tell('autoscale(5, 2)')).toEqual({ error: "ValueError('Autoscale not enabled')" })
    expect(
      await tell('broadcast("election", arguments={"id": "e", "topic": "task", "action": None})'),
    ).toBeNull()
  })

  it('CTRL-30, CTRL-31, D57-170: consumers, with options of the queue', async () => {
    expect(await tell('add_consumer("urgent", options={"max_priority": 9, "expires": 60})')).toEqual({
      ok: 'add consumer urgent',
    })
    expect(await ask('active_queues()')).toContainEqual(
      expect.objectContaining({ name: 'urgent', routing_key: 'urgent', max_priority: 9, expires: 60 }),
    )
    expect(await tell('add_consumer("plain")')).toEqual({ ok: 'add consumer plain' })
    expect(await client.get(await client.send('interop_tasks.add', [2, 3], {}, { queue: 'plain' }))).toBe(5)
    expect(await tell('cancel_consumer("plain")')).toEqual({ ok: 'no longer consuming from plain' })
    expect(await tell('cancel_consumer("urgent")')).toEqual({ ok: 'no longer consuming from urgent' })
    expect(await tell('cancel_consumer("never")')).toEqual({ ok: 'no longer consuming from never' })
    expect(await ask('active_queues()')).toHaveLength(1)
  })

  it('CTRL-8, CTRL-9, CTRL-11, CTRL-13: patterns, errors, and a command of the user’s own', async () => {
    const broadcast = async (rest: string): Promise<unknown> =>
      await client.exec(`app.control.broadcast(${rest}, reply=True, timeout=1)`)
    expect(await broadcast('"ping", pattern="ct@*", matcher="glob"')).toEqual([{ [node]: { ok: 'pong' } }])
    expect(await broadcast('"ping", pattern="^ct@c", matcher="pcre"')).toEqual([{ [node]: { ok: 'pong' } }])
    expect(await broadcast('"ping", pattern="py*", matcher="glob"')).toEqual([])
    expect(await broadcast('"double", arguments={"n": 21}')).toEqual([{ [node]: { ok: `${node} 42` } }])
    expect(await broadcast('"double", arguments={"n": "x"}')).toEqual([
      { [node]: { error: "TypeError('double(): n must be a whole number')" } },
    ])
    expect(await broadcast('"nothing"')).toEqual([{ [node]: { error: "KeyError('nothing')" } }])
    expect(await broadcast('"enable_events", arguments={"stray": 1}')).toEqual([
      { [node]: { error: expect.stringMatching(/^TypeError\(.*unexpected keyword argument 'stray'/) } },
    ])
  })

  it('CTRL-14, CLI-24, CLI-25: the celery command', async () => {
    const options = fleet.python
    const [stats, report, limit] = await Promise.all([
      runCelery('5.7', ['inspect', '-t', '5', '-d', node, '--json', 'stats'], options),
      runCelery('5.7', ['inspect', '-t', '5', '-d', node, 'report'], options),
      runCelery(
        '5.7',
        ['control', '-t', '5', '-d', node, 'rate_limit', 'interop_tasks.add', '10/s'],
        options,
      ),
    ])
    expect(JSON.parse(stats.stdout)).toMatchObject({ [node]: { pid: process.pid } })
    expect(report.stdout).toContain('software -> ct:')
    expect(limit.stdout).toContain('new rate limit set successfully')
  })
})
