import { join } from 'node:path'
import { createWorker, type Worker } from '@ct/worker'
import type { App } from '@ct/client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { ct, ctWith, memoryApp } from './fixtures/run-ct.ts'
import { createStreamLogger } from './output/log.ts'
import { createStyle } from './output/style.ts'

const fixtures = join(import.meta.dirname, 'fixtures')

beforeEach(() => {
  // What a run leaves in the environment (-b) goes with the test.
  for (const name of ['CELERY_BROKER_URL', 'CELERY_RESULT_BACKEND']) vi.stubEnv(name, '')
  vi.stubEnv('FORCE_COLOR', '')
})
afterEach(() => vi.unstubAllEnvs())

describe('CLI-4, CLI-8, CLI-38: exit codes, help, and what was meant', () => {
  it.each([
    [['--version'], 0, /^ct 1\.2\.3\n$/, /^$/],
    [['--help'], 0, /Usage: ct.*worker.*completion/s, /^$/],
    [['worker', '--help'], 0, /--concurrency.*Global Options:.*--broker/s, /^$/],
    [[], 2, /^$/, /Usage: ct/],
    [['wrker'], 2, /^$/, /unknown command 'wrker'\n\(Did you mean worker\?\)/],
    [['--brokr', 'x'], 2, /^$/, /unknown option '--brokr'\n\(Did you mean --broker\?\)/],
    [['ping'], 2, /^$/, /Did you mean inspect ping/],
    [['beat'], 2, /^$/, /Which periodic tasks\? .*ct beat -A/],
    [['events', '-b', 'memory://nobody'], 2, /^$/, /needs a terminal.*ct events --dump/],
    [['inspect', 'activ'], 2, /^$/, /Did you mean "active"/],
    [['inspect', 'revoke'], 2, /^$/, /It is "ct control revoke"/],
    [['control'], 2, /^$/, /Usage: ct control/],
    [['control', 'rate_limit', 'add'], 2, /^$/, /missing required argument 'rate_limit'/],
    [['control', 'revoke', '-b', 'memory://x'], 2, /^$/, /missing required argument 'task_id'/],
    [['control', 'terminate', 'TERM', '-b', 'memory://x'], 2, /^$/, /missing required argument 'task_id'/],
    [['control', 'revoke_by_stamped_headers'], 2, /^$/, /missing required argument 'headers'/],
    [['inspect', 'query_task'], 2, /^$/, /missing required argument 'ids'/],
    [['call', 'add', '-a', '{"x": 1}', '-b', 'memory://x'], 2, /^$/, /Give a JSON array/],
    [['call', 'add', '-a', '[1,', '-b', 'memory://x'], 2, /^$/, /Give a JSON array/],
    [['status', '-t', 'soon'], 2, /^$/, /Give a number of seconds/],
    [['status'], 2, /^$/, /Which broker\?.*-A.*-b/],
    [['status', '-b', 'memory://nobody', '-t', '0.05'], 69, /^$/, /No worker answered within 0.05 s/],
    [['status', '-b', 'redis://localhost'], 1, /^$/, /npm install @ct\/broker-redis/],
    [['worker'], 2, /^$/, /Which tasks\?.*ct worker -A/],
    [['completion', 'tcsh'], 2, /^$/, /bash, zsh, fish/],
    [['--workdir', '/does/not/exist', 'report'], 2, /^$/, /no folder/],
    [['-A', './tasks.ts', '--workdir', '/does/not/exist', 'report'], 2, /^$/, /no folder/],
  ])('%j: %i', async (argv, code, out, err) => {
    const ran = await ct(...argv)
    expect(ran.err).toMatch(err)
    expect(ran.out).toMatch(out)
    expect(ran.exitCode).toBe(code)
  })
})

it('CLI-2, CLI-6, APP-73: options of the app’s own, where the environment names the app', async () => {
  vi.stubEnv('CELERY_APP', join(fixtures, 'own-commands.ts'))
  expect((await ct('worker', '--help')).out).toMatch(/--tenant <name> +whose tasks/)
  expect((await ct('worker', '--tenant')).err).toContain("option '--tenant <name>' argument missing")
})

describe('with a worker', () => {
  let app: App
  let worker: Worker
  const broker = ['-b', 'memory://cli'] as const
  const [begun, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]

  beforeAll(async () => {
    const logger = createStreamLogger({
      level: 100,
      format: 'text',
      style: createStyle({}),
      write: () => undefined,
    })
    app = memoryApp({ name: 'fleet', broker: 'memory://cli', backend: 'memory://cli', logger })
    app.task('fleet.add', (x: number, y: number) => x + y)
    app.task('fleet.fail', () => {
      throw new RangeError('too far')
    })
    app.task('fleet.wait', async (_id: bigint) => {
      begun.resolve()
      await end.promise
    })
    worker = createWorker(app, { hostname: 'one@test' })
    await worker.start()
  })
  afterAll(async () => {
    await worker.stop()
    await app.close()
  })

  it('CLI-26: status', async () => {
    expect(await ct(...broker, 'status', '-d', 'one@test')).toEqual({
      exitCode: 0,
      out: '->  one@test: OK\n    pong\n\n1 node online.\n',
      err: '',
    })
  })

  it('CLI-1, CLI-2: global options before and after the command, and in the environment', async () => {
    vi.stubEnv('CELERY_BROKER', 'memory://cli')
    expect((await ct('status', '-q', '-d', 'one@test')).out).toBe('->  one@test: OK\n    pong\n')
    vi.stubEnv('CELERY_BROKER', '')
    vi.stubEnv('CELERY_BROKER_URL', 'memory://cli')
    expect((await ct('inspect', 'ping', '-d', 'one@test')).exitCode).toBe(0)
    vi.stubEnv('CELERY_STATUS_DESTINATION', 'two@test')
    expect((await ct('status', '-t', '0.05')).exitCode).toBe(69)
  })

  it('CLI-24: a task that runs with a number beyond 2^53', async () => {
    const result = await app.sendTask('fleet.wait', { args: [2n ** 60n] })
    await begun.promise
    const active = await ct(...broker, 'inspect', 'active', '-d', 'one@test')
    end.resolve()
    await result.get({ timeoutMs: 20_000 })
    expect(active).toMatchObject({ exitCode: 0, err: '' })
    expect(active.out).toMatch(/fleet\.wait +1152921504606846976$/m)
  })

  it('CLI-24: inspect, for people and as JSON', async () => {
    const queues = await ct(...broker, 'inspect', 'active_queues', '-d', 'one@test')
    expect(queues.out).toContain(
      'queue   exchange  type    routing key  durable\n    celery  celery    direct  celery       yes',
    )
    const registered = await ct(...broker, 'inspect', 'registered', '-j', '-d', 'one@test')
    expect(JSON.parse(registered.out)).toEqual({ 'one@test': ['fleet.add', 'fleet.fail', 'fleet.wait'] })
    const aliased = await ct(...broker, 'inspect', 'dump_tasks', '-d', 'one@test')
    expect(aliased.out).toContain('* fleet.add\n    * fleet.fail\n    * fleet.wait')
    expect((await ct(...broker, 'inspect', 'query_task', 'a', 'b', '-d', 'one@test')).out).toContain(
      '- none of them -',
    )
    expect((await ct(...broker, 'inspect', 'active', '-d', 'one@test')).out).toContain('- none -')
    expect((await ct(...broker, 'inspect', 'stats', '-d', 'one@test')).out).toMatch(
      /pool *\n.*implementation +\S+async/s,
    )
    expect((await ct('inspect', '--list')).out).toMatch(/^active .*\nactive_queues /)
  })

  it('CLI-25: control, with typed arguments', async () => {
    const limited = await ct(...broker, 'control', 'rate_limit', 'fleet.add', '10/s', '-d', 'one@test')
    expect(limited.out).toContain('one@test: OK\n    new rate limit set successfully')
    const unknown = await ct(...broker, 'control', 'rate_limit', 'nope', '10/s', '-d', 'one@test')
    expect(unknown.out).toContain('one@test: ERROR\n    unknown task')
    const grown = await ct(...broker, 'control', 'pool_grow', '2', '-d', 'one@test')
    expect(grown.out).toContain('pool will grow')
    expect(worker.concurrency).toBe(52)
    expect((await ct(...broker, 'control', 'pool_grow', 'two')).exitCode).toBe(2)
  })

  it('CLI-23, CLI-27: call prints the id, result waits for the value', async () => {
    const call = await ct(...broker, 'call', 'fleet.add', '-a', '[2, 3]', '--expires', '60')
    expect(call.exitCode).toBe(0)
    const id = call.out.trim()
    const result = await ct(...broker, '--result-backend', 'memory://cli', 'result', id)
    expect(result).toEqual({ exitCode: 0, out: '5\n', err: '' })
  })

  it('CANVAS-90: graph draws what a task has sent', async () => {
    const where = [...broker, '--result-backend', 'memory://cli'] as const
    const id = (await ct(...where, 'call', 'fleet.add', '-a', '[2, 3]')).out.trim()
    await ct(...where, 'result', id)
    const mermaid = await ct(...where, 'graph', id)
    expect(mermaid).toMatchObject({ exitCode: 0, err: '' })
    expect(mermaid.out).toMatch(/^flowchart LR\n {4}n0\(".*SUCCESS"\):::success\n/)
    expect((await ct(...where, 'graph', id, '--format', 'dot')).out).toMatch(/^digraph dependencies \{\n/)
    const handle = JSON.stringify([[id, [['its-parent', null], null]], null])
    const line = await ct(...where, 'graph', handle, '-i')
    expect(line.out).toMatch(/n0\("its-parent.*PENDING"\)[^]*n0 --> n1\n/)
    expect((await ct(...where, 'graph', '[1]')).err).toMatch(/is no handle of a result/)
    expect((await ct(...where, 'graph', 'nobody-sent-this')).err).toMatch(/is not ready/)
    expect((await ct(...where, 'graph', 'nobody-sent-this', '-i')).out).toContain('PENDING')
    expect((await ct(...where, 'graph', 'no-group', '--group')).err).toMatch(/No group no-group is saved/)
  })

  it('CLI-27: a task that failed: its error, or with --traceback its traceback', async () => {
    const where = [...broker, '--result-backend', 'memory://cli'] as const
    const id = (await ct(...where, 'call', 'fleet.fail')).out.trim()
    const failed = await ct(...where, 'result', id)
    expect(failed).toMatchObject({ exitCode: 1, out: '' })
    expect(failed.err).toMatch(/^Task .* failed: .*too far\n$/)
    const traceback = await ct(...where, 'result', id, '--traceback')
    expect(traceback).toMatchObject({ exitCode: 0 })
    expect(traceback.out).toContain('too far')
    const never = await ct(...where, 'result', 'nobody-sent-this', '--timeout', '0.05')
    expect(never).toMatchObject({ exitCode: 1 })
  })
})

describe('without a worker', () => {
  it('CLI-28: purge asks first, or is forced', async () => {
    const where = ['-b', 'memory://purge'] as const
    for (let n = 0; n < 3; n += 1) await ct(...where, 'call', 'later.add', '-a', `[${n}]`)
    const alone = await ct(...where, 'purge')
    expect(alone).toMatchObject({ exitCode: 1 })
    expect(alone.err).toContain('ct purge --force')
    const questions: string[] = []
    const ask =
      (answer: string) =>
      async (question: string): Promise<string> => {
        questions.push(question)
        return answer
      }
    expect((await ctWith({ ask: ask('n') }, ...where, 'purge')).exitCode).toBe(1)
    expect(questions[0]).toContain('Delete all waiting messages of celery?')
    expect((await ctWith({ ask: ask('y') }, ...where, 'purge')).out).toBe(
      'Deleted 3 messages of queue celery.\n',
    )
    expect((await ct(...where, 'purge', '-f', '-Q', 'celery,other')).out).toContain(
      'Nothing to delete in 2 queues',
    )
  })

  it('parked: a message whose headers hold what JSON.stringify refuses', async () => {
    const where = ['-b', 'memory://odd'] as const
    await using odd = memoryApp({ broker: 'memory://odd' })
    const connection = await odd.context.producer.connection()
    const { declaration } = odd.context.queues.get('celery')
    await connection.declare([declaration])
    await connection.publish({
      body: Buffer.from('[[], {}, {}]'),
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      headers: { task: 'later.add', id: 'odd', big: 2n ** 60n },
      properties: {},
      exchange: '',
      routingKey: 'celery',
    })
    const parked = Promise.withResolvers<void>()
    const consumer = await connection.openConsumer({
      credit: 1,
      onDelivery: (delivery) =>
        void delivery.settle({ action: 'park', reason: 'malformed' }).then(parked.resolve, parked.reject),
    })
    await consumer.subscribe([{ queue: declaration }])
    await parked.promise
    await consumer.close()
    const [message] = await connection.parked.list('celery')
    expect((await ct(...where, 'parked', 'list', '-j')).out).toContain('"big":1152921504606846976')
    const shown = await ct(...where, 'parked', 'show', message!.id)
    expect([shown.exitCode, shown.err]).toEqual([0, ''])
    expect(shown.out).toContain('1152921504606846976')
  })

  it('parked: list, show, retry, drop', async () => {
    const where = ['-b', 'memory://parked'] as const
    const app = memoryApp({ broker: 'memory://parked' })
    const { id: retried } = await app.sendTask('later.add', { args: [1, 2] })
    const { id: dropped } = await app.sendTask('later.mul', { args: [3, 4] })
    const connection = await app.context.producer.connection()
    const parked = new Promise<void>((resolve) => {
      let left = 2
      void connection
        .openConsumer({
          credit: 2,
          onDelivery: (delivery) => {
            void delivery.settle({ action: 'park', reason: 'max-deliveries', starts: 6 }).then(() => {
              left -= 1
              if (left === 0) resolve()
            })
          },
        })
        .then((consumer) => consumer.subscribe([{ queue: app.context.queues.get('celery').declaration }]))
    })
    await parked
    await app.close()

    const list = await ct(...where, 'parked', 'list')
    expect(list.out).toMatch(
      /queue +id +task +reason +starts +parked at\ncelery +\S+ +later\.add +max-deliveries +6/,
    )
    expect(list.out).toContain('2 parked. Next: ct parked show <id>')
    expect(JSON.parse((await ct(...where, 'parked', 'list', '-j')).out)).toMatchObject([
      { taskId: retried, taskName: 'later.add', retryable: true },
      { taskId: dropped, history: { reason: 'max-deliveries', starts: 6, queue: 'celery' } },
    ])
    expect((await ct(...where, 'parked', 'show', dropped)).out).toMatch(
      /task +later\.mul .*body +\[\[3, 4\]/s,
    )
    expect((await ct(...where, 'parked', 'show', 'nope')).err).toContain('Not parked in celery: nope')
    expect((await ct(...where, 'parked', 'retry')).exitCode).toBe(2)
    expect((await ct(...where, 'parked', 'retry', retried)).out).toBe('1 put back.\n')
    expect((await ct(...where, 'parked', 'drop', dropped)).err).toContain('--force')
    expect((await ct(...where, 'parked', 'drop', '--all', '-f')).out).toBe('1 deleted.\n')
    expect((await ct(...where, 'parked', 'list')).out).toBe('Nothing is parked in celery.\n')
    expect((await ct(...where, 'purge', '-f')).out).toBe('Deleted 1 message of queue celery.\n')
  })

  it('CLI-37: report masks passwords; --config and --workdir count', async () => {
    const here = process.cwd()
    try {
      const ran = await ct(
        '--workdir',
        fixtures,
        '--config',
        'settings.ts',
        '-b',
        'memory://report',
        'report',
      )
      expect(ran.err).toBe('')
      expect(ran.out).toMatch(/^software -> ct:\d+\.\d+\.\d+ node:\d/)
      expect(ran.out).toContain('task_default_queue: "from-config"')
    } finally {
      process.chdir(here)
    }
  })
})
