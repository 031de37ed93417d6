/** `ct` and Python’s `celery` in one fleet on Redis and on RabbitMQ: each side’s command sees the other’s worker. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { python, runCelery, startPythonWorker, tryPython } from '@ct-tools/interop'
import { freshRedis, freshVhost, tryServices, type Fresh } from '@ct-tools/services'
import { runCli } from '@ct/cli'
import { ct, ctWorker, type CtWorker, type Ran } from './fixtures/command.ts'
import { createApp } from './index.ts'

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

  // The adapter of RabbitMQ is not among this package's dependencies; what is said there is the same.
  it.runIf(name === 'Redis')(
    'CLI-7, CLI-24, CLI-25: every command of ct inspect and ct control, given to a Python worker',
    async () => {
      // The command, run in this process, tells its children of `-b` by the environment: not those of the tests that follow.
      vi.stubEnv('CELERY_BROKER_URL', line.url)
      vi.stubEnv('CELERY_RESULT_BACKEND', redis.url)
      await using peer = await startPythonWorker({
        version: '5.7',
        ...app(),
        queues: ['celery'],
        args: ['--autoscale=3,1'],
      })
      const run = async (...argv: readonly string[]): Promise<Ran> => {
        const written = { out: '', err: '' }
        const [group = '', ...rest] = argv
        const code = await runCli(['-b', line.url, '-C', group, '-d', peer.nodename, '-t', '5', ...rest], {
          createApp,
          version: '0',
          stdout: { write: (text) => (written.out += text) },
          stderr: { write: (text) => (written.err += text) },
        })
        return { code, ...written }
      }
      const json = async (...argv: readonly string[]): Promise<unknown> => {
        const [group = '', ...rest] = argv
        const { out } = await run(group, '-j', ...rest)
        return (JSON.parse(out) as Record<string, unknown>)[peer.nodename]
      }
      for (const words of [
        ['ping'],
        ['active'],
        ['active_queues'],
        ['clock'],
        ['conf'],
        ['memsample'],
        ['memdump', '3'],
        ['query_task', 'a', 'b'],
        ['registered', 'rate_limit'],
        ['report'],
        ['reserved'],
        ['revoked'],
        ['scheduled'],
        ['stats'],
      ]) {
        const { code, out } = await run('inspect', ...words)
        expect([words, code, out]).toEqual([words, 0, expect.stringContaining(`->  ${peer.nodename}: OK\n`)])
        expect([words, out]).toEqual([words, expect.stringMatching(/1 node online\.\n$/)])
      }
      expect(await json('inspect', 'stats')).toMatchObject({ pid: peer.pid, autoscaler: { max: 3, min: 1 } })
      for (const [words, answer] of [
        [['add_consumer', 'more'], 'add consumer more'],
        [['cancel_consumer', 'more'], 'no longer consuming from more'],
        [['autoscale', '5', '2'], 'autoscale now max=5 min=2'],
        [['enable_events'], 'task events enabled'],
        [['disable_events'], 'task events disabled'],
        [['rate_limit', 'interop_tasks.add', '10/m'], 'new rate limit set successfully'],
        [['time_limit', 'interop_tasks.add', '5', '6'], 'time limits set successfully'],
        [['revoke', 'x'], "tasks {'x'} flagged as revoked"],
        [['terminate', 'SIGTERM', 'y'], 'terminate: tasks unknown'],
        [
          ['revoke_by_stamped_headers', 'customer=c1'],
          expect.stringMatching(/customer.*c1.*flagged as revoked/),
        ],
      ] as const) {
        expect([words, await json('control', ...words)]).toEqual([words, { ok: answer }])
      }
      expect(await json('control', 'heartbeat')).toBeNull()
      expect(await json('control', 'pool_restart')).toEqual({
        error: "ValueError('Pool restarts not enabled')",
      })
      const grow = await run('control', 'pool_grow', '2')
      expect([grow.code, grow.out]).toEqual([
        0,
        expect.stringMatching(/ERROR\n +pool_grow is not supported with autoscale/),
      ])
      const silent = await run('control', 'shutdown')
      expect([silent.code, silent.out]).toEqual([0, expect.stringContaining('Workers do not answer')])
      expect(await peer.ended).toMatchObject({ code: 0 })
      const nobody = await run('inspect', 'ping', '-t', '0.2')
      expect([nobody.code, nobody.err]).toEqual([69, expect.stringContaining('No worker answered')])
    },
    90_000,
  )

  it('CTRL-32: celery control shutdown ends it with exit code 0', async () => {
    await runCelery('5.7', ['control', 'shutdown', '-d', 'node@test'], app())
    expect((await worker.ended).code).toBe(0)
  })
})
