/** `ct` and Python’s `celery` in one fleet on Redis and on RabbitMQ: each side’s command sees the other’s worker. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { python, runCelery, startPythonWorker, tryPython } from '@ct-tools/interop'
import { freshRedis, freshVhost, tryServices, type Fresh } from '@ct-tools/services'
import { ct, ctWorker, type CtWorker } from './fixtures/command.ts'

const python57 = await tryPython('5.7')
const brokers = [
  { name: 'Redis', ready: python57 && (await tryServices(['redis'])) !== undefined },
  { name: 'RabbitMQ', ready: python57 && (await tryServices(['redis', 'rabbitmq'])) !== undefined },
]

describe.for(brokers)('ct and celery on one $name', ({ name, ready }) => {
  if (!ready) {
    it.skipIf(true)('a service is missing', () => {})
    return
  }
  let redis: Fresh
  let line: Fresh
  let worker: CtWorker
  const env = (): Record<string, string> => ({
    CELERY_BROKER_URL: line.url,
    CELERY_RESULT_BACKEND: redis.url,
  })
  const app = (): { broker: string; backend: string } => ({ broker: line.url, backend: redis.url })

  beforeAll(async () => {
    redis = await freshRedis()
    line = name === 'Redis' ? redis : await freshVhost()
    worker = await ctWorker(['-A', './tasks.ts', '-n', 'node@test', '-Q', 'node'], env())
  })
  afterAll(async () => {
    await worker?.[Symbol.asyncDispose]()
    if (line !== redis) await line?.[Symbol.asyncDispose]()
    await redis?.[Symbol.asyncDispose]()
  })

  it('a Python client calls a Node task of ct worker, by position and by keyword', async () => {
    await using client = await python('5.7', app())
    const value = await client.exec(
      `[app.send_task('node.add', args=(2, 2), queue='node').get(timeout=20), app.send_task('node.add', kwargs={'x': 40, 'y': 2}, queue='node').get(timeout=20)]`,
    )
    expect(value).toEqual([4, 42])
  })

  it('CTRL-40, CTRL-45: celery status and celery inspect registered see it', async () => {
    const [status, registered] = await Promise.all([
      runCelery('5.7', ['status'], app()),
      runCelery('5.7', ['inspect', 'registered'], app()),
    ])
    expect(status.stdout).toContain('node@test: OK')
    expect(status.stdout).toContain('1 node online.')
    expect(registered.stdout).toContain('* node.add')
  })

  it('CLI-23…27: ct status, inspect, call and result reach a Python worker', async () => {
    await using peer = await startPythonWorker({
      version: '5.7',
      ...app(),
      concurrency: 1,
      queues: ['celery'],
    })
    const [status, queues, called] = await Promise.all([
      ct(['status', '-A', './tasks.ts', '-t', '3'], env()),
      ct(['inspect', 'active_queues', '-b', line.url, '-d', peer.nodename]),
      ct(['call', 'interop_tasks.add', '-b', line.url, '-a', '[1.5, 2]']),
    ])
    expect(status.out).toContain('node@test: OK')
    expect(status.out).toContain(`${peer.nodename}: OK`)
    expect(status.out).toContain('2 nodes online.')
    expect(queues.out).toMatch(/celery +celery +direct +celery +yes/)
    expect((await ct(['result', called.out.trim(), '--timeout', '20'], env())).out).toBe('3.5\n')
  })

  it('CTRL-32: celery control shutdown ends it with exit code 0', async () => {
    await runCelery('5.7', ['control', 'shutdown', '-d', 'node@test'], app())
    expect((await worker.ended).code).toBe(0)
  })
})
