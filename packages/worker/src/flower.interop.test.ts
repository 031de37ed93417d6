/**
 * Flower 2, unmodified, in front of ct workers: its pages, its API and its metrics, on Redis and on RabbitMQ (worker-behaviour §11).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { startFlower, type Flower } from '@ct-tools/interop'
import type { App } from '@ct/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fleetBrokers, PythonFleet } from '../test/python-fleet.ts'
import type { Worker } from './index.ts'

const node = 'ct@flower'
const soon = { timeout: 15_000, interval: 100 }

const brokers = await fleetBrokers('flower')

describe.for(brokers)('Flower 2.2 on $name', ({ transport, present }) => {
  if (!present) {
    it.skipIf(true)('a service is missing', () => {})
    return
  }
  let fleet: PythonFleet
  let app: App
  let worker: Worker
  let flower: Flower
  const authorization = `Basic ${Buffer.from('me:secret').toString('base64')}`

  beforeAll(async () => {
    fleet = await PythonFleet.open(transport, { workerPoolRestarts: true, taskSendSentEvent: true })
    app = fleet.app
    app.task('interop_tasks.add', (x: number, y: number) => x + y)
    app.task('interop_tasks.fail', (message = 'broken') => {
      throw new RangeError(message)
    })
    app.task('interop_tasks.sleep', { bind: true, params: ['seconds'] }, async (task, seconds: number) => {
      await sleep(seconds * 1000, undefined, { signal: task.signal }).catch(() => {})
      return seconds
    })
    const { line } = fleet
    flower = fleet.with(
      await startFlower({
        ...fleet.python,
        authorization,
        args: [
          '--basic-auth=me:secret',
          '--max-tasks=500',
          '--inspect-timeout=3000',
          ...('management' in line ? [`--broker-api=${line.management.url}`] : []),
        ],
      }),
    )
    worker = await fleet.work({ hostname: node, concurrency: 4, taskEvents: true })
  })
  afterAll(() => fleet?.close('cold'))

  const get = async (path: string, fields: Record<string, string | number> = {}) =>
    await flower.request('GET', path, fields)
  const post = async (path: string, fields: Record<string, string | number> = {}, json?: unknown) =>
    await flower.request('POST', path, fields, json)
  const info = async (id: string): Promise<Record<string, unknown>> =>
    ((await get(`/api/task/info/${id}`)).json ?? {}) as Record<string, unknown>
  const workers = async (): Promise<Record<string, Record<string, unknown>>> =>
    (await get('/api/workers', { refresh: 1, workername: node })).json as Record<
      string,
      Record<string, unknown>
    >
  /** A figure of `/metrics`, summed over what the labels leave open. */
  const metric = async (name: string, ...labels: string[]): Promise<number> =>
    (await get('/metrics')).text
      .split('\n')
      .filter((row) => row.startsWith(`${name}{`) && labels.every((label) => row.includes(label)))
      .reduce((sum, row) => sum + Number(row.split(' ').at(-1)), 0)

  it('FLOW-1, FLOW-2, FLOW-3, FLOW-8, FLOW-9, FLOW-13: starts with its options; without the password nothing but its health is told', async () => {
    expect((await get('/healthcheck')).text).toBe('OK')
    for (const path of ['/workers', '/api/workers', '/tasks', '/broker'])
      expect((await fetch(`${flower.url}${path}`)).status).toBe(401)
  })

  it('FLOW-4, FLOW-6, FLOW-12: workers are listed with pool, concurrency, queues, settings', async () => {
    await expect.poll(async () => Object.keys(await workers()), soon).toContain(node)
    expect((await workers())[node]).toMatchObject({
      stats: {
        pid: process.pid,
        pool: { 'max-concurrency': 4, implementation: expect.any(String) },
        broker: expect.objectContaining({ transport }),
        total: expect.any(Object),
        rusage: expect.any(Object),
        prefetch_count: expect.any(Number),
      },
      active_queues: [expect.objectContaining({ name: 'celery', routing_key: 'celery', durable: true })],
      registered: expect.arrayContaining(['interop_tasks.add']),
      conf: expect.objectContaining({ worker_pool_restarts: true }),
      active: [],
      scheduled: [],
      reserved: [],
      revoked: [],
    })
    await expect
      .poll(async () => (await get('/api/workers', { status: 1 })).json, soon)
      .toEqual({ [node]: true })
    const list = (await get('/workers', { json: 1 })).json as { data: Record<string, unknown>[] }
    expect(list.data).toContainEqual(expect.objectContaining({ hostname: node, status: true }))
    expect((await get('/')).text).toContain(node)
    const page = (await get(`/worker/${node}`)).text
    for (const text of ['Max concurrency', 'celery', 'interop_tasks.add', 'worker_pool_restarts'])
      expect(page).toContain(text)
    expect((await get('/worker/nobody@h')).status).toBe(404)
  })

  it('FLOW-4, FLOW-5, FLOW-7, PAIN-62: tasks with arguments, state, runtime and result; search, types, results', async () => {
    const sent = await post('/api/task/async-apply/interop_tasks.add', {}, { args: [40, 2] })
    const { 'task-id': id } = sent.json as { 'task-id': string }
    await expect.poll(async () => (await info(id))['state'], soon).toBe('SUCCESS')
    expect(await info(id)).toMatchObject({
      uuid: id,
      name: 'interop_tasks.add',
      args: '[40, 2]',
      kwargs: '{}',
      result: '42',
      runtime: expect.any(Number),
      received: expect.any(Number),
      started: expect.any(Number),
      succeeded: expect.any(Number),
      worker: node,
      retries: 0,
    })
    expect((await get(`/api/task/result/${id}`, { timeout: 5 })).json).toMatchObject({
      state: 'SUCCESS',
      result: 42,
    })
    expect((await post('/api/task/apply/interop_tasks.add', {}, { args: [1, 2] })).json).toMatchObject({
      result: 3,
    })
    const failed = (await post('/api/task/send-task/interop_tasks.fail', {}, { args: ['seen in Flower'] }))
      .json as {
      'task-id': string
    }
    await expect.poll(async () => (await info(failed['task-id']))['state'], soon).toBe('FAILURE')
    expect(await info(failed['task-id'])).toMatchObject({
      exception: "ValueError('seen in Flower')",
      traceback: expect.stringContaining('seen in Flower'),
    })
    const found = async (fields: Record<string, string>): Promise<string[]> =>
      Object.keys((await get('/api/tasks', fields)).json as object)
    expect(await found({ taskname: 'interop_tasks.fail', state: 'FAILURE' })).toEqual([failed['task-id']])
    expect(await found({ workername: node, sort_by: '-received' })).toContain(id)
    expect(await found({ search: 'Flower name:interop_tasks.fail' })).toEqual([failed['task-id']])
    expect((await get('/api/task/types')).json).toEqual({
      'task-types': expect.arrayContaining(['interop_tasks.add', 'interop_tasks.fail']),
    })
    expect((await get(`/task/${id}`)).text).toContain('interop_tasks.add')
    expect((await get('/tasks')).status).toBe(200)
  })

  it('FLOW-6: grow, shrink, pool restart; what the pool cannot do is said', async () => {
    const size = async (): Promise<unknown> =>
      ((await workers())[node]!['stats'] as { pool: Record<string, unknown> }).pool['max-concurrency']
    expect((await post(`/api/worker/pool/grow/${node}`, { n: 2 })).status).toBe(200)
    expect(await size()).toBe(6)
    expect((await post(`/api/worker/pool/shrink/${node}`, { n: 3 })).status).toBe(200)
    expect(await size()).toBe(3)
    expect(await post(`/api/worker/pool/restart/${node}`)).toMatchObject({ status: 200 })
    expect(await post(`/api/worker/pool/autoscale/${node}`, { min: 1, max: 5 })).toMatchObject({
      status: 403,
      text: expect.stringContaining('Autoscale not enabled'),
    })
    expect((await post('/api/worker/pool/grow/nobody@h')).status).toBe(404)
  })

  it('FLOW-6, FLOW-11: add and cancel a consumer; queue lengths', async () => {
    expect((await post(`/api/worker/queue/add-consumer/${node}`, { queue: 'more' })).status).toBe(200)
    await expect.poll(() => worker.queues).toEqual(['celery', 'more'])
    const result = await app.sendTask<number>('interop_tasks.add', { args: [1, 1], queue: 'more' })
    expect(await result.get({ timeoutMs: 20_000 })).toBe(2)
    await workers()
    expect((await post(`/api/worker/queue/cancel-consumer/${node}`, { queue: 'more' })).status).toBe(200)
    await expect.poll(() => worker.queues).toEqual(['celery'])
    await app.sendTask('interop_tasks.add', { args: [1, 1], queue: 'more' })
    const lengths = async (): Promise<unknown> => (await get('/api/queues/length')).json
    await expect.poll(lengths, soon).toEqual({
      active_queues: expect.arrayContaining([expect.objectContaining({ name: 'more', messages: 1 })]),
    })
    const page = await get('/broker')
    expect([page.status, page.text.includes('celery')]).toEqual([200, true])
  })

  it('FLOW-7: rate limit and time limit', async () => {
    const limit = { workername: node, ratelimit: '10/m' }
    expect(await post('/api/task/rate-limit/interop_tasks.add', limit)).toMatchObject({ status: 200 })
    expect(JSON.stringify((await workers())[node]?.['registered'])).toContain(
      'interop_tasks.add [rate_limit=10/m]',
    )
    expect(await post('/api/task/rate-limit/interop_tasks.add', { ...limit, ratelimit: '0' })).toMatchObject({
      status: 200,
    })
    expect(
      await post('/api/task/timeout/interop_tasks.sleep', { workername: node, soft: 50, hard: 60 }),
    ).toMatchObject({
      status: 200,
    })
    expect(
      (await post('/api/task/rate-limit/interop_tasks.add', { ...limit, ratelimit: 'often' })).status,
    ).toBe(403)
  })

  it('FLOW-7, FLOW-10: revoke, terminate, and the figures for Prometheus', async () => {
    const running = await app.sendTask('interop_tasks.sleep', { args: [60] })
    const later = await app.sendTask('interop_tasks.add', { args: [1, 1], countdown: 600 })
    await expect.poll(async () => (await info(running.id))['state'], soon).toBe('STARTED')
    await expect
      .poll(async () => await metric('flower_worker_number_of_currently_executing_tasks', node), soon)
      .toBe(1)
    expect(JSON.stringify((await workers())[node]?.['active'])).toContain(running.id)
    await expect
      .poll(async () => JSON.stringify((await workers())[node]?.['scheduled']), soon)
      .toContain(later.id)
    expect((await post(`/api/task/revoke/${later.id}`)).status).toBe(200)
    expect(
      (await post(`/api/task/revoke/${running.id}`, { terminate: 'true', signal: 'SIGTERM' })).status,
    ).toBe(200)
    await expect.poll(async () => (await info(running.id))['state'], soon).toBe('REVOKED')
    expect((await workers())[node]?.['revoked']).toEqual(expect.arrayContaining([running.id, later.id]))
    expect(
      await metric('flower_events_total', node, 'task-succeeded', 'interop_tasks.add'),
    ).toBeGreaterThanOrEqual(3)
    expect(await metric('flower_events_total', node, 'task-failed')).toBe(1)
    expect(await metric('flower_events_total', node, 'task-revoked')).toBeGreaterThanOrEqual(1)
    expect(
      await metric('flower_task_runtime_seconds_count', node, 'interop_tasks.add'),
    ).toBeGreaterThanOrEqual(3)
    expect(await metric('flower_worker_online', node)).toBe(1)
    expect((await get('/metrics')).text).toMatch(/flower_task_prefetch_time_seconds\{[^}]*interop_tasks\.add/)
    await expect
      .poll(async () => await metric('flower_worker_number_of_currently_executing_tasks', node), soon)
      .toBe(0)
    expect(await metric('flower_worker_prefetched_tasks', node, 'interop_tasks.add')).toBe(0)
  })

  it('FLOW-6, FLOW-10: shutdown', async () => {
    expect((await post(`/api/worker/shutdown/${node}`)).status).toBe(200)
    await worker.finished()
    expect([worker.status, worker.exitCode]).toEqual(['stopped', 0])
    await expect
      .poll(async () => (await get('/api/workers', { status: 1 })).json, soon)
      .toEqual({ [node]: false })
    expect(await metric('flower_worker_online', node)).toBe(0)
  })

  it('FLOW-6: autoscale, of a worker that was started with it', async () => {
    const name = 'scaled@flower'
    const scaled = await fleet.work({ hostname: name, autoscale: { max: 3, min: 1 }, queues: ['scaled'] })
    // Flower knows a worker when it has asked it.
    await get('/api/workers', { refresh: 1, workername: name })
    expect((await post(`/api/worker/pool/autoscale/${name}`, { min: 2, max: 5 })).status).toBe(200)
    expect(scaled.concurrency).toBe(2)
  })
})
