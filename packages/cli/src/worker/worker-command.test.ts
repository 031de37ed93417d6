import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Command } from 'commander'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { commandVariable, withEnvironment } from '../environment-option.ts'
import { ct } from '../fixtures/run-ct.ts'
import { createStyle } from '../output/style.ts'
import { banner, type WorkerProfile } from './banner.ts'
import {
  scheduleOf,
  workerCommandOptions,
  workerOptions,
  type WorkerCommandOptions,
} from './worker-options.ts'

afterEach(() => vi.unstubAllEnvs())

function parsed(...argv: readonly string[]): WorkerCommandOptions {
  const command = new Command('worker').argument('[settings...]').exitOverride()
  for (const option of workerCommandOptions()) {
    command.addOption(withEnvironment(option, [commandVariable('worker', option)]))
  }
  return command.parse([...argv], { from: 'user' }).opts()
}

describe('CLI-20: options of ct worker', () => {
  it('have Celery’s names', () => {
    const options = parsed(
      ...['-n', 'w1@%h', '-Q', 'celery,images', '-X', 'slow', '-c', '8', '-P', 'solo', '-E', '-O', 'fair'],
      ...['--time-limit', '30', '--soft-time-limit', '20.5', '--prefetch-multiplier', '1', '--purge'],
      ...[
        '--without-gossip',
        '--without-mingle',
        '--without-heartbeat',
        '--heartbeat-interval',
        '5',
        '-l',
        'info',
      ],
    )
    expect(options.loglevel).toBe(20)
    expect(workerOptions(options)).toEqual({
      hostname: 'w1@%h',
      queues: ['celery', 'images'],
      excludeQueues: ['slow'],
      concurrency: 8,
      pool: 'solo',
      taskEvents: true,
      timeLimit: 30,
      softTimeLimit: 20.5,
      prefetchMultiplier: 1,
      purge: true,
      withoutMingle: true,
      withoutHeartbeat: true,
      heartbeatInterval: 5,
    })
  })

  it('CLI-20: other names of an option mean the same', () => {
    expect(scheduleOf(parsed('--schedule-filename', 'a'))).toBe('a')
    expect(scheduleOf(parsed('-s', 'b'))).toBe('b')
    expect(workerOptions(parsed('--events', '--discard'))).toEqual({ taskEvents: true, purge: true })
  })

  it('CLI-2: come from CELERY_WORKER_… too', () => {
    vi.stubEnv('CELERY_WORKER_LOGLEVEL', 'DEBUG')
    vi.stubEnv('CELERY_WORKER_QUEUES', 'a,b')
    vi.stubEnv('CELERY_WORKER_TASK_EVENTS', '0')
    const options = parsed('-Q', 'c')
    expect(options.loglevel).toBe(10)
    expect(options.queues).toEqual(['c'])
    expect(options.taskEvents).toBeUndefined()
    vi.stubEnv('CELERY_WORKER_TASK_EVENTS', '1')
    expect(parsed().taskEvents).toBe(true)
  })

  it('D57-118: -c auto is left to the worker, which knows its pool; 0 is the number of CPUs', () => {
    expect(parsed('-c', 'auto').concurrency).toBe('auto')
    expect(parsed('-c', '0').concurrency).toBe(availableParallelism())
    expect(() => parsed('-c', 'many')).toThrow(/whole number/)
  })

  it('WORK-53, WORK-45, WORK-46, D57-116: pools and their limits', () => {
    expect(workerOptions(parsed('--autoscale', '10,3')).autoscale).toEqual({ max: 10, min: 3 })
    expect(workerOptions(parsed('--autoscale', '3,10')).autoscale).toEqual({ max: 10, min: 3 })
    expect(workerOptions(parsed('--autoscale', '4')).autoscale).toEqual({ max: 4, min: 0 })
    expect(
      workerOptions(
        parsed(
          ...['-P', 'prefork', '--max-tasks-per-child', '5', '--max-memory-per-child', '120000'],
          ...['--pool-start-method', 'spawn'],
        ),
      ),
    ).toEqual({ pool: 'prefork', maxTasksPerChild: 5, maxMemoryPerChild: 120_000 })
  })

  it('--events and --discard are other names', () => {
    expect(workerOptions(parsed('--events', '--discard'))).toEqual({ taskEvents: true, purge: true })
  })

  it.each([
    ['--autoscale=10,3,4', /two numbers/],
    ['--autoscale=ten', /whole number/],
    ['--autoscale', /argument missing/],
    ['--max-tasks-per-child=few', /whole number/],
    ['--loglevel=loud', /Levels: debug, info/],
    ['--log-format=xml', /Allowed choices are text, json/],
    ['--concurency=3', /Did you mean --concurrency/],
  ])('%s is refused with a reason, not ignored', async (option, reason) => {
    const { exitCode, err } = await ct('worker', '-A', './tasks.ts', option)
    expect(err).toMatch(reason)
    expect(exitCode).toBe(2)
  })
})

describe('CLI-20: every option of celery worker', () => {
  const all = JSON.parse(
    readFileSync(new URL('../../test/celery-5.7-worker-options.json', import.meta.url), 'utf8'),
  ) as readonly (readonly string[])[]
  const known = workerCommandOptions()

  it.each(all.flat())('%s is taken', (name) => {
    expect(known.some(({ long, short }) => long === name || short === name)).toBe(true)
  })

  it.each([
    ['--pidfil=x', '--pidfile'],
    ['--concurency=3', '--concurrency'],
    ['--health-prot=1', '--health-port'],
  ])('%s: one is suggested', async (given, wanted) => {
    const { exitCode, err } = await ct('worker', '-A', './tasks.ts', given)
    expect(exitCode).toBe(2)
    expect(err).toContain(`Did you mean ${wanted}`)
  })

  it.each(['99999', 'x', '1.2.3.4:'])('--health-port %s is refused', async (port) => {
    expect((await ct('worker', '-A', './tasks.ts', `--health-port=${port}`)).exitCode).toBe(2)
  })
})

describe('WORK-2: banner', () => {
  const profile: WorkerProfile = {
    node: 'celery@host',
    version: '1.2.3',
    runtime: 'Node v24.0.0, Linux x64',
    pid: 7,
    app: 'proj (tasks.ts)',
    transport: 'redis://:**@localhost:6379/0',
    results: 'disabled',
    concurrency: 50,
    pool: 'async',
    taskEvents: false,
    acks: 'late',
    queues: [
      { name: 'celery', exchange: 'celery', type: 'direct', key: 'celery' },
      { name: 'img', exchange: 'media', type: 'topic', key: 'media.#' },
    ],
    tasks: ['proj.add', 'proj.mul'],
  }
  const style = createStyle({}, { color: false })

  it('shows transport, results, concurrency, pool, queues and tasks', () => {
    const text = banner(profile, { style, listTasks: true })
    expect(text).toContain('ct 1.2.3  celery@host  pid 7')
    expect(text).toContain('transport    redis://:**@localhost:6379/0')
    expect(text).toContain('concurrency  50 (async)')
    expect(text).toContain('queues       celery  exchange "celery" (direct), key "celery"\n')
    expect(text).toContain('             img     exchange "media" (topic), key "media.#"')
    expect(text).toContain('tasks        proj.add\n               proj.mul')
  })

  it('counts the tasks above level info, and wonders where there are none', () => {
    expect(banner(profile, { style, listTasks: false })).toContain('tasks        2 (-l info lists them)')
    expect(banner({ ...profile, tasks: [] }, { style, listTasks: false })).toContain('none: does the module')
  })
})
