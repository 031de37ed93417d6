/** `ct` as a process, on Redis. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshRedis, guardedDirectory, tryServices } from '@ct-tools/services'
import { ct, ctWorker, CtWorker, type Environment } from './fixtures/command.ts'
import { createApp } from './index.ts'

const present = (await tryServices(['redis'])) !== undefined

describe.skipIf(!present)('ct on Redis', () => {
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

  it('CLI-20, WORK-12, WORK-15: works TypeScript tasks; SIGTERM waits for what runs, gives back the rest, exits 0', async () => {
    await using worker = await ctWorker(['-A', './tasks.ts', '-n', 'ts@%h', '-c', '1'], env)
    expect(worker.out).toMatch(
      /transport +redis:\/\/127\.0\.0\.1:.*concurrency +1 \(async\).*queues +celery.*tasks +node\.add\n +node\.burn\n +node\.careless\n +node\.fail\n +node\.wait/s,
    )
    await using app = client()
    const sum = await app.sendTask('node.add', { args: [2, 3] })
    expect(await sum.get({ timeoutMs: 20_000 })).toBe(5)

    const running = await app.sendTask('node.wait', { args: [1] })
    await worker.logged(/Task node\.wait\[\S+\] received/)
    const waiting = await app.sendTask('node.add', { args: [1, 1] })
    const ran = await worker.stop()
    expect(ran.code).toBe(0)
    expect(ran.err).toContain('SIGTERM: warm shutdown')
    expect(await running.get({ timeoutMs: 20_000 })).toBe('waited')
    expect(await waiting.ready()).toBe(false)
    const connection = await app.context.producer.connection()
    expect(await connection.queueSize('celery')).toBe(1)

    // The next worker takes it: in plain JavaScript, and by the name of its export.
    expect((await ct(['purge', '-f', '-A', './tasks.ts'], env)).out).toBe(
      'Deleted 1 message of queue celery.\n',
    )
  })

  it('CLI-3: plain JavaScript, and the app by the name of its export; SIGINT exits 1', async () => {
    await using worker = await ctWorker(['-A', './plain.js:worker', '-n', 'js@%h'], env)
    await using app = client()
    const result = await app.sendTask('plain.double', { args: [21] })
    expect(await result.get({ timeoutMs: 20_000 })).toBe(42)
    expect((await worker.stop('SIGINT')).code).toBe(1)
  })

  it('CLI-23…27: call, result, status, inspect and control from other processes', async () => {
    await using worker = await ctWorker(['-A', './tasks.ts', '-n', 'remote@test'], env)
    const [called, status, registered] = await Promise.all([
      ct(['call', 'node.add', '-A', './tasks.ts', '-a', '[40, 2]'], env),
      ct(['status', '-d', 'remote@test'], env),
      ct(['inspect', 'registered', '-j', '-b', redis.url, '-d', 'remote@test']),
    ])
    const id = called.out.trim()
    expect((await ct(['result', id], env)).out).toBe('42\n')
    expect(status.out).toContain('remote@test: OK\n    pong\n\n1 node online.')
    expect(JSON.parse(registered.out)).toEqual({
      'remote@test': ['node.add', 'node.burn', 'node.careless', 'node.fail', 'node.wait'],
    })
    expect((await ct(['control', 'shutdown', '-d', 'remote@test'], env)).code).toBe(0)
    expect((await worker.ended).code).toBe(0)
  })

  it('WORK-22: --log-format json writes nothing but JSON lines; no banner', async () => {
    await using worker = new CtWorker(
      ['-A', './tasks.ts', '-n', 'json@test', '-l', 'info', '--log-format', 'json'],
      env,
    )
    await worker.logged('ready.')
    await using app = client()
    const failing = await app.sendTask('node.fail', { args: ['no way'] })
    await expect(failing.get({ timeoutMs: 20_000 })).rejects.toThrow('no way')
    await worker.logged('raised unexpected')
    const { out, err, code } = await worker.stop()
    expect([code, out]).toEqual([0, ''])
    const records = err
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    const about = { taskName: 'node.fail', taskId: failing.id, rootId: failing.id }
    for (const said of ['received', 'raised unexpected'])
      expect(records.find(({ message }) => String(message).includes(said))).toMatchObject(about)
    expect(records[0]).toMatchObject({
      message: 'worker starting',
      node: 'json@test',
      tasks: expect.arrayContaining(['node.add']),
    })
    expect(records).toContainEqual(
      expect.objectContaining({ level: 'ERROR', message: expect.stringContaining('node.fail') }),
    )
  })

  it('WORK-6, WORK-11: -I, key=value, --purge, and a log file', async () => {
    const folder = guardedDirectory('log')
    await using app = client()
    await app.sendTask('node.add', { args: [1, 1], queue: 'more' })
    const options = [
      '-A',
      './tasks.ts',
      '-I',
      './more-tasks.ts',
      '-Q',
      'more',
      '-n',
      'more@test',
      '-q',
      '--purge',
    ]
    await using worker = new CtWorker(
      [
        ...options,
        '-f',
        `${folder}/ct.log`,
        '-l',
        'info',
        'task_ignore_result=off',
        '.prefetch_multiplier=2',
      ],
      env,
    )
    // Its log goes to the file: it is asked whether it is there.
    while ((await app.control.ping({ destination: ['more@test'], timeoutMs: 200 })).length === 0);
    const result = await app.sendTask('node.more', { queue: 'more' })
    expect(await result.get({ timeoutMs: 20_000 })).toBe('more')
    const ran = await worker.stop()
    expect(ran).toEqual({ code: 0, out: '', err: '' })
    const log = readFileSync(`${folder}/ct.log`, 'utf8')
    expect(log).toMatch(/INFO\/MainProcess\] more@test ready\.\n.*Task node\.more\[\S+\] succeeded/s)
    expect(log).not.toContain('node.add')
  })

  it('WORK-12: errors that nobody catches are logged with their task; thrown ones stop the worker when its tasks are done', async () => {
    await using worker = await ctWorker(['-A', './tasks.ts', '-n', 'careless@test'], env)
    await using app = client()
    const first = await app.sendTask('node.careless', { args: ['rejects'] })
    expect(await first.get({ timeoutMs: 20_000 })).toBe('rejects')
    await worker.logged(
      `A promise of task node.careless[${first.id}] was rejected, and nobody awaited it: nobody awaits this`,
    )
    // A reader of its output that goes away changes nothing.
    worker.deafen()
    const running = await app.sendTask('node.wait', { args: [0.5] })
    const second = await app.sendTask('node.careless', { args: ['throws'] })
    expect(await second.get({ timeoutMs: 20_000 })).toBe('throws')
    expect(await running.get({ timeoutMs: 20_000 })).toBe('waited')
    expect((await worker.ended).code).toBe(1)
  })

  it('leaves nothing on Redis but results', async () => {
    const connection = await redis.connect()
    try {
      const keys = (await connection.command('KEYS', '*')) as string[]
      // What queues are bound to is for good.
      expect(keys.filter((key) => !/^(celery-task-meta-|_kombu\.binding)/.test(key))).toEqual([])
    } finally {
      await connection.close()
    }
  })

  // The last one: its message stays behind.
  it('a task that ends the process is named', async () => {
    await using worker = await ctWorker(['-A', './tasks.ts', '-n', 'exits@test', '-Q', 'exits'], env)
    await using app = client()
    const result = await app.sendTask('node.careless', { args: ['exits'], queue: 'exits' })
    const { code, err } = await worker.ended
    expect(code).toBe(3)
    expect(err).toContain(`The process ends with exit code 3 by task node.careless[${result.id}]`)
  })
})
