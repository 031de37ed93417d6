/** `ct beat` and `ct worker -B` as processes, on Redis. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freshRedis, guardedDirectory, tryServices } from '@ct-tools/services'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ct, ctBeat, ctWorker, type Environment } from './fixtures/command.ts'
import { createApp, type App } from './index.ts'

const present = (await tryServices(['redis'])) !== undefined

describe.skipIf(!present)('ct beat', () => {
  let redis: Awaited<ReturnType<typeof freshRedis>>
  let env: Environment
  let folder: string
  let app: App

  beforeEach(async () => {
    redis = await freshRedis()
    folder = guardedDirectory('beat')
    env = { CELERY_BROKER_URL: redis.url, CELERY_RESULT_BACKEND: redis.url, TZ: 'America/New_York' }
    app = createApp({ name: 'periodic', broker: redis.url, backend: redis.url, environment: {} })
  })
  afterEach(async () => {
    await app.close()
    await redis[Symbol.asyncDispose]()
  })

  const waiting = async (queue = 'periodic'): Promise<number> =>
    await (await app.context.producer.connection()).queueSize(queue)

  it('CLI-21, BEAT-14, BEAT-19: sends what is due, says what it is, saves on SIGTERM and exits 0', async () => {
    const file = join(folder, 'schedule')
    await using beat = await ctBeat(
      ['-A', './periodic.ts', '-s', file, '--pidfile', join(folder, 'pid')],
      env,
    )
    expect(beat.out).toMatch(
      /broker +redis:.*schedule +file:\/\/.*max interval +300 s.*time zone +Europe\/Berlin/s,
    )
    expect(Number(readFileSync(join(folder, 'pid'), 'utf8'))).toBeGreaterThan(0)
    await beat.logged(/Sending due task fast \(node\.count\)[^]*Sending due task fast/)
    // The file and the pid file are taken.
    const second = await ct(['beat', '-A', './periodic.ts', '-s', file], env)
    expect([second.code, second.err]).toEqual([1, expect.stringContaining('in use by process')])
    expect(
      (await ct(['beat', '-A', './periodic.ts', '-s', `${file}2`, '--pidfile', join(folder, 'pid')], env))
        .code,
    ).toBe(73)
    const ran = await beat.stop()
    expect(ran.code).toBe(0)
    expect(existsSync(join(folder, 'pid'))).toBe(false)
    expect(existsSync(`${file}.lock`)).toBe(false)
    const sent = [...ran.err.matchAll(/Sending due task fast/g)].length
    expect(await waiting()).toBe(sent)
    const { out } = await ct(['beat', '-A', './periodic.ts', '-s', file, '--list', '1'], env)
    expect(out).toContain(`${sent} times`)
  })

  it('--list: each entry in words, last run, next runs in the zone of the app and in UTC; before it ever ran, too', async () => {
    const { code, out } = await ct(
      ['beat', '-A', './periodic.ts', '-s', join(folder, 'none'), '--list', '2'],
      env,
    )
    expect(code).toBe(0)
    expect(out).toMatch(
      /^fast\n {2}task +node\.count\n {2}schedule +every 200 milliseconds\n {2}last run +never\n {2}next +/,
    )
    expect(out).toMatch(
      /morning\n {2}task +node\.count\n {2}schedule +at 07:30 on Monday to Friday \(Europe\/Berlin\)\n.*never\n {2}next +\w{3} \d{4}-\d\d-\d\d 07:30:00 (?:CET|CEST|GMT\+[12]) +\d{4}-\d\d-\d\d 0[56]:30:00 UTC\n/,
    )
    expect(out).toContain('hourly')
    expect(out).toMatch(/3 periodic tasks; times in Europe\/Berlin, and in UTC\.\n$/)
    expect(existsSync(join(folder, 'none'))).toBe(false)
  })

  it('CLI-21, BEAT-22: --list of a damaged file tells what is wrong with it and changes nothing', async () => {
    const file = join(folder, 'damaged')
    const list = (): ReturnType<typeof ct> =>
      ct(['beat', '-A', './periodic.ts', '-s', file, '--list', '1'], env)
    for (const [content, told, code] of [
      ['\0\0 lost {"ct":"schedule"', /cannot be read as a schedule/, 0],
      ['{"ct":"schedule","version":1}\n00000000 {"put":[]}\n', /damaged line 2.*checksum/, 1],
    ] as const) {
      writeFileSync(file, content)
      const listed = await list()
      expect([listed.code, listed.err]).toEqual([code, expect.stringMatching(told)])
      expect(listed.out).toMatch(/3 periodic tasks;/)
      expect(readdirSync(folder)).toEqual(['damaged'])
      expect(readFileSync(file, 'utf8')).toBe(content)
    }
  })

  it('CLI-21, SET-209: --detach runs it in the background, with pid file and log', async () => {
    const pidfile = join(folder, 'beat.pid')
    const logfile = join(folder, 'beat.log')
    const argv = [
      '-A',
      './periodic.ts',
      '-s',
      join(folder, 's'),
      '--pidfile',
      pidfile,
      '-f',
      logfile,
      '-l',
      'info',
    ]
    expect(await ct(['beat', ...argv, '--detach'], env)).toMatchObject({ code: 0, out: '' })
    const pid = Number(readFileSync(pidfile, 'utf8'))
    try {
      while ((await waiting()) < 2) await new Promise((resolve) => setTimeout(resolve, 50))
    } finally {
      process.kill(pid, 'SIGTERM')
    }
    while (existsSync(pidfile)) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(readFileSync(logfile, 'utf8')).toMatch(/Sending due task fast[^]*SIGTERM: beat stops/)
  })

  it('BEAT-16, SIG-27: ct worker -B sends and works', async () => {
    await using worker = await ctWorker(
      ['-A', './periodic.ts', '-B', '-s', join(folder, 's'), '-n', 'b@%h'],
      env,
    )
    await worker.logged(/Sending due task fast[^]*Task node\.count\[\S+\] succeeded[^]*Sending due task fast/)
    expect((await worker.stop()).code).toBe(0)
    expect(existsSync(join(folder, 's'))).toBe(true)
  })

  it('D57-12, D57-110: --enable-remote-control answers ping, and is no node without it', async () => {
    const argv = ['-A', './periodic.ts', '-S', 'broker']
    await using beat = await ctBeat([...argv, '--enable-remote-control', '-n', 'mybeat@%n'], env)
    await using silent = await ctBeat(argv, env)
    let nodes: readonly string[] = []
    while (nodes.length === 0)
      nodes = Object.keys((await app.control.inspect({ timeoutMs: 500 }).ping()) ?? {})
    expect(nodes).toHaveLength(1)
    expect(nodes[0]).toMatch(/^mybeat@/)
    expect(await app.control.inspect({ timeoutMs: 300 }).stats()).toBeFalsy()
    expect(silent.err).toContain('stands by')
    expect(beat.err).toContain('leads (token')
  })

  it('-S broker: two beats, one sends; entries are changed from outside', async () => {
    const argv = ['-A', './periodic.ts', '-S', 'broker']
    await using one = await ctBeat(argv, env)
    await using two = await ctBeat(argv, env)
    await one.logged(/Sending due task fast/)
    await using tasks = app.periodicTasks({ store: 'broker' })
    await tasks.add('extra', {
      task: 'node.count',
      schedule: 0.1,
      args: ['extra'],
      options: { queue: 'extra' },
    })
    await one.logged(/Sending due task extra/)
    expect((await tasks.list()).map(({ name }) => name)).toEqual(['extra', 'fast', 'hourly', 'morning'])
    await tasks.remove('extra')
    expect((await one.stop()).code).toBe(0)
    await two.logged(/leads[^]*Sending due task fast/)
  })

  it('a wrong scheduler, a missing app and a wrong setting are refused', async () => {
    expect((await ct(['beat'], env)).err).toContain('Which periodic tasks?')
    const wrong = await ct(['beat', '-A', './periodic.ts', '-S', 'django'], env)
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('django-celery-beat')])
    expect((await ct(['beat', '-A', './periodic.ts', '--max-interval', '-3'], env)).code).toBe(2)
  })
})
