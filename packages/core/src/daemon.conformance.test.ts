/** `ct worker` as a daemon: in the background, restarted, watched by others. Real processes on a real Redis. */
import { execFile, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { freePort, freshRedis, guardedDirectory, startPrivateRedis, tryServices } from '@ct-tools/services'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ct, ctWorker, CtWorker, fleet, type Environment } from './fixtures/command.ts'
import { createApp } from './index.ts'

const present = (await tryServices(['redis'])) !== undefined
const systemd = ['systemd-notify', 'python3'].every((name) =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, name))),
)

/** Waits on the file system, which tells nobody. */
async function until<T>(what: string, look: () => T | undefined | false): Promise<T> {
  for (let turn = 0; turn < 600; turn++) {
    const found = look()
    if (found !== undefined && found !== false) return found
    await new Promise((resolve) => {
      setTimeout(resolve, 50)
    })
  }
  throw new Error(`Waited in vain: ${what}`)
}

const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '')

/** What `ps` shows. */
const titleOf = async (pid: number): Promise<string> =>
  (await promisify(execFile)('ps', ['-o', 'args=', '-p', String(pid)])).stdout

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe.skipIf(!present)('ct worker as a daemon', { timeout: 120_000 }, () => {
  let redis: Awaited<ReturnType<typeof freshRedis>>
  let env: Environment
  const folder = guardedDirectory('ct-daemon')
  const at = (name: string): string => join(folder, name)
  const started: number[] = []

  beforeAll(async () => {
    redis = await freshRedis()
    env = { CELERY_BROKER_URL: redis.url, CELERY_RESULT_BACKEND: redis.url }
  })
  afterAll(async () => {
    for (const pid of started) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    await redis[Symbol.asyncDispose]()
  })

  it('WORK-8, WORK-9, WORK-10, WORK-13, WORK-14, WORK-21: --detach, pid and log file, SIGUSR1, a second start, SIGHUP, SIGTERM', async () => {
    // Paths are seen from the folder of --workdir, and that from where the command was given: also by the one in the background.
    mkdirSync(at('work'))
    const pidFile = at('work/bg.pid')
    const log = at('bg.log')
    const line = [
      ...['-A', join(fleet, 'tasks.ts'), '--workdir', 'work'],
      '-n',
      'bg@test',
      '-l',
      'info',
      '-f',
      at('%n%I.log'),
      ...['--pidfile', '%n.pid'],
    ]
    const ran = await ct(['worker', ...line, '--detach'], env, [], folder)
    expect(ran).toEqual({ code: 0, out: '', err: '' })
    const pid = Number(textOf(pidFile))
    started.push(pid)
    await until('ready', () => textOf(log).includes('bg@test ready.'))
    await using app = createApp({ name: 'client', broker: redis.url, backend: redis.url, environment: {} })
    expect(await (await app.sendTask('node.add', { args: [2, 3] })).get({ timeoutMs: 20_000 })).toBe(5)

    expect(await titleOf(pid)).toContain('ct worker: bg@test')

    process.kill(pid, 'SIGUSR1')
    await until('what runs', () =>
      textOf(log).includes(`=== bg@test (pid ${pid}, running): 0 running, 1 started ===`),
    )

    const second = await ct(['worker', ...line], env, [], folder)
    expect(second.code).toBe(73)
    expect(second.err).toContain(`already running? (pid: ${pid})`)
    expect(isAlive(pid)).toBe(true)

    renameSync(log, `${log}.1`)
    process.kill(pid, 'SIGHUP')
    await until('ready again', () => textOf(log).includes('bg@test ready.'))
    expect(Number(textOf(pidFile))).toBe(pid)
    expect(await (await app.sendTask('node.add', { args: [4, 5] })).get({ timeoutMs: 20_000 })).toBe(9)

    process.kill(pid, 'SIGTERM')
    await until('the end', () => !isAlive(pid))
    expect(existsSync(pidFile)).toBe(false)
  })

  it('WORK-8: what keeps the one in the background from starting fails the command, and is in its log', async () => {
    const ran = await ct(
      ['worker', '-A', './tasks.ts', '-n', 'bad@test', '-D', '-f', at('bad.log'), '-I', './no-such.ts'],
      env,
    )
    expect(ran.code).not.toBe(0)
    expect(ran.err).toContain('did not start in the background')
    expect(textOf(at('bad.log'))).toContain('no-such.ts')
  })

  it.skipIf(process.getuid?.() !== 0)(
    'WORK-9, WORK-13, TEST-40, SET-208: --uid, --gid and --umask; SIGUSR2 opens a debugger',
    async () => {
      const own = at('nobody')
      mkdirSync(own, { mode: 0o777 })
      // The mask of this process has its say at mkdir.
      chmodSync(own, 0o777)
      chmodSync(folder, 0o755)
      await using worker = new CtWorker(
        [
          ...[
            '-A',
            './tasks.ts',
            '-n',
            'nobody@test',
            '-l',
            'info',
            '--uid',
            'nobody',
            '--gid',
            '65533',
            '--umask',
            '077',
          ],
          ...['--pidfile', join(own, 'w.pid'), '--health-file', join(own, 'health')],
        ],
        { ...env, CELERY_RDBSIG: '1' },
      )
      await worker.logged('ready.')
      const { uid, gid, mode } = statSync(join(own, 'health'))
      expect([uid, gid]).toEqual([65_534, 65_533])
      process.kill(Number(textOf(join(own, 'w.pid'))), 'SIGUSR2')
      await worker.logged(/Debugger: ws:\/\/127\.0\.0\.1:\d+/)
      const [, address = ''] = /Debugger: ws:\/\/(127\.0\.0\.1:\d+)/.exec(worker.err) ?? []
      const versions = (await (await fetch(`http://${address}/json/version`)).json()) as object
      expect(versions).toHaveProperty('Browser', expect.stringMatching(/^node\.js/))
      expect(mode & 0o777).toBe(0o600)
      expect((await worker.stop()).code).toBe(0)
    },
  )

  it('WORK-9, WORK-23, SET-191, SET-192, SET-208: the settings workerPidfile and workerLogfile; what tasks print goes into the log', async () => {
    writeFileSync(
      at('config.json'),
      JSON.stringify({ workerPidfile: at('set.pid'), workerLogfile: at('set.log') }),
    )
    await using worker = new CtWorker(
      ['-A', './own-options.ts', '-n', 'set@test', '-l', 'info', '--config', at('config.json')],
      env,
    )
    await until('the log', () => textOf(at('set.log')).includes('ready.'))
    await using app = createApp({ name: 'client', broker: redis.url, backend: redis.url, environment: {} })
    await (await app.sendTask('own.print', { args: ['hello there'] })).get({ timeoutMs: 20_000 })
    expect(textOf(at('set.log'))).toMatch(/WARNING\/MainProcess\] own\.print\[[-0-9a-f]+\]: hello there/)
    expect(textOf(at('set.pid'))).toMatch(/^\d+\n$/)
    expect((await worker.stop()).code).toBe(0)
  })

  it('CLI-22, SET-210: a camera in the background, by the settings eventsPidfile and eventsLogfile', async () => {
    const config = at('camera.json')
    const pidFile = at('camera.pid')
    writeFileSync(config, JSON.stringify({ eventsPidfile: pidFile, eventsLogfile: at('camera.log') }))
    const picture = at('picture.json')
    const line = ['-A', './tasks.ts', '--config', config, 'events', '--camera', './camera.ts', '-F', '0.1']
    const own = { ...env, CT_TEST_PICTURE: picture }
    expect(await ct([...line, '--detach'], own)).toEqual({ code: 0, out: '', err: '' })
    const pid = Number(textOf(pidFile))
    started.push(pid)
    await until('a picture', () => textOf(picture).includes('workers'))
    const second = await ct(line, own)
    expect([second.code, second.err]).toEqual([73, expect.stringContaining(`already running? (pid: ${pid})`)])
    process.kill(pid, 'SIGTERM')
    await until('the end', () => !isAlive(pid))
    expect(existsSync(pidFile)).toBe(false)
    expect(textOf(at('camera.log'))).toContain('the camera failed on purpose')
  })

  it('PAIN-34: health over HTTP and in a file tells of a broker that went away and came back, and of the end', async () => {
    await using own = await startPrivateRedis()
    const port = await freePort()
    const file = at('health')
    await using worker = await ctWorker(
      ['-A', './tasks.ts', '-n', 'well@test', '--health-port', `127.0.0.1:${port}`, '--health-file', file],
      { CELERY_BROKER_URL: own.url, CELERY_RESULT_BACKEND: own.url },
    )
    const ask = async (path: string): Promise<[number, Record<string, unknown>]> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`)
      return [response.status, (await response.json()) as Record<string, unknown>]
    }
    const inFile = (): Record<string, unknown> => JSON.parse(textOf(file)) as Record<string, unknown>
    expect(await ask('/readyz')).toMatchObject([
      200,
      { live: true, ready: true, node: 'well@test', status: 'running', connected: true, queues: ['celery'] },
    ])
    expect(inFile()).toMatchObject({ ready: true })
    expect((await ask('/elsewhere'))[0]).toBe(404)
    // Connected, but without a queue it works nothing.
    await using app = createApp({ name: 'client', broker: own.url, environment: {} })
    const to = { destination: ['well@test'], reply: true, timeoutMs: 10_000 } as const
    await app.control.cancelConsumer('celery', to)
    expect(await ask('/readyz')).toMatchObject([
      503,
      { live: true, ready: false, connected: true, queues: [] },
    ])
    await app.control.addConsumer('celery', to)
    expect((await ask('/readyz'))[0]).toBe(200)
    await app.close()
    await own.stop()
    await worker.logged('The connection to the broker is lost')
    expect(await ask('/readyz')).toMatchObject([503, { live: true, ready: false, connected: false }])
    expect((await ask('/healthz'))[0]).toBe(503)
    expect((await ask('/livez'))[0]).toBe(200)
    expect(inFile()).toMatchObject({ live: true, ready: false })
    await own.start()
    await until('ready again', () => inFile()['ready'] === true)
    expect((await ask('/readyz'))[0]).toBe(200)
    expect((await worker.stop()).code).toBe(0)
    expect(existsSync(file)).toBe(false)
    await expect(ask('/livez')).rejects.toThrow()
  })

  it('APP-73, CLI-6, SIG-30: options of the app’s own reach its bootsteps and signals', async () => {
    await using worker = await ctWorker(
      ['-A', './own-options.ts', '-n', 'own@test', '--tenant', 'acme', '--stage', 'live'],
      env,
    )
    expect(worker.err).toContain('preload worker live\n')
    expect(worker.err).toContain('tenant acme\n')
    const ended = await worker.stop()
    expect(ended.code).toBe(0)
    // In Celery's order, from the first to the last (SIG-14 to SIG-26).
    expect([...ended.err.matchAll(/^signal (\S+)$/gm)].map(([, name]) => name)).toEqual([
      ...['importModules', 'celerydInit', 'workerInit', 'afterSetupLogger', 'afterSetupTaskLogger'],
      ...['celerydAfterSetup', 'workerProcessInit', 'workerReady', 'workerShuttingDown', 'workerShutdown'],
    ])
    const wrong = await ct(['worker', '-A', './own-options.ts', '--tenant', 'nobody'], env)
    expect(wrong.code).toBe(2)
    expect(wrong.err).toContain('Allowed choices are acme, other')
    const help = await ct(['worker', '-A', './own-options.ts', '--help'], env)
    expect(help.out).toContain('-Z, --tenant <name>')
  })

  it('WORK-105, WORK-108, WORK-110: ct multi starts, restarts and stops workers, and tells of those that are down', async () => {
    const run = at('multi')
    const files = [`--pidfile=${run}/%n.pid`, `--logfile=${run}/%n%I.log`]
    const nodes = ['one', 'two', '--hostname=multi.test', ...files]
    const options = ['-A', './tasks.ts', '-l', 'info', '-c:1', '2', '-c:2', '7', '--workdir=fleet']
    const pidOf = (name: string): number => Number(textOf(join(run, `${name}.pid`)))
    const ready = (name: string, times: number): Promise<true> =>
      until(`${name} ready`, () => textOf(join(run, `${name}.log`)).split('ready.').length > times)

    const begun = await ct(['multi', 'start', ...nodes, ...options], env, [], dirname(fleet))
    expect(begun).toMatchObject({ code: 0, err: '' })
    expect(begun.out).toBe('> Starting nodes...\n\t> one@multi.test: OK\n\t> two@multi.test: OK\n')
    await ready('one', 1)
    await ready('two', 1)
    started.push(pidOf('one'), pidOf('two'))
    const before = pidOf('one')
    const restarted = await ct(
      ['multi', 'restart', 'one', '--hostname=multi.test', ...files, ...options.slice(0, 4)],
      env,
    )
    expect(restarted.code).toBe(0)
    expect(restarted.out).toContain('> Restarting node one@multi.test: OK')
    expect(isAlive(before)).toBe(false)
    expect(pidOf('one')).not.toBe(before)
    await ready('one', 2)
    started.push(pidOf('one'), pidOf('two'))

    const [one, two] = [pidOf('one'), pidOf('two')]
    expect((await ct(['multi', 'kill', 'two', '--hostname=multi.test', ...files], env)).out).toContain(
      `Sending KILL to node two@multi.test (${two})`,
    )
    await until('two is gone', () => !isAlive(two))
    const stopped = await ct(['multi', 'stopwait', ...nodes, '-QUIT'], env)
    expect(stopped.code).toBe(0)
    expect(stopped.out).toContain(`\t> one@multi.test: QUIT -> ${one}`)
    expect(stopped.out).toContain(`Could not signal two@multi.test (${two}): No such process`)
    expect(isAlive(one)).toBe(false)
    expect(textOf(join(run, 'one.log'))).toContain('SIGQUIT')
    expect((await ct(['multi', 'stop', ...nodes], env)).out).toContain('> one@multi.test: DOWN')
  })

  it.skipIf(!systemd)('FW-86: systemd is told what the worker is about, and that it lives', async () => {
    // The other end of NOTIFY_SOCKET, which systemd would have: Node has no datagram sockets of that kind.
    const socket = at('notify.sock')
    const listener = spawn(
      'python3',
      [
        '-u',
        '-c',
        'import socket, sys\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\ns.bind(sys.argv[1])\nprint("bound")\nwhile True: print(s.recv(4096).decode().replace("\\n", ";"))',
        socket,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    started.push(listener.pid!)
    let told = ''
    listener.stdout.setEncoding('utf8').on('data', (text: string) => (told += text))
    await until('the socket', () => told.includes('bound'))
    await using worker = await ctWorker(['-A', './tasks.ts', '-n', 'unit@test'], {
      ...env,
      NOTIFY_SOCKET: socket,
      WATCHDOG_USEC: '400000',
    })
    await until(
      'ready and alive',
      () => /READY=1;STATUS=consuming from celery/.test(told) && told.includes('WATCHDOG=1'),
    )
    expect((await worker.stop()).code).toBe(0)
    await until('stopping', () => told.includes('STOPPING=1'))
    expect(told).toContain('MAINPID=')
    listener.kill('SIGKILL')
  })

  it('SIG-16, SIG-25, SIG-26, WORK-22: with a handler of setupLogging, ct sets up no log', async () => {
    await using worker = new CtWorker(['-A', './own-options.ts', '-n', 'log@test', '-l', 'info'], {
      ...env,
      OWN_LOG: '1',
    })
    await worker.logged('signal workerReady')
    const { err, code } = await worker.stop()
    expect(code).toBe(0)
    expect(err).toContain('log 20 null text false\n')
    expect(err).not.toContain('log@test ready.')
    expect(err).not.toContain('signal afterSetupLogger')
  })

  it('APP-68: app.workerMain() makes a program its own worker', async () => {
    const run = (...argv: readonly string[]): ReturnType<typeof spawn> =>
      spawn(process.execPath, ['--conditions=@ct/source', './own-options.ts', ...argv], {
        cwd: fleet,
        env: { ...process.env, NODE_OPTIONS: undefined, NO_COLOR: '1', ...env },
        stdio: ['ignore', 'ignore', 'pipe'],
      })
    const child = run('worker', '-n', 'main@test', '-l', 'info')
    started.push(child.pid!)
    let err = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (err += text))
    const ended = new Promise((resolve) => {
      child.on('close', resolve)
    })
    await until('ready', () => err.includes('main@test ready.'))
    child.kill('SIGTERM')
    expect(await ended).toBe(0)

    const wrong = run('status')
    let text = ''
    wrong.stderr!.setEncoding('utf8').on('data', (part: string) => (text += part))
    await new Promise((resolve) => {
      wrong.on('close', resolve)
    })
    expect(text).toContain('its first argument is "status"')
  })
})
