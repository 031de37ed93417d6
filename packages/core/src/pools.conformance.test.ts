/** `ct worker -P threads` and `-P processes` as people run them: TypeScript as it is, bundles, signals, kill -9. */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freshRedis, guardedDirectory, tryServices } from '@ct-tools/services'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ct, ctWorker, type Environment } from './fixtures/command.ts'
import { createApp } from './index.ts'

const present = (await tryServices(['redis'])) !== undefined
const run = promisify(execFile)
const soon = { timeoutMs: 20_000 }

/** Not a zombie either. */
function lives(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

describe.skipIf(!present)('pools of ct worker', () => {
  let redis: Awaited<ReturnType<typeof freshRedis>>
  let env: Environment

  beforeAll(async () => {
    redis = await freshRedis()
    env = { CELERY_BROKER_URL: redis.url, CELERY_RESULT_BACKEND: redis.url }
  })
  afterAll(async () => {
    await redis[Symbol.asyncDispose]()
  })

  const client = (): ReturnType<typeof createApp> =>
    createApp({ name: 'client', broker: redis.url, backend: redis.url, environment: {} })

  it('WORK-40: a pool nobody knows, and one whose modules cannot be loaded in a slot', async () => {
    const unknown = await ct(['worker', '-A', './tasks.ts', '-P', 'asink'], env)
    expect(unknown.code).not.toBe(0)
    expect(unknown.err).toMatch(/There is no pool "asink" here\. Pools: async, .*Did you mean "async"\?/)
    const folder = guardedDirectory('lonely')
    const tasks = join(folder, 'tasks.mjs')
    writeFileSync(
      tasks,
      `import { createApp } from ${JSON.stringify(import.meta.resolve('./index.ts'))}; export const app = createApp()`,
    )
    const missing = await ct(['worker', '-A', tasks, '-P', 'threads', '--workdir', folder])
    expect(missing.err).toContain('There is no pool "threads" here. Run: npm install @ct/pool-threads')
  })

  const pids = [expect.any(Number), expect.any(Number)] as unknown
  const inThreads = {
    implementation: 'celery.concurrency.thread:TaskPool',
    'max-concurrency': 2,
    threads: 2,
  }
  const inProcesses = {
    implementation: 'celery.concurrency.prefork:TaskPool',
    'max-concurrency': 2,
    processes: pids,
    'max-tasks-per-child': 'N/A',
    'put-guarded-by-semaphore': false,
    timeouts: [0, 30],
    writes: { total: 2, avg: '0.50', strategy: 'fair', inqueues: { total: 2, active: 0 } },
  }

  it.each([
    ['threads', inThreads],
    ['prefork', inProcesses],
  ] as const)(
    'WORK-42, WORK-47, WORK-41: -P %s works TypeScript tasks; shows itself in stats; logs where a task threw; SIGTERM waits for what runs',
    async (pool, shown) => {
      await using worker = await ctWorker(
        ['-A', './tasks.ts', '-n', `${pool}@here`, '-P', pool, '-c', '2', '--time-limit', '30'],
        env,
      )
      await using app = client()
      const sum = await app.sendTask('node.add', { args: [2, 3] })
      expect(await sum.get(soon)).toBe(5)
      const failed = await app.sendTask('node.fail', { args: ['no'] })
      await expect(failed.get(soon)).rejects.toMatchObject({ name: 'ValueError', message: 'no' })
      // The log shows where the task threw, not where the worker was told of it.
      await worker.logged(
        /raised unexpected: ValueError\('no'\)\n\w+: no\n(?:\s+at .*\n)*?\s+at .*tasks\.ts:\d+/,
      )
      const stats = (await app.control.inspect({ limit: 1, timeoutMs: 20_000 }).stats())?.[
        `${pool}@here`
      ] as {
        pool: Record<string, unknown>
      }
      expect(stats.pool).toMatchObject(shown)
      const running = await app.sendTask('node.wait', { args: [1] })
      await worker.logged(/Task node\.wait\[\S+\] received/)
      const ran = await worker.stop()
      expect(ran.err).toContain('SIGTERM: warm shutdown')
      expect(ran.code).toBe(0)
      expect(await running.get(soon)).toBe('waited')
    },
    60_000,
  )

  it('WORK-42, FW-87: children end with their worker when it is killed, also while they compute; the group’s SIGTERM loses no task', async () => {
    const worker = await ctWorker(
      ['-A', './tasks.ts', '-n', 'doomed@here', '-P', 'processes', '-c', '2'],
      env,
    )
    await using app = client()
    const stats = (await app.control.inspect({ limit: 1, timeoutMs: 20_000 }).stats())?.[
      'doomed@here'
    ] as unknown as {
      pid: number
      pool: { processes: number[] }
    }
    const { processes } = stats.pool
    expect(processes.every(lives)).toBe(true)
    const waiting = await app.sendTask('node.wait', { args: [0.5] })
    await worker.logged(/Task node\.wait\[\S+\] received/)
    for (const pid of processes) process.kill(pid, 'SIGTERM')
    for (const pid of processes) process.kill(pid, 'SIGINT')
    expect(await waiting.get(soon)).toBe('waited')
    const burning = await app.sendTask('node.burn', { args: [60] })
    await worker.logged(/Task node\.burn\[\S+\] received/)
    await sleep(300)
    process.kill(stats.pid, 'SIGKILL')
    await expect.poll(() => processes.filter(lives)).toEqual([])
    await burning.revoke()
    await worker[Symbol.asyncDispose]()
  }, 60_000)

  describe('a bundled, minified build', () => {
    const bundle = async (entryPoints: Record<string, string>, external: string[]): Promise<string> => {
      const folder = guardedDirectory('bundle')
      writeFileSync(join(folder, 'package.json'), '{ "type": "module", "version": "0.0.0" }')
      await build({
        entryPoints,
        outdir: join(folder, 'dist'),
        absWorkingDir: import.meta.dirname,
        bundle: true,
        minify: true,
        splitting: true,
        format: 'esm',
        platform: 'node',
        target: 'node22',
        conditions: ['@ct/source'],
        // An option of the terminal view's own library, which nobody installs.
        external: [...external, 'react-devtools-core'],
        logLevel: 'error',
        // For the driver, which is CommonJS.
        banner: {
          js: "import { createRequire as make } from 'node:module'; const require = make(import.meta.url);",
        },
      })
      return folder
    }
    const start = async (folder: string, pool: string): Promise<unknown> => {
      const { stdout } = await run(
        process.execPath,
        ['--conditions=@ct/source', join(folder, 'dist/bundled-main.js'), pool],
        { env: { ...process.env, NODE_OPTIONS: undefined, ...env } as NodeJS.ProcessEnv },
      )
      return JSON.parse(stdout)
    }
    const program = {
      'bundled-main': './fixtures/bundled-main.ts',
      'bundled-tasks': './fixtures/bundled-tasks.ts',
    }

    it('WORK-42: of the program alone, ct left out', async () => {
      const folder = await bundle(program, ['@ct/*'])
      mkdirSync(join(folder, 'node_modules/@ct'), { recursive: true })
      for (const name of ['core', 'broker-redis', 'pool-threads', 'pool-processes']) {
        symlinkSync(join(import.meta.dirname, '../..', name), join(folder, 'node_modules/@ct', name))
      }
      expect(await start(folder, 'threads')).toEqual([6.5, true])
      expect(await start(folder, 'processes')).toEqual([6.5, true])
    }, 60_000)

    it('WORK-42: of everything, with the files of slots as entries; without them it is said what is missing', async () => {
      const folder = await bundle(
        {
          ...program,
          'slot-entry': '@ct/worker/slot-entry',
          thread: '@ct/pool-threads/thread',
          child: '@ct/pool-processes/child',
        },
        [],
      )
      expect(await start(folder, 'threads')).toEqual([6.5, true])
      expect(await start(folder, 'processes')).toEqual([6.5, true])
      const without = await bundle(program, [])
      await expect(start(without, 'threads')).rejects.toThrow(/make "@ct\/worker\/slot-entry" an entry of it/)
    }, 60_000)
  })
})
