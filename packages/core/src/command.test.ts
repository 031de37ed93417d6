/** The program `ct` as a process: what needs no server. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { guardedDirectory } from '@ct-tools/services'
import { describe, expect, it } from 'vitest'
import { ct, CtWorker, fleet } from './fixtures/command.ts'
import { version } from './version.ts'

const timeout = 60_000

describe('ct', () => {
  it('runs from a checkout without being told how', { timeout }, async () => {
    const ran = await ct(['--version'])
    expect(ran).toEqual({ code: 0, out: `ct ${version}\n`, err: '' })
  })

  it('says in one line that Node is too old, and the way out', { timeout }, async () => {
    const old = `data:text/javascript,Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.11.1' } })`
    const ran = await ct(['worker', '-A', './tasks.ts'], {}, ['--import', old])
    expect(ran.code).toBe(1)
    expect(ran.err).toBe(
      'ct needs Node 22.18 or newer; this is 20.11.1. Run it with a newer one: npx --package=node@24 -- ct worker -A ./tasks.ts\n',
    )
  })

  it('CLI-3: a module that is not there: what was tried', { timeout }, async () => {
    const ran = await ct(['worker', '-A', 'nope'])
    expect(ran.code).toBe(2)
    expect(ran.err).toContain(
      `There is no module for -A nope. Tried:\n  ${fleet}/nope (also .ts .mts .js .mjs .cts .cjs)\n`,
    )
  })

  it('CLI-3: a module that never finishes loading, and a circular import', { timeout }, async () => {
    const folder = guardedDirectory('modules')
    writeFileSync(join(folder, 'endless.mjs'), 'await new Promise(() => {})')
    writeFileSync(join(folder, 'one.mjs'), "import { two } from './two.mjs'; export const app = two")
    writeFileSync(join(folder, 'two.mjs'), "import { app } from './one.mjs'; export const two = app")
    const endless = await ct(['worker', '-A', join(folder, 'endless.mjs')])
    expect(endless.code).toBe(1)
    expect(endless.err).toMatch(/^The module .*endless\.mjs never finishes loading: .*\n$/)
    const circular = await ct(['worker', '-A', join(folder, 'one.mjs')])
    expect(circular.code).toBe(1)
    expect(circular.err).toMatch(/before initialization\n +at .*two\.mjs:1:.*\nIs that a circular import\?/)
    expect(circular.err).not.toMatch(/node:internal|find-app/)
  })

  it('CLI-20: a log file that cannot be written', { timeout }, async () => {
    const ran = await ct(['worker', '-A', './tasks.ts', '-f', '/nowhere/ct.log', '-q'])
    expect(ran).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^The log \/nowhere\/ct\.log cannot be written: ENOENT/),
    })
  })

  it(
    'CLI-8: a broker that is down: which, how long it was tried, no password; exit 69',
    { timeout },
    async () => {
      const ran = await ct(['-b', 'redis://:secret@127.0.0.1:1', 'status'])
      expect(ran.code).toBe(69)
      expect(ran.err).toMatch(
        /^The broker redis:\/\/:\*\*@127\.0\.0\.1:1 cannot be reached; tried \d+ times for \d\.\d s\.\n {2}connect ECONNREFUSED 127\.0\.0\.1:1\n.*CELERY_BROKER_URL/,
      )
      expect(ran.err).not.toContain('secret')
    },
  )

  it(
    'WORK-86: a worker whose broker is down says so in a sentence, and when it tries again',
    { timeout },
    async () => {
      await using worker = new CtWorker(['-A', './tasks.ts', '-b', 'redis://127.0.0.1:1'], {})
      await worker.logged(
        'Cannot connect to redis://127.0.0.1:1: Redis at 127.0.0.1:1 cannot be reached: connect ECONNREFUSED 127.0.0.1:1. Trying again in',
      )
    },
  )

  it('EVT-50: a camera that hangs is ended by a second signal', { timeout }, async () => {
    await using events = new CtWorker(
      ['-A', './tasks.ts', '--camera', './stuck-camera.ts', '-F', '0.1'],
      {},
      'events',
    )
    await events.logged('looking')
    void events.stop('SIGINT')
    await pause(1_500)
    expect((await events.stop('SIGINT')).code).toBeNull()
  })

  it('EVT-51: ct events --dump tells that its broker is down and goes on trying', { timeout }, async () => {
    await using events = new CtWorker(['--dump', '-b', 'redis://127.0.0.1:1'], {}, 'events')
    await events.logged(
      /Events cannot be received: Redis at 127\.0\.0\.1:1 cannot be reached: connect ECONNREFUSED 127\.0\.0\.1:1\. Trying again in \d\.\d s\./,
    )
  })

  it('names the package to install for a scheme nobody owns', { timeout }, async () => {
    const ran = await ct(['-b', 'sqs://', 'status'])
    expect(ran.code).toBe(1)
    expect(ran.err).toContain('npm install @ct/broker-sqs')
  })
})
